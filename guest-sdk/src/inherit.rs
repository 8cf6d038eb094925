//! What a debug container inherits from a container of its target: environment, mounts, user, working folder, resources.
//! Also flags about the user (`--as-root`), and about a created pod as a whole.
//!
//! Applied after the profile and before `--custom`. Fields that a flag has set are not changed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    DebugOptions, Diagnostic, Failure, names,
    pod::{
        ContainerKind, ContainerRef, Object, container, containers_of, flag, list, object, object_mut, text,
    },
};

/// `--inherit`: what to inherit from the container of `--target`, or from the first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Inherit {
    /// Its environment as in the pod: variables of the image are unknown.
    #[serde(skip_serializing_if = "is_false")]
    pub env: bool,
    /// Its volume mounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mounts: Option<Mounts>,
    /// The user and group that it runs as.
    #[serde(skip_serializing_if = "is_false")]
    pub user: bool,
    /// Its working folder, if the pod sets one.
    #[serde(skip_serializing_if = "is_false")]
    pub workdir: bool,
    /// Its requests and limits: in a copy only.
    #[serde(skip_serializing_if = "is_false")]
    pub resources: bool,
}

/// How volume mounts are inherited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mounts {
    /// As the container has them.
    AsTheyAre,
    /// Read-only.
    ReadOnly,
}

impl Inherit {
    /// Returns true if nothing is inherited.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Applies to a new debug container what the options inherit from a container of the pod, and the user that they set.
///
/// # Errors
/// Fails when the pod has no container to inherit from.
pub fn inherit(
    new: &mut Object,
    kind: ContainerKind,
    pod: &Object,
    options: &DebugOptions,
) -> Result<Vec<Diagnostic>, Failure> {
    let mut notes = Vec::new();
    let wanted = &options.inherit;
    if !wanted.is_nothing() {
        let source = source(pod, options)?;
        if wanted.env {
            take_env(new, source, &mut notes);
        }
        if let Some(mounts) = wanted.mounts {
            take_mounts(new, kind, source, mounts, &mut notes);
            notes.extend(devices_left_out(source));
        }
        if wanted.user {
            take_user(new, pod, source, &mut notes);
        }
        if wanted.workdir {
            take_workdir(new, source, &mut notes);
        }
        if wanted.resources {
            take_resources(new, kind, source, &mut notes);
        }
    }
    notes.extend(run_as_root(new, pod, options));
    Ok(notes)
}

fn source<'a>(pod: &'a Object, options: &DebugOptions) -> Result<ContainerRef<'a>, Failure> {
    let named = options.target_container.as_deref();
    let found = match named {
        Some(name) => container(pod, name),
        None => containers_of(pod, ContainerKind::Regular).next(),
    };
    found.ok_or_else(|| {
        let wanted = named.map_or_else(String::new, |name| format!(" {name:?}"));
        Failure::invalid_request(
            "no-such-container",
            format!("--inherit: the pod has no container{wanted} to inherit from"),
        )
    })
}

/// Variables of flags come after the inherited ones, so that they can refer to them, and replace those of the same name.
fn take_env(new: &mut Object, source: ContainerRef<'_>, notes: &mut Vec<Diagnostic>) {
    let own = list(new, "env").to_vec();
    let names: BTreeSet<&str> = own
        .iter()
        .filter_map(|variable| variable["name"].as_str())
        .collect();
    let inherited = list(source.container, "env").iter();
    let inherited =
        inherited.filter(|variable| variable["name"].as_str().is_none_or(|name| !names.contains(name)));
    let mut all: Vec<Value> = inherited
        .cloned()
        .map(|variable| of_container(variable, source.name()))
        .collect();
    all.extend(own.iter().cloned());
    insert_list(new, "env", all);
    let mut sources = list(source.container, "envFrom").to_vec();
    sources.extend_from_slice(list(new, "envFrom"));
    insert_list(new, "envFrom", sources);
    notes.push(Diagnostic::info(
        "image-env-not-inherited",
        format!(
            "The environment of {}'s image is not inherited: the pod does not say it.",
            source.name()
        ),
    ));
}

