//! What the cluster's events say about a pod: sooner than its status, which the kubelet writes anew only with its next try.

use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use super::{
    client::Cluster,
    error::Action,
    lines::Lines,
    progress::{Hopeless, event_hopeless},
    telling::Telling,
};
use trocar_core::{reference::Kind, text};

/// How long to wait before events are asked for again.
const PAUSE: Duration = Duration::from_secs(1);

/// How long an explanation may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many events explain a failure.
const MOST: usize = 3;

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// In one line.
    pub(super) text: String,
    /// It is about the container, which will not start.
    pub(super) hopeless: Option<Hopeless>,
}

/// The warnings about a pod, read by a task that lives as long as this.
pub(super) struct Events(Telling<Said>);

impl Events {
    /// Starts to read. Whoever may not read events does without.
    pub(super) fn start(cluster: Cluster, pod: &Action, uid: &str, container: &str) -> Self {
        let action = of_events(pod, "watch");
        let (selector, container) = (selector(uid), container.to_owned());
        let telling = Telling::start(16, |sender| async move {
            loop {
                // Without a version all that there is comes first.
                let query = [("watch", "true"), ("fieldSelector", selector.as_str())];
                match cluster.stream(&action, &query).await {
                    Ok(body) => {
                        let mut lines = Lines::new(body);
                        while let Ok(Some(line)) = lines.line().await {
                            let change: Value = serde_json::from_slice(&line).unwrap_or_default();
                            let Some(said) = read(&change["object"], &container) else {
                                continue;
                            };
                            if change["type"] != "DELETED" && sender.send(said).await.is_err() {
                                return;
                            }
                        }
                    }
                    Err(error) if !error.may_pass() => return,
                    Err(_) => {}
                }
                sleep(PAUSE).await;
            }
        });
        Self(telling)
    }

    /// What is said next. Safe to cancel.
    pub(super) async fn next(&mut self) -> Said {
        self.0.next().await
    }
}

/// The last warnings about a pod and one of its containers, the newest last. Nobody fails for want of an explanation.
pub(super) async fn explain(cluster: &Cluster, pod: &Action, uid: &str, container: &str) -> Vec<String> {
    let selector = selector(uid);
    let action = of_events(pod, "list");
    let query = [("fieldSelector", selector.as_str())];
    let listed = tokio::time::timeout(PATIENCE, cluster.list(&action, &query)).await;
    let Ok(Ok(mut events)) = listed else {
        return Vec::new();
    };
    events.sort_by_key(|event| event["lastTimestamp"].as_str().unwrap_or_default().to_owned());
    let mut lines: Vec<String> = Vec::new();
    for said in events.iter().rev().filter_map(|event| read(event, container)) {
        if !lines.contains(&said.text) && lines.len() < MOST {
            lines.insert(0, said.text);
        }
    }
    lines
}

fn of_events(pod: &Action, verb: &'static str) -> Action {
    Action {
        verb,
        kind: Kind::Event,
        name: String::new(),
        ..pod.clone()
    }
}

fn selector(uid: &str) -> String {
    format!("involvedObject.uid={uid},type=Warning")
}

/// Reads an event; none when it is about another container.
pub(super) fn read(event: &Value, container: &str) -> Option<Said> {
    let part = |field: &str| text::message(event[field].as_str().unwrap_or_default());
    let (reason, message) = (part("reason"), part("message"));
    let field = event["involvedObject"]["fieldPath"].as_str().unwrap_or_default();
    let is_of_container = field.contains(&format!("{{{container}}}"));
    if reason.is_empty() || !(field.is_empty() || is_of_container) {
        return None;
    }
    Some(Said {
        hopeless: is_of_container
            .then(|| event_hopeless(&reason, &message))
            .flatten(),
        text: format!("{reason}: {message}"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_of_the_container_and_of_the_pod_are_read() {
        let event = |field: &str| json!({"reason": "Failed", "message": "Error: ErrImagePull", "involvedObject": {"fieldPath": field}});
        let said = read(&event("spec.ephemeralContainers{dbg}"), "dbg").unwrap();
        assert_eq!(said.text, "Failed: Error: ErrImagePull");
        assert!(said.hopeless.is_some_and(|hopeless| !hopeless.grace.is_zero()));
        assert!(read(&event("spec.containers{app}"), "dbg").is_none());
        assert!(read(&event(""), "dbg").unwrap().hopeless.is_none());
    }
}
