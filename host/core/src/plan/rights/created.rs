//! What a created pod can do beyond the pod that was asked for: a copy of the target, or the debug pod on a node.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;
use trocar_sdk::{
    DebugOptions, Object, Pod,
    pod::{ContainerKind, ContainerRef, containers_of, is_windows, object},
};

use super::{
    Right, RightKind,
    asked::{
        asked_container, asked_copy, asked_image, asked_node_pod, asks_to_share, only_changes_images, spec_of,
    },
    container::{PodContext, container_powers, program, run_by_kubelet},
    drop_implied,
    pod::pod_powers,
    power::Shown,
    rights,
    volume::{Volumes, read_only_volumes},
};
use crate::{
    kubernetes::milli,
    target::{Target, TargetKind},
};

/// The resources that are there for everything that runs. Others are rights by their names.
const USUAL_RESOURCES: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// The time that a pod has to end where neither it nor its target says another, in seconds.
const USUAL_GRACE_PERIOD: i64 = 30;

/// Lists what a created pod and its containers can do beyond what was asked for.
pub(super) fn of_created(
    pod: &Pod,
    attach: Option<&str>,
    target: &Target,
    options: &DebugOptions,
) -> Vec<Right> {
    let is_copy = target.id().kind == TargetKind::Pod;
    let model = match is_copy {
        true => asked_copy(target, options),
        false => asked_node_pod(target, options).0,
    };
    let known = if is_copy { known(&model) } else { HashMap::new() };
    let debug = match known.get(options.container.as_deref().unwrap_or_default()) {
        Some(known) => Some(DebugContainer {
            name: known.name(),
            kind: known.kind,
            asked: asked_container(
                Some(known.container),
                known.kind,
                target,
                options,
                is_windows(&model),
            ),
        }),
        None if is_copy && only_changes_images(options) => None,
        None => new_container(pod, attach, options, &known).map(|name| DebugContainer {
            name,
            kind: ContainerKind::Regular,
            asked: match containers_of(&model, ContainerKind::Regular).next() {
                Some(of_node) if !is_copy => of_node.container.clone(),
                _ => asked_container(None, ContainerKind::Regular, target, options, is_windows(&model)),
            },
        }),
    };
    let (spec, asked_spec) = (spec_of(&pod.0), spec_of(&model));
    let (volumes, asked_volumes) = (Volumes::of(spec), Volumes::of(asked_spec));
    let read_only = read_only_volumes(&model);
    let unchanged = ["securityContext", "hostNetwork", "volumes"];
    let scene = Scene {
        pod_context: PodContext {
            spec,
            volumes: &volumes,
            read_only: &read_only,
        },
        asked_pod_context: PodContext {
            spec: asked_spec,
            volumes: &asked_volumes,
            read_only: &read_only,
        },
        is_same_around: unchanged
            .iter()
            .all(|field| spec.get(*field) == asked_spec.get(*field)),
        known,
        debug,
        options,
    };
    scene.rights(pod)
}

/// The resources of which a pod as a whole has more than another: a larger amount, or no limit where the other has one.
fn more_resources<'a>(spec: &'a Object, asked: &'a Object) -> BTreeSet<&'a str> {
    let amounts = |spec: &'a Object, side| {
        let amounts = object(spec, "resources").and_then(|resources| object(resources, side));
        amounts.into_iter().flatten()
    };
    let amount = |spec, side, name: &str| {
        let mut found = amounts(spec, side).filter(|(known, _)| *known == name);
        found.next().map(|(_, amount)| amount)
    };
    let mut more = BTreeSet::new();
    for side in ["limits", "requests"] {
        let usual = amounts(spec, side).filter(|(name, _)| USUAL_RESOURCES.contains(&name.as_str()));
        for (name, new) in usual {
            let is_less = amount(asked, side, name).is_some_and(|old| is_no_more(new, old));
            if !is_less {
                more.insert(name.as_str());
            }
        }
    }
    let limited = amounts(asked, "limits").map(|(name, _)| name.as_str());
    more.extend(limited.filter(|name| amount(spec, "limits", name).is_none()));
    more
}

fn is_no_more(new: &Value, old: &Value) -> bool {
    let milli = |amount: &Value| milli(amount.as_str()?);
    new == old || milli(new).zip(milli(old)).is_some_and(|(new, old)| new <= old)
}

/// The containers of a target by their names.
type Known<'a> = HashMap<&'a str, ContainerRef<'a>>;

fn known(target: &Object) -> Known<'_> {
    let kinds = [ContainerKind::Regular, ContainerKind::Init];
    let containers = kinds.into_iter().flat_map(|kind| containers_of(target, kind));
    containers.map(|found| (found.name(), found)).collect()
}