/// A `resourceFieldRef` without a container name refers to the container that it is in.
fn of_container(mut variable: Value, name: &str) -> Value {
    if let Some(Value::Object(field)) = variable.pointer_mut("/valueFrom/resourceFieldRef") {
        field.entry("containerName").or_insert_with(|| name.into());
    }
    variable
}

fn take_mounts(
    new: &mut Object,
    kind: ContainerKind,
    source: ContainerRef<'_>,
    how: Mounts,
    notes: &mut Vec<Diagnostic>,
) {
    let mut all = list(new, "volumeMounts").to_vec();
    let taken: BTreeSet<String> = all.iter().map(|mount| mount["mountPath"].to_string()).collect();
    let (mut left_out, mut narrowed) = (Vec::new(), Vec::new());
    for mount in list(source.container, "volumeMounts")
        .iter()
        .filter_map(Value::as_object)
    {
        let path = text(mount, "mountPath").unwrap_or_default();
        if taken.contains(&json!(path).to_string()) {
            continue;
        }
        let is_part = ["subPath", "subPathExpr"]
            .iter()
            .any(|field| text(mount, field).is_some_and(|part| !part.is_empty()));
        if is_part && kind == ContainerKind::Ephemeral {
            left_out.push(path);
            continue;
        }
        let mut mount = mount.clone();
        if text(&mount, "mountPropagation") == Some("Bidirectional") {
            mount.remove("mountPropagation");
            narrowed.push(path);
        }
        if how == Mounts::ReadOnly {
            mount.insert("readOnly".into(), true.into());
        }
        all.push(mount.into());
    }
    insert_list(new, "volumeMounts", all);
    if !left_out.is_empty() {
        notes.push(Diagnostic::warning(
            "mounts-not-inherited",
            format!(
                "{} {} not inherited: an ephemeral container cannot mount a part of a volume (subPath); a copy of the pod can (--copy-to=NAME)",
                names::list(left_out.iter().copied()),
                if left_out.len() == 1 { "is" } else { "are" },
            ),
        ));
    }
    if !narrowed.is_empty() {
        notes.push(Diagnostic::warning(
            "propagation-not-inherited",
            format!(
                "what is mounted below {} is not passed on to the node",
                names::list(narrowed)
            ),
        ));
    }
}

/// Block devices are left out: two containers that write to one corrupt its data.
fn devices_left_out(source: ContainerRef<'_>) -> Option<Diagnostic> {
    let devices = list(source.container, "volumeDevices").iter();
    let paths: Vec<&str> = devices
        .filter_map(|device| device["devicePath"].as_str())
        .collect();
    if paths.is_empty() {
        return None;
    }
    Some(Diagnostic::warning(
        "devices-not-inherited",
        format!(
            "{} {} not inherited: a second writer to a block device destroys what is on it",
            names::list(paths.iter().copied()),
            if paths.len() == 1 { "is" } else { "are" },
        ),
    ))
}

fn take_user(new: &mut Object, pod: &Object, source: ContainerRef<'_>, notes: &mut Vec<Diagnostic>) {
    if is_windows(pod) {
        notes.push(Diagnostic::warning(
            "user-not-inherited",
            "on Windows a user has no number to inherit",
        ));
        return;
    }
    let found = user_of(pod, source);
    let Some(uid) = found.uid else {
        let unknown =
            "neither the pod nor its status says as which user {} runs, so the image's user is used";
        notes.push(Diagnostic::warning(
            "user-unknown",
            unknown.replace("{}", source.name()),
        ));
        return;
    };
    let context = object_mut(new, "securityContext");
    context.insert("runAsUser".into(), uid.into());
    if let Some(gid) = found.gid {
        context.insert("runAsGroup".into(), gid.into());
    }
    if uid == 0 && flag(context, "runAsNonRoot") {
        notes.push(Diagnostic::warning(
            "root-inherited",
            format!(
                "{} runs as root, which the profile forbids: the container will not start",
                source.name()
            ),
        ));
    }
    if !found.groups.is_empty() {
        let groups: Vec<String> = found.groups.iter().map(ToString::to_string).collect();
        notes.push(Diagnostic::warning(
            "groups-not-inherited",
            format!(
                "{} is also in the groups {} of its image, which no container can be given",
                source.name(),
                groups.join(", ")
            ),
        ));
    }
}

