//! What a plugin says about itself: the JSON in the custom section `trocar:manifest`, read without running it.
//! Whether it is true is checked in `wasm/component.rs`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

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
const LONGEST_VERSION: usize = 128;

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
    /// Why the plugin needs it, for whoever grants it.
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
#[error("{0}")]
pub struct ManifestError(String);

impl PluginManifest {
    /// Reads a manifest and checks everything that needs no component.
    ///
    /// # Errors
    /// Fails with one sentence that names the field.
    pub fn parse(json: &[u8]) -> Result<Self, ManifestError> {
        if json.len() > LARGEST {
            return Err(ManifestError(format!("it is larger than {LARGEST} bytes")));
        }
        let failed = |error: &dyn std::error::Error| ManifestError(error.to_string());
        let value: Value = serde_json::from_slice(json).map_err(|error| failed(&error))?;
        let manifest: Self = strict::from_value(&value).map_err(|error| failed(&error))?;
        manifest.check().map_err(ManifestError)?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        if self.api_version != trocar_sdk::options::API_VERSION {
            return Err(format!(
                "apiVersion: {:?} is not trocar.dev/v1alpha1",
                self.api_version
            ));
        }
        if self.kind != "PluginManifest" {
            return Err(format!("kind: {:?} is not PluginManifest", self.kind));
        }
        if !is_label(&self.name) {
            return Err(format!(
                "name: {:?} is not lower-case letters, digits and dashes, 63 at the most",
                self.name
            ));
        }
        if self.version.len() > LONGEST_VERSION {
            return Err(format!("version: it is longer than {LONGEST_VERSION} bytes"));
        }
        if let Some((field, _)) = self.texts().find(|(_, text)| plain(text) != *text) {
            return Err(format!("{field}: it must be one line of plain text"));
        }
        if let Some(unknown) = self
            .capabilities
            .iter()
            .find(|asked| asked.name != crate::capability::CLUSTER_READ)
        {
            return Err(format!(
                "capabilities: {:?} is unknown; there is {:?}",
                unknown.name,
                crate::capability::CLUSTER_READ
            ));
        }
        if let Some(schema) = &self.settings_schema {
            Schema::parse(schema).map_err(|error| format!("settingsSchema: {error}"))?;
        }
        if let Some(secret) = self
            .capabilities
            .iter()
            .flat_map(|asked| &asked.scope)
            .find(|scope| scope.kind == "Secret")
        {
            return Err(format!("capabilities: a plugin never reads {}s", secret.kind));
        }
        if let Some(flag) = self.flags.iter().find(|flag| !is_label(&flag.name)) {
            return Err(format!(
                "flags: {:?} is not lower-case letters, digits and dashes",
                flag.name
            ));
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
