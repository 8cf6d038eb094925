//! Plans a copy of a pod. Pure.

use serde_json::json;
use trocar_sdk::{
    DebugOptions, Diagnostic, Failure, Object, Plan, Pod, Request, Step, custom,
    inherit::{inherit, run_as_root, shape_spec},
    names,
    plan::{change_container, debug_container, non_root_warning},
    pod::{ContainerKind, object},
    profile::{apply_to_copy, windows_warning},
};

/// Plans a copy of a pod, as `kubectl debug POD --copy-to=…` does.
///
/// # Errors
/// Fails when the target is not a pod, when `--copy-to` is missing, when `--set-image` names a container that the
/// pod does not have, when neither an image nor an existing container is given, and when the copy does not have the
/// container to be debugged.
pub fn make_plan(request: Request) -> Result<Plan, Failure> {
    let options = &request.options;
    let original = request.target.into_pod()?;
    let name = options
        .copy_to
        .as_deref()
        .ok_or_else(|| Failure::invalid_request("no-copy-name", "the strategy copy needs --copy-to=NAME"))?;
    let mut notes = Vec::new();
    let replaced = original.name().to_owned();
    let named = options.container.as_deref();
    let is_new = named.is_none_or(|name| original.container(name).is_none());
    let seen = (options.as_root || !options.inherit.is_nothing()).then(|| original.0.clone());
    let mut copy = copy_of(original, name, options);
    set_images(&mut copy, options)?;
    let debugged = place_debug_container(&mut copy, options, &request.context.suffix, &mut notes)?;
    apply_to_copy(options.profile, &mut copy, debugged.as_deref(), &options.keep);
    if let Some(dropped) = debugged.as_deref().filter(|name| copy.container(name).is_none()) {
        return Err(Failure::invalid_request(
            "container-dropped",
            format!(
                "--container={dropped} names an init container, which --keep-init-containers=false leaves out"
            ),
        ));
    }
    share_processes(&mut copy, options, &mut notes);
    if debugged.is_some() && copy.is_windows() {
        notes.extend(windows_warning(options.profile));
    }
    shape_spec(copy.spec_mut(), options);
    if let (Some(container), Some(original)) = (
        debugged.as_deref().and_then(|name| copy.container_mut(name)),
        &seen,
    ) {
        notes.extend(as_target(container, is_new, original, options)?);
    }
    match &debugged {
        Some(name) => {
            apply_custom(&mut copy, name, options)?;
            if let Some(container) = copy.container(name) {
                notes.extend(non_root_warning(&copy, container.container));
            }
        }
        None => notes.extend(ignored_custom(options)),
    }
    let mut plan = Plan::create_pod(copy, debugged);
    plan.diagnostics = notes;
    if options.replace {
        plan = plan.then(Step::DeletePod {
            name: replaced,
            grace_period_seconds: Some(0),
        });
    }
    Ok(plan)
}

/// A new container inherits what was asked for. A changed one has it already, and may still be run as root.
fn as_target(
    container: &mut Object,
    is_new: bool,
    original: &Object,
    options: &DebugOptions,
) -> Result<Vec<Diagnostic>, Failure> {
    if is_new {
        return inherit(container, ContainerKind::Regular, original, options);
    }
    let mut notes = run_as_root(container, original, options);
    if !options.inherit.is_nothing() {
        notes.push(Diagnostic::warning(
            "inherit-ignored",
            "--inherit is ignored: the container is one of the pod's, and has its own",
        ));
    }
    Ok(notes)
}

/// The prefix of trocar's stamps: those on the original are about another debug.
const OF_TROCAR: &str = "trocar.dev/";

/// Fields of a spec that the server computes from classes. It refuses the original's values if a class has changed, was deleted
/// or became the default since.
const COMPUTED: [&str; 3] = ["priority", "preemptionPolicy", "overhead"];

/// A pod with the original's spec, labels and annotations only: without owner, identity, node, fields that the server
/// computes, and trocar's stamps.
fn copy_of(mut original: Pod, name: &str, options: &DebugOptions) -> Pod {
    let mut metadata = Object::new();
    metadata.insert("name".into(), name.into());
    if let Some(kept) = original.metadata() {
        if let Some(namespace) = kept.get("namespace") {
            metadata.insert("namespace".into(), namespace.clone());
        }
        for field in ["labels", "annotations"] {
            if let Some(values) = object(kept, field) {
                let mut values = values.clone();
                values.retain(|name, _| !name.starts_with(OF_TROCAR));
                metadata.insert(field.into(), values.into());
            }
        }
    }
    let mut spec = std::mem::take(original.spec_mut());
    spec.remove(ContainerKind::Ephemeral.field());
    // Without a class they have the defaults of every pod, and kubectl's copies keep them.
    if ["priorityClassName", "runtimeClassName"]
        .iter()
        .any(|class| spec.contains_key(*class))
    {
        for field in COMPUTED {
            spec.remove(field);
        }
    }
    if !options.same_node {
        spec.remove("nodeName");
    }
    let mut copy = Object::new();
    copy.insert("apiVersion".into(), "v1".into());
    copy.insert("kind".into(), "Pod".into());
    copy.insert("metadata".into(), metadata.into());
    copy.insert("spec".into(), spec.into());
    Pod(copy)
}

