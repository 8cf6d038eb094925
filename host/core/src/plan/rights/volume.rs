//! What a volume opens to the containers that mount it.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use trocar_sdk::{
    Object,
    pod::{ContainerKind, containers_of, flag, list, object, text},
};

use super::{RightKind, power::Powers};

/// How many powers of one volume are listed for each container that mounts it. Beyond that the volume is named, so that the
/// list stays in proportion to the plan.
const MAX_LISTED: usize = 16;

/// The volumes that containers of a pod mount, and none of them to be written to.
pub(super) fn read_only_volumes(pod: &Object) -> HashSet<&str> {
    let containers = ContainerKind::ALL
        .into_iter()
        .flat_map(|kind| containers_of(pod, kind));
    let mounts: Vec<(&str, bool)> = containers
        .flat_map(|found| list(found.container, "volumeMounts"))
        .filter_map(Value::as_object)
        .filter_map(|mount| Some((text(mount, "name")?, flag(mount, "readOnly"))))
        .collect();
    let written: HashSet<&str> = mounts
        .iter()
        .filter_map(|(name, is_read_only)| (!is_read_only).then_some(*name))
        .collect();
    let mounted = mounts.into_iter().map(|(name, _)| name);
    mounted.filter(|name| !written.contains(name)).collect()
}

/// The volumes of a pod by their names.
#[derive(Debug, Default)]
pub(super) struct Volumes<'a> {
    by_name: HashMap<&'a str, Powers<'a>>,
}

impl<'a> Volumes<'a> {
    /// Looks at each volume of a pod's spec once.
    pub(super) fn of(spec: &'a Object) -> Self {
        let volumes = list(spec, "volumes").iter().filter_map(Value::as_object);
        let by_name = volumes.filter_map(|volume| Some((text(volume, "name")?, volume_powers(volume))));
        Self {
            by_name: by_name.collect(),
        }
    }

    /// What all of them open.
    pub(super) fn all(&self) -> impl Iterator<Item = &Powers<'a>> {
        self.by_name.values()
    }

    /// Adds what a volume opens to a container that mounts it.
    pub(super) fn mount(&self, name: &'a str, powers: &mut Powers<'a>) {
        match self.by_name.get(name) {
            // In full, one volume of 3,000 Secrets in 3,000 containers would be 9 million rights.
            Some(opened) if opened.count() > MAX_LISTED => powers.named(RightKind::Volume, name),
            Some(opened) => powers.extend(opened),
            None => {}
        }
    }
}

fn volume_powers(volume: &Object) -> Powers<'_> {
    let mut powers = Powers::default();
    for (kind, source) in volume.iter().filter(|(kind, _)| *kind != "name") {
        let Some(source) = source.as_object() else {
            continue;
        };
        let field = |field| text(source, field).unwrap_or_default();
        match kind.as_str() {
            "downwardAPI" => {}
            "emptyDir" => {
                if field("medium").starts_with("HugePages") {
                    powers.named(RightKind::HugePages, field("medium"));
                }
            }
            "secret" => powers.named(RightKind::Secret, field("secretName")),
            "configMap" => powers.named(RightKind::ConfigMap, field("name")),
            "persistentVolumeClaim" => {
                powers.named(RightKind::PersistentVolumeClaim, field("claimName"));
                if !flag(source, "readOnly") {
                    powers.detailed(
                        RightKind::PersistentVolumeClaim,
                        field("claimName"),
                        "to be written to",
                    );
                }
            }
            "ephemeral" => powers.alike(RightKind::PersistentVolumeClaim, json_text(source)),
            "hostPath" => powers.named(RightKind::HostPath, field("path")),
            "csi" => powers.detailed(RightKind::CsiDriver, field("driver"), json_text(source)),
            "projected" => projected(source, &mut powers),
            _ => powers.detailed(RightKind::Volume, kind.as_str(), json_text(source)),
        }
        credentials(source, &mut powers);
    }
    powers
}

/// The Secrets by which a kind of volume is mounted.
fn credentials<'a>(source: &'a Object, powers: &mut Powers<'a>) {
    for field in ["secretRef", "nodePublishSecretRef"] {
        if let Some(name) = object(source, field).and_then(|secret| text(secret, "name")) {
            powers.named(RightKind::Secret, name);
        }
    }
}

fn projected<'a>(source: &'a Object, powers: &mut Powers<'a>) {
    let sources = list(source, "sources").iter().filter_map(Value::as_object);
    for (kind, source) in sources.flatten() {
        let Some(source) = source.as_object() else {
            continue;
        };
        let name = text(source, "name").unwrap_or_default();
        match kind.as_str() {
            "downwardAPI" => {}
            "secret" => powers.named(RightKind::Secret, name),
            "configMap" => powers.named(RightKind::ConfigMap, name),
            "serviceAccountToken" => match text(source, "audience") {
                Some(audience) => powers.named(RightKind::ServiceAccountToken, audience),
                None => powers.add(RightKind::ServiceAccountToken),
            },
            _ => powers.detailed(RightKind::Volume, kind.as_str(), json_text(source)),
        }
    }
}

/// An object as text, to tell it from others.
pub(super) fn json_text(object: &Object) -> String {
    serde_json::to_string(object).unwrap_or_default()
}