/// The user that a container runs as.
#[derive(Default)]
struct User {
    uid: Option<i64>,
    gid: Option<i64>,
    /// Groups that are neither the pod's nor its primary group.
    groups: Vec<i64>,
}

/// The status has the effective user since Kubernetes 1.31; else the spec may have it.
fn user_of(pod: &Object, source: ContainerRef<'_>) -> User {
    let pod_context = object(pod, "spec").and_then(|spec| object(spec, "securityContext"));
    if let Some(linux) = user_in_status(pod, source) {
        let number = |field: &str| linux.get(field).and_then(Value::as_i64);
        let gid = number("gid");
        let known: BTreeSet<i64> = pod_context
            .into_iter()
            .flat_map(|context| {
                list(context, "supplementalGroups")
                    .iter()
                    .chain(context.get("fsGroup"))
            })
            .filter_map(Value::as_i64)
            .chain(gid)
            .collect();
        let groups = list(linux, "supplementalGroups").iter().filter_map(Value::as_i64);
        return User {
            uid: number("uid"),
            gid,
            groups: groups.filter(|group| !known.contains(group)).collect(),
        };
    }
    let own = object(source.container, "securityContext");
    let number = |field: &str| {
        let mut contexts = [own, pod_context].into_iter().flatten();
        contexts.find_map(|context| context.get(field)?.as_i64())
    };
    User {
        uid: number("runAsUser"),
        gid: number("runAsGroup"),
        groups: Vec::new(),
    }
}

fn user_in_status<'a>(pod: &'a Object, source: ContainerRef<'_>) -> Option<&'a Object> {
    let lists = match source.kind {
        ContainerKind::Init => "initContainerStatuses",
        ContainerKind::Regular => "containerStatuses",
        ContainerKind::Ephemeral => "ephemeralContainerStatuses",
    };
    let mut statuses = list(object(pod, "status")?, lists)
        .iter()
        .filter_map(Value::as_object);
    let status = statuses.find(|status| text(status, "name") == Some(source.name()))?;
    object(object(status, "user")?, "linux")
}

fn take_workdir(new: &mut Object, source: ContainerRef<'_>, notes: &mut Vec<Diagnostic>) {
    match text(source.container, "workingDir").filter(|folder| !folder.is_empty()) {
        Some(folder) => {
            new.entry("workingDir").or_insert_with(|| folder.into());
        }
        None => notes.push(Diagnostic::info(
            "workdir-unknown",
            format!(
                "{}'s working folder is that of its image, which the pod does not say.",
                source.name()
            ),
        )),
    }
}

fn take_resources(
    new: &mut Object,
    kind: ContainerKind,
    source: ContainerRef<'_>,
    notes: &mut Vec<Diagnostic>,
) {
    if kind == ContainerKind::Ephemeral {
        notes.push(Diagnostic::warning(
            "resources-not-inherited",
            "resources are not inherited: an ephemeral container has none of its own; a container of a copy has (--copy-to=NAME)",
        ));
        return;
    }
    if let Some(resources) = object(source.container, "resources") {
        let mut resources = resources.clone();
        // Claims are for devices, which are not shared unless asked for.
        if resources.remove("claims").is_some() {
            notes.push(Diagnostic::warning(
                "claims-not-inherited",
                format!(
                    "the resource claims of {} are not inherited: they are of devices",
                    source.name()
                ),
            ));
        }
        new.entry("resources").or_insert(resources.into());
    }
}

