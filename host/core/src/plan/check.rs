//! The guard rails: what every plan must keep to, whatever any plugin says. Not a policy: it cannot be switched off.
//!
//! Pure, and trusts nothing that comes from a guest. Steps are in normal form; what that promises and a session depends on is
//! checked once more.

mod created;
mod stored;

use std::{fmt, io};

use serde_json::Value;
use trocar_sdk::{
    DebugOptions, Object,
    pod::{self, text},
};

use self::created::check_created;
pub(crate) use self::stored::check_stored;
use super::{Deletion, Step, container_name};
use crate::target::{Target, TargetKind, is_label};

/// The most steps that a plan may have.
const MAX_STEPS: usize = 8;

/// The largest object that a cluster stores, in bytes.
const MAX_OBJECT: usize = 1 << 20;

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

/// Why a plan is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The step, from 0, if it is about one.
    pub step: Option<usize>,
    /// What is wrong with it.
    pub message: String,
    /// The option of the request with which a plan may do that, where there is one: for example `replace`.
    pub option: Option<&'static str>,
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

impl Violation {
    /// Makes a violation that is not of one step.
    fn of_plan(message: impl Into<String>) -> Self {
        Self {
            step: None,
            message: message.into(),
            option: None,
        }
    }

    /// Makes a violation of what only an option of the request allows.
    fn without_option(option: &'static str, message: impl Into<String>) -> Self {
        Self {
            option: Some(option),
            ..Self::of_plan(message)
        }
    }
}

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
    if steps.is_empty() {
        return Err(Violation::of_plan("the plan has no steps"));
    }
    check_count(steps.len())?;
    let creations = steps
        .iter()
        .filter(|step| !matches!(step, Step::DeletePod(_)))
        .count();
    if creations != 1 {
        return Err(Violation::of_plan(format!(
            "the plan makes {creations} debug containers or pods; it must make exactly one"
        )));
    }
    let deletes_target = steps.iter().any(|step| matches!(step, Step::DeletePod(_)));
    for (index, step) in steps.iter().enumerate() {
        let checked = match step {
            Step::AddEphemeralContainer(container) => {
                check_ephemeral(container, target).map_err(Violation::of_plan)
            }
            Step::CreatePod(pod) => check_created(pod, target, options, namespace, deletes_target),
            Step::DeletePod(deletion) => check_deletion(deletion, &steps[..index], target, options),
        };
        checked.map_err(|violation| Violation {
            step: Some(index),
            ..violation
        })?;
    }
    attach.map_or(Ok(()), |name| {
        check_attach(name, steps).map_err(Violation::of_plan)
    })
}

/// Checks how many steps there are, before they are read.
///
/// # Errors
/// Fails when there are more than are ever carried out.
pub fn check_count(steps: usize) -> Result<(), Violation> {
    if steps <= MAX_STEPS {
        return Ok(());
    }
    Err(Violation::of_plan(format!(
        "the plan has {steps} steps; at most {MAX_STEPS} are carried out"
    )))
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
    check_joined(container, target)
}

/// The container whose processes it sees is one of the target's.
fn check_joined(container: &Object, target: &Target) -> Result<(), String> {
    if let Some(joined) = text(container, "targetContainerName")
        && pod::container(target.object(), joined).is_none()
    {
        return Err(format!(
            "it targets {joined:?}, which is not a container of the pod"
        ));
    }
    Ok(())
}

fn check_deletion(
    deletion: &Deletion,
    before: &[Step],
    target: &Target,
    options: &DebugOptions,
) -> Result<(), Violation> {
    if target.id().kind != TargetKind::Pod || deletion.name != target.id().name {
        return Err(Violation::of_plan(format!(
            "it would delete pod {:?}, which is not the target",
            deletion.name
        )));
    }
    if !options.replace {
        let message = "it would delete the target, which was not requested";
        return Err(Violation::without_option("replace", message));
    }
    // Steps are carried out in order: if the creation fails, the target has to be there still.
    if !before.iter().any(|step| matches!(step, Step::CreatePod(_))) {
        return Err(Violation::of_plan(
            "it would delete the target before its copy exists",
        ));
    }
    if before.iter().any(|step| matches!(step, Step::DeletePod(_))) {
        return Err(Violation::of_plan("it would delete the target twice"));
    }
    Ok(())
}

fn check_attach(name: &str, steps: &[Step]) -> Result<(), String> {
    let made = steps.iter().any(|step| match step {
        Step::AddEphemeralContainer(container) => container_name(container) == name,
        Step::CreatePod(pod) => pod.container(name).is_some(),
        Step::DeletePod(_) => false,
    });
    // With an empty name, a container without a name would count as made and attached to.
    if made && !name.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the plan attaches to {name:?}, a container that it does not make"
    ))
}

