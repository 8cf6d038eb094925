//! The journal of one's own debugs: what is written into it, and what it tells. Reading and writing of the file is for the
//! library.
//!
//! A line is written before each write to a cluster, and another once the server has answered. A debug of which only the
//! first is there was perhaps made: what it made is looked up by its name, and still counts as one's own only where the
//! line already has the unique id (an ephemeral container's pod is known before it is written to).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::SessionKind;

/// One debug, as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When: RFC 3339.
    pub time: String,
    /// The cluster's address.
    pub server: String,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod with the debug container.
    pub pod: String,
    /// The pod's unique id. None for a pod of which it is not known that it was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The container's image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// What was made.
    pub kind: SessionKind,
    /// The plan's hash.
    pub plan: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What a container was made of, as [`DebugPlan::recipe`](crate::plan::DebugPlan::recipe) has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<String>,
    /// The copy took the place of its target.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replaces_target: bool,
    /// The pod is deleted when a session with it ends.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed_at_end: bool,
    /// It is gone again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
}

/// What the journal tells.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    entries: Vec<Entry>,
    by_uid: BTreeMap<String, Vec<usize>>,
    damaged: usize,
}

impl Journal {
    /// Reads lines of JSON, the oldest first. A line that cannot be read is counted and skipped.
    pub fn parse(text: &str) -> Self {
        let mut journal = Self::default();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            match serde_json::from_str::<Entry>(line) {
                Ok(entry) => journal.add(entry),
                Err(_) => journal.damaged += 1,
            }
        }
        journal
    }

    fn add(&mut self, entry: Entry) {
        if let Some(uid) = &entry.uid {
            self.by_uid
                .entry(uid.clone())
                .or_default()
                .push(self.entries.len());
        }
        self.entries.push(entry);
    }

    /// How many lines could not be read.
    pub fn damaged(&self) -> usize {
        self.damaged
    }

    /// The pod with this unique id, where it was created by a debug of one's own.
    pub fn pod(&self, uid: &str) -> Option<&Entry> {
        self.of(uid).find(|entry| entry.kind.is_pod())
    }

    /// An ephemeral container of the pod with this unique id, where it is of a debug of one's own.
    pub fn container(&self, uid: &str, name: &str) -> Option<&Entry> {
        self.of(uid)
            .find(|entry| !entry.kind.is_pod() && entry.container.as_deref() == Some(name))
    }

    /// The pods with sessions of one's own on a server, as namespace and name, each once.
    pub fn pods(&self, server: &str) -> Vec<(&str, &str)> {
        let removed = |entry: &Entry| {
            let uid = entry.uid.as_deref().unwrap_or_default();
            self.of(uid).any(|later| later.removed)
        };
        let entries = self
            .entries
            .iter()
            .filter(|entry| entry.server == server && !removed(entry));
        let mut pods: Vec<_> = entries
            .map(|entry| (entry.namespace.as_str(), entry.pod.as_str()))
            .collect();
        pods.sort_unstable();
        pods.dedup();
        pods
    }

    /// The debugs on a server that are not known to be gone, the newest first; of the two lines of a debug one.
    pub fn newest(&self, server: &str) -> Vec<&Entry> {
        let is_gone = |uid: &str| self.of(uid).any(|later| later.removed);
        let mut seen = BTreeSet::new();
        let newest = self.entries.iter().rev().filter(|entry| {
            entry.server == server
                && !is_gone(entry.uid.as_deref().unwrap_or_default())
                && seen.insert((&entry.namespace, &entry.pod, &entry.container))
        });
        newest.collect()
    }

    /// The images of the last debugs, the newest first, each once.
    pub fn images(&self, limit: usize) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        let images = self
            .entries
            .iter()
            .rev()
            .filter_map(|entry| entry.image.as_deref());
        images.filter(|image| seen.insert(*image)).take(limit).collect()
    }

    fn of(&self, uid: &str) -> impl DoubleEndedIterator<Item = &Entry> {
        let found = if uid.is_empty() {
            None
        } else {
            self.by_uid.get(uid)
        };
        found.into_iter().flatten().map(|index| &self.entries[*index])
    }

    /// The lines that are worth keeping when the file is rewritten: the newest of what is not known to be gone, `limit` bytes of
    /// them.
    pub fn compacted(&self, limit: usize) -> String {
        let gone = |entry: &Entry| {
            entry
                .uid
                .as_deref()
                .is_none_or(|uid| self.of(uid).any(|later| later.removed))
        };
        let mut size = 0;
        let newest = self.entries.iter().rev().filter(|entry| !gone(entry)).map(line);
        let fitting = newest.take_while(|line| {
            size += line.len();
            size <= limit
        });
        let mut kept: Vec<String> = fitting.collect();
        kept.reverse();
        kept.concat()
    }
}

/// An entry as a line of the journal.
pub fn line(entry: &Entry) -> String {
    format!("{}\n", serde_json::json!(entry))
}
