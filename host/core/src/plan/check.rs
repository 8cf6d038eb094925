//! The guard rails: what every plan must keep to, whatever any plugin says. Not a policy: it cannot be switched off.
//!
//! Pure, and trusts nothing that comes from a guest.

use std::fmt;

use serde_json::Value;
use trocar_sdk::{
    DebugOptions, Object, Pod,
    pod::{self, ContainerKind, list, object, text},
};

use super::{Deletion, Step, container_name};
use crate::target::{Target, TargetKind, is_label, is_subdomain};

/// The most steps that a plan may have.
const MOST_STEPS: usize = 8;

/// The largest object that a cluster stores, in bytes.
const LARGEST_OBJECT: usize = 1 << 20;

/// The fields that the API server accepts in an ephemeral container.
///
/// Source: `allowedEphemeralContainerFields` in Kubernetes' validation, and the page "Ephemeral Containers".
const EPHEMERAL_FIELDS: [&str; 18] = [
    "name",
    "image",
    "command",
    "args",
    "workingDir",
    "envFrom",
    "env",
    "volumeMounts",
    "volumeDevices",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "imagePullPolicy",
    "securityContext",
    "stdin",
    "stdinOnce",
    "tty",
    "targetContainerName",
    "resources",
];

/// The metadata that a plan may give to a pod that it creates.
const CREATED_METADATA: [&str; 5] = ["name", "namespace", "labels", "annotations", "ownerReferences"];

/// Why a plan is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The step, from 0, if it is about one.
    pub step: Option<usize>,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Some(step) => write!(out, "step {}: {}", step + 1, self.message),
            None => out.write_str(&self.message),
        }
    }
}

impl std::error::Error for Violation {}

/// Checks a plan against its target and what the user asked for.
///
/// `namespace` is where pods for targets without a namespace go.
///
/// # Errors
/// Fails at the first thing that no plan may do.
pub fn check(
    steps: &[Step],
    attach: Option<&str>,
    target: &Target,
    options: &DebugOptions,
    namespace: &str,
) -> Result<(), Violation> {
    let plan = |message: String| Violation { step: None, message };
    if steps.is_empty() {
        return Err(plan("the plan has no steps".into()));
    }
    check_count(steps.len())?;
    let creations = steps
        .iter()
        .filter(|step| !matches!(step, Step::DeletePod(_)))
        .count();
    if creations != 1 {
        return Err(plan(format!(
            "the plan makes {creations} debug containers or pods; it must make one"
        )));
    }
    for (index, step) in steps.iter().enumerate() {
        let checked = match step {
            Step::AddEphemeralContainer(container) => check_ephemeral(container, target),
            Step::CreatePod(pod) => check_created(pod, target, namespace),
            Step::DeletePod(deletion) => check_deletion(deletion, &steps[..index], target, options),
        };
        checked.map_err(|message| Violation {
            step: Some(index),
            message,
        })?;
    }
    attach.map_or(Ok(()), |name| check_attach(name, steps).map_err(plan))
}

/// Checks how many steps there are, before anybody looks at them.
///
/// # Errors
/// Fails when there are more than are ever carried out.
pub fn check_count(steps: usize) -> Result<(), Violation> {
    if steps <= MOST_STEPS {
        return Ok(());
    }
    Err(Violation {
        step: None,
        message: format!("the plan has {steps} steps; at the most {MOST_STEPS} are carried out"),
    })
}

fn check_ephemeral(container: &Object, target: &Target) -> Result<(), String> {
    if target.id().kind != TargetKind::Pod {
        return Err("only a pod can be given an ephemeral container".into());
    }
    check_size(container)?;
    let name = container_name(container);
    if !is_label(name) {
        return Err(format!("{name:?} is not a valid container name"));
    }
    if pod::container(target.object(), name).is_some() {
        return Err(format!("the pod already has a container named {name:?}"));
    }
    if text(container, "image").is_none_or(str::is_empty) {
        return Err("an ephemeral container needs an image".into());
    }
    let is_empty = |value: &Value| value.as_object().is_some_and(Object::is_empty) || value.is_null();
    let forbidden = container.iter().find(|(field, value)| {
        !EPHEMERAL_FIELDS.contains(&field.as_str()) || (*field == "resources" && !is_empty(value))
    });
    if let Some((field, _)) = forbidden {
        return Err(format!(
            "the API server refuses {field:?} in an ephemeral container"
        ));
    }
    if let Some(joined) = text(container, "targetContainerName")
        && pod::container(target.object(), joined).is_none()
    {
        return Err(format!("it targets {joined:?}, which is no container of the pod"));
    }
    Ok(())
}

