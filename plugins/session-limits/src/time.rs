//! Deadlines of pods: at its deadline a pod gets SIGTERM, and is killed after its grace period.

use serde_json::{Value, json};
use trocar_sdk::Object;

/// The default grace period of a pod, in seconds.
///
/// Source: `terminationGracePeriodSeconds` in the Kubernetes API reference.
const DEFAULT_GRACE: u64 = 30;

/// A shortened grace period takes at most this fraction of a pod's time: a tenth.
const PART_OF_GRACE: u64 = 10;

/// Bounds a pod's lifetime, including the grace period: its programs may ignore SIGTERM. Returns whether anything was
/// changed.
///
/// A grace period is shortened only if its share is too large. The deadline is earlier by the grace period.
pub(crate) fn limit_time(most: u64, spec: &mut Object) -> bool {
    let seconds = |field: &str| spec.get(field).and_then(Value::as_u64);
    let deadline = seconds("activeDeadlineSeconds");
    // An invalid number of seconds counts as none: the API server would refuse it.
    let is_stated = spec
        .get("terminationGracePeriodSeconds")
        .is_some_and(|grace| !grace.is_null());
    let asked = match seconds("terminationGracePeriodSeconds") {
        None if is_stated => u64::MAX,
        grace => grace.unwrap_or(DEFAULT_GRACE),
    };
    if deadline.is_some_and(|deadline| deadline.saturating_add(asked) <= most) {
        return false;
    }
    let grace = asked
        .min((most / PART_OF_GRACE).max(1))
        .min(most.saturating_sub(1));
    let latest = most.saturating_sub(grace).max(1);
    let deadline = deadline.map_or(latest, |deadline| deadline.min(latest));
    spec.insert("activeDeadlineSeconds".into(), json!(deadline));
    if grace != asked {
        spec.insert("terminationGracePeriodSeconds".into(), json!(grace));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(most: u64, spec: Value) -> (bool, Value) {
        let mut spec = spec.as_object().unwrap().clone();
        let changed = limit_time(most, &mut spec);
        (changed, Value::Object(spec))
    }

    #[test]
    fn deadline_and_grace_period_together_are_the_time_to_live() {
        for (most, spec, wanted) in [
            (3600, json!({}), json!({"activeDeadlineSeconds": 3570})),
            (
                30,
                json!({"terminationGracePeriodSeconds": 86400}),
                json!({"activeDeadlineSeconds": 27, "terminationGracePeriodSeconds": 3}),
            ),
            (
                30,
                json!({}),
                json!({"activeDeadlineSeconds": 27, "terminationGracePeriodSeconds": 3}),
            ),
            (
                600,
                json!({"activeDeadlineSeconds": 590}),
                json!({"activeDeadlineSeconds": 570}),
            ),
            (
                600,
                json!({"activeDeadlineSeconds": 60, "terminationGracePeriodSeconds": 550}),
                json!({"activeDeadlineSeconds": 60, "terminationGracePeriodSeconds": 60}),
            ),
            (
                600,
                json!({"terminationGracePeriodSeconds": 0}),
                json!({"activeDeadlineSeconds": 600, "terminationGracePeriodSeconds": 0}),
            ),
            (
                600,
                json!({"terminationGracePeriodSeconds": u64::MAX, "activeDeadlineSeconds": u64::MAX}),
                json!({"activeDeadlineSeconds": 540, "terminationGracePeriodSeconds": 60}),
            ),
            (
                600,
                json!({"terminationGracePeriodSeconds": -1}),
                json!({"activeDeadlineSeconds": 540, "terminationGracePeriodSeconds": 60}),
            ),
            (
                1,
                json!({}),
                json!({"activeDeadlineSeconds": 1, "terminationGracePeriodSeconds": 0}),
            ),
        ] {
            assert_eq!(
                limited(most, spec.clone()),
                (true, wanted.clone()),
                "{most}: {spec}"
            );
            assert_eq!(
                limited(most, wanted.clone()),
                (false, wanted),
                "the limit is kept"
            );
        }
    }

    #[test]
    fn a_pod_that_has_ended_sooner_stays_as_it_is() {
        for spec in [
            json!({"activeDeadlineSeconds": 60}),
            json!({"activeDeadlineSeconds": 60, "terminationGracePeriodSeconds": 540}),
            json!({"activeDeadlineSeconds": 600, "terminationGracePeriodSeconds": 0}),
        ] {
            assert_eq!(limited(600, spec.clone()), (false, spec));
        }
    }
}
