//! Pods of a plan: which containers the debug adds or changes, and what each was copied from.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use trocar_sdk::{
    Object,
    diagnostic::pointer,
    pod::{ContainerKind, containers, list, object, text},
};

/// A pod that a step of the plan creates or adds a container to.
#[derive(Clone, Copy)]
pub(crate) struct Planned<'a> {
    pub(crate) step: usize,
    /// The created pod, or the target with the added container.
    pub(crate) pod: &'a Object,
    /// The added container.
    pub(crate) added: Option<&'a Object>,
    /// The target, if it is a pod.
    pub(crate) original: Option<&'a Object>,
}

impl<'a> Planned<'a> {
    /// The pointer to what the step writes.
    pub(crate) fn root(&self) -> String {
        format!("/steps/{}/object", self.step)
    }

    /// What the step writes: the new container, or all of a created pod.
    pub(crate) fn written(&self) -> &'a Object {
        self.added.unwrap_or(self.pod)
    }

    /// The same pod, with another object written by the step.
    pub(crate) fn with(&self, written: &'a Object) -> Self {
        match self.added {
            Some(_) => Self {
                added: Some(written),
                ..*self
            },
            None => Self {
                pod: written,
                ..*self
            },
        }
    }

    pub(crate) fn spec(&self) -> Option<&'a Object> {
        object(self.pod, "spec")
    }

    /// The spec of the target.
    pub(crate) fn original_spec(&self) -> Option<&'a Object> {
        self.original.and_then(|original| object(original, "spec"))
    }

    pub(crate) fn is_windows(&self) -> bool {
        let os = self.spec().and_then(|spec| object(spec, "os"));
        os.and_then(|os| text(os, "name")) == Some("windows")
    }

    /// The containers that the debug adds or copies, in order.
    pub(crate) fn containers(&self) -> Vec<Judged<'a>> {
        if let Some(container) = self.added {
            return vec![Judged {
                container,
                kind: ContainerKind::Ephemeral,
                index: 0,
                before: None,
                is_kept: false,
                at: self.root(),
            }];
        }
        let originals = Originals::new(self);
        let found = containers(self.pod).map(|found| {
            let before = originals.of(found.kind, found.name());
            Judged {
                container: found.container,
                kind: found.kind,
                index: found.index,
                before,
                is_kept: before.is_some_and(|before| originals.is_kept(before, found.container)),
                at: format!("{}{}", self.root(), pointer(found.path())),
            }
        });
        found.collect()
    }
}

/// A container that the debug adds or copies.
pub(crate) struct Judged<'a> {
    pub(crate) container: &'a Object,
    pub(crate) kind: ContainerKind,
    pub(crate) index: usize,
    /// The target's container that it was copied from.
    pub(crate) before: Option<&'a Object>,
    /// It runs the same program with the same rights as before. If not, its rights are judged like those of a new
    /// container, since they were granted to another program.
    pub(crate) is_kept: bool,
    /// The pointer to it in the plan.
    pub(crate) at: String,
}

impl<'a> Judged<'a> {
    pub(crate) fn name(&self) -> &'a str {
        text(self.container, "name").unwrap_or_default()
    }
}

/// Fields of a container that do not affect its program, input and user.
const HARMLESS: [&str; 8] = [
    "imagePullPolicy",
    "ports",
    "resizePolicy",
    "resources",
    "stdinOnce",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
];

/// Fields that may be dropped without granting anything: copies have no probes and no standard input.
const MAY_GO: [&str; 4] = ["livenessProbe", "readinessProbe", "startupProbe", "stdin"];

/// Fields of a pod that affect the rights of all containers, besides those that are judged for the pod itself.
const OF_ALL: [&str; 2] = ["securityContext", "hostUsers"];

