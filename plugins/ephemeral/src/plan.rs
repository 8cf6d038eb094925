//! Plans an ephemeral container. Pure.

use trocar_sdk::{
    DebugOptions, Diagnostic, Failure, Plan, Request,
    ephemeral::try_ephemeral_container,
    inherit::inherit,
    plan::non_root_warning,
    pod::{ContainerKind, text},
    profile::windows_warning,
};

/// Plans an ephemeral container for a pod, as `kubectl debug POD --image=…` does.
///
/// # Errors
/// Fails when the target is not a pod, when the container's name is taken, when `--target` is not a container of the pod,
/// and when `--custom` sets fields that an ephemeral container must not have.
pub fn make_plan(request: Request) -> Result<Plan, Failure> {
    let options = &request.options;
    let pod = request.target.into_pod()?;
    let mut inherited = Vec::new();
    let container = try_ephemeral_container(&pod, options, &request.context, |container| {
        check_pull_secrets(options)?;
        inherited = inherit(container, ContainerKind::Ephemeral, &pod.0, options)?;
        Ok(())
    })?;
    let mut notes = Vec::new();
    if let (None, Some(name)) = (&options.container, text(&container, "name")) {
        notes.push(Diagnostic::info(
            "container-name-generated",
            format!("Defaulting debug container name to {name}."),
        ));
    }
    if pod.is_windows() {
        notes.extend(windows_warning(options.profile));
    }
    notes.extend(inherited);
    notes.extend(non_root_warning(&pod, &container));
    let mut plan = Plan::ephemeral_container(container);
    plan.diagnostics = notes;
    Ok(plan)
}

/// Refuses `--pull-secret`: the kubelet pulls all images of a pod with the pod's own secrets.
fn check_pull_secrets(options: &DebugOptions) -> Result<(), Failure> {
    if options.pull_secrets.is_empty() {
        return Ok(());
    }
    Err(Failure::invalid_request(
        "pull-secret-not-ephemeral",
        "--pull-secret: the image of an ephemeral container is pulled with the secrets that its pod has, and a pod gets no \
         more of them; use a copy of the pod (--copy-to=NAME), or add the secret to the pod's service account for pods to come",
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use trocar_sdk::{Context, Profile, Target};

    use super::*;

    fn request(options: DebugOptions) -> Request {
        let pod = json!({
            "kind": "Pod", "metadata": {"name": "web"},
            "spec": {"containers": [{"name": "app"}], "ephemeralContainers": [{"name": "debugger-aaaaa"}]}
        });
        Request {
            target: Target(pod.as_object().cloned().unwrap_or_default()),
            options,
            context: Context {
                suffix: "aaaaabbbbb".into(),
                ..Context::default()
            },
            ..Request::default()
        }
    }

    fn refusal(options: DebugOptions) -> String {
        make_plan(request(options)).unwrap_err().message
    }

    #[test]
    fn a_generated_name_is_never_one_that_is_taken() {
        let plan = make_plan(request(DebugOptions::default())).unwrap();
        let container = plan.steps[0].clone().into_object();
        assert_ne!(container["name"], "debugger-aaaaa");
        assert_eq!(plan.attach.as_deref(), container["name"].as_str());
    }

    #[test]
    fn in_a_windows_pod_no_profile_sets_a_field_of_linux() {
        for (profile, wanted) in [
            (Profile::Legacy, None),
            (Profile::General, None),
            (Profile::Baseline, None),
            (Profile::Restricted, Some(json!({"runAsNonRoot": true}))),
            (Profile::Netadmin, None),
            (Profile::Sysadmin, None),
        ] {
            let mut request = request(DebugOptions {
                profile,
                ..DebugOptions::default()
            });
            request.target.0["spec"]["os"] = json!({"name": "windows"});
            let plan = make_plan(request).unwrap();
            let container = plan.steps[0].clone().into_object();
            assert_eq!(container.get("securityContext").cloned(), wanted, "{profile:?}");
            let is_told = plan
                .diagnostics
                .iter()
                .any(|found| found.code == "profile-of-linux");
            assert_eq!(is_told, matches!(profile, Profile::Netadmin | Profile::Sysadmin));
        }
    }

    #[test]
    fn what_is_inherited_stands_between_the_profile_and_the_custom_container() {
        let pod = json!({"kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [{
            "name": "app", "workingDir": "/srv", "securityContext": {"runAsUser": 1000}}]}});
        let custom = json!({"workingDir": "/tmp"});
        let plan = make_plan(Request {
            target: Target(pod.as_object().cloned().unwrap_or_default()),
            ..request(DebugOptions {
                profile: trocar_sdk::Profile::Restricted,
                custom: custom.as_object().cloned(),
                inherit: trocar_sdk::inherit::Inherit {
                    user: true,
                    workdir: true,
                    ..Default::default()
                },
                ..DebugOptions::default()
            })
        });
        let container = plan.unwrap().steps[0].clone().into_object();
        assert_eq!(container["securityContext"]["runAsUser"], 1000);
        assert_eq!(container["securityContext"]["runAsNonRoot"], true);
        assert_eq!(container["workingDir"], "/tmp");
    }

    #[test]
    fn a_pull_secret_is_refused_with_what_to_do_instead() {
        let secret = DebugOptions {
            pull_secrets: vec!["registry".into()],
            ..DebugOptions::default()
        };
        assert!(refusal(secret).contains("--copy-to=NAME"));
    }

    #[test]
    fn names_that_cannot_be_used_are_refused_with_those_that_are_there() {
        let taken = DebugOptions {
            container: Some("app".into()),
            ..DebugOptions::default()
        };
        assert!(refusal(taken).contains("already has a container named \"app\""));
        let missing = DebugOptions {
            target_container: Some("db".into()),
            ..DebugOptions::default()
        };
        assert!(refusal(missing).contains("app"));
    }
}
