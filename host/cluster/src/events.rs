//! What the cluster's events say about a pod: sooner than its status, which the kubelet writes again only with its next try.

use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use super::{
    client::Cluster,
    error::Action,
    lines::Lines,
    progress::{Hopeless, event_hopeless},
    subscription::Subscription,
};
use trocar_core::{reference::Kind, text};

/// How long to wait before events are asked for again.
const PAUSE: Duration = Duration::from_secs(1);

/// How long an explanation may take.
// The explanation delays an error that is known already.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many events are looked through for the controller that deleted a pod.
const MAX_DELETIONS: &str = "500";

/// What an event about a pod is called that tells of its end.
const ENDS: [&str; 6] = [
    "Evicted",
    "Preempted",
    "TaintManagerEviction",
    "NodeShutdown",
    "DeadlineExceeded",
    "OutOfmemory",
];

/// How many events explain a failure.
const MOST: usize = 3;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PodWarning {
    /// In one line.
    pub(super) text: String,
    /// It is about the container, which will not start.
    pub(super) hopeless: Option<Hopeless>,
}

/// The warnings about a pod, read by a task that lives as long as this.
pub(super) struct Events(Subscription<PodWarning>);

impl Events {
    /// Starts to read. Without permission to read events there are none.
    pub(super) fn start(cluster: Cluster, pod: &Action, uid: &str, container: &str) -> Self {
        let action = of_events(pod, "watch");
        let (selector, container) = (selector(uid), container.to_owned());
        let subscription = Subscription::start(16, |sender| async move {
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
                            // Of the container that is joined the pod's status says more.
                            if said.text.contains("target container") {
                                continue;
                            }
                            if change["type"] != "DELETED" && sender.send(said).await.is_err() {
                                return;
                            }
                        }
                    }
                    // Without the right to watch events, the status alone explains.
                    Err(error) if !error.may_pass() => return,
                    Err(_) => {}
                }
                sleep(PAUSE).await;
            }
        });
        Self(subscription)
    }

    /// What is said next. Safe to cancel.
    pub(super) async fn next(&mut self) -> PodWarning {
        self.0.next().await
    }
}

/// The last warnings about a pod and one of its containers, the newest last. Without events it is empty: an explanation is optional.
pub(super) async fn explain(cluster: &Cluster, pod: &Action, uid: &str, container: &str) -> Vec<String> {
    let selector = selector(uid);
    let action = of_events(pod, "list");
    let query = [("fieldSelector", selector.as_str())];
    let listed = tokio::time::timeout(PATIENCE, cluster.list(&action, &query)).await;
    let Ok(Ok(mut events)) = listed else {
        return Vec::new();
    };
    // A server lists events by their names, which say nothing about time.
    events.sort_by_key(last_seen);
    let mut lines: Vec<String> = Vec::new();
    for said in events.iter().rev().filter_map(|event| read(event, container)) {
        if !lines.contains(&said.text) && lines.len() < MOST {
            lines.insert(0, said.text);
        }
    }
    lines
}

/// When an event was last seen, as text that sorts by time. A scheduler writes its events with `eventTime` alone.
fn last_seen(event: &Value) -> String {
    let times = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime"];
    let mut times = times
        .into_iter()
        .filter_map(|place| event.pointer(place)?.as_str());
    times.next().unwrap_or_default().to_owned()
}

/// Says whether a pod was deleted, and by what, as far as the cluster's events tell: a controller, an eviction. None where the
/// pod is there, and where it cannot be read.
pub async fn deleted_by(cluster: &Cluster, namespace: &str, pod: &str, uid: &str) -> Option<Vec<String>> {
    let action = Action::of_pod("get", "", Some(namespace), pod);
    match cluster.get(&action).await {
        Ok(found) if found["metadata"]["uid"] == *uid && found["metadata"]["deletionTimestamp"].is_null() => {
            None
        }
        Ok(_) => Some(who_ended(cluster, &action, uid).await),
        Err(error) if error.code() == Some(404) => Some(who_ended(cluster, &action, uid).await),
        Err(_) => None,
    }
}

