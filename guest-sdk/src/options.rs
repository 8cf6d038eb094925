//! The documents that go into a plan besides the target: `DebugOptions`, `Context` and `Actor`.
//! The host validates what a user typed, so nothing is checked here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Object, inherit::Inherit, profile::Profile};

pub use crate::keep::Keep;

/// The version of every document that crosses between host and guest.
pub const API_VERSION: &str = "trocar.dev/v1alpha1";

/// What the user asked for: the flags of `kubectl debug`, as data.
///
/// A guest ignores fields that it does not know, since a newer host may send more.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DebugOptions {
    /// `--image`: the image of the debug container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The words after `--`: the command, or with `arguments_only` its arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// `--arguments-only`: keep the image's entry point and pass `args` to it.
    #[serde(skip_serializing_if = "is_false")]
    pub arguments_only: bool,
    /// `--env`, in the order typed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// `--container`: the name of the debug container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// `--target`: the container whose process namespace is joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_container: Option<String>,
    /// `--stdin`.
    #[serde(skip_serializing_if = "is_false")]
    pub stdin: bool,
    /// The program's input ends with that of the session (`stdinOnce`): set for `--stdin` without `--tty`, where a script
    /// feeds the program and waits for its end.
    #[serde(skip_serializing_if = "is_false")]
    pub stdin_once: bool,
    /// `--tty`.
    #[serde(skip_serializing_if = "is_false")]
    pub tty: bool,
    /// `--image-pull-policy`; none leaves it to the API server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<String>,
    /// `--profile`.
    pub profile: Profile,
    /// `--custom`: a partial container, merged over the result of the profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom: Option<Object>,
    /// `--copy-to`: the name of the copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy_to: Option<String>,
    /// `--replace`: delete the original once the copy exists.
    #[serde(skip_serializing_if = "is_false")]
    pub replace: bool,
    /// `--same-node`: keep the copy on the node of the original.
    #[serde(skip_serializing_if = "is_false")]
    pub same_node: bool,
    /// `--share-processes`, if it was typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_processes: Option<bool>,
    /// `--set-image`: container name, or `*`, to image.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set_image: BTreeMap<String, String>,
    /// The `--keep-*` flags.
    #[serde(skip_serializing_if = "Keep::is_default")]
    pub keep: Keep,
    /// `--inherit`: what a new debug container takes over from a container of the target.
    #[serde(skip_serializing_if = "Inherit::is_nothing")]
    pub inherit: Inherit,
    /// `--as-root`: the debug container runs as user 0.
    #[serde(skip_serializing_if = "is_false")]
    pub as_root: bool,
    /// `--pull-secret`: secrets with which the images of a created pod are pulled, besides those that a copy has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pull_secrets: Vec<String>,
    /// `--priority-class`: the priority class of a created pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_class: Option<String>,
    /// `--tolerate-all`: a copy may run on nodes with any taint.
    #[serde(skip_serializing_if = "is_false")]
    pub tolerate_all: bool,
}

/// One environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// Its value, literally.
    pub value: String,
}

/// Time and random suffix as data, since a guest has no clock and no random numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Context {
    /// The namespace for pods that do not belong to a namespaced target.
    pub namespace: String,
    /// Random letters for generated names, see [`crate::names::unused_name`].
    pub suffix: String,
    /// Now, in RFC 3339 UTC.
    pub time: String,
}

/// The user and the reason of the debug. Never has credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Actor {
    /// The user's name in the cluster; empty if unknown.
    pub user: String,
    /// The user's groups in the cluster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The kubeconfig context, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The cluster's name in the kubeconfig, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// `--reason`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

fn is_false(value: &bool) -> bool {
    !value
}
