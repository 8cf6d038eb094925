//! Reading and changing a pod's JSON without losing unknown fields.
//!
//! A [`Pod`] is the JSON value itself with accessors; there is no typed copy of the Kubernetes API that
//! could drop a field. Nothing in here decides anything: that is for strategies and policies.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A JSON object.
pub type Object = Map<String, Value>;

/// The three lists of containers in a pod's spec, in the order in which they are searched for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContainerKind {
    /// `spec.initContainers`, sidecars included.
    Init,
    /// `spec.containers`.
    Regular,
    /// `spec.ephemeralContainers`.
    Ephemeral,
}

impl ContainerKind {
    /// All kinds, in the order in which they are searched.
    pub const ALL: [Self; 3] = [Self::Init, Self::Regular, Self::Ephemeral];

    /// The field of the pod spec that holds containers of this kind.
    pub fn field(self) -> &'static str {
        match self {
            Self::Init => "initContainers",
            Self::Regular => "containers",
            Self::Ephemeral => "ephemeralContainers",
        }
    }
}

/// A container of a pod, and its position.
#[derive(Clone, Copy, Debug)]
pub struct ContainerRef<'a> {
    /// The list that it is in.
    pub kind: ContainerKind,
    /// The index in the list.
    pub index: usize,
    /// The container itself.
    pub container: &'a Object,
}

impl<'a> ContainerRef<'a> {
    /// The container's name; empty when it has none.
    pub fn name(&self) -> &'a str {
        text(self.container, "name").unwrap_or_default()
    }

    /// Returns whether it is a sidecar: an init container that keeps running beside the others (`restartPolicy: Always`).
    pub fn is_sidecar(&self) -> bool {
        self.kind == ContainerKind::Init && is_sidecar(self.container)
    }

    /// The unescaped parts of the JSON pointer from the pod to the container.
    pub fn path(&self) -> [String; 3] {
        ["spec".into(), self.kind.field().into(), self.index.to_string()]
    }
}

/// A pod's JSON with accessors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pod(pub Object);

impl Pod {
    /// The pod's name; empty when it has none.
    pub fn name(&self) -> &str {
        self.metadata_text("name").unwrap_or_default()
    }

    /// The pod's namespace, if set.
    pub fn namespace(&self) -> Option<&str> {
        self.metadata_text("namespace")
    }

    /// The pod's metadata, if present.
    pub fn metadata(&self) -> Option<&Object> {
        object(&self.0, "metadata")
    }

    /// A label's value.
    pub fn label(&self, name: &str) -> Option<&str> {
        text(object(self.metadata()?, "labels")?, name)
    }

