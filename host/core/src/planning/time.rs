//! How long a created pod lives, where a person said so: whatever the strategy, and only ever shorter.

use serde_json::{Value, json};
use trocar_sdk::Pod;

/// The longest grace period that a pod with a limited time keeps, in seconds.
const MAX_GRACE: u64 = 30;

/// Sees to it that a pod is over after so many seconds.
///
/// At its deadline a pod is asked to end, and killed after its grace period: both together are the time. A pod of less than
/// two seconds is killed at once.
pub(super) fn limit(pod: &mut Pod, seconds: u64) {
    let spec = pod.spec_mut();
    let stated = |spec: &trocar_sdk::Object, field: &str| spec.get(field).and_then(Value::as_u64);
    let grace = stated(spec, "terminationGracePeriodSeconds").unwrap_or(MAX_GRACE);
    let grace = grace.min(MAX_GRACE).min(seconds / 2);
    let deadline = (seconds - grace).max(1);
    let deadline = stated(spec, "activeDeadlineSeconds").map_or(deadline, |stated| stated.min(deadline));
    spec.insert("activeDeadlineSeconds".into(), json!(deadline));
    spec.insert("terminationGracePeriodSeconds".into(), json!(grace));
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
            limit(&mut pod, seconds);
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
}
