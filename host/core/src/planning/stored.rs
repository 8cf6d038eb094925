//! What the server stored is judged again where it is not what was judged: by the guard rails and the same policies, as a step
//! of the plan.

use serde_json::Value;

use super::{Documents, Draft, Guests, PlanInputs, harmless, reviewed_by};
use crate::{
    kubernetes::{Difference, DifferenceKind, Stored, compare_stored_ephemeral, compare_stored_pod},
    plan::{
        DebugPlan, Mode, PolicyReview, Step,
        check::{Violation, check_stored},
        reason,
    },
    policy::Outcome,
};

/// What the server made of a plan, where it stored something else than what was judged.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredOtherwise {
    /// What was stored with more rights or fewer restrictions.
    pub differences: Vec<Difference>,
    /// The guard rail that would have refused a plan like that. Never none where there are no differences.
    pub guard_rail: Option<Violation>,
    /// What the policies say of it as it was stored. Empty where they were not asked: no policy is to be obeyed, or what was
    /// stored cannot be put before them, or a guard rail refuses it already.
    pub reviews: Vec<PolicyReview>,
    /// A session may begin: no policy is to be obeyed, or they allow what was stored as it is.
    pub is_allowed: bool,
}

/// Compares what the server stored with what was judged, holds it against the guard rails, and lets the policies judge it
/// where it is not the same.
///
/// `stored` is the server's answer to the step that makes the debug container or pod. None where it has no other rights and
/// all restrictions.
pub fn judge_stored<G: Guests>(
    draft: &Draft,
    stored: &Value,
    inputs: &PlanInputs<'_>,
    guests: &mut G,
) -> Option<StoredOtherwise> {
    let (index, Stored { differences, object }) = compared(draft, stored)?;
    let mut differences = differences;
    // Every server and webhook changes something. Only more rights and fewer restrictions count.
    differences.retain(|difference| difference.kind != DifferenceKind::Other);
    let plan = object.map(|object| draft.plan().with_object(index, object));
    let guard_rail = plan
        .as_ref()
        .and_then(|plan| broken_guard_rail(plan, &differences, inputs));
    if differences.is_empty() && guard_rail.is_none() {
        return None;
    }
    let mut otherwise = StoredOtherwise {
        differences,
        guard_rail,
        reviews: Vec::new(),
        is_allowed: true,
    };
    let obeyed = |review: &PolicyReview| review.mode == Mode::Enforce;
    if !draft.plan().policies().iter().any(obeyed) {
        return Some(otherwise);
    }
    otherwise.is_allowed = false;
    let Some(mut plan) = plan.filter(|_| otherwise.guard_rail.is_none()) else {
        return Some(otherwise);
    };
    let steps = plan.steps().to_vec();
    let documents = Documents::new(inputs.target, inputs.options, inputs.actor, inputs.context);
    let outcome = reviewed_by(guests, &mut plan, inputs, &documents);
    // A policy that would change it does not allow it: what is stored is not changed any more.
    otherwise.is_allowed = outcome == Outcome::Allowed && plan.steps() == steps;
    otherwise.reviews = plan.policies().to_vec();
    Some(otherwise)
}

/// Says whether an ephemeral container that the target has is, but for its name, what a plan would add to it: as it is stored,
/// without what every server puts in.
pub fn is_stored(draft: &Draft, name: &str) -> bool {
    let mut steps = draft.plan().steps().iter();
    steps.any(|step| match step {
        Step::AddEphemeralContainer(container) => {
            let mut named = container.clone();
            named.insert("name".into(), name.into());
            reason::remove(&mut named);
            let mut target = draft.target().object().clone();
            let containers = target
                .get_mut("spec")
                .and_then(|spec| spec["ephemeralContainers"].as_array_mut());
            let own = containers.and_then(|list| list.iter_mut().find(|container| container["name"] == name));
            if let Some(own) = own.and_then(Value::as_object_mut) {
                reason::remove(own);
            }
            let stored = compare_stored_ephemeral(&named, &target, &target);
            stored.differences.is_empty()
        }
        _ => false,
    })
}

fn broken_guard_rail(
    plan: &DebugPlan,
    differences: &[Difference],
    inputs: &PlanInputs<'_>,
) -> Option<Violation> {
    let namespace = &inputs.context.namespace;
    let checked = check_stored(plan.steps(), plan.attach(), inputs.target, namespace, differences);
    checked.err().map(harmless)
}