    /// An annotation's value.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        text(object(self.metadata()?, "annotations")?, name)
    }

    /// The pod's spec, if present.
    pub fn spec(&self) -> Option<&Object> {
        object(&self.0, "spec")
    }

    /// The pod's spec, created if it is missing.
    pub fn spec_mut(&mut self) -> &mut Object {
        object_mut(&mut self.0, "spec")
    }

    /// A field of the spec that is a boolean; false when it is absent.
    pub fn flag(&self, field: &str) -> bool {
        self.spec().is_some_and(|spec| flag(spec, field))
    }

    /// Returns whether its containers run on Windows, by `spec.os` or by the node selector.
    pub fn is_windows(&self) -> bool {
        is_windows(&self.0)
    }

    /// The pod's own security context.
    pub fn security_context(&self) -> Option<&Object> {
        object(self.spec()?, "securityContext")
    }

    /// All containers: init, regular, ephemeral.
    pub fn containers(&self) -> impl Iterator<Item = ContainerRef<'_>> {
        containers(&self.0)
    }

    /// The containers of one kind.
    pub fn containers_of(&self, kind: ContainerKind) -> impl Iterator<Item = ContainerRef<'_>> {
        containers_of(&self.0, kind)
    }

    /// The containers of one kind, to change.
    pub fn containers_mut(&mut self, kind: ContainerKind) -> impl Iterator<Item = &mut Object> {
        let list = self.0.get_mut("spec").and_then(|spec| spec.get_mut(kind.field()));
        let list = list
            .and_then(Value::as_array_mut)
            .map_or(&mut [][..], Vec::as_mut_slice);
        list.iter_mut().filter_map(Value::as_object_mut)
    }

    /// The first container with a name, searched as Kubernetes does.
    pub fn container(&self, name: &str) -> Option<ContainerRef<'_>> {
        container(&self.0, name)
    }

    /// The first container with a name, to change.
    pub fn container_mut(&mut self, name: &str) -> Option<&mut Object> {
        let (kind, index) = {
            let found = self.container(name)?;
            (found.kind, found.index)
        };
        self.spec_mut()
            .get_mut(kind.field())?
            .get_mut(index)?
            .as_object_mut()
    }

    /// Adds a container at the end of a list.
    pub fn push_container(&mut self, kind: ContainerKind, container: Object) {
        let list = self
            .spec_mut()
            .entry(kind.field())
            .or_insert_with(|| Value::Array(Vec::new()));
        if !list.is_array() {
            *list = Value::Array(Vec::new());
        }
        if let Some(list) = list.as_array_mut() {
            list.push(Value::Object(container));
        }
    }

    /// The names of all containers, in the order in which they are searched.
    pub fn container_names(&self) -> Vec<&str> {
        self.containers().map(|found| found.name()).collect()
    }

    fn metadata_text(&self, field: &str) -> Option<&str> {
        text(self.metadata()?, field)
    }
}

/// All containers of a borrowed pod: init, regular, ephemeral.
pub fn containers(pod: &Object) -> impl Iterator<Item = ContainerRef<'_>> {
    ContainerKind::ALL
        .into_iter()
        .flat_map(|kind| containers_of(pod, kind))
}

/// The containers of one kind of a borrowed pod.
pub fn containers_of(pod: &Object, kind: ContainerKind) -> impl Iterator<Item = ContainerRef<'_>> {
    let listed = object(pod, "spec").map_or(&[][..], |spec| list(spec, kind.field()));
    listed.iter().enumerate().filter_map(move |(index, value)| {
        let container = value.as_object()?;
        Some(ContainerRef {
            kind,
            index,
            container,
        })
    })
}

/// The first container with a name of a borrowed pod.
pub fn container<'a>(pod: &'a Object, name: &str) -> Option<ContainerRef<'a>> {
    containers(pod).find(|found| found.name() == name)
}

/// Returns whether a pod's containers run on Windows, by `spec.os` or by the node selector.
pub fn is_windows(pod: &Object) -> bool {
    let named = |parent: &str, field: &str| text(object(object(pod, "spec")?, parent)?, field);
    named("os", "name").or_else(|| named("nodeSelector", "kubernetes.io/os")) == Some("windows")
}

/// Returns whether an init container is a sidecar, which keeps running beside the regular ones.
pub fn is_sidecar(init_container: &Object) -> bool {
    text(init_container, "restartPolicy") == Some("Always")
}

/// A member that is an object.
pub fn object<'a>(parent: &'a Object, field: &str) -> Option<&'a Object> {
    parent.get(field)?.as_object()
}

/// A member that is an object, created if it is missing, or replaced if it is something else.
pub fn object_mut<'a>(parent: &'a mut Object, field: &str) -> &'a mut Object {
    if !parent.get(field).is_some_and(Value::is_object) {
        parent.insert(field.to_owned(), Value::Object(Object::new()));
    }
    parent
        .get_mut(field)
        .and_then(Value::as_object_mut)
        .expect("the member was just made an object")
}

/// A member that is a string.
pub fn text<'a>(parent: &'a Object, field: &str) -> Option<&'a str> {
    parent.get(field)?.as_str()
}

/// A member that is a boolean; false when it is absent.
pub fn flag(parent: &Object, field: &str) -> bool {
    parent.get(field).and_then(Value::as_bool).unwrap_or(false)
}

/// A member that is a list; empty when it is absent.
pub fn list<'a>(parent: &'a Object, field: &str) -> &'a [Value] {
    parent
        .get(field)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}
