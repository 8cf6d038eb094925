//! Plans a node pod. Pure.

use serde_json::json;
use trocar_sdk::{
    Diagnostic, Failure, Object, Plan, Pod, Profile, Request, custom,
    inherit::{run_as_root, shape_spec},
    names,
    plan::debug_container,
    pod::{object, text},
    profile::{apply_to_node_pod, apply_to_windows_node_pod},
};

/// The longest name of a pod.
const MAX_NAME: usize = 253;

/// Plans a pod on a node, as `kubectl debug node/NAME --image=…` does: bound without the scheduler,
/// tolerating every taint, never restarted.
///
/// # Errors
/// Fails when the target is not a node.
pub fn make_plan(request: Request) -> Result<Plan, Failure> {
    let options = &request.options;
    let node = request.target.into_node()?;
    let node_name = metadata_text(&node, "name").unwrap_or_default();
    let container_name = options.container.as_deref().unwrap_or("debugger");
    let pod_name = pod_name(node_name, &request.context.suffix);
    let container = debug_container(container_name, options);
    let mut pod = Pod(as_object(json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": pod_name, "namespace": request.context.namespace},
        "spec": {
            "containers": [container],
            "nodeName": node_name,
            "restartPolicy": "Never",
            "tolerations": [{"operator": "Exists"}],
        },
    })));
    let is_windows = is_windows(&node);
    if options.profile == Profile::Sysadmin && is_windows {
        apply_to_windows_node_pod(&mut pod, container_name);
    } else {
        apply_to_node_pod(options.profile, &mut pod, container_name);
    }
    shape_spec(pod.spec_mut(), options);
    let mut notes = Vec::new();
    let spec = pod.0.clone();
    if let Some(container) = pod.container_mut(container_name) {
        notes = run_as_root(container, &spec, options);
    }
    if let (Some(custom), Some(container)) = (&options.custom, pod.container_mut(container_name)) {
        custom::merge(container, custom);
    }
    let note = Diagnostic::info(
        "creating-pod",
        format!("Creating debugging pod {pod_name} with container {container_name} on node {node_name}."),
    );
    let mut plan = Plan::create_pod(pod, Some(container_name.to_owned())).with(note);
    plan.diagnostics.extend(notes);
    if is_windows && options.profile != Profile::Sysadmin {
        return Ok(plan.with(
            Diagnostic::warning(
                "profile-of-linux",
                format!(
                    "node {node_name} runs Windows, where --profile={} gives no access to the node",
                    options.profile.name()
                ),
            )
            .help("--profile=sysadmin makes a host-process container"),
        ));
    }
    Ok(plan)
}

/// The pod's name. A node's name may be as long as a pod's, so the node's part is cut.
fn pod_name(node_name: &str, suffix: &str) -> String {
    let room = MAX_NAME - "node-debugger-".len() - 1 - suffix.len();
    let kept = node_name.get(..room).unwrap_or(node_name);
    let kept = kept.trim_end_matches(['-', '.']);
    names::unused_name(&format!("node-debugger-{kept}"), suffix, |_| false)
}

fn is_windows(node: &Object) -> bool {
    let labels = object(node, "metadata").and_then(|metadata| object(metadata, "labels"));
    labels.and_then(|labels| text(labels, "kubernetes.io/os")) == Some("windows")
}

fn metadata_text<'a>(object_: &'a Object, field: &str) -> Option<&'a str> {
    text(object(object_, "metadata")?, field)
}

fn as_object(value: serde_json::Value) -> Object {
    match value {
        serde_json::Value::Object(object) => object,
        _ => Object::new(),
    }
}

#[cfg(test)]
mod tests {
    use trocar_sdk::{Context, DebugOptions, Target};

    use super::*;

    fn pod(node: &str, profile: Profile) -> serde_json::Value {
        let node = json!({"kind": "Node", "metadata": {"name": node}});
        let request = Request {
            target: Target(as_object(node)),
            options: DebugOptions {
                profile,
                ..DebugOptions::default()
            },
            context: Context {
                suffix: "abcdefghij".into(),
                ..Context::default()
            },
            ..Request::default()
        };
        make_plan(request).unwrap().steps[0].clone().into_object()
    }

    #[test]
    fn the_profile_says_how_much_of_the_node_is_in_the_pod() {
        let general = pod("n1", Profile::General);
        assert_eq!(general["spec"]["hostPID"], true);
        assert_eq!(
            general["spec"]["containers"][0]["volumeMounts"][0]["mountPath"],
            "/host"
        );
        let restricted = pod("n1", Profile::Restricted);
        assert_eq!(restricted["spec"].get("hostPID"), None);
        assert_eq!(restricted["spec"].get("volumes"), None);
    }

    #[test]
    fn a_long_name_of_a_node_gives_way_to_what_makes_the_pods_unique() {
        let pod = pod(&"n".repeat(253), Profile::General);
        let name = pod["metadata"]["name"].as_str().unwrap();
        assert!(name.len() <= MAX_NAME && name.ends_with("-abcdefghij"), "{name}");
    }
}