fn check_created(pod: &Pod, target: &Target, namespace: &str) -> Result<(), String> {
    check_size(&pod.0)?;
    if text(&pod.0, "apiVersion") != Some("v1") || text(&pod.0, "kind") != Some("Pod") {
        return Err("only a v1 Pod may be created".into());
    }
    if !is_subdomain(pod.name()) {
        return Err(format!("{:?} is not a valid pod name", pod.name()));
    }
    let wanted = target.id().namespace.as_deref().unwrap_or(namespace);
    if pod.namespace() != Some(wanted) {
        return Err(format!(
            "the pod would be created in namespace {:?} instead of {wanted:?}",
            pod.namespace().unwrap_or_default()
        ));
    }
    let metadata = pod.metadata().ok_or("the pod has no metadata")?;
    if let Some(field) = metadata
        .keys()
        .find(|field| !CREATED_METADATA.contains(&field.as_str()))
    {
        return Err(format!("a plan may not set metadata.{field}"));
    }
    if shares_owner(metadata, target) {
        return Err(
            "the pod would belong to the owner of its target, which would count it as its own".into(),
        );
    }
    if pod.containers_of(ContainerKind::Ephemeral).next().is_some() {
        return Err("a new pod may not have ephemeral containers yet".into());
    }
    if pod.containers_of(ContainerKind::Regular).next().is_none() {
        return Err("the pod has no containers".into());
    }
    Ok(())
}

fn shares_owner(metadata: &Object, target: &Target) -> bool {
    let targets = object(target.object(), "metadata");
    owners(metadata).any(|owner| {
        targets
            .into_iter()
            .flat_map(owners)
            .any(|targets| is_same_owner(owner, targets))
    })
}

fn owners(metadata: &Object) -> impl Iterator<Item = &Object> {
    list(metadata, "ownerReferences")
        .iter()
        .filter_map(Value::as_object)
}

/// A cluster finds owners by their identity, people by kind and name: either makes it the same one.
fn is_same_owner(one: &Object, other: &Object) -> bool {
    let same = |field| text(one, field).unwrap_or_default() == text(other, field).unwrap_or_default();
    let has_identity = text(one, "uid").is_some_and(|uid| !uid.is_empty());
    same("kind") && same("name") || has_identity && same("uid")
}

fn check_deletion(
    deletion: &Deletion,
    before: &[Step],
    target: &Target,
    options: &DebugOptions,
) -> Result<(), String> {
    if target.id().kind != TargetKind::Pod || deletion.name != target.id().name {
        return Err(format!(
            "it would delete pod {:?}, which is not the target",
            deletion.name
        ));
    }
    if !options.replace {
        return Err("it would delete the target, which nobody asked for (--replace)".into());
    }
    if !before.iter().any(|step| matches!(step, Step::CreatePod(_))) {
        return Err("it would delete the target before its copy exists".into());
    }
    if before.iter().any(|step| matches!(step, Step::DeletePod(_))) {
        return Err("it would delete the target twice".into());
    }
    Ok(())
}

fn check_attach(name: &str, steps: &[Step]) -> Result<(), String> {
    let made = steps.iter().any(|step| match step {
        Step::AddEphemeralContainer(container) => container_name(container) == name,
        Step::CreatePod(pod) => pod.container(name).is_some(),
        Step::DeletePod(_) => false,
    });
    if made {
        return Ok(());
    }
    Err(format!(
        "the plan attaches to {name:?}, a container that it does not make"
    ))
}

