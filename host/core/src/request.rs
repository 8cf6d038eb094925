//! Checking what a user asked for before anything is looked up, in kubectl's order. No I/O.
//!
//! Source: the validation of `kubectl debug` 1.37. What only the target can tell is the strategy's to check.

use serde_json::Value;
use trocar_sdk::{DebugOptions, Diagnostic, Object, Profile, image::ImageReference, names};

use crate::{
    strict,
    target::{is_label, is_subdomain},
};

/// What was typed, as far as it decides whether the request makes sense.
#[derive(Clone, Debug, Default)]
pub struct DebugRequest {
    /// The flags that go to the strategy.
    pub options: DebugOptions,
    /// `--attach`, if it was typed.
    pub attach: Option<bool>,
    /// How many targets were named, files included.
    pub targets: usize,
    /// A strategy that the user chose, for which the rules of the default ones do not hold.
    pub own_strategy: bool,
    /// How long a created pod may live, in seconds.
    pub time_to_live: Option<u64>,
}

/// Why a request is not valid. kubectl refuses the same, but for the last two.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Attaching needs a container.
    #[error("attaching needs a container: the name of an existing one, or an image for a new one")]
    AttachToNothing,
    /// A copy without any change.
    #[error(
        "a copy needs a change: an image for a debug container, other images for its containers, or a command"
    )]
    CopyWithoutChange,
    /// Arguments without a container that they are for.
    #[error("arguments need a container: the name of an existing one, or an image for a new one")]
    ArgumentsWithoutContainer,
    /// A flag of copies outside of a copy.
    #[error("{0} is for copies only")]
    OnlyForCopies(&'static str),
    /// No image.
    #[error("a new debug container needs an image")]
    NoImage,
    /// The image is not an image reference.
    #[error("invalid image name {0:?}: invalid reference format")]
    Image(String),
    /// No target.
    #[error("there is no target")]
    NoTarget,
    /// The pull policy is unknown.
    #[error("invalid image pull policy: {0}")]
    PullPolicy(String),
    /// An image of `--set-image` is not an image reference.
    #[error("invalid image name {image:?} for container {container:?}: invalid reference format")]
    SetImage {
        /// What was typed as the image.
        image: String,
        /// For which container.
        container: String,
    },
    /// A copy has no process namespace to join.
    #[error("a copy has no process namespace to join; its containers can share one")]
    TargetOfCopy,
    /// A terminal without input.
    #[error("a terminal needs standard input")]
    TerminalWithoutInput,
    /// The user is said twice.
    #[error("root cannot be used together with the target's user")]
    RootAndUser,
    /// The custom container sets what it may not.
    #[error("name, command, image, lifecycle and volume devices are not modifiable via custom profile")]
    CustomSetsTooMuch,
    /// No container can have this name.
    #[error("{0:?}: a container's name is up to 63 lower-case letters, digits and dashes between them")]
    ContainerName(String),
    /// No pod can have this name.
    #[error(
        "{0:?}: a pod's name is up to 253 lower-case letters and digits, with dashes and dots between them"
    )]
    CopyName(String),
}

impl DebugRequest {
    /// A request for one target, with the default strategies.
    pub fn new(options: DebugOptions) -> Self {
        Self {
            options,
            attach: None,
            targets: 1,
            own_strategy: false,
            time_to_live: None,
        }
    }
}

/// Checks a request.
///
/// # Errors
/// Fails at the first option that is not valid.
pub fn check(request: &DebugRequest) -> Result<(), RequestError> {
    let options = &request.options;
    let image = options.image.as_deref().unwrap_or_default();
    let brings_container = request.own_strategy;
    if request.attach == Some(true) && image.is_empty() && options.container.is_none() && !brings_container {
        return Err(RequestError::AttachToNothing);
    }
    check_mode(request, image)?;
    if !image.is_empty() && ImageReference::parse(image).is_none() {
        return Err(RequestError::Image(image.to_owned()));
    }
    if request.targets == 0 {
        return Err(RequestError::NoTarget);
    }
    if let Some(policy) = &options.image_pull_policy
        && !["Always", "IfNotPresent", "Never"].contains(&policy.as_str())
    {
        return Err(RequestError::PullPolicy(policy.clone()));
    }
    for (container, image) in &options.set_image {
        if ImageReference::parse(image).is_none() {
            return Err(RequestError::SetImage {
                image: image.clone(),
                container: container.clone(),
            });
        }
    }
    if options.target_container.is_some() && options.copy_to.is_some() {
        return Err(RequestError::TargetOfCopy);
    }
    if options.tty && !options.stdin {
        return Err(RequestError::TerminalWithoutInput);
    }
    if options.as_root && options.inherit.user {
        return Err(RequestError::RootAndUser);
    }
    if options.custom.as_ref().is_some_and(sets_too_much) {
        return Err(RequestError::CustomSetsTooMuch);
    }
    check_names(options)
}

