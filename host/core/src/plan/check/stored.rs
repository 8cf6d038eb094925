//! The guard rails for what the server stored. What only a plan could do wrong is not looked at again: sizes, fields that the
//! server took, metadata that it sets itself.

use trocar_sdk::{Object, Pod, pod::text};

use super::{
    Violation, check_attach, check_joined,
    created::{check_containers, check_identity, check_marks, check_node, check_owners},
};
use crate::{
    kubernetes::{Difference, scheduled_otherwise},
    plan::Step,
    target::{Target, TargetKind},
};

/// Checks the steps of a plan with what the server stored instead of what was judged.
///
/// `differences` are those that weigh: where they do not touch how a pod is scheduled, it is scheduled as it was judged.
///
/// # Errors
/// Fails at the first thing that no plan may do.
pub(crate) fn check_stored(
    steps: &[Step],
    attach: Option<&str>,
    target: &Target,
    namespace: &str,
    differences: &[Difference],
) -> Result<(), Violation> {
    let deletes_target = steps.iter().any(|step| matches!(step, Step::DeletePod(_)));
    for step in steps {
        match step {
            Step::AddEphemeralContainer(container) => check_joined(container, target),
            Step::CreatePod(pod) => check_pod(pod, target, namespace, deletes_target)
                .and_then(|()| check_place(pod, target, differences)),
            Step::DeletePod(_) => Ok(()),
        }
        .map_err(Violation::of_plan)?;
    }
    attach.map_or(Ok(()), |name| {
        check_attach(name, steps).map_err(Violation::of_plan)
    })
}

fn check_pod(pod: &Pod, target: &Target, namespace: &str, deletes_target: bool) -> Result<(), String> {
    check_identity(pod, target, namespace)?;
    let nothing = Object::new();
    let metadata = pod.metadata().unwrap_or(&nothing);
    check_marks(metadata)?;
    check_owners(metadata, target, deletes_target)?;
    check_containers(pod)
}

/// The node that a scheduler chose is not part of what was stored, see `kubernetes::stored`.
fn check_place(pod: &Pod, target: &Target, differences: &[Difference]) -> Result<(), String> {
    if target.id().kind == TargetKind::Node {
        let node = pod.spec().and_then(|spec| text(spec, "nodeName"));
        return check_node(node, &target.id().name);
    }
    match differences.iter().find_map(Difference::scheduling_field) {
        Some(field) if scheduled_otherwise(&pod.0, target.object()).is_some() => Err(format!(
            "the pod would be scheduled otherwise than its target (spec.{field})"
        )),
        _ => Ok(()),
    }
}