fn check_size(object: &Object) -> Result<(), String> {
    let size = serde_json::to_vec(object).map_or(usize::MAX, |text| text.len());
    if size > LARGEST_OBJECT {
        return Err(format!(
            "the object is {size} bytes large; a cluster stores {LARGEST_OBJECT} at the most"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod() -> Target {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web-0", "namespace": "shop", "ownerReferences": [{"kind": "StatefulSet", "name": "web", "uid": "u-1"}]},
            "spec": {"containers": [{"name": "app", "image": "a"}]},
        });
        Target::new(pod, "default").unwrap()
    }

    fn node() -> Target {
        Target::new(
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}),
            "default",
        )
        .unwrap()
    }

    fn step(action: &str, object: Value) -> Step {
        Step::from_value(action, object).unwrap()
    }

    fn add(changes: Value) -> Step {
        let mut container = json!({"name": "dbg", "image": "busybox"});
        merge(&mut container, changes);
        step("add-ephemeral-container", container)
    }

    fn create(changes: Value) -> Step {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "copy", "namespace": "shop"},
            "spec": {"containers": [{"name": "app", "image": "a"}]},
        });
        merge(&mut pod, changes);
        step("create-pod", pod)
    }

    fn merge(old: &mut Value, new: Value) {
        match (old, new) {
            (Value::Object(old), Value::Object(new)) => {
                for (field, value) in new {
                    merge(old.entry(field).or_insert(Value::Null), value);
                }
            }
            (old, new) => *old = new,
        }
    }

    fn refusal(steps: &[Step], attach: Option<&str>, target: &Target, replace: bool) -> String {
        let options = DebugOptions {
            replace,
            ..DebugOptions::default()
        };
        match check(steps, attach, target, &options, "ops") {
            Ok(()) => "fine".into(),
            Err(violation) => violation.to_string(),
        }
    }

    #[test]
    fn what_the_default_strategies_plan_is_fine() {
        let delete = step("delete-pod", json!({"name": "web-0", "gracePeriodSeconds": 0}));
        assert_eq!(refusal(&[add(json!({}))], Some("dbg"), &pod(), false), "fine");
        assert_eq!(
            refusal(&[create(json!({})), delete], Some("app"), &pod(), true),
            "fine"
        );
        let on_node = create(json!({"metadata": {"namespace": "ops"}}));
        assert_eq!(refusal(&[on_node], None, &node(), false), "fine");
    }

    #[test]
    fn an_ephemeral_container_only_adds_itself() {
        for (container, wanted) in [
            (json!({"name": "app"}), "already has a container named \"app\""),
            (json!({"name": "Not A Label"}), "not a valid container name"),
            (json!({"image": ""}), "needs an image"),
            (json!({"ports": []}), "refuses \"ports\""),
            (
                json!({"resources": {"limits": {"cpu": "1"}}}),
                "refuses \"resources\"",
            ),
            (json!({"lifecycle": {}}), "refuses \"lifecycle\""),
            (json!({"targetContainerName": "nope"}), "no container of the pod"),
            (
                json!({"env": [{"name": "A", "value": "x".repeat(2 << 20)}]}),
                "bytes large",
            ),
        ] {
            let message = refusal(&[add(container)], None, &pod(), false);
            assert!(message.contains(wanted), "{message}");
        }
        assert!(refusal(&[add(json!({}))], None, &node(), false).contains("only a pod"));
    }

    #[test]
    fn a_created_pod_is_where_it_belongs_and_belongs_to_nobody() {
        for (changes, wanted) in [
            (
                json!({"metadata": {"namespace": "kube-system"}}),
                "namespace \"kube-system\" instead of \"shop\"",
            ),
            (json!({"metadata": {"namespace": null}}), "namespace \"\""),
            (json!({"metadata": {"name": "A_b"}}), "not a valid pod name"),
            (
                json!({"metadata": {"generateName": "x"}}),
                "metadata.generateName",
            ),
            (json!({"metadata": {"finalizers": ["x"]}}), "metadata.finalizers"),
            (
                json!({"metadata": {"ownerReferences": [{"kind": "StatefulSet", "name": "web"}]}}),
                "owner of its target",
            ),
            (
                json!({"metadata": {"ownerReferences": [{"kind": "Other", "name": "x", "uid": "u-1"}]}}),
                "owner of its target",
            ),
            (json!({"kind": "Secret"}), "only a v1 Pod"),
            (
                json!({"spec": {"ephemeralContainers": [{"name": "x"}]}}),
                "may not have ephemeral containers",
            ),
            (json!({"spec": {"containers": []}}), "no containers"),
        ] {
            let message = refusal(&[create(changes)], None, &pod(), false);
            assert!(message.contains(wanted), "{message}");
        }
        assert!(refusal(&[create(json!({}))], None, &node(), false).contains("instead of \"ops\""));
    }

    #[test]
    fn only_the_target_is_deleted_and_only_when_its_copy_exists_and_the_user_asked() {
        let delete = |name: &str| step("delete-pod", json!({"name": name}));
        let made = create(json!({}));
        for (steps, replace, wanted) in [
            (vec![made.clone(), delete("other")], true, "not the target"),
            (vec![made.clone(), delete("web-0")], false, "nobody asked"),
            (
                vec![delete("web-0"), made.clone()],
                true,
                "before its copy exists",
            ),
            (
                vec![made.clone(), delete("web-0"), delete("web-0")],
                true,
                "twice",
            ),
            (vec![delete("web-0")], true, "makes 0"),
            (vec![made.clone(), add(json!({}))], true, "makes 2"),
            (vec![], true, "no steps"),
            (vec![delete("web-0"); 9], true, "9 steps"),
        ] {
            let message = refusal(&steps, None, &pod(), replace);
            assert!(message.contains(wanted), "{message}");
        }
    }

    #[test]
    fn a_session_is_only_with_what_was_made() {
        assert!(refusal(&[add(json!({}))], Some("app"), &pod(), false).contains("does not make"));
        assert!(refusal(&[create(json!({}))], Some("x"), &pod(), false).contains("does not make"));
    }
}
