//! What a copy keeps of the original: the `--keep-*` flags, as typed. The profile decides about flags that were not typed:
//! see [`crate::profile::kept`].

use serde::{Deserialize, Serialize};

/// The `--keep-*` flags. None is a flag that was not typed, unlike a typed `false`: a profile may keep things by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Keep {
    /// `--keep-labels`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<bool>,
    /// `--keep-annotations`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<bool>,
    /// `--keep-liveness`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness: Option<bool>,
    /// `--keep-readiness`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readiness: Option<bool>,
    /// `--keep-startup`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup: Option<bool>,
    /// `--keep-init-containers`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_containers: Option<bool>,
}

impl Keep {
    /// Returns true if no flag was typed.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What a copy keeps, as decided by [`crate::profile::kept`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The labels of the original.
    pub labels: bool,
    /// Its annotations.
    pub annotations: bool,
    /// The liveness probes of its containers and sidecars.
    pub liveness: bool,
    /// Their readiness probes.
    pub readiness: bool,
    /// Their startup probes.
    pub startup: bool,
    /// Its init containers.
    pub init_containers: bool,
}

impl Kept {
    /// The fields of a container for probes, and whether they are kept.
    pub fn probes(&self) -> [(&'static str, bool); 3] {
        [
            ("livenessProbe", self.liveness),
            ("readinessProbe", self.readiness),
            ("startupProbe", self.startup),
        ]
    }
}
