//! Generates ephemeral containers for strategies: applies all flags that concern one, in the right order.

use crate::{
    Context, DebugOptions, Failure, Object, Pod, custom, names,
    plan::debug_container,
    profile::{apply_to_ephemeral, remove_linux_fields},
};

/// The fields of a container that an ephemeral container must not have.
///
/// Source: `allowedEphemeralContainerFields` in Kubernetes' validation.
const NOT_EPHEMERAL: [&str; 8] = [
    "ports",
    "resources",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "restartPolicy",
    "restartPolicyRules",
    "resizePolicy",
];

/// Generates the ephemeral container for the options: with an unused name, the profile, `--target` and `--custom`.
///
/// `shape` may change the container before `--custom` is merged over it, so that what the user typed wins.
///
/// ```
/// use trocar_sdk::{Context, DebugOptions, Pod, ephemeral::ephemeral_container};
/// let options = DebugOptions { image: Some("busybox:1.36".into()), ..Default::default() };
/// let context = Context { suffix: "x7k2p".into(), ..Default::default() };
/// let container = ephemeral_container(&Pod::default(), &options, &context, |_| {}).unwrap();
/// assert_eq!(container["name"], "debugger-x7k2p");
/// ```
///
/// # Errors
/// Fails when the container's name is taken, when `--target` is not a container of the pod, and when the container has fields
/// that an ephemeral container must not have.
pub fn ephemeral_container(
    pod: &Pod,
    options: &DebugOptions,
    context: &Context,
    shape: impl FnOnce(&mut Object),
) -> Result<Object, Failure> {
    try_ephemeral_container(pod, options, context, |container| {
        shape(container);
        Ok(())
    })
}

/// Like [`ephemeral_container`], with a `shape` that can fail.
///
/// # Errors
/// Fails like `ephemeral_container`, and when `shape` fails.
pub fn try_ephemeral_container(
    pod: &Pod,
    options: &DebugOptions,
    context: &Context,
    shape: impl FnOnce(&mut Object) -> Result<(), Failure>,
) -> Result<Object, Failure> {
    let mut container = debug_container(&container_name(pod, options, context)?, options);
    if let Some(target) = &options.target_container {
        check_target(pod, target)?;
        container.insert("targetContainerName".into(), target.as_str().into());
    }
    apply_to_ephemeral(options.profile, &mut container);
    if pod.is_windows() {
        remove_linux_fields(&mut container);
    }
    shape(&mut container)?;
    if let Some(custom) = &options.custom {
        custom::merge(&mut container, custom);
    }
    check_fields(&container)?;
    Ok(container)
}

fn container_name(pod: &Pod, options: &DebugOptions, context: &Context) -> Result<String, Failure> {
    let taken = pod.container_names();
    match &options.container {
        None => Ok(names::unused_name("debugger", &context.suffix, |name| {
            taken.contains(&name)
        })),
        Some(name) if !taken.contains(&name.as_str()) => Ok(name.clone()),
        Some(name) => Err(Failure::invalid_request(
            "container-name-taken",
            format!(
                "pod {:?} already has a container named {name:?}; the names taken are {}",
                pod.name(),
                names::list(taken)
            ),
        )),
    }
}

fn check_target(pod: &Pod, target: &str) -> Result<(), Failure> {
    let known = pod.container_names();
    if known.contains(&target) {
        return Ok(());
    }
    Err(Failure::invalid_request(
        "no-such-container",
        format!(
            "--target={target}: pod {:?} has no such container; it has {}",
            pod.name(),
            names::list(known)
        ),
    ))
}

fn check_fields(container: &Object) -> Result<(), Failure> {
    let fields = NOT_EPHEMERAL.into_iter();
    let refused: Vec<&str> = fields.filter(|field| container.contains_key(*field)).collect();
    if refused.is_empty() {
        return Ok(());
    }
    Err(Failure::invalid_request(
        "custom-not-ephemeral",
        format!(
            "--custom sets {}, which an ephemeral container cannot have; a copy of the pod can (--copy-to=NAME)",
            names::list(refused)
        ),
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object(value: Value) -> Object {
        value.as_object().unwrap().clone()
    }

    fn made(options: &DebugOptions) -> Result<Object, Failure> {
        let pod =
            json!({"kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [{"name": "app"}]}});
        let context = Context {
            suffix: "bbbbb".into(),
            ..Context::default()
        };
        ephemeral_container(&Pod(object(pod)), options, &context, |container| {
            container.insert("workingDir".into(), json!("/tools"));
        })
    }

    #[test]
    fn target_and_custom_are_obeyed_and_what_is_typed_is_stronger_than_the_strategy() {
        let options = DebugOptions {
            target_container: Some("app".into()),
            custom: Some(object(json!({"workingDir": "/typed"}))),
            ..DebugOptions::default()
        };
        let container = made(&options).unwrap();
        assert_eq!(container["targetContainerName"], "app");
        assert_eq!(container["workingDir"], "/typed");
        assert_eq!(made(&DebugOptions::default()).unwrap()["workingDir"], "/tools");
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_there_is() {
        let of = |options: DebugOptions| made(&options).unwrap_err();
        let unknown = of(DebugOptions {
            target_container: Some("ap".into()),
            ..DebugOptions::default()
        });
        assert_eq!(
            unknown.message,
            r#"--target=ap: pod "web" has no such container; it has "app""#
        );
        let taken = of(DebugOptions {
            container: Some("app".into()),
            ..DebugOptions::default()
        });
        assert_eq!(taken.code, "container-name-taken");
        let ports = of(DebugOptions {
            custom: Some(object(json!({"ports": [{"containerPort": 1}]}))),
            ..DebugOptions::default()
        });
        assert_eq!(ports.code, "custom-not-ephemeral");
    }
}
