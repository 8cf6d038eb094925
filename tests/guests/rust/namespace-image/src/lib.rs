//! A strategy that reads the cluster: the debug container's image is in an annotation of the namespace.
#![forbid(unsafe_code)]

use trocar_sdk::{
    Failure, FailureKind, Plan, Request,
    guest::cluster::{self, ObjectRef},
    names,
    plan::debug_container,
    profile,
};

/// The pointer to the annotation with the image.
const IMAGE: &str = "/metadata/annotations/debug-image";

/// Makes the plan. In a namespace without the annotation `debug-image`, the ConfigMap of that name is read.
///
/// # Errors
/// Fails when the target is not a pod, and when neither can be read.
pub fn make_plan(request: Request) -> Result<Plan, Failure> {
    let pod = request.target.into_pod()?;
    let namespace = &request.context.namespace;
    let read = |api_version: &str, kind: &str, namespace: Option<&str>, name: &str, field: &str| {
        let object = ObjectRef {
            api_version: api_version.into(),
            kind: kind.into(),
            namespace: namespace.map(str::to_owned),
            name: name.into(),
        };
        let found = cluster::get(&object, &[field]);
        found.map(|found| {
            found
                .pointer(field)
                .and_then(|image| image.as_str().map(str::to_owned))
        })
    };
    let of_namespace = read("v1", "Namespace", None, namespace, IMAGE).map_err(failure)?;
    let image = match of_namespace {
        Some(image) => Some(image),
        None => read("v1", "ConfigMap", Some(namespace), "debug-image", "/data/image").map_err(failure)?,
    };
    let taken = pod.container_names();
    let name = names::unused_name("debugger", &request.context.suffix, |name| taken.contains(&name));
    let mut options = request.options.clone();
    options.image = image;
    let mut container = debug_container(&name, &options);
    profile::apply_to_ephemeral(options.profile, &mut container);
    Ok(Plan::ephemeral_container(container))
}

fn failure(error: cluster::ReadError) -> Failure {
    Failure::new(
        FailureKind::Unavailable,
        "no-image",
        format!("the debug image is not known: {error}"),
    )
}

#[cfg(feature = "guest")]
trocar_sdk::strategy!(make_plan);
