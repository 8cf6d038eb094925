//! Reading objects of the cluster for policies and for what a pod is bound to: from the API, through a small cache for nodes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::Value;
use trocar::capability::{ClusterReader, ObjectRef, Query, ReadError};

/// How long a node is taken as it was read. Its name, labels and roles change seldom.
const FRESH: Duration = Duration::from_secs(10);

/// The most nodes that are remembered.
const MAX_NODES: usize = 1024;

/// How long what cannot be read is not tried again, so that a cluster that does not answer holds up one review and not all.
const UNREADABLE: Duration = Duration::from_secs(1);

/// A reader that remembers nodes for a while.
pub struct CachedReader {
    inner: Arc<dyn ClusterReader>,
    nodes: Mutex<HashMap<String, (Instant, Value)>>,
    failed: Mutex<Option<(Instant, ReadError)>>,
}

impl CachedReader {
    /// Puts a cache before a reader.
    pub fn new(inner: Arc<dyn ClusterReader>) -> Self {
        Self {
            inner,
            nodes: Mutex::default(),
            failed: Mutex::default(),
        }
    }

    /// Reads, unless the cluster did not answer just now.
    fn read(&self, object: &ObjectRef, within: Duration) -> Result<Value, ReadError> {
        if let Ok(failed) = self.failed.lock()
            && let Some((when, error)) = failed.as_ref()
            && when.elapsed() < UNREADABLE
        {
            return Err(error.clone());
        }
        let began = Instant::now();
        let read = self.inner.get(object, within);
        // A review that had little time left says nothing of the cluster.
        let had_time = within >= UNREADABLE || began.elapsed() < within;
        // Not for "not found" or "forbidden": these are answers, and of one object only.
        if let (Err(error @ ReadError::Unavailable(_)), true, Ok(mut failed)) =
            (&read, had_time, self.failed.lock())
        {
            *failed = Some((Instant::now(), error.clone()));
        }
        read
    }

    fn known(&self, node: &str) -> Option<Value> {
        let nodes = self.nodes.lock().ok()?;
        let (read, node) = nodes.get(node)?;
        (read.elapsed() < FRESH).then(|| node.clone())
    }

    fn remember(&self, name: &str, node: &Value) {
        let mut node = node.clone();
        // Most of a node is the images that it has, which no policy looks at.
        if let Some(status) = node["status"].as_object_mut() {
            status.remove("images");
        }
        if let Ok(mut nodes) = self.nodes.lock() {
            // What is too old goes before the count, so that a node that is gone keeps no place.
            nodes.retain(|_, (read, _)| read.elapsed() < FRESH);
            if nodes.len() < MAX_NODES {
                nodes.insert(name.to_owned(), (Instant::now(), node));
            }
        }
    }
}

impl ClusterReader for CachedReader {
    fn get(&self, object: &ObjectRef, within: Duration) -> Result<Value, ReadError> {
        let is_node = object.api_version == "v1" && object.kind == "Node";
        if !is_node {
            return self.read(object, within);
        }
        if let Some(node) = self.known(&object.name) {
            return Ok(node);
        }
        let node = self.read(object, within)?;
        self.remember(&object.name, &node);
        Ok(node)
    }

    fn list(&self, query: &Query, within: Duration) -> Result<Vec<Value>, ReadError> {
        self.inner.list(query, within)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;

    use super::*;

    /// Counts how often it is asked.
    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl ClusterReader for Counting {
        fn get(&self, object: &ObjectRef, within: Duration) -> Result<Value, ReadError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            match object.name.as_str() {
                "gone" => Err(ReadError::NotFound),
                "silent" => Err(ReadError::Unavailable("it does not answer".to_owned())),
                "slow" => {
                    std::thread::sleep(within);
                    Err(ReadError::Unavailable("it did not answer in time".to_owned()))
                }
                name => {
                    Ok(json!({"kind": object.kind, "metadata": {"name": name}, "status": {"images": [1]}}))
                }
            }
        }

        fn list(&self, _: &Query, _: Duration) -> Result<Vec<Value>, ReadError> {
            Ok(Vec::new())
        }
    }

    fn named(kind: &str, name: &str) -> ObjectRef {
        ObjectRef {
            api_version: "v1".into(),
            kind: kind.into(),
            namespace: None,
            name: name.into(),
        }
    }

    #[test]
    fn a_node_is_read_once_for_many_reviews_and_nothing_else_is() {
        let counting = Arc::new(Counting::default());
        let reader = CachedReader::new(counting.clone());
        for (kind, name, wanted) in [("Node", "n1", 1), ("Pod", "p", 3), ("Node", "gone", 3)] {
            let before = counting.0.load(Ordering::Relaxed);
            for _ in 0..3 {
                drop(reader.get(&named(kind, name), FRESH));
            }
            assert_eq!(
                counting.0.load(Ordering::Relaxed) - before,
                wanted,
                "{kind} {name}"
            );
        }
        let node = reader.get(&named("Node", "n1"), FRESH).unwrap();
        assert_eq!(node["status"], json!({}));
    }

    #[test]
    fn a_cluster_that_does_not_answer_holds_up_one_review() {
        let counting = Arc::new(Counting::default());
        let reader = CachedReader::new(counting.clone());
        for name in ["silent", "silent", "n1"] {
            let read = reader.get(&named("Node", name), FRESH);
            assert!(matches!(read, Err(ReadError::Unavailable(_))), "{name}: {read:?}");
        }
        assert_eq!(counting.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_review_that_had_no_time_left_keeps_no_other_from_reading() {
        let reader = CachedReader::new(Arc::new(Counting::default()));
        let slow = reader.get(&named("Pod", "slow"), Duration::from_millis(1));
        assert!(matches!(slow, Err(ReadError::Unavailable(_))), "{slow:?}");
        assert!(reader.get(&named("Pod", "p"), FRESH).is_ok());
    }
}