/// `--as-root`: user 0, with warnings about what prevents it.
pub fn run_as_root(container: &mut Object, pod: &Object, options: &DebugOptions) -> Vec<Diagnostic> {
    if !options.as_root {
        return Vec::new();
    }
    if is_windows(pod) {
        return vec![Diagnostic::warning(
            "as-root-ignored",
            "--as-root is ignored: on Windows there is no root",
        )];
    }
    let spec = object(pod, "spec");
    let pod_context = spec.and_then(|spec| object(spec, "securityContext"));
    let pod_forbids = pod_context.is_some_and(|context| flag(context, "runAsNonRoot"));
    let context = object_mut(container, "securityContext");
    let profile_forbids = flag(context, "runAsNonRoot");
    context.insert("runAsUser".into(), 0.into());
    let mut notes = Vec::new();
    if pod_forbids || profile_forbids {
        context.insert("runAsNonRoot".into(), false.into());
    }
    if profile_forbids {
        notes.push(Diagnostic::warning(
            "root-against-profile",
            format!("the profile {} is for users other than root: a namespace of the level restricted refuses this", options.profile.name()),
        ));
    } else if pod_forbids {
        notes.push(Diagnostic::warning(
            "root-against-pod",
            "the pod asks that nothing in it runs as root (runAsNonRoot); the debug container does all the same, where the namespace lets it",
        ));
    }
    if spec.is_some_and(|spec| spec.get("hostUsers") == Some(&Value::Bool(false))) {
        notes.push(Diagnostic::info(
            "root-of-pod",
            "The pod has users of its own (hostUsers: false): its root is not the node's.",
        ));
    }
    notes
}

/// Applies options to a created pod as a whole: pull secrets, priority class, tolerations.
pub fn shape_spec(spec: &mut Object, options: &DebugOptions) {
    let mut secrets = list(spec, "imagePullSecrets").to_vec();
    for name in &options.pull_secrets {
        let secret = json!({"name": name});
        if !secrets.contains(&secret) {
            secrets.push(secret);
        }
    }
    insert_list(spec, "imagePullSecrets", secrets);
    if let Some(class) = &options.priority_class {
        spec.insert("priorityClassName".into(), class.as_str().into());
        // The API server computes both from the class, and refuses those of another.
        spec.remove("priority");
        spec.remove("preemptionPolicy");
    }
    if options.tolerate_all {
        spec.insert("tolerations".into(), json!([{"operator": "Exists"}]));
    }
}

fn insert_list(parent: &mut Object, field: &str, items: Vec<Value>) {
    if !items.is_empty() {
        parent.insert(field.into(), items.into());
    }
}

