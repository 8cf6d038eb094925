//! Debugs a pod with the label runtime=java: with an image of Java tools, in the process namespace of the program, and with the
//! volumes that the program mounts. A pure function: time and random suffix are data in the request.
#![forbid(unsafe_code)]

use serde::Deserialize;
use trocar_sdk::{
    Diagnostic, Failure, Object, Plan, Pod, Request,
    ephemeral::ephemeral_container,
    pod::{ContainerKind, flag, list, text},
};

const LABEL: &str = "runtime";
const TOOLS: &str = "registry.example.com/debug/java:21";

/// The strategy's settings.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    tools: Option<String>,
}

/// Plans an ephemeral container with the tools.
///
/// # Errors
/// Fails when the target is not a Java pod and no image was typed.
pub fn make_plan(request: Request) -> Result<Plan, Failure> {
    let pod = request.target.into_pod()?;
    let settings: Settings = request.settings.read()?;
    let program = chosen_program(&pod, request.options.target_container.as_deref());
    let mut options = request.options.clone();
    options.image = Some(match options.image {
        // A typed image wins.
        Some(typed) => typed,
        None => image(&pod, settings)?,
    });
    options.target_container = options
        .target_container
        .or_else(|| text(&program, "name").map(str::to_owned));
    let container = ephemeral_container(&pod, &options, &request.context, |container| {
        mount(&program, container);
    })?;
    Ok(Plan::ephemeral_container(container))
}

/// The image in the settings, for a Java pod.
fn image(pod: &Pod, settings: Settings) -> Result<String, Failure> {
    let found = pod.label(LABEL);
    if found == Some("java") {
        return Ok(settings.tools.unwrap_or_else(|| TOOLS.into()));
    }
    let message = format!("pod {:?} is not labelled {LABEL}=java", pod.name());
    let what = format!("it is {:?}, not \"java\"", found.unwrap_or_default());
    let place = Diagnostic::error("not-java", what)
        .at(["metadata", "labels", LABEL])
        .help("--image=IMAGE debugs it with other tools");
    Err(Failure::invalid_request("not-java", message).with(place))
}

/// The container of `--target`, or the first that is not an init container.
fn chosen_program(pod: &Pod, typed: Option<&str>) -> Object {
    let known = || pod.containers_of(ContainerKind::Regular);
    let named = known().find(|found| Some(found.name()) == typed);
    let found = named.or_else(|| known().next());
    found.map(|found| found.container.clone()).unwrap_or_default()
}

/// Copies mounts without those of a part of a volume (subPath), which an ephemeral container cannot have.
fn mount(program: &Object, container: &mut Object) {
    let mounts = list(program, "volumeMounts")
        .iter()
        .filter_map(|mount| mount.as_object());
    let whole = mounts.filter(|mount| !mount.contains_key("subPath") && !mount.contains_key("subPathExpr"));
    let read_only: Vec<Object> = whole
        .map(|mount| {
            let mut mount = mount.clone();
            if !flag(&mount, "readOnly") {
                mount.insert("readOnly".into(), true.into());
            }
            mount
        })
        .collect();
    if !read_only.is_empty() {
        container.insert("volumeMounts".into(), read_only.into());
    }
}

trocar_sdk::strategy!(make_plan, settings: check_settings);

fn check_settings(_: &Settings) -> Vec<Diagnostic> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use trocar_sdk::{DebugOptions, Target};

    use super::*;

    fn pod() -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web-0", "namespace": "shop", "labels": {"runtime": "java"}},
            "spec": {"containers": [
                {"name": "proxy", "image": "proxy:1"},
                {"name": "app", "image": "app:1", "volumeMounts": [
                    {"name": "heap", "mountPath": "/heap"},
                    {"name": "config", "mountPath": "/etc/app.conf", "subPath": "app.conf"},
                ]},
            ]},
        })
    }

    fn plan(pod: Value, options: Value, settings: Value) -> Result<Value, Failure> {
        let target: Target = serde_json::from_value(pod).unwrap();
        let options: DebugOptions = serde_json::from_value(options).unwrap();
        let settings = settings.into();
        let plan = make_plan(Request {
            target,
            options,
            settings,
            ..Request::default()
        })?;
        Ok(plan.steps[0].clone().into_object())
    }

    #[test]
    fn a_java_pod_gets_the_tools_beside_its_first_container() {
        let made = plan(pod(), json!({}), json!({})).unwrap();
        assert_eq!(made["image"], "registry.example.com/debug/java:21");
        assert_eq!(made["targetContainerName"], "proxy");
    }

    #[test]
    fn the_tools_are_those_of_the_flag_and_image_is_stronger() {
        let image =
            |options: Value| plan(pod(), options, json!({"tools": "java:17"})).unwrap()["image"].clone();
        assert_eq!(image(json!({})), "java:17");
        assert_eq!(image(json!({"image": "busybox"})), "busybox");
    }

    #[test]
    fn whole_volumes_of_the_container_of_target_are_mounted_to_read() {
        let made = plan(pod(), json!({"targetContainer": "app"}), json!({})).unwrap();
        let mounts = json!([{"name": "heap", "mountPath": "/heap", "readOnly": true}]);
        assert_eq!(made["volumeMounts"], mounts);
    }

    #[test]
    fn what_custom_says_holds() {
        let env = json!([{"name": "A", "value": "1"}]);
        let made = plan(pod(), json!({"custom": {"env": env}}), json!({})).unwrap();
        assert_eq!(made["env"], env);
    }

    #[test]
    fn another_pod_is_refused_with_the_place_of_its_label() {
        let other = json!({"kind": "Pod", "metadata": {"name": "db-0"}});
        let failure = plan(other, json!({}), json!({})).unwrap_err();
        assert_eq!(failure.code, "not-java");
        assert_eq!(
            failure.diagnostics[0].at.as_deref(),
            Some("/metadata/labels/runtime")
        );
    }
}
