//! Rights beyond the options: what a plan can do that neither a flag nor its target asks for.
//!
//! One list ([`RightKind`]), which consent, policies, the audit and `-o diff` share. It depends on the plan, the target and
//! the options alone. Both sides are looked at as sets of powers: what the plan makes, and what the options ask for (the
//! target's own containers and pod in a copy, the debug container that the default strategies make). Less is never a right.

mod asked;
mod container;
mod created;
mod kind;
mod pod;
mod power;
mod volume;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;
use trocar_sdk::{
    DebugOptions, Object, Pod,
    pod::{ContainerKind, flag, is_windows, object, text},
};

use self::{
    asked::{asked_container, keeps, spec_of},
    container::{PodContext, container_powers, has_same_powers},
    created::of_created,
    power::Shown,
    volume::{Volumes, read_only_volumes},
};
use super::Step;
use crate::{
    target::{Target, TargetKind},
    text::plain,
};

pub use kind::RightKind;

/// One right that was not asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Right {
    /// What kind of right.
    #[serde(rename = "right")]
    pub kind: RightKind,
    /// Which one, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The container that has it; none when it is the pod's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
}

impl std::fmt::Display for Right {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.kind.name())?;
        if let Some(value) = &self.value {
            // A guest chose it.
            write!(out, " {}", plain(value))?;
        }
        if let Some(container) = &self.container {
            write!(out, " (container {container:?})")?;
        }
        Ok(())
    }
}

/// Lists what steps in normal form give beyond what was asked for. `attach` is the container of the session.
pub fn rights_beyond(
    steps: &[Step],
    attach: Option<&str>,
    target: &Target,
    options: &DebugOptions,
) -> Vec<Right> {
    let mut rights = Vec::new();
    for step in steps {
        match step {
            Step::AddEphemeralContainer(container) => {
                rights.extend(of_ephemeral(container, target, options));
            }
            Step::CreatePod(pod) => {
                rights.extend(marks(pod, target, options));
                rights.extend(of_created(pod, attach, target, options));
            }
            Step::DeletePod(_) => {}
        }
    }
    rights
}

fn of_ephemeral(container: &Object, target: &Target, options: &DebugOptions) -> Vec<Right> {
    let kind = ContainerKind::Ephemeral;
    let asked = asked_container(None, kind, target, options, is_windows(target.object()));
    let mut shown = BTreeSet::new();
    // The usual case is that they are the same: then neither volumes nor powers have to be compared.
    if !has_same_powers(container, &asked) {
        let spec = spec_of(target.object());
        let volumes = Volumes::of(spec);
        let pod_context = PodContext {
            spec,
            volumes: &volumes,
            read_only: &read_only_volumes(target.object()),
        };
        let powers = container_powers(container, kind, pod_context);
        shown = powers.beyond(&[&container_powers(&asked, kind, pod_context)]);
    }
    let joined = text(container, "targetContainerName");
    if joined.is_some() && joined != options.target_container.as_deref() {
        shown.insert((RightKind::ShareProcessNamespace, joined.map(str::to_owned)));
    }
    drop_implied(&mut shown, &asked);
    rights(shown, text(container, "name"))
}

/// Rights of one container or of the pod, by name.
fn rights(shown: BTreeSet<Shown>, container: Option<&str>) -> Vec<Right> {
    let right = |(kind, value)| Right {
        kind,
        value,
        container: container.map(str::to_owned),
    };
    let mut rights: Vec<Right> = shown.into_iter().map(right).collect();
    rights.sort_by_key(|right| right.kind.name());
    rights
}

/// Labels and annotations that neither a flag nor the host puts on a created pod.
fn marks(pod: &Pod, target: &Target, options: &DebugOptions) -> Vec<Right> {
    let targets = object(target.object(), "metadata").filter(|_| target.id().kind == TargetKind::Pod);
    let mut rights = Vec::new();
    for (field, kind) in [
        ("labels", RightKind::Label),
        ("annotations", RightKind::Annotation),
    ] {
        let kept = targets.filter(|_| keeps(options, field));
        let kept = kept.and_then(|targets| object(targets, field));
        let is_kept = |name: &String, value: &Value| kept.and_then(|kept| kept.get(name)) == Some(value);
        let set = pod.metadata().and_then(|metadata| object(metadata, field));
        let new = set
            .into_iter()
            .flatten()
            .filter(|(name, value)| !is_kept(name, value));
        rights.extend(new.map(|(name, _)| Right {
            kind,
            value: Some(name.clone()),
            container: None,
        }));
    }
    rights
}

/// Drops what a container that was asked to be privileged has in any case.
fn drop_implied(shown: &mut BTreeSet<Shown>, asked: &Object) {
    use RightKind::{LinuxCapability, PrivilegeEscalation, Unconfined};
    // A privileged container has all capabilities, can gain privileges, and is confined by neither seccomp nor AppArmor.
    if object(asked, "securityContext").is_some_and(|context| flag(context, "privileged")) {
        shown.retain(|(kind, _)| !matches!(kind, LinuxCapability | PrivilegeEscalation | Unconfined));
    }
}