fn is_windows(pod: &Object) -> bool {
    let os = object(pod, "spec").and_then(|spec| object(spec, "os"));
    os.and_then(|os| text(os, "name")) == Some("windows")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod() -> Object {
        let pod = json!({
            "kind": "Pod", "metadata": {"name": "web"},
            "spec": {
                "securityContext": {"runAsNonRoot": true, "runAsUser": 1000, "fsGroup": 2000},
                "containers": [{
                    "name": "app", "workingDir": "/srv", "resources": {"limits": {"cpu": "1"}, "claims": [{"name": "gpu"}]},
                    "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)"},
                        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}],
                    "envFrom": [{"configMapRef": {"name": "settings"}}],
                    "volumeMounts": [{"name": "data", "mountPath": "/data", "mountPropagation": "Bidirectional"},
                        {"name": "data", "mountPath": "/part", "subPath": "x"}],
                }, {"name": "side", "securityContext": {"runAsUser": 7}}],
            },
            "status": {"containerStatuses": [{"name": "app",
                "user": {"linux": {"uid": 1001, "gid": 3000, "supplementalGroups": [2000, 3000, 4000]}}}]},
        });
        pod.as_object().unwrap().clone()
    }

    fn all() -> DebugOptions {
        DebugOptions {
            inherit: Inherit {
                env: true,
                mounts: Some(Mounts::AsTheyAre),
                user: true,
                workdir: true,
                resources: true,
            },
            ..DebugOptions::default()
        }
    }

    fn made(kind: ContainerKind, start: Value, options: &DebugOptions) -> (Value, Vec<String>) {
        let mut container = start.as_object().unwrap().clone();
        let notes = inherit(&mut container, kind, &pod(), options).unwrap();
        (
            container.into(),
            notes.into_iter().map(|note| note.code).collect(),
        )
    }

    #[test]
    fn an_ephemeral_container_takes_over_what_it_can_have() {
        let start = json!({"name": "dbg", "env": [{"name": "A", "value": "mine"}]});
        let (container, notes) = made(ContainerKind::Ephemeral, start, &all());
        let wanted = json!({
            "name": "dbg", "workingDir": "/srv",
            "env": [{"name": "B", "value": "$(A)"},
                {"name": "CPU", "valueFrom": {"resourceFieldRef": {"containerName": "app", "resource": "limits.cpu"}}},
                {"name": "A", "value": "mine"}],
            "envFrom": [{"configMapRef": {"name": "settings"}}],
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            "securityContext": {"runAsUser": 1001, "runAsGroup": 3000},
        });
        assert_eq!(container, wanted);
        let told = [
            "image-env-not-inherited",
            "mounts-not-inherited",
            "propagation-not-inherited",
            "groups-not-inherited",
            "resources-not-inherited",
        ];
        assert_eq!(notes, told);
    }

    #[test]
    fn a_container_of_a_copy_has_resources_and_parts_of_volumes_and_may_be_kept_from_writing() {
        let options = DebugOptions {
            inherit: Inherit {
                mounts: Some(Mounts::ReadOnly),
                resources: true,
                ..Inherit::default()
            },
            ..DebugOptions::default()
        };
        let (container, _) = made(ContainerKind::Regular, json!({"name": "dbg"}), &options);
        let wanted = json!({
            "name": "dbg", "resources": {"limits": {"cpu": "1"}},
            "volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": true},
                {"name": "data", "mountPath": "/part", "subPath": "x", "readOnly": true}],
        });
        assert_eq!(container, wanted);
    }

    #[test]
    fn devices_are_told_and_left_to_the_target() {
        let pod = json!({"kind": "Pod", "spec": {"containers": [{"name": "db", "volumeDevices": [{"name": "raw", "devicePath": "/dev/xvda"}],
            "resources": {"claims": [{"name": "gpu"}]}}]}});
        let mut container = Object::new();
        let pod = pod.as_object().unwrap();
        let notes = inherit(&mut container, ContainerKind::Regular, pod, &all()).unwrap();
        assert_eq!(container.get("volumeDevices"), None);
        assert_eq!(container["resources"], json!({}));
        let said = |code: &str, words: &str| {
            let mut notes = notes.iter();
            notes.any(|note| note.code == code && note.message.contains(words))
        };
        assert!(said("devices-not-inherited", "/dev/xvda"), "{notes:?}");
        assert!(said("claims-not-inherited", "db"), "{notes:?}");
    }

    #[test]
    fn the_user_is_that_of_the_named_container() {
        let options = DebugOptions {
            target_container: Some("side".into()),
            ..all()
        };
        let (container, _) = made(ContainerKind::Ephemeral, json!({}), &options);
        assert_eq!(container["securityContext"], json!({"runAsUser": 7}));
        let gone = DebugOptions {
            target_container: Some("db".into()),
            ..all()
        };
        let failed = inherit(&mut Object::new(), ContainerKind::Ephemeral, &pod(), &gone).unwrap_err();
        assert!(
            failed.message.contains("no container \"db\""),
            "{}",
            failed.message
        );
    }

    #[test]
    fn root_is_told_what_stands_against_it() {
        let options = DebugOptions {
            as_root: true,
            ..DebugOptions::default()
        };
        let (container, notes) = made(ContainerKind::Ephemeral, json!({}), &options);
        assert_eq!(
            container["securityContext"],
            json!({"runAsUser": 0, "runAsNonRoot": false})
        );
        assert_eq!(notes, ["root-against-pod"]);
        let restricted = json!({"securityContext": {"runAsNonRoot": true}});
        assert_eq!(
            made(ContainerKind::Ephemeral, restricted, &options).1,
            ["root-against-profile"]
        );
    }

    #[test]
    fn a_pod_gets_secrets_a_class_and_tolerations_besides_what_it_has() {
        let mut spec =
            json!({"imagePullSecrets": [{"name": "a"}], "priority": 5, "preemptionPolicy": "Never"})
                .as_object()
                .unwrap()
                .clone();
        shape_spec(
            &mut spec,
            &DebugOptions {
                pull_secrets: vec!["a".into(), "b".into()],
                priority_class: Some("high".into()),
                tolerate_all: true,
                ..DebugOptions::default()
            },
        );
        let wanted = json!({"imagePullSecrets": [{"name": "a"}, {"name": "b"}], "priorityClassName": "high",
            "tolerations": [{"operator": "Exists"}]});
        assert_eq!(Value::from(spec), wanted);
        let mut untouched = Object::new();
        shape_spec(&mut untouched, &DebugOptions::default());
        assert!(untouched.is_empty());
    }
}