/// The one container that may be new: with the name that was asked for, of the session, or else the first.
fn new_container<'a>(
    pod: &'a Pod,
    attach: Option<&str>,
    options: &DebugOptions,
    known: &Known<'_>,
) -> Option<&'a str> {
    let new = || {
        let names = pod
            .containers_of(ContainerKind::Regular)
            .map(|found| found.name());
        names.filter(|name| !known.contains_key(name))
    };
    let named = |wanted: Option<&str>| new().find(|name| Some(*name) == wanted);
    named(options.container.as_deref())
        .or_else(|| named(attach))
        .or_else(|| new().next())
}

/// The one debug container: the target's as it is asked for, or a new one.
struct DebugContainer<'a> {
    name: &'a str,
    kind: ContainerKind,
    asked: Object,
}

/// A created pod, and what it is held against.
struct Scene<'a> {
    pod_context: PodContext<'a>,
    asked_pod_context: PodContext<'a>,
    /// Containers have the same from both pods.
    is_same_around: bool,
    known: Known<'a>,
    debug: Option<DebugContainer<'a>>,
    options: &'a DebugOptions,
}

impl Scene<'_> {
    fn rights(&self, pod: &Pod) -> Vec<Right> {
        let of_pod = self.of_pod();
        let mut found = rights(of_pod.clone(), None);
        for container in pod.containers() {
            let mut shown = self.of_container(container);
            // What is listed for the pod is not listed again for each container.
            shown.retain(|right| !of_pod.contains(right));
            found.extend(rights(shown, Some(container.name())));
        }
        found
    }

    /// The pod's own, and what each container has from it.
    fn of_pod(&self) -> BTreeSet<Shown> {
        let (spec, asked_spec) = (self.pod_context.spec, self.asked_pod_context.spec);
        let mut asked = pod_powers(asked_spec, self.asked_pod_context.volumes);
        if asks_to_share(self.options, self.debug.is_some()) {
            asked.add(RightKind::ShareProcessNamespace);
        }
        let mut shown = pod_powers(spec, self.pod_context.volumes).beyond(&[&asked]);
        if !self.is_same_around {
            let nothing = Object::new();
            let bare = |pod_context| container_powers(&nothing, ContainerKind::Regular, pod_context);
            shown.extend(bare(self.pod_context).beyond(&[&bare(self.asked_pod_context)]));
        }
        let grace_period = |spec: &Object| spec.get("terminationGracePeriodSeconds").and_then(Value::as_i64);
        let usual = grace_period(asked_spec).unwrap_or(0).max(USUAL_GRACE_PERIOD);
        if let Some(seconds) = grace_period(spec).filter(|seconds| *seconds > usual) {
            shown.insert((RightKind::GracePeriod, Some(seconds.to_string())));
        }
        let more = more_resources(spec, asked_spec).into_iter();
        shown.extend(more.map(|name| (RightKind::PodResources, Some(name.to_owned()))));
        shown
    }

    fn of_container(&self, found: ContainerRef<'_>) -> BTreeSet<Shown> {
        let same_kind = |known: &&ContainerRef<'_>| known.kind == found.kind;
        let known = self.known.get(found.name()).filter(same_kind);
        let known = known.map(|known| known.container);
        let debug = self.debug.as_ref();
        let debug = debug.filter(|debug| debug.name == found.name() && debug.kind == found.kind);
        if debug.is_none() && self.is_same_around && known == Some(found.container) {
            return BTreeSet::new();
        }
        let nothing = Object::new();
        let asked = debug.map(|debug| &debug.asked).or(known).unwrap_or(&nothing);
        let powers = container_powers(found.container, found.kind, self.pod_context);
        // Probes that no flag keeps are asked for all the same: they are the target's.
        let kept = known.map(run_by_kubelet).unwrap_or_default();
        let asked_powers = container_powers(asked, found.kind, self.asked_pod_context);
        let mut shown = powers.beyond(&[&asked_powers, &kept]);
        drop_implied(&mut shown, asked);
        match known {
            Some(known) => shown.extend(self.program_of(found, known, asked)),
            None if debug.is_none() => {
                shown.insert((RightKind::ExtraContainer, None));
            }
            // What the debug container runs is the strategy's choice.
            None => {}
        }
        shown
    }

    /// What a container of the target runs that it did not run before.
    fn program_of(&self, found: ContainerRef<'_>, known: &Object, asked: &Object) -> BTreeSet<Shown> {
        let mut shown = program(found.container).beyond(&[&program(known), &program(asked)]);
        // A policy may take the image that was asked for from a mirror.
        if asked_image(self.options, found.kind, found.name()).is_some() {
            shown.retain(|(kind, _)| *kind != RightKind::Image);
        }
        shown
    }
}
