//! Following one object for as long as it takes: a watch that is opened again when it ends, breaks or is too old.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::{
    client::Cluster,
    error::{Action, ClusterError},
    lines::Lines,
};

/// How long to wait before a broken watch is opened again; doubled each time, up to the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// How often the object is read where it may not be watched.
const POLL: Duration = Duration::from_millis(500);

/// What happened to the object.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    /// It is like this now.
    Is(Value),
    /// It is gone.
    Gone,
}

/// A watch of one object.
pub(super) struct Watch {
    cluster: Cluster,
    object: Action,
    version: String,
    lines: Option<Lines>,
    pause: Duration,
    /// Watching is forbidden, so the object is read again and again.
    polls: bool,
    /// When the object is read next. Waiting for it may be called off and begun again.
    next_poll: Instant,
    /// Since when nothing but failures came: what the last one was.
    pub(super) trouble: Option<ClusterError>,
}

impl Watch {
    /// Watches an object from the version that is known. Nothing is sent before the first change is asked for.
    pub(super) fn new(cluster: Cluster, object: Action, known: &Value) -> Self {
        let version = known["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        Self {
            cluster,
            object,
            version: version.to_owned(),
            lines: None,
            pause: PAUSES.0,
            polls: false,
            next_poll: Instant::now(),
            trouble: None,
        }
    }

    /// The next change. Fails only for what another try cannot mend; trouble that may pass is noted and tried again.
    /// Safe to cancel.
    pub(super) async fn change(&mut self) -> Result<Change, ClusterError> {
        loop {
            if self.polls {
                tokio::time::sleep_until(self.next_poll).await;
                let change = self.read_again().await;
                self.next_poll = Instant::now() + POLL;
                return change;
            }
            match self.next().await {
                Ok(Some(change)) => {
                    self.pause = PAUSES.0;
                    self.trouble = None;
                    return Ok(change);
                }
                Ok(None) => self.lines = None,
                Err(error) if error.code() == Some(410) => {
                    self.lines = None;
                    return self.read_again().await;
                }
                Err(error) if error.code() == Some(403) => self.polls = true,
                Err(error) if error.may_pass() => {
                    self.lines = None;
                    self.trouble = Some(error);
                    tokio::time::sleep(self.pause).await;
                    self.pause = PAUSES.1.min(self.pause * 2);
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn next(&mut self) -> Result<Option<Change>, ClusterError> {
        if self.lines.is_none() {
            self.lines = Some(Lines::new(self.open().await?));
        }
        let Some(lines) = &mut self.lines else {
            return Ok(None);
        };
        let line = lines.line().await.map_err(|reason| ClusterError::Broken {
            action: self.watch_action(),
            reason,
        })?;
        let Some(line) = line else {
            return Ok(None);
        };
        let mut event: Value = serde_json::from_slice(&line).map_err(|error| ClusterError::Answer {
            action: self.watch_action(),
            problem: error.to_string(),
        })?;
        let object = event["object"].take();
        if event["type"] == "ERROR" {
            let status = serde_json::from_value(object).unwrap_or_default();
            return Err(ClusterError::Refused {
                action: self.watch_action(),
                status: Box::new(status),
            });
        }
        if let Some(version) = object["metadata"]["resourceVersion"].as_str() {
            version.clone_into(&mut self.version);
        }
        match event["type"].as_str() {
            Some("DELETED") => Ok(Some(Change::Gone)),
            Some("BOOKMARK") => Ok(None),
            _ => Ok(Some(Change::Is(object))),
        }
    }

    async fn open(&self) -> Result<kube::client::Body, ClusterError> {
        let selector = format!("metadata.name={}", self.object.name);
        let query = [
            ("watch", "true"),
            ("fieldSelector", selector.as_str()),
            ("resourceVersion", self.version.as_str()),
        ];
        self.cluster.stream(&self.watch_action(), &query).await
    }

    /// The version that we know is too old to go on from.
    async fn read_again(&mut self) -> Result<Change, ClusterError> {
        match self.cluster.get(&self.object).await {
            Ok(object) => {
                let version = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
                version.clone_into(&mut self.version);
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