async fn who_ended(cluster: &Cluster, pod: &Action, uid: &str) -> Vec<String> {
    let action = of_events(pod, "list");
    let pod = pod.name.as_str();
    let of_pod = format!("involvedObject.uid={uid}");
    let queries = [
        [
            // A controller's event is about the controller: the pod is only named in its message.
            ("fieldSelector", "reason=SuccessfulDelete"),
            ("limit", MAX_DELETIONS),
        ],
        [("fieldSelector", of_pod.as_str()), ("limit", MAX_DELETIONS)],
    ];
    let mut said: Vec<String> = Vec::new();
    for query in queries {
        let listed = tokio::time::timeout(PATIENCE, cluster.list(&action, &query)).await;
        let Ok(Ok(events)) = listed else { continue };
        for found in events.iter().filter_map(|event| ended_by(event, pod, uid)) {
            if !said.contains(&found) && said.len() < MOST {
                said.push(found);
            }
        }
    }
    said
}

/// What an event says of a pod's end; none where it is about something else.
fn ended_by(event: &Value, pod: &str, uid: &str) -> Option<String> {
    let part = |value: &Value| text::message(value.as_str().unwrap_or_default());
    let (reason, message) = (part(&event["reason"]), part(&event["message"]));
    let object = &event["involvedObject"];
    if object["uid"] == *uid {
        return ENDS
            .contains(&reason.as_str())
            .then(|| format!("{reason}: {message}"));
    }
    let is_pod = |word: &str| word.trim_matches(['"', '\'', ',', '.', ':']) == pod;
    let is_of_pod = reason == "SuccessfulDelete" && message.split_whitespace().any(is_pod);
    is_of_pod.then(|| format!("{} {} deleted it", part(&object["kind"]), part(&object["name"])))
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
pub(super) fn read(event: &Value, container: &str) -> Option<PodWarning> {
    let part = |field: &str| text::message(event[field].as_str().unwrap_or_default());
    let (reason, message) = (part("reason"), part("message"));
    let field = event["involvedObject"]["fieldPath"].as_str().unwrap_or_default();
    let is_of_container = field.contains(&format!("{{{container}}}"));
    if reason.is_empty() || !(field.is_empty() || is_of_container) {
        return None;
    }
    Some(PodWarning {
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
    fn who_ended_a_pod_is_told_by_its_events_and_its_controllers() {
        let deleted = |message: &str| {
            json!({"reason": "SuccessfulDelete", "message": message,
            "involvedObject": {"kind": "Job", "name": "shard", "uid": "j"}})
        };
        let by_job = Some("Job shard deleted it".to_owned());
        assert_eq!(ended_by(&deleted("Deleted pod: copy"), "copy", "u"), by_job);
        assert_eq!(ended_by(&deleted("Deleted pod: copy-2"), "copy", "u"), None);
        let evicted =
            json!({"reason": "Evicted", "message": "low on memory", "involvedObject": {"uid": "u"}});
        assert_eq!(
            ended_by(&evicted, "copy", "u"),
            Some("Evicted: low on memory".into())
        );
        let pulled = json!({"reason": "Pulled", "message": "copy", "involvedObject": {"uid": "u"}});
        assert_eq!(ended_by(&pulled, "copy", "u"), None);
    }

    #[test]
    fn events_sort_by_when_they_were_last_seen_whichever_field_says_so() {
        let mut events = [
            json!({"eventTime": "2026-01-01T00:00:03.000001Z", "lastTimestamp": null}),
            json!({"eventTime": "2026-01-01T00:00:00.000001Z", "series": {"lastObservedTime": "2026-01-01T00:00:09.5Z"}}),
            json!({"lastTimestamp": "2026-01-01T00:00:05Z"}),
            json!({}),
        ];
        events.sort_by_key(last_seen);
        let seconds = events.map(|event| last_seen(&event).get(17..19).map(str::to_owned));
        assert_eq!(seconds.map(Option::unwrap_or_default), ["", "03", "05", "09"]);
    }

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
