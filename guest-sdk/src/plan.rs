//! Plans, the answers of strategies: steps, the container to attach to, diagnostics. And the debug container itself.

use serde_json::{Value, json};

use crate::{
    Diagnostic,
    options::DebugOptions,
    pod::{Object, Pod},
};

/// A write that the strategy proposes.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Adds an ephemeral container to the target pod.
    AddEphemeralContainer(Object),
    /// Creates a pod.
    CreatePod(Pod),
    /// Deletes the target pod.
    DeletePod {
        /// The pod's name: the host accepts the target's only.
        name: String,
        /// The grace period in seconds; none for the pod's own.
        grace_period_seconds: Option<u32>,
    },
}

impl Step {
    /// The action's name in the contract.
    pub fn action(&self) -> &'static str {
        match self {
            Self::AddEphemeralContainer(_) => "add-ephemeral-container",
            Self::CreatePod(_) => "create-pod",
            Self::DeletePod { .. } => "delete-pod",
        }
    }

    /// The object that the action is about.
    pub fn into_object(self) -> Value {
        match self {
            Self::AddEphemeralContainer(container) => Value::Object(container),
            Self::CreatePod(pod) => Value::Object(pod.0),
            Self::DeletePod {
                name,
                grace_period_seconds: Some(seconds),
            } => json!({"name": name, "gracePeriodSeconds": seconds}),
            Self::DeletePod { name, .. } => json!({"name": name}),
        }
    }
}

/// A strategy's proposal. The host checks it, policies review it, and the host applies it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The writes, in order.
    pub steps: Vec<Step>,
    /// The container to attach to if the user wants a session.
    pub attach: Option<String>,
    /// Messages for the user about the plan.
    pub diagnostics: Vec<Diagnostic>,
}

impl Plan {
    /// A plan that adds one ephemeral container to the target and attaches to it.
    pub fn ephemeral_container(container: Object) -> Self {
        Self {
            attach: container.get("name").and_then(Value::as_str).map(str::to_owned),
            steps: vec![Step::AddEphemeralContainer(container)],
            diagnostics: Vec::new(),
        }
    }

    /// A plan that creates one pod and attaches to a container of it.
    pub fn create_pod(pod: Pod, attach: Option<String>) -> Self {
        Self {
            steps: vec![Step::CreatePod(pod)],
            attach,
            diagnostics: Vec::new(),
        }
    }

    /// Adds a step.
    #[must_use]
    pub fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Adds a message for the user.
    #[must_use]
    pub fn with(mut self, diagnostic: Diagnostic) -> Self {
        self.diagnostics.push(diagnostic);
        self
    }
}

/// Generates the debug container for the options, without profile, `--target` and `--custom`:
/// [`crate::ephemeral::ephemeral_container`] applies those, too.
///
/// ```
/// use trocar_sdk::{DebugOptions, plan::debug_container};
/// let options = DebugOptions { image: Some("busybox:1.36".into()), ..Default::default() };
/// let container = debug_container("debugger", &options);
/// assert_eq!(container["image"], "busybox:1.36");
/// ```
pub fn debug_container(name: &str, options: &DebugOptions) -> Object {
    let mut container = Object::new();
    container.insert("name".into(), name.into());
    container.insert("terminationMessagePolicy".into(), "File".into());
    set_image(&mut container, options);
    set_command(&mut container, options);
    set_env(&mut container, options);
    set_terminal(&mut container, options);
    container
}

/// Applies the options to an existing container: image, pull policy, command and environment if they were
/// typed, and the terminal always.
pub fn change_container(container: &mut Object, options: &DebugOptions) {
    set_image(container, options);
    if !options.args.is_empty() && !options.arguments_only {
        container.remove("args");
    }
    set_command(container, options);
    set_env(container, options);
    set_terminal(container, options);
}

fn set_image(container: &mut Object, options: &DebugOptions) {
    for (field, value) in [
        ("image", &options.image),
        ("imagePullPolicy", &options.image_pull_policy),
    ] {
        if let Some(value) = value {
            container.insert(field.into(), value.as_str().into());
        }
    }
}

fn set_command(container: &mut Object, options: &DebugOptions) {
    if !options.args.is_empty() {
        let field = if options.arguments_only { "args" } else { "command" };
        container.insert(field.into(), options.args.as_slice().into());
    }
}

fn set_env(container: &mut Object, options: &DebugOptions) {
    if !options.env.is_empty() {
        let variables = options
            .env
            .iter()
            .map(|variable| json!({"name": variable.name, "value": variable.value}));
        container.insert("env".into(), Value::Array(variables.collect()));
    }
}

fn set_terminal(container: &mut Object, options: &DebugOptions) {
    for (field, wanted) in [("stdin", options.stdin), ("tty", options.tty)] {
        if wanted {
            container.insert(field.into(), Value::Bool(true));
        } else {
            container.remove(field);
        }
    }
    if options.stdin && options.stdin_once {
        container.insert("stdinOnce".into(), Value::Bool(true));
    }
}

/// Warns when a container that will not run as root has added capabilities, which then have no effect.
///
/// Source: the warning of `kubectl debug` since 1.33.
pub fn non_root_warning(pod: &Pod, container: &Object) -> Option<Diagnostic> {
    let user = |context: &Object| context.get("runAsUser").and_then(Value::as_i64);
    let pod_user = pod.security_context().and_then(user)?;
    let context = container.get("securityContext")?.as_object()?;
    let privileged = context.get("privileged").and_then(Value::as_bool) == Some(true);
    let added = context
        .get("capabilities")
        .and_then(|capabilities| capabilities.get("add"))
        .and_then(Value::as_array)
        .is_some_and(|added| !added.is_empty());
    (pod_user != 0 && user(context) != Some(0) && (privileged || added)).then(|| {
        Diagnostic::warning(
            "non-root-target",
            "Non-root user is configured for the entire target Pod, and some capabilities granted by debug \
             profile may not work. Please consider using \"--custom\" with a custom profile that specifies \
             \"securityContext.runAsUser: 0\".",
        )
        .at(["spec", "securityContext", "runAsUser"])
    })
}
