//! What the cluster would hold once a plan is carried out, as far as that can be known without one.

use serde_json::Value;
use trocar_sdk::{Pod, pod::ContainerKind};

use super::{DebugPlan, Step};
use crate::target::Target;

/// An object before and after a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// How the object is called: `pod/NAME`.
    pub name: String,
    /// What it is compared with: itself before, or for a copy the original; nothing for a new pod on a node.
    pub before: Option<Value>,
    /// What it is after; nothing when it is deleted.
    pub after: Option<Value>,
}

/// Applies a plan in memory.
pub fn changes(plan: &DebugPlan, target: &Target) -> Vec<Change> {
    let original = Value::Object(target.object().clone());
    let is_pod = plan.target.namespace.is_some();
    plan.steps
        .iter()
        .map(|step| match step {
            Step::AddEphemeralContainer(container) => {
                let mut pod = Pod(target.object().clone());
                pod.push_container(ContainerKind::Ephemeral, container.clone());
                Change {
                    name: plan.target.to_string(),
                    before: Some(original.clone()),
                    after: Some(Value::Object(pod.0)),
                }
            }
            Step::CreatePod(pod) => Change {
                name: format!("pod/{}", pod.name()),
                before: is_pod.then(|| original.clone()),
                after: Some(Value::Object(pod.0.clone())),
            },
            Step::DeletePod(deletion) => Change {
                name: format!("pod/{}", deletion.name),
                before: Some(original.clone()),
                after: None,
            },
        })
        .collect()
}