fn set_images(copy: &mut Pod, options: &DebugOptions) -> Result<(), Failure> {
    let known: Vec<&str> = copy
        .containers_of(ContainerKind::Regular)
        .map(|found| found.name())
        .collect();
    for name in options.set_image.keys() {
        if name != "*" && !known.contains(&name.as_str()) {
            return Err(unknown_set_image(copy, name, &known));
        }
    }
    for container in copy.containers_mut(ContainerKind::Regular) {
        let name = container.get("name").and_then(|name| name.as_str());
        let image = name
            .and_then(|name| options.set_image.get(name))
            .or_else(|| options.set_image.get("*"));
        if let Some(image) = image {
            container.insert("image".into(), image.as_str().into());
        }
    }
    Ok(())
}

fn unknown_set_image(copy: &Pod, name: &str, known: &[&str]) -> Failure {
    let is_init = copy
        .containers_of(ContainerKind::Init)
        .any(|found| found.name() == name);
    let reason = if is_init {
        "is an init container, whose image --set-image does not change".to_owned()
    } else {
        match names::nearest(name, known.iter().copied()) {
            Some(meant) => format!("is not a container of the pod; did you mean {meant:?}?"),
            None => "is not a container of the pod".to_owned(),
        }
    };
    Failure::invalid_request(
        "no-such-container",
        format!(
            "--set-image={name}=…: {name:?} {reason} (containers: {})",
            names::list(known.iter().copied())
        ),
    )
}

/// Changes the container that `--container` names, or adds one. None if the copy only changes images.
fn place_debug_container(
    copy: &mut Pod,
    options: &DebugOptions,
    suffix: &str,
    notes: &mut Vec<Diagnostic>,
) -> Result<Option<String>, Failure> {
    let named = options.container.as_deref();
    if let Some(container) = named.and_then(|name| copy.container_mut(name)) {
        change_container(container, options);
        return Ok(named.map(str::to_owned));
    }
    if options.image.is_none() {
        if !options.set_image.is_empty() {
            return Ok(None);
        }
        return Err(Failure::invalid_request(
            "no-image",
            "you must specify image when creating new container",
        ));
    }
    let name = named.map_or_else(|| generated_name(copy, suffix, notes), str::to_owned);
    copy.push_container(ContainerKind::Regular, debug_container(&name, options));
    Ok(Some(name))
}

fn generated_name(copy: &Pod, suffix: &str, notes: &mut Vec<Diagnostic>) -> String {
    let taken = copy.container_names();
    let name = names::unused_name("debugger", suffix, |name| taken.contains(&name));
    notes.push(Diagnostic::info(
        "container-name-generated",
        format!("Defaulting debug container name to {name}."),
    ));
    name
}

/// `--share-processes` wins over the profile, but the API server refuses it beside `hostPID`, where it would add nothing.
fn share_processes(copy: &mut Pod, options: &DebugOptions, notes: &mut Vec<Diagnostic>) {
    let Some(wanted) = options.share_processes else {
        return;
    };
    if copy.is_windows() {
        notes.push(Diagnostic::warning(
            "share-processes-ignored",
            "--share-processes is ignored: the pod runs on Windows, where containers cannot share processes",
        ));
        return;
    }
    if wanted && copy.flag("hostPID") {
        notes.push(
            Diagnostic::warning(
                "share-processes-ignored",
                "--share-processes is ignored: the pod uses hostPID, which shows all processes of the node already",
            )
            .at(["spec", "hostPID"]),
        );
        return;
    }
    copy.spec_mut()
        .insert("shareProcessNamespace".into(), json!(wanted));
}

fn apply_custom(copy: &mut Pod, name: &str, options: &DebugOptions) -> Result<(), Failure> {
    let Some(custom) = &options.custom else {
        return Ok(());
    };
    let pod_name = copy.name().to_owned();
    let container = copy
        .containers_mut(ContainerKind::Regular)
        .find(|container| container.get("name").and_then(|found| found.as_str()) == Some(name))
        .ok_or_else(|| {
            Failure::invalid_request(
                "custom-init-container",
                format!("unable to find the {name} container in the pod {pod_name}"),
            )
        })?;
    custom::merge(container, custom);
    Ok(())
}

