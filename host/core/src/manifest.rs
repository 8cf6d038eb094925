//! What a plugin says about itself: the JSON in the custom section `trocar:manifest`, read without running it.
//! Whether it is true is checked by the runtime, which has the component.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use trocar_sdk::names::{list, nearest};

use crate::{strict, structural::Schema, target::is_label, text::plain};

/// The name of the custom section that holds the manifest.
pub const SECTION: &str = "trocar:manifest";

/// The contract that this host runs: plugins of the same 0.MINOR fit.
pub const ABI: &str = "0.1";

/// The largest manifest that is read, in bytes.
pub(crate) const LARGEST: usize = 256 << 10;

/// The actions that every policy reviews which does not name any.
const FIRST_ACTIONS: [&str; 3] = ["add-ephemeral-container", "create-pod", "delete-pod"];

/// The longest version of a plugin, in bytes: it is part of most messages.
const MAX_VERSION_BYTES: usize = 128;

/// A plugin's manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginManifest {
    /// `trocar.dev/v1alpha1`.
    pub api_version: String,
    /// `PluginManifest`.
    pub kind: String,
    /// The plugin's name: lower-case letters, digits and dashes.
    pub name: String,
    /// The plugin's own version.
    pub version: String,
    /// What the plugin is.
    #[serde(rename = "type")]
    pub plugin_type: PluginType,
    /// The version of the contract that it was built for: `0.1`.
    pub abi: String,
    /// One line for lists.
    pub summary: String,
    /// An SPDX expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// What it needs besides the log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<CapabilityRequest>,
    /// A JSON Schema for the plugin's settings; none when it has no settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings_schema: Option<Value>,
    /// Flags that the command line offers when the plugin is selected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<PluginFlag>,
    /// What a policy watches over: the codes of its diagnostics, so that tests can tell which of them no case has touched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<PluginRule>,
    /// The actions of steps that a policy reviews, where these are others than those of the first contract.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<String>,
    /// Command lines that show how it is used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<String>,
}

/// The two kinds of plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PluginType {
    /// Makes plans.
    Strategy,
    /// Reviews plans.
    Policy,
}

impl PluginType {
    /// The name in manifests and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Strategy => "strategy",
            Self::Policy => "policy",
        }
    }
}

/// A capability that a plugin asks for, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CapabilityRequest {
    /// For example `cluster-read`.
    pub name: String,
    /// Why the plugin needs it: shown to the user who grants it.
    pub reason: String,
    /// The kinds of object that it reads, for `cluster-read`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<KindScope>,
}

/// A kind of object in a capability's scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KindScope {
    /// For example `v1`.
    pub api_version: String,
    /// For example `Namespace`.
    pub kind: String,
}

/// One thing that a policy watches over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginRule {
    /// The code of the diagnostics that it gives.
    pub code: String,
    /// One line.
    pub summary: String,
}

/// A command line flag that sets one of the plugin's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginFlag {
    /// The flag's name without dashes.
    pub name: String,
    /// The setting, as a top-level field of the settings.
    pub setting: String,
    /// One line of help.
    pub help: String,
}

/// Why a manifest is refused: one sentence that names the field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ManifestError {
    /// Where in the manifest, as an RFC 6901 pointer.
    pub at: String,
    /// What is wrong.
    pub message: String,
}

impl ManifestError {
    fn new(at: &str, message: impl Into<String>) -> Self {
        Self {
            at: at.to_owned(),
            message: message.into(),
        }
    }
}

impl PluginManifest {
    /// Reads a manifest and checks everything that needs no component.
    ///
    /// # Errors
    /// Fails with one sentence that names the field.
    pub fn parse(json: &[u8]) -> Result<Self, ManifestError> {
        if json.len() > LARGEST {
            return Err(ManifestError::new(
                "",
                format!("it is larger than {LARGEST} bytes"),
            ));
        }
        let value: Value =
            serde_json::from_slice(json).map_err(|error| ManifestError::new("", error.to_string()))?;
        let manifest: Self =
            strict::from_value(&value).map_err(|error| ManifestError::new(&error.at, error.to_string()))?;
        manifest.check_identity()?;
        manifest.check_texts()?;
        manifest.check_capabilities()?;
        // At load: an `anyOf` that doubles in a schema of 1.5 KB took 43 s and 6.9 GB to check, before any code of the plugin
        // ran.
        if let Some(schema) = &manifest.settings_schema {
            Schema::parse(schema).map_err(|error| {
                let at = format!("/settingsSchema{}", error.at);
                ManifestError::new(&at, format!("settingsSchema: {error}"))
            })?;
        }
        if let Some(index) = manifest.flags.iter().position(|flag| !is_label(&flag.name)) {
            let name = &manifest.flags[index].name;
            let message = format!("flags: {name:?} is not lower-case letters, digits and dashes");
            return Err(ManifestError::new(&format!("/flags/{index}/name"), message));
        }
        Ok(manifest)
    }

