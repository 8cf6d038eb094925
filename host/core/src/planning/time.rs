//! How long a created pod lives, where a person said so: whatever the strategy, and only ever shorter.

use serde_json::{Value, json};
use trocar_sdk::{Pod, pod::object_mut};

use crate::{config::Cleaner, plan::Mark};

/// The longest grace period that a pod with a limited time keeps, in seconds.
const MAX_GRACE: u64 = 30;

/// How long a created pod may live.
#[derive(Clone, Copy, Debug)]
pub struct TimeToLive<'a> {
    /// In seconds.
    pub seconds: u64,
    /// The programs for which it is marked, which delete it then.
    pub cleaners: &'a [Cleaner],
}

impl TimeToLive<'_> {
    /// A time without marks for programs of the cluster.
    pub fn new(seconds: u64) -> Self {
        Self {
            seconds,
            cleaners: &[],
        }
    }
}

/// Sees to it that a pod is over after so many seconds, and returns what it is marked with.
///
/// At its deadline a pod is asked to end, and killed after its grace period: both together are the time. A pod of less than
/// two seconds is killed at once.
pub(super) fn limit(pod: &mut Pod, time: TimeToLive<'_>) -> Vec<Mark> {
    let TimeToLive { seconds, cleaners } = time;
    let spec = pod.spec_mut();
    let stated = |spec: &trocar_sdk::Object, field: &str| spec.get(field).and_then(Value::as_u64);
    let grace = stated(spec, "terminationGracePeriodSeconds").unwrap_or(MAX_GRACE);
    // A program that ignores SIGTERM runs until its grace period is over: with a period of a day, a pod with 30 s to live
    // ran for hours.
    let grace = grace.min(MAX_GRACE).min(seconds / 2);
    // The API server refuses a deadline of 0.
    let deadline = (seconds - grace).max(1);
    let deadline = stated(spec, "activeDeadlineSeconds").map_or(deadline, |stated| stated.min(deadline));
    spec.insert("activeDeadlineSeconds".into(), json!(deadline));
    spec.insert("terminationGracePeriodSeconds".into(), json!(grace));
    let marks: Vec<Mark> = cleaners
        .iter()
        .map(|cleaner| mark(*cleaner, deadline + grace))
        .collect();
    for mark in &marks {
        let marked = object_mut(object_mut(&mut pod.0, "metadata"), mark.field);
        marked.insert(mark.name.into(), json!(mark.value));
    }
    marks
}

/// What makes a program delete a pod so many seconds after it was created.
///
/// Sources: `pkg/controllers/ttl/utils.go` of Kyverno, the readme of kube-janitor.
fn mark(cleaner: Cleaner, seconds: u64) -> Mark {
    let (field, name) = match cleaner {
        Cleaner::Kyverno => ("labels", "cleanup.kyverno.io/ttl"),
        Cleaner::KubeJanitor => ("annotations", "janitor/ttl"),
    };
    Mark {
        field,
        name,
        value: format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_over_in_time_whatever_it_asked_for() {
        for (seconds, asked, wanted) in [
            (3600, json!({}), (3570, 30)),
            (3600, json!({"terminationGracePeriodSeconds": 86400}), (3570, 30)),
            (
                3600,
                json!({"activeDeadlineSeconds": 60, "terminationGracePeriodSeconds": 5}),
                (60, 5),
            ),
            (10, json!({}), (5, 5)),
            (1, json!({}), (1, 0)),
        ] {
            let mut pod = Pod::default();
            pod.spec_mut().extend(asked.as_object().unwrap().clone());
            assert!(limit(&mut pod, TimeToLive::new(seconds)).is_empty());
            assert!(pod.metadata().is_none());
            let spec = pod.spec().unwrap();
            let found = (
                &spec["activeDeadlineSeconds"],
                &spec["terminationGracePeriodSeconds"],
            );
            assert_eq!(
                found,
                (&json!(wanted.0), &json!(wanted.1)),
                "{seconds} s, {asked}"
            );
        }
    }

    #[test]
    fn programs_that_delete_find_the_time_after_which_the_pod_is_over() {
        let mut pod = Pod::default();
        let labels = json!({"app": "web", "cleanup.kyverno.io/ttl": "9d"});
        object_mut(&mut pod.0, "metadata").insert("labels".into(), labels);
        let cleaners = [Cleaner::Kyverno, Cleaner::KubeJanitor];
        let time = TimeToLive {
            seconds: 3600,
            cleaners: &cleaners,
        };
        assert_eq!(limit(&mut pod, time).len(), 2);
        let wanted = json!({
            "labels": {"app": "web", "cleanup.kyverno.io/ttl": "3600s"},
            "annotations": {"janitor/ttl": "3600s"},
        });
        assert_eq!(json!(pod.metadata()), wanted);
    }
}