fn ignored_custom(options: &DebugOptions) -> Option<Diagnostic> {
    options.custom.as_ref().map(|_| {
        Diagnostic::warning(
            "custom-ignored",
            "--custom is ignored: a copy with only --set-image has no debug container",
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use trocar_sdk::{Profile, Target, options::Keep};

    use super::*;

    fn steps(options: DebugOptions) -> Vec<Value> {
        let pod = json!({
            "kind": "Pod",
            "metadata": {"name": "web", "uid": "1", "labels": {"app": "web", "trocar.dev/session": "1"},
                "annotations": {"team": "shop", "trocar.dev/requester": "alice", "trocar.dev/expires": "2099-01-01T00:00:00Z"},
                "ownerReferences": [{"name": "web"}]},
            "spec": {"nodeName": "n1", "unheard": true, "priorityClassName": "shop", "priority": 1000,
                "preemptionPolicy": "Never", "overhead": {"cpu": "1"}, "runtimeClassName": "kata",
                "initContainers": [{"name": "setup", "image": "setup:1"}],
                "containers": [{"name": "app", "image": "app:1", "livenessProbe": {"periodSeconds": 3}}]},
            "status": {"phase": "Running"}
        });
        let request = Request {
            target: Target(pod.as_object().cloned().unwrap_or_default()),
            options: DebugOptions {
                copy_to: Some("web-debug".into()),
                ..options
            },
            ..Request::default()
        };
        let plan = make_plan(request).unwrap();
        plan.steps.into_iter().map(Step::into_object).collect()
    }

    #[test]
    fn a_copy_has_the_spec_and_nothing_that_makes_it_the_original() {
        let steps = steps(DebugOptions {
            container: Some("app".into()),
            args: vec!["sh".into()],
            ..DebugOptions::default()
        });
        let [copy] = steps.as_slice() else {
            panic!("one step, not {steps:?}");
        };
        assert_eq!(copy["metadata"], json!({"name": "web-debug"}));
        assert_eq!(copy["spec"]["unheard"], true, "unknown fields are kept");
        assert_eq!(copy["spec"]["containers"][0]["command"], json!(["sh"]));
        assert_eq!(copy["spec"].get("nodeName"), None);
        for computed in COMPUTED {
            assert_eq!(copy["spec"].get(computed), None, "{computed}");
        }
        assert_eq!(copy["spec"]["priorityClassName"], "shop");
        assert_eq!(copy.get("status"), None);
    }

    #[test]
    fn a_copy_of_a_windows_pod_has_no_field_of_linux() {
        for profile in Profile::ALL {
            let pod = json!({"kind": "Pod", "metadata": {"name": "win"},
                "spec": {"os": {"name": "windows"}, "containers": [{"name": "web", "image": "nano:1"}]}});
            let request = Request {
                target: Target(pod.as_object().cloned().unwrap_or_default()),
                options: DebugOptions {
                    copy_to: Some("copy".into()),
                    image: Some("nano:2".into()),
                    profile,
                    share_processes: Some(true),
                    ..DebugOptions::default()
                },
                ..Request::default()
            };
            let plan = make_plan(request).unwrap();
            let copy = plan.steps[0].clone().into_object();
            assert_eq!(copy["spec"].get("shareProcessNamespace"), None, "{profile:?}");
            let context = copy["spec"]["containers"][1].get("securityContext").cloned();
            let wanted = (profile == Profile::Restricted).then(|| json!({"runAsNonRoot": true}));
            assert_eq!(context, wanted, "{profile:?}");
        }
    }

    #[test]
    fn a_copy_has_none_of_the_stamps_of_a_copy_of_a_copy() {
        let steps = steps(DebugOptions {
            image: Some("busybox".into()),
            keep: Keep {
                labels: Some(true),
                annotations: Some(true),
                ..Keep::default()
            },
            ..DebugOptions::default()
        });
        let wanted = json!({"name": "web-debug", "labels": {"app": "web"}, "annotations": {"team": "shop"}});
        assert_eq!(steps[0]["metadata"], wanted);
    }

    #[test]
    fn with_the_profile_legacy_what_was_typed_holds_and_the_rest_is_as_it_always_was() {
        let legacy = |keep: Keep| {
            let options = DebugOptions {
                profile: Profile::Legacy,
                set_image: [("app".to_owned(), "app:2".to_owned())].into(),
                keep,
                ..DebugOptions::default()
            };
            steps(options).remove(0)
        };
        let usual = legacy(Keep::default());
        assert_eq!(usual["metadata"].get("labels"), None);
        assert_eq!(usual["metadata"]["annotations"], json!({"team": "shop"}));
        assert_eq!(
            usual["spec"]["containers"][0]["livenessProbe"],
            json!({"periodSeconds": 3})
        );
        assert_eq!(usual["spec"]["initContainers"][0]["name"], "setup");
        let typed = legacy(Keep {
            labels: Some(true),
            annotations: Some(false),
            liveness: Some(false),
            init_containers: Some(false),
            ..Keep::default()
        });
        assert_eq!(
            typed["metadata"],
            json!({"name": "web-debug", "labels": {"app": "web"}})
        );
        assert_eq!(
            typed["spec"]["containers"],
            json!([{"name": "app", "image": "app:2"}])
        );
        assert_eq!(typed["spec"].get("initContainers"), None);
    }

    #[test]
    fn a_replaced_original_is_deleted_after_the_copy_was_made() {
        let steps = steps(DebugOptions {
            container: Some("app".into()),
            image: Some("app:debug".into()),
            replace: true,
            ..DebugOptions::default()
        });
        assert_eq!(steps[0]["kind"], "Pod");
        assert_eq!(steps[1]["name"], "web");
    }
}