    fn check_identity(&self) -> Result<(), ManifestError> {
        if self.api_version != trocar_sdk::options::API_VERSION {
            let message = format!("apiVersion: {:?} is not trocar.dev/v1alpha1", self.api_version);
            return Err(ManifestError::new("/apiVersion", message));
        }
        if self.kind != "PluginManifest" {
            let message = format!("kind: {:?} is not PluginManifest", self.kind);
            return Err(ManifestError::new("/kind", message));
        }
        if !is_label(&self.name) {
            let message = format!(
                "name: {:?} is not lower-case letters, digits and dashes, 63 at the most",
                self.name
            );
            return Err(ManifestError::new("/name", message));
        }
        if self.version.len() > MAX_VERSION_BYTES {
            let message = format!("version: it is longer than {MAX_VERSION_BYTES} bytes");
            return Err(ManifestError::new("/version", message));
        }
        Ok(())
    }

    fn check_texts(&self) -> Result<(), ManifestError> {
        // They are shown as they are: an escape sequence in a version would reach the terminal.
        match self.texts().find(|(_, text)| plain(text) != *text) {
            None => Ok(()),
            Some((field, _)) => Err(ManifestError::new(
                &format!("/{field}"),
                format!("{field}: it must be one line of plain text"),
            )),
        }
    }

    fn check_capabilities(&self) -> Result<(), ManifestError> {
        for (index, asked) in self.capabilities.iter().enumerate() {
            let at = format!("/capabilities/{index}");
            if asked.name != crate::capability::CLUSTER_READ {
                let known = crate::capability::CLUSTER_READ;
                let message = format!("capabilities: {:?} is unknown; there is {known:?}", asked.name);
                return Err(ManifestError::new(&format!("{at}/name"), message));
            }
            if let Some(kind) = asked.scope.iter().position(|scope| scope.kind == "Secret") {
                let message = "capabilities: a plugin never reads Secrets";
                return Err(ManifestError::new(&format!("{at}/scope/{kind}/kind"), message));
            }
        }
        Ok(())
    }

    /// Finds what an author cannot mean: a flag that is there twice, or sets what is not a setting. A plugin that has it runs.
    ///
    /// # Errors
    /// Fails with the first such place.
    pub fn check_for_author(&self) -> Result<(), ManifestError> {
        let schema = self.settings_schema.as_ref();
        let properties = schema.and_then(|schema| schema.get("properties")?.as_object());
        let known: Vec<&str> = properties
            .into_iter()
            .flat_map(|known| known.keys().map(String::as_str))
            .collect();
        let is_open = schema.is_some_and(|schema| schema["additionalProperties"] != Value::Bool(false));
        for (index, flag) in self.flags.iter().enumerate() {
            let at = |field: &str| format!("/flags/{index}/{field}");
            if self.flags[..index].iter().any(|other| other.name == flag.name) {
                let message = format!("flags: there are two named {:?}", flag.name);
                return Err(ManifestError::new(&at("name"), message));
            }
            if !is_open && !known.contains(&flag.setting.as_str()) {
                let what = format!(
                    "flags: {:?} sets {:?}, which is not a setting",
                    flag.name, flag.setting
                );
                let message = match nearest(&flag.setting, known.iter().copied()) {
                    Some(meant) => format!("{what}; did you mean {meant:?}?"),
                    None => format!("{what} of settingsSchema; its settings: {}", list(known)),
                };
                return Err(ManifestError::new(&at("setting"), message));
            }
        }
        Ok(())
    }

    /// The texts that are shown to people as they are.
    fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let texts = [
            ("version", self.version.as_str()),
            ("abi", &self.abi),
            ("summary", &self.summary),
        ];
        let capabilities = self.capabilities.iter().flat_map(|asked| {
            let scope = asked
                .scope
                .iter()
                .flat_map(|kind| [&kind.api_version, &kind.kind]);
            [&asked.reason].into_iter().chain(scope)
        });
        let flags = self.flags.iter().flat_map(|flag| [&flag.setting, &flag.help]);
        texts
            .into_iter()
            .chain(self.license.iter().map(|text| ("license", text.as_str())))
            .chain(capabilities.map(|text| ("capabilities", text.as_str())))
            .chain(flags.map(|text| ("flags", text.as_str())))
            .chain(self.actions.iter().map(|text| ("actions", text.as_str())))
            .chain(self.examples.iter().map(|text| ("examples", text.as_str())))
    }

    /// Says whether a policy reviews steps of an action.
    pub fn reviews(&self, action: &str) -> bool {
        match self.actions.as_slice() {
            [] => FIRST_ACTIONS.contains(&action),
            actions => actions.iter().any(|known| known == action),
        }
    }

    /// Says whether the manifest asks for a capability.
    pub fn asks_for(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|asked| asked.name == capability)
    }
}