/// The containers and volumes of the target, compared with those of its copy.
struct Originals<'a> {
    containers: BTreeMap<(ContainerKind, &'a str), &'a Object>,
    /// The names of volumes that differ from the original's.
    other_volumes: BTreeSet<&'a str>,
    /// The copy gives all its containers other rights than the original.
    is_other_pod: bool,
}

impl<'a> Originals<'a> {
    fn new(planned: &Planned<'a>) -> Self {
        let (original, spec) = (planned.original_spec(), planned.spec());
        let known = planned.original.into_iter().flat_map(containers);
        let of = |spec: Option<&'a Object>, field: &str| spec.and_then(|spec| spec.get(field));
        let differs = |field: &&str| !is_same(of(original, field), of(spec, field), true);
        Self {
            containers: known
                .map(|found| ((found.kind, found.name()), found.container))
                .collect(),
            other_volumes: other_volumes(original, spec),
            is_other_pod: OF_ALL.iter().any(differs),
        }
    }

    fn of(&self, kind: ContainerKind, name: &str) -> Option<&'a Object> {
        self.containers.get(&(kind, name)).copied()
    }

    fn is_kept(&self, before: &Object, container: &Object) -> bool {
        let is_kept = |field: &String| {
            let field = field.as_str();
            let (before, after) = (before.get(field), container.get(field));
            let goes = MAY_GO.contains(&field) && after.is_none_or(|after| !says_something(after, false));
            goes || HARMLESS.contains(&field) || is_same(before, after, field == "securityContext")
        };
        let mounts_other = || {
            let mounts = ["volumeMounts", "volumeDevices"].into_iter();
            let mut mounts = mounts.flat_map(|field| list(container, field));
            mounts.any(|mount| {
                mount["name"]
                    .as_str()
                    .is_some_and(|name| self.other_volumes.contains(name))
            })
        };
        !self.is_other_pod
            && before.keys().chain(container.keys()).all(is_kept)
            && (self.other_volumes.is_empty() || !mounts_other())
    }
}

/// Returns whether two members mean the same. A plan is in normal form, without empty fields; a target is as it was written, so
/// there null, an empty string, list or object, and the default of a plain field count as absent. In a security context `false`
/// and `0` have a meaning.
pub(crate) fn is_same(one: Option<&Value>, other: Option<&Value>, zero_means_something: bool) -> bool {
    let says =
        |value: &Option<&Value>| value.is_some_and(|value| says_something(value, zero_means_something));
    match (one.filter(|_| says(&one)), other.filter(|_| says(&other))) {
        (None, None) => true,
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let mut fields = one.keys().chain(other.keys());
            fields.all(|field| is_same(one.get(field), other.get(field), zero_means_something))
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            let mut items = one.iter().zip(other);
            one.len() == other.len()
                && items.all(|(one, other)| is_same(Some(one), Some(other), zero_means_something))
        }
        (one, other) => one == other,
    }
}

fn says_something(value: &Value, zero_means_something: bool) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value || zero_means_something,
        Value::Number(number) => number.as_f64() != Some(0.0) || zero_means_something,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        // An object of which all members are empty is empty.
        Value::Object(fields) => fields
            .values()
            .any(|value| says_something(value, zero_means_something)),
    }
}

fn other_volumes<'a>(original: Option<&'a Object>, spec: Option<&'a Object>) -> BTreeSet<&'a str> {
    let known = volumes(original);
    let mut other = BTreeSet::new();
    for volume in spec.map_or(&[][..], |spec| list(spec, "volumes")) {
        let name = volume["name"].as_str().unwrap_or_default();
        if !is_same(known.get(name).copied(), Some(volume), false) {
            other.insert(name);
        }
    }
    other
}

/// The volumes of a pod's spec, by name.
pub(crate) fn volumes(spec: Option<&Object>) -> BTreeMap<&str, &Value> {
    let volumes = spec.map_or(&[][..], |spec| list(spec, "volumes")).iter();
    volumes
        .filter_map(|volume| Some((volume["name"].as_str()?, volume)))
        .collect()
}