/// Counts what is written.
struct Counted(usize);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn check_size(object: &Object) -> Result<(), String> {
    let mut counted = Counted(0);
    let size = serde_json::to_writer(&mut counted, object).map_or(usize::MAX, |()| counted.0);
    if size > MAX_OBJECT {
        return Err(format!(
            "the object has {size} bytes; a cluster stores at most {MAX_OBJECT}"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::merged::merge;

    fn pod() -> Target {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "web-0", "namespace": "shop", "uid": "u-0",
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "uid": "u-1"}],
            },
            "spec": {
                "nodeName": "n-1", "schedulerName": "default-scheduler", "nodeSelector": {"disk": "ssd"},
                "tolerations": [{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "Exists"}],
                "topologySpreadConstraints": [], "affinity": null,
                "containers": [{"name": "app", "image": "a"}],
            },
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
            "spec": {"nodeSelector": {"disk": "ssd"}, "containers": [{"name": "app", "image": "a"}]},
        });
        merge(&mut pod, changes);
        step("create-pod", pod)
    }

    fn refusal(steps: &[Step], attach: Option<&str>, target: &Target, replace: bool) -> String {
        let options = DebugOptions {
            replace,
            ..DebugOptions::default()
        };
        refusal_with(&options, steps, attach, target)
    }

    fn refusal_with(options: &DebugOptions, steps: &[Step], attach: Option<&str>, target: &Target) -> String {
        match check(steps, attach, target, options, "ops") {
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
        let on_node = create(json!({
            "metadata": {"namespace": "ops"},
            "spec": {"nodeName": "n", "tolerations": [{"operator": "Exists"}]},
        }));
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
            (
                json!({"targetContainerName": "nope"}),
                "not a container of the pod",
            ),
            (
                json!({"env": [{"name": "A", "value": "x".repeat(2 << 20)}]}),
                "bytes; a cluster stores",
            ),
        ] {
            let message = refusal(&[add(container)], None, &pod(), false);
            assert!(message.contains(wanted), "{message}");
        }
        assert!(refusal(&[add(json!({}))], None, &node(), false).contains("only a pod"));
    }

    #[test]
    fn a_created_pod_is_in_its_namespace_and_has_no_more_metadata_than_a_plan_may_set() {
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
        let elsewhere = create(json!({"spec": {"nodeName": "n"}}));
        assert!(refusal(&[elsewhere], None, &node(), false).contains("instead of \"ops\""));
    }

    #[test]
    fn only_the_target_is_deleted_and_only_when_its_copy_exists_and_the_user_asked() {
        let delete = |name: &str| step("delete-pod", json!({"name": name}));
        let made = create(json!({}));
        for (steps, replace, wanted) in [
            (vec![made.clone(), delete("other")], true, "not the target"),
            (vec![made.clone(), delete("web-0")], false, "not requested"),
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
        // What a fuzzer found: a container without a name, and a session with that name.
        let nameless = create(json!({"spec": {"initContainers": [{}]}}));
        assert!(refusal(std::slice::from_ref(&nameless), Some(""), &pod(), false).contains("has no name"));
        let nameless = add(json!({"name": ""}));
        assert!(refusal(&[nameless], Some(""), &pod(), false).contains("not a valid container name"));
        assert!(refusal(&[create(json!({}))], Some(""), &pod(), false).contains("does not make"));
    }

    #[test]
    fn every_container_of_a_created_pod_has_a_name_of_its_own_and_an_image() {
        for (containers, wanted) in [
            (json!([{"name": "a"}]), "\"a\" has no image"),
            (json!([{"image": "a"}]), "has no name"),
            (json!([{"name": "a", "image": ""}]), "\"a\" has no image"),
            (
                json!([{"name": "a", "image": "a"}, {"name": "a", "image": "b"}]),
                "two containers",
            ),
            (json!([{"name": "a", "image": "a"}, "b"]), "not an object"),
        ] {
            let message = refusal(
                &[create(json!({"spec": {"containers": containers}}))],
                None,
                &pod(),
                false,
            );
            assert!(message.contains(wanted), "{message}");
        }
    }

    #[test]
    fn an_owner_is_the_target_itself_or_nothing() {
        let owned = |changes: Value| {
            let mut owner = json!({"apiVersion": "v1", "kind": "Pod", "name": "web-0", "uid": "u-0"});
            merge(&mut owner, changes);
            create(json!({"metadata": {"ownerReferences": [owner]}}))
        };
        let delete = step("delete-pod", json!({"name": "web-0"}));
        assert_eq!(refusal(&[owned(json!({}))], None, &pod(), false), "fine");
        for (changes, wanted) in [
            (json!({"uid": "u-1"}), "only belong to its target"),
            (json!({"name": "web-1"}), "only belong to its target"),
            (json!({"kind": "Node"}), "only belong to its target"),
            (json!({"apiVersion": "v2"}), "only belong to its target"),
            (
                json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "uid": "u-1"}),
                "StatefulSet \"web\"",
            ),
            (json!({"controller": true}), "controller"),
        ] {
            let message = refusal(&[owned(changes)], None, &pod(), false);
            assert!(message.contains(wanted), "{message}");
        }
        let message = refusal(&[owned(json!({})), delete], None, &pod(), true);
        assert!(message.contains("deleted together with it"), "{message}");
        // Of a target whose identity is not known, another pod could have the name.
        let nameless = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0", "namespace": "shop"},
            "spec": {"nodeSelector": {"disk": "ssd"}, "containers": [{"name": "app", "image": "a"}]}});
        let message = refusal(
            &[owned(json!({}))],
            None,
            &Target::new(nameless, "shop").unwrap(),
            false,
        );
        assert!(message.contains("only belong to its target"), "{message}");
    }

    #[test]
    fn a_pod_of_a_node_runs_on_that_node() {
        for (spec, wanted) in [
            (json!({"nodeName": "n"}), "fine"),
            (
                json!({"nodeName": "sec-cp-1"}),
                "on node \"sec-cp-1\" instead of \"n\"",
            ),
            (
                json!({"nodeSelector": {"kubernetes.io/hostname": "n"}}),
                "not bound to node \"n\"",
            ),
        ] {
            let pod = create(json!({"metadata": {"namespace": "ops"}, "spec": spec}));
            let message = refusal(&[pod], None, &node(), false);
            assert!(message.contains(wanted), "{message}");
        }
    }

    #[test]
    fn a_copy_is_scheduled_as_its_target() {
        let affinity = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["cp-1"]}]}
        ]}}});
        for (spec, wanted) in [
            (
                json!({"tolerations": [{"key": "b", "operator": "Exists"}]}),
                "fine",
            ),
            (json!({"schedulerName": "default-scheduler"}), "fine"),
            (
                json!({"nodeName": "cp-1"}),
                "node \"cp-1\", which is not its target's node",
            ),
            (json!({"nodeName": "n-1"}), "not requested"),
            (json!({"affinity": affinity}), "spec.affinity"),
            (
                json!({"nodeSelector": {"kubernetes.io/hostname": "cp-1"}}),
                "spec.nodeSelector",
            ),
            (json!({"nodeSelector": null}), "spec.nodeSelector"),
            (
                json!({"tolerations": [{"operator": "Exists"}]}),
                "spec.tolerations",
            ),
            (json!({"schedulerName": "mine"}), "spec.schedulerName"),
            (
                json!({"schedulingGates": [{"name": "mine"}]}),
                "spec.schedulingGates",
            ),
            (
                json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone"}]}),
                "spec.topologySpreadConstraints",
            ),
        ] {
            let message = refusal(&[create(json!({"spec": spec}))], None, &pod(), false);
            assert!(message.contains(wanted), "{message}");
        }
        let same_node = DebugOptions {
            same_node: true,
            ..DebugOptions::default()
        };
        let on = |node: &str| create(json!({"spec": {"nodeName": node}}));
        assert_eq!(refusal_with(&same_node, &[on("n-1")], None, &pod()), "fine");
        let message = refusal_with(&same_node, &[on("cp-1")], None, &pod());
        assert!(message.contains("which is not its target's node"), "{message}");
    }

    #[test]
    fn the_marks_of_the_host_and_of_a_kubelet_are_in_no_plan() {
        for (metadata, wanted) in [
            (
                json!({"labels": {"trocar.dev/session": "x"}}),
                "trocar.dev/session",
            ),
            (json!({"annotations": {"trocar.dev/": "x"}}), "trocar.dev/"),
            (
                json!({"annotations": {"kubernetes.io/config.mirror": "x"}}),
                "kubelet",
            ),
            (
                json!({"annotations": {"kubernetes.io/config.source": "file"}}),
                "kubelet",
            ),
        ] {
            let message = refusal(&[create(json!({"metadata": metadata}))], None, &pod(), false);
            assert!(message.contains(wanted), "{message}");
        }
    }

    #[test]
    fn a_pod_of_twelve_thousand_containers_is_checked_in_one_pass() {
        // Quadratic, this is 144 million comparisons of names, and as many of tolerations.
        let containers: Vec<Value> = (0..12_000)
            .map(|index| json!({"name": format!("c{index}"), "image": "a"}))
            .collect();
        let tolerations: Vec<Value> = (0..4_000)
            .map(|index| json!({"key": format!("k{index}")}))
            .collect();
        let spec = json!({"containers": containers, "tolerations": tolerations});
        let target = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0", "namespace": "shop"}, "spec": spec});
        let mut copy = target.clone();
        copy["metadata"]["name"] = "copy".into();
        let target = Target::new(target, "shop").unwrap();
        assert_eq!(
            refusal(&[step("create-pod", copy)], Some("c11999"), &target, false),
            "fine"
        );
    }
}