/// The step that makes the debug container or pod, and what became of it.
fn compared(draft: &Draft, stored: &Value) -> Option<(usize, Stored)> {
    let empty = serde_json::Map::new();
    // An answer that is not an object differs in everything.
    let stored = stored.as_object().unwrap_or(&empty);
    let mut steps = draft.plan().steps().iter().enumerate();
    steps.find_map(|(index, step)| match step {
        Step::AddEphemeralContainer(container) => {
            let before = draft.target().object();
            Some((index, compare_stored_ephemeral(container, before, stored)))
        }
        Step::CreatePod(pod) => Some((index, compare_stored_pod(&pod.0, stored))),
        Step::DeletePod(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use trocar_sdk::{Actor, Context, DebugOptions, policy::Operation, policy::Verdict};

    use super::super::{Author, Decision, Proposal, draft};
    use super::*;
    use crate::{merged::merge, plan::PluginId, policy::Reviewer, target::Target};

    /// A strategy with one step, and policies that answer by what they are shown.
    struct Fake<'a> {
        action: &'static str,
        object: Value,
        policy: &'a dyn Fn(&Value) -> Verdict,
    }

    impl Guests for Fake<'_> {
        type Error = String;

        fn propose(&mut self, _: &Documents<'_>) -> Result<Result<Proposal, trocar_sdk::Failure>, String> {
            Ok(Ok(Proposal {
                steps: vec![(self.action.into(), self.object.to_string())],
                attach: Some("dbg".into()),
                ..Proposal::default()
            }))
        }

        fn evaluate(&mut self, _: usize, plan: &str, _: &Documents<'_>) -> Result<Decision, String> {
            let plan: Value = serde_json::from_str(plan).unwrap();
            let verdict = (self.policy)(&plan["steps"][0]["object"]);
            let at = "/steps/0/object/image".to_owned();
            let change = (Operation::Replace, at, Some("\"b\"".to_owned()));
            Ok(Decision {
                changes: vec![change; usize::from(verdict == Verdict::Amend)],
                verdict,
                diagnostics: Vec::new(),
            })
        }
    }

    /// What comes of containers that were stored, with a policy that answers so to what it is shown.
    fn judged(mode: Mode, containers: Value, policy: &dyn Fn(&Value) -> Verdict) -> Option<StoredOtherwise> {
        let pod = |containers: Value| {
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
            "spec": {"containers": [], "ephemeralContainers": containers}})
        };
        let strategy = Fake {
            action: "add-ephemeral-container",
            object: json!({"name": "dbg", "image": "a", "securityContext": {"runAsNonRoot": true}}),
            policy,
        };
        judged_for(&pod(json!([])), mode, &pod(containers), strategy)
    }

    /// What comes of an object that was stored for a strategy's step.
    fn judged_for(
        target: &Value,
        mode: Mode,
        stored: &Value,
        mut strategy: Fake<'_>,
    ) -> Option<StoredOtherwise> {
        let target = Target::new(target.clone(), "shop").unwrap();
        let id = || PluginId {
            name: "p".into(),
            version: "1".into(),
            digest: "sha256:0".into(),
            signers: Vec::new(),
        };
        let inputs = PlanInputs {
            target: &target,
            options: &DebugOptions::default(),
            context: &Context {
                namespace: "ops".into(),
                ..Context::default()
            },
            actor: &Actor::default(),
            strategy: &Author {
                id: id(),
                is_default: true,
            },
            reviewers: &[Reviewer {
                name: "policy".into(),
                plugin: id(),
                is_default: true,
                mode,
            }],
            time_to_live: None,
        };
        let policy = std::mem::replace(&mut strategy.policy, &|_| Verdict::Allow);
        let draft = draft(&inputs, &mut strategy).unwrap();
        strategy.policy = policy;
        judge_stored(&draft, stored, &inputs, &mut strategy)
    }

    fn is_restricted(container: &Value) -> Verdict {
        match container["securityContext"]["runAsNonRoot"] == true {
            true => Verdict::Allow,
            false => Verdict::Deny,
        }
    }

    #[test]
    fn what_was_stored_as_judged_is_not_judged_again() {
        let stored = json!([{"name": "dbg", "image": "a", "securityContext": {"runAsNonRoot": true},
            "imagePullPolicy": "Always", "terminationMessagePolicy": "File"}]);
        assert_eq!(judged(Mode::Enforce, stored, &|_| panic!("it is asked")), None);
    }

    #[test]
    fn a_container_is_the_same_but_for_its_name_when_it_is_stored_as_it_would_be() {
        let stored = |name: &str, changed: Value| {
            let mut container = json!({"name": name, "image": "a", "securityContext": {"runAsNonRoot": true},
                "imagePullPolicy": "Always", "terminationMessagePolicy": "File"});
            let fields = container.as_object_mut().unwrap();
            fields.extend(changed.as_object().unwrap().clone());
            container
        };
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [],
        "ephemeralContainers": [
            stored("same", json!({})),
            stored("wider", json!({"securityContext": {"privileged": true}})),
            stored("other", json!({"image": "b"})),
            stored("more", json!({"env": [{"name": "A", "value": "1"}]})),
        ]}});
        let target = Target::new(pod, "shop").unwrap();
        let strategy = Author {
            id: PluginId {
                name: "p".into(),
                version: "1".into(),
                digest: "sha256:0".into(),
                signers: Vec::new(),
            },
            is_default: true,
        };
        let inputs = PlanInputs {
            target: &target,
            options: &DebugOptions::default(),
            context: &Context::default(),
            actor: &Actor::default(),
            strategy: &strategy,
            reviewers: &[],
            time_to_live: None,
        };
        let mut strategy = Fake {
            action: "add-ephemeral-container",
            object: json!({"name": "dbg", "image": "a", "securityContext": {"runAsNonRoot": true}}),
            policy: &|_| Verdict::Allow,
        };
        let draft = draft(&inputs, &mut strategy).unwrap();
        for (name, wanted) in [
            ("same", true),
            ("wider", false),
            ("other", false),
            ("more", false),
            ("none", false),
        ] {
            assert_eq!(is_stored(&draft, name), wanted, "{name}");
        }
    }

    #[test]
    fn a_policy_decides_whether_what_was_stored_may_be_used() {
        let privileged = json!([{"name": "dbg", "image": "a", "imagePullPolicy": "Always",
            "securityContext": {"runAsNonRoot": true, "privileged": true}}]);
        let place = "/spec/ephemeralContainers/0/securityContext/privileged";
        let asked_with = |verdict: Verdict, mode: Mode| {
            let otherwise = judged(mode, privileged.clone(), &|container| {
                // As a plan would have it: without what every server puts in.
                let wanted = json!({"name": "dbg", "image": "a", "securityContext": {"runAsNonRoot": true, "privileged": true}});
                if container["image"] == "b" {
                    // It was changed already.
                    return Verdict::Allow;
                }
                assert_eq!(*container, wanted);
                verdict
            });
            let otherwise = otherwise.unwrap();
            assert_eq!(otherwise.differences[0].place, place);
            (otherwise.is_allowed, otherwise.reviews.len())
        };
        assert_eq!(asked_with(Verdict::Allow, Mode::Enforce), (true, 1));
        assert_eq!(asked_with(Verdict::Deny, Mode::Enforce), (false, 1));
        assert_eq!(asked_with(Verdict::Amend, Mode::Enforce), (false, 1));
        assert_eq!(asked_with(Verdict::Deny, Mode::Warn), (true, 0));
    }

    #[test]
    fn a_restriction_that_is_gone_is_denied_by_the_policy_that_wants_it() {
        let stored = json!([{"name": "dbg", "image": "a"}]);
        let otherwise = judged(Mode::Enforce, stored, &is_restricted).unwrap();
        assert!(!otherwise.is_allowed);
        assert_eq!(otherwise.differences[0].kind, DifferenceKind::RestrictionGone);
    }

    #[test]
    fn what_cannot_be_put_before_a_policy_is_not_allowed() {
        let own = json!({"name": "dbg", "image": "a", "securityContext": {"runAsNonRoot": true}});
        for stored in [
            json!([own, {"name": "other", "image": "b"}]),
            json!([]),
            json!("x"),
        ] {
            let otherwise = judged(Mode::Enforce, stored.clone(), &|_| panic!("it is asked")).unwrap();
            assert!(!otherwise.is_allowed, "{stored}");
            assert!(judged(Mode::Audit, stored, &is_restricted).unwrap().is_allowed);
        }
    }

    /// The guard rail that a pod breaks which was stored with changes. A policy that is obeyed is not asked about it.
    fn broken(target: &Value, planned: &Value, changes: Value) -> Option<String> {
        let mut stored = planned.clone();
        merge(&mut stored, changes);
        let strategy = |policy| Fake {
            action: "create-pod",
            object: planned.clone(),
            policy,
        };
        let never = |_: &Value| -> Verdict { panic!("it is asked") };
        let otherwise = judged_for(target, Mode::Warn, &stored, strategy(&never))?;
        let told = otherwise.guard_rail.as_ref()?.message.clone();
        assert!(otherwise.is_allowed, "without a policy that is obeyed it is told");
        let otherwise = judged_for(target, Mode::Enforce, &stored, strategy(&never)).unwrap();
        assert!(!otherwise.is_allowed && otherwise.reviews.is_empty(), "{told}");
        Some(told)
    }

    #[test]
    fn a_copy_that_was_stored_keeps_to_the_guard_rails() {
        let target = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop", "uid": "u-0"},
            "spec": {"nodeSelector": {"disk": "ssd"}, "containers": [{"name": "app", "image": "a"}]}});
        let copy = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "copy", "namespace": "shop"},
            "spec": {"nodeSelector": {"disk": "ssd"},
                "containers": [{"name": "app", "image": "a"}, {"name": "dbg", "image": "b"}]}});
        let owner = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "u-1", "controller": true});
        for (changes, wanted) in [
            (
                json!({"metadata": {"ownerReferences": [owner]}}),
                "the pod would belong to ReplicaSet \"web\"",
            ),
            (
                json!({"metadata": {"annotations": {"kubernetes.io/config.source": "file"}}}),
                "kubernetes.io/config.source may only be set by a kubelet",
            ),
            (
                json!({"spec": {"tolerations": [{"operator": "Exists"}]}}),
                "otherwise than its target (spec.tolerations)",
            ),
            (
                json!({"spec": {"nodeSelector": {"disk": "hdd"}}}),
                "otherwise than its target (spec.nodeSelector)",
            ),
            (
                json!({"spec": {"containers": [{"name": "app", "image": "a"}]}}),
                "attaches to \"dbg\", a container that it does not make",
            ),
            (
                json!({"metadata": {"namespace": "kube-system"}}),
                "in namespace \"kube-system\" instead of \"shop\"",
            ),
        ] {
            let told = broken(&target, &copy, changes.clone()).unwrap_or_default();
            assert!(told.contains(wanted), "{changes}: {told:?}");
        }
    }

    #[test]
    fn what_a_cluster_adds_to_every_pod_breaks_no_guard_rail() {
        let target = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop", "uid": "u-0"},
            "spec": {"nodeName": "n-1", "containers": [{"name": "app", "image": "a"}]}});
        let copy = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "copy", "namespace": "shop"},
            "spec": {"containers": [{"name": "app", "image": "a"}, {"name": "dbg", "image": "b"}]}});
        let changes = json!({
            "metadata": {
                "uid": "u-9", "resourceVersion": "7", "creationTimestamp": "2026-01-01T00:00:00Z", "generation": 1,
                "finalizers": ["batch.example/tracking"], "annotations": {"cni.example/ip": "10.0.0.1"},
                "labels": {"trocar.dev/session": "abcde"},
            },
            "spec": {
                "nodeName": "n-2", "nodeSelector": {"pool": "shop"}, "schedulerName": "default-scheduler",
                "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute",
                    "tolerationSeconds": 300}],
            },
        });
        assert_eq!(broken(&target, &copy, changes), None);
    }

    #[test]
    fn a_nodes_pod_that_was_stored_for_another_node_gets_no_session() {
        let target = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n-1", "uid": "u-0"}});
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "debug", "namespace": "ops"},
            "spec": {"nodeName": "n-1", "containers": [{"name": "dbg", "image": "b"}]}});
        let told = broken(&target, &pod, json!({"spec": {"nodeName": "n-2"}}));
        assert_eq!(
            told.as_deref(),
            Some("the pod would run on node \"n-2\" instead of \"n-1\"")
        );
    }
}
