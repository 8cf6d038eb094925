//! What a scheduler says of a pod that no node takes: may that change by itself? Pure.

use std::time::Duration;

use serde_json::Value;

use super::progress::text;

/// How the state of a pod begins that no node takes.
pub(super) const UNSCHEDULABLE: &str = "Unschedulable: ";

/// How long a pod may stay without a node where only a change of the pod or of the nodes helps: a change may be under way, or a
/// node about to join.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// Taints that the cluster itself sets and takes away, for example `node.kubernetes.io/not-ready`.
const PASSING_TAINTS: [&str; 2] = ["{node.kubernetes.io/", "{node.cloudprovider.kubernetes.io/"];

/// Says whether a condition is that no node takes the pod, for reasons that do not pass by themselves: the nodes' labels and
/// taints. Room on the nodes comes and goes.
pub(super) fn is_for_good(condition: &Value) -> bool {
    if text(condition, "type") != "PodScheduled" || text(condition, "reason") != "Unschedulable" {
        return false;
    }
    let Some((_, reasons)) = text(condition, "message").split_once(" nodes are available: ") else {
        return false;
    };
    // What comes behind the first sentence is about preemption.
    let reasons = reasons.split(". ").next().unwrap_or_default();
    let mut reasons = reasons.split(", ").peekable();
    reasons.peek().is_some() && reasons.all(is_lasting)
}

fn is_lasting(reason: &str) -> bool {
    if reason.contains("had untolerated taint") {
        // These taints are the cluster's own report of a state (not ready, under pressure), which changes.
        return !PASSING_TAINTS.into_iter().any(|taint| reason.contains(taint));
    }
    reason.contains("didn't match Pod's node affinity/selector")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_and_taints_stay_as_they_are_and_room_comes_and_goes() {
        let of = |message: &str| {
            is_for_good(
                &json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}),
            )
        };
        let preemption = "no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.";
        for (reasons, wanted) in [
            (
                "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
                true,
            ),
            (
                "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint {gpu: true}.",
                true,
            ),
            (
                "0/2 nodes are available: 2 node(s) had untolerated taint(s).",
                true,
            ),
            (
                "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint {gpu: true}.",
                false,
            ),
            (
                "0/2 nodes are available: 2 node(s) had untolerated taint {node.kubernetes.io/not-ready: }.",
                false,
            ),
            ("0/2 nodes are available: 2 node(s) were unschedulable.", false),
            (
                "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
                false,
            ),
            ("no nodes available to schedule pods", false),
            ("", false),
        ] {
            assert_eq!(of(&format!("{reasons} {preemption}")), wanted, "{reasons}");
        }
        assert!(!is_for_good(
            &json!({"type": "PodScheduled", "reason": "SchedulingGated", "message": "x"})
        ));
    }
}