/// Names that the API server would refuse: kubectl asks it all the same.
fn check_names(options: &DebugOptions) -> Result<(), RequestError> {
    match &options.container {
        Some(name) if !is_label(name) => return Err(RequestError::ContainerName(name.clone())),
        _ => {}
    }
    match &options.copy_to {
        Some(name) if !is_subdomain(name) => Err(RequestError::CopyName(name.clone())),
        _ => Ok(()),
    }
}

fn check_mode(request: &DebugRequest, image: &str) -> Result<(), RequestError> {
    let options = &request.options;
    if options.copy_to.is_some() {
        let has_arguments = !options.args.is_empty();
        if image.is_empty() && options.set_image.is_empty() && !has_arguments {
            return Err(RequestError::CopyWithoutChange);
        }
        if has_arguments && options.container.is_none() && image.is_empty() {
            return Err(RequestError::ArgumentsWithoutContainer);
        }
        return Ok(());
    }
    if options.replace {
        return Err(RequestError::OnlyForCopies("replace"));
    }
    if options.same_node {
        return Err(RequestError::OnlyForCopies("same-node"));
    }
    if !options.set_image.is_empty() {
        return Err(RequestError::OnlyForCopies("set-image"));
    }
    if image.is_empty() && !request.own_strategy {
        return Err(RequestError::NoImage);
    }
    Ok(())
}

/// An empty value sets nothing, as in kubectl.
fn sets_too_much(custom: &Object) -> bool {
    let is_set = |field: &str| match custom.get(field) {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(_) => true,
    };
    ["name", "command", "image", "lifecycle", "volumeDevices"]
        .into_iter()
        .any(is_set)
}

/// Flags that have no effect on this kind of debugging: kubectl ignores them without a word, we say so.
pub fn ignored_flags(options: &DebugOptions, is_node: bool) -> Vec<Diagnostic> {
    let is_copy = options.copy_to.is_some() && !is_node;
    let mut ignored: Vec<&str> = Vec::new();
    if is_node {
        ignored.extend(options.copy_to.as_ref().map(|_| "copy-to"));
        ignored.extend(options.target_container.as_ref().map(|_| "target"));
        ignored.extend((!options.inherit.is_nothing()).then_some("inherit"));
    }
    if !is_copy && !is_node {
        ignored.extend(options.priority_class.as_ref().map(|_| "priority-class"));
        ignored.extend(options.tolerate_all.then_some("tolerate-all"));
    }
    if !is_copy {
        ignored.extend(options.share_processes.map(|_| "share-processes"));
        let keep = &options.keep;
        let kept = [
            ("keep-labels", keep.labels),
            ("keep-annotations", keep.annotations),
            ("keep-liveness", keep.liveness),
            ("keep-readiness", keep.readiness),
            ("keep-startup", keep.startup),
            ("keep-init-containers", keep.init_containers),
        ];
        ignored.extend(kept.into_iter().filter_map(|(flag, typed)| typed.map(|_| flag)));
    }
    let reason = if is_node {
        "when the target is a node"
    } else {
        "without --copy-to"
    };
    ignored
        .into_iter()
        .map(|flag| Diagnostic::warning("flag-ignored", format!("--{flag} has no effect {reason}")))
        .collect()
}

/// Finds a profile by the name that was typed.
///
/// # Errors
/// Fails with the nearest name.
pub fn profile(typed: &str) -> Result<Profile, UnknownProfile> {
    Profile::from_name(typed).ok_or_else(|| UnknownProfile {
        nearest: names::nearest(typed, Profile::ALL.map(Profile::name)).map(str::to_owned),
        typed: typed.to_owned(),
    })
}

/// A profile that there is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown profile: {typed}")]
pub struct UnknownProfile {
    /// What was typed.
    pub typed: String,
    /// What was probably meant.
    pub nearest: Option<String>,
}

/// Reads the partial container of `--custom` and refuses fields that no container has.
///
/// Where the API wants text, a number or a boolean is taken as its text, as kubectl takes them from YAML: `value: 1`.
///
/// # Errors
/// Fails at the first unknown field or wrong type, with its place.
pub fn custom(container: &Value) -> Result<Object, strict::StrictError> {
    let Some(fields) = container.as_object() else {
        return Err(strict::StrictError {
            at: String::new(),
            message: "it must be an object".into(),
        });
    };
    // A name is the one field that the API's type insists on and a partial container may not have.
    let mut complete = fields.clone();
    complete.entry("name").or_insert_with(|| "debugger".into());
    if let Some(unknown) = misplaced(&complete) {
        return Err(unknown);
    }
    let mut complete = Value::from(complete);
    // Kubernetes reads 2.0 as the whole number that it is.
    whole_numbers(&mut complete);
    let scalars = strict::scalars_for_text::<k8s_openapi::api::core::v1::Container>(&complete)?;
    for (at, text) in scalars {
        if let Some(scalar) = complete.pointer_mut(&at) {
            *scalar = text.into();
        }
    }
    let mut read = complete.as_object().cloned().unwrap_or_default();
    if !fields.contains_key("name") {
        read.remove("name");
    }
    Ok(read)
}

