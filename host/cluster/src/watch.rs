//! Following one object for as long as it takes: a watch that is opened again when it ends, breaks or is too old.

use std::time::Duration;

use serde_json::Value;
use tokio::{sync::mpsc, time::sleep};

use super::{
    client::{Cluster, taken},
    error::{Action, ClusterError},
    lines::Lines,
    subscription::Subscription,
};

/// How long to wait before a broken watch is opened again; doubled each time, up to the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// How often the object is read where it may not be watched.
// A Role may grant `get` without `watch`.
const POLL: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) enum Change {
    /// It is like this now.
    Is(Value),
    /// It is gone.
    Gone,
    /// The cluster does not say. It is asked again.
    Unknown(ClusterError),
}

/// A watch of one object, by a task that lives as long as this.
pub(super) struct Watch(Subscription<Change>);

impl Watch {
    /// Watches an object from the version that is known.
    pub(super) fn start(cluster: Cluster, object: Action, known: &Value) -> Self {
        let version = known["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        let watching = Watching {
            cluster,
            object,
            version: version.to_owned(),
            lines: None,
            polls: false,
        };
        Self(Subscription::start(4, |sender| watching.run(sender)))
    }

    /// The next change. Safe to cancel.
    pub(super) async fn change(&mut self) -> Change {
        self.0.next().await
    }
}

struct Watching {
    cluster: Cluster,
    object: Action,
    /// The version from which to go on; empty where that is not known.
    version: String,
    lines: Option<Lines>,
    /// Watching is forbidden, so the object is read again and again.
    polls: bool,
}

impl Watching {
    async fn run(mut self, sender: mpsc::Sender<Change>) {
        let mut pause = PAUSES.0;
        loop {
            let next = if self.polls {
                sleep(POLL).await;
                self.read_again().await.map(Some)
            } else {
                self.next().await
            };
            let change = match next {
                Ok(Some(change)) => change,
                // A server ends every watch after some time (`--min-request-timeout`); it goes on from the last version.
                Ok(None) => {
                    self.lines = None;
                    sleep(PAUSES.0).await;
                    continue;
                }
                Err(error) => {
                    self.lines = None;
                    match error.code() {
                        // The version that we know is too old to go on from.
                        Some(410) => {
                            self.version.clear();
                            continue;
                        }
                        Some(403) if !self.polls => {
                            self.polls = true;
                            continue;
                        }
                        _ => Change::Unknown(error),
                    }
                }
            };
            let is_unknown = matches!(change, Change::Unknown(_));
            if sender.send(change).await.is_err() {
                return;
            }
            if is_unknown {
                sleep(pause).await;
                pause = PAUSES.1.min(pause * 2);
            } else {
                pause = PAUSES.0;
            }
        }
    }

    async fn next(&mut self) -> Result<Option<Change>, ClusterError> {
        if self.version.is_empty() {
            return self.read_again().await.map(Some);
        }
        if self.lines.is_none() {
            self.lines = Some(Lines::new(self.open().await?));
        }
        while let Some(lines) = &mut self.lines {
            let line = lines.line().await.map_err(|reason| ClusterError::Broken {
                action: self.watch_action(),
                reason,
            })?;
            let Some(line) = line else { break };
            let mut event: Value = serde_json::from_slice(&line).map_err(|error| ClusterError::Answer {
                action: self.watch_action(),
                problem: error.to_string(),
            })?;
            let object = taken(&mut event, "object");
            // A version that is too old is refused with 410, or by such an event after an answer of 200.
            if event["type"] == "ERROR" {
                let status = serde_json::from_value(object).unwrap_or_default();
                return Err(ClusterError::Refused {
                    action: self.watch_action(),
                    status: Box::new(status),
                });
            }
            if !object.is_object() {
                return Err(ClusterError::Answer {
                    action: self.watch_action(),
                    problem: "an event without an object".into(),
                });
            }
            self.is_at(&object);
            match event["type"].as_str() {
                Some("DELETED") => return Ok(Some(Change::Gone)),
                Some("BOOKMARK") => {}
                _ => return Ok(Some(Change::Is(object))),
            }
        }
        Ok(None)
    }

    fn is_at(&mut self, object: &Value) {
        if let Some(version) = object["metadata"]["resourceVersion"].as_str() {
            version.clone_into(&mut self.version);
        }
    }

    async fn open(&mut self) -> Result<kube::client::Body, ClusterError> {
        // With this selector a Role that is limited by `resourceNames` allows the watch as well.
        let selector = format!("metadata.name={}", self.object.name);
        let query = [
            ("watch", "true"),
            ("fieldSelector", selector.as_str()),
            ("resourceVersion", self.version.as_str()),
        ];
        self.cluster.stream(&self.watch_action(), &query).await
    }

    async fn read_again(&mut self) -> Result<Change, ClusterError> {
        match self.cluster.get(&self.object).await {
            Ok(object) => {
                self.is_at(&object);
                Ok(Change::Is(object))
            }
            Err(error) if error.code() == Some(404) => Ok(Change::Gone),
            Err(error) => Err(error),
        }
    }

    /// Watching is a request on the collection.
    fn watch_action(&self) -> Action {
        Action {
            verb: "watch",
            name: String::new(),
            ..self.object.clone()
        }
    }
}
