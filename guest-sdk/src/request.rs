//! Requests, the input of strategies: target, options, settings and context.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    Context, DebugOptions, Failure, FailureKind,
    pod::{Object, Pod, text},
};

/// A request for a plan.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The pod or node to debug.
    pub target: Target,
    /// The user's options.
    pub options: DebugOptions,
    /// The plugin's settings.
    pub settings: Settings,
    /// Time, namespace and random suffix.
    pub context: Context,
}

impl Request {
    /// Parses the four documents of the contract.
    ///
    /// # Errors
    /// Fails when one of them violates the contract, which is the host's fault.
    pub fn parse(target: &str, options: &str, settings: String, context: &str) -> Result<Self, Failure> {
        Ok(Self {
            target: Target(parse("target", target)?),
            options: parse("options", options)?,
            settings: Settings(settings),
            context: parse("context", context)?,
        })
    }
}

/// The pod or node to debug, as JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Target(pub Object);

impl Target {
    /// The object's kind, for example `Pod`.
    pub fn kind(&self) -> &str {
        text(&self.0, "kind").unwrap_or_default()
    }

    /// Converts the target to a pod.
    ///
    /// # Errors
    /// Fails when it is something else.
    pub fn into_pod(self) -> Result<Pod, Failure> {
        self.expect_kind("Pod")?;
        Ok(Pod(self.0))
    }

    /// Converts the target to a node.
    ///
    /// # Errors
    /// Fails when it is something else.
    pub fn into_node(self) -> Result<Object, Failure> {
        self.expect_kind("Node")?;
        Ok(self.0)
    }

    fn expect_kind(&self, wanted: &str) -> Result<(), Failure> {
        if self.kind() == wanted {
            return Ok(());
        }
        Err(Failure::unsupported_target(format!(
            "this strategy debugs a {wanted}, not a {}",
            self.kind()
        )))
    }
}

/// A plugin's settings, as JSON text that is parsed on demand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(pub String);

impl Settings {
    /// Parses the settings as a type of the plugin.
    ///
    /// # Errors
    /// Fails when the settings do not match the type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let text = if self.0.is_empty() { "{}" } else { &self.0 };
        serde_json::from_str(text).map_err(|error| {
            Failure::new(
                FailureKind::InvalidSettings,
                "invalid-settings",
                error.to_string(),
            )
        })
    }
}

impl From<Value> for Settings {
    fn from(settings: Value) -> Self {
        Self(settings.to_string())
    }
}

pub(crate) fn parse<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| {
        Failure::new(
            FailureKind::Internal,
            "invalid-document",
            format!("the host sent a malformed {what}: {error}"),
        )
    })
}