fn whole_numbers(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(whole_numbers),
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Number(number) => {
            let float = number.as_f64().filter(|_| number.is_f64());
            // Beyond 2^53 not every whole number is a float.
            let whole = float.filter(|float| float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0);
            if let Some(whole) = whole {
                *value = Value::from(whole as i64);
            }
        }
        _ => {}
    }
}

/// A field of the ephemeral container that a custom container cannot set.
fn misplaced(container: &Object) -> Option<strict::StrictError> {
    container
        .contains_key("targetContainerName")
        .then(|| strict::StrictError {
            at: "/targetContainerName".into(),
            message: "unknown field; which container to join is an option of the request".into(),
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(change: impl FnOnce(&mut DebugRequest)) -> String {
        let mut request = DebugRequest {
            targets: 1,
            ..DebugRequest::default()
        };
        change(&mut request);
        check(&request).map_or_else(|error| error.to_string(), |()| "fine".into())
    }

    #[test]
    fn a_strategy_that_brings_its_own_image_is_attached_to_without_one() {
        let mut request = DebugRequest::new(DebugOptions::default());
        request.attach = Some(true);
        assert_eq!(check(&request), Err(RequestError::AttachToNothing));
        request.own_strategy = true;
        assert_eq!(check(&request), Ok(()));
    }

    #[test]
    fn the_first_mistake_in_kubectls_order_is_reported() {
        let nothing = refusal(|_| {});
        assert_eq!(nothing, "a new debug container needs an image");
        let everything = refusal(|request| {
            request.attach = Some(true);
            request.options.tty = true;
        });
        assert!(everything.starts_with("attaching needs"), "{everything}");
        let no_target = refusal(|request| {
            request.targets = 0;
            request.options.image = Some("busybox".into());
            request.options.tty = true;
        });
        assert_eq!(no_target, "there is no target");
        let empty_copy = refusal(|request| request.options.copy_to = Some("c".into()));
        assert!(empty_copy.starts_with("a copy needs a change"), "{empty_copy}");
    }

    #[test]
    fn scalars_become_text_where_text_is_wanted_and_nowhere_else() {
        let typed = json!({
            "env": [{"name": "A", "value": true}, {"name": "B", "value": 1.5}, {"name": "C", "value": 2.0}],
            "args": [7],
            "resources": {"limits": {"cpu": 1, "memory": "1Gi"}},
            "securityContext": {"runAsUser": 1000.0, "privileged": true},
            "livenessProbe": {"httpGet": {"port": 80}},
        });
        let read = json!({
            "env": [{"name": "A", "value": "true"}, {"name": "B", "value": "1.5"}, {"name": "C", "value": "2"}],
            "args": ["7"],
            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
            "securityContext": {"runAsUser": 1000, "privileged": true},
            "livenessProbe": {"httpGet": {"port": 80}},
        });
        assert_eq!(json!(custom(&typed).unwrap()), read);
    }

    #[test]
    fn names_that_no_server_accepts_are_refused() {
        let named = |container: &str, copy: &str| {
            refusal(|request| {
                request.options.image = Some("busybox".into());
                request.options.container = Some(container.into());
                request.options.copy_to = Some(copy.into());
            })
        };
        assert_eq!(named("debug-1", "web.debug"), "fine");
        assert!(named("Debug", "web").contains("\"Debug\": a container"));
        assert!(named("debug", "web_0").contains("\"web_0\": a pod"));
    }

    #[test]
    fn custom_knows_every_field_of_a_container() {
        let good = json!({"env": [{"name": "A", "value": "1"}], "resources": {"limits": {"cpu": "1"}}, "securityContext": {"runAsUser": 0}});
        assert_eq!(custom(&good).unwrap(), *good.as_object().unwrap());
        for (bad, wanted) in [
            (
                json!({"securityContext": {"privilegd": true}}),
                r#"securityContext.privilegd: unknown field; did you mean "privileged"?"#,
            ),
            (json!({"env": "no"}), "env: invalid type: string \"no\", expected"),
            (json!({"targetContainerName": "main"}), "an option of the request"),
            (json!({"ports": [{"containerPort": "80"}]}), "expected i32"),
            (json!({"securityContext": {"runAsUser": 1.5}}), "expected i64"),
            (json!({"args": [null]}), "expected a string"),
            (json!([]), "must be an object"),
        ] {
            let message = custom(&bad).unwrap_err().to_string();
            assert!(message.contains(wanted), "{message}");
        }
    }
}
