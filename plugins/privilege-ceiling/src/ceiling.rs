//! Single rights: which the ceiling gives, which a plan adds beyond them, and how they are taken away.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use trocar_sdk::{
    Diagnostic, Object, Profile,
    pod::{ContainerKind, flag, list, object, object_mut, text},
    policy::{ResultingPod, Review},
};
use wildmatch::WildMatch;

use crate::settings::Settings;

const HOST_NAMESPACES: [&str; 3] = ["hostNetwork", "hostPID", "hostIPC"];

/// The rights that the ceiling gives to what a debug adds. None where it does not bound them.
#[derive(Clone, Debug)]
pub(crate) struct Ceiling {
    privileged: bool,
    linux_capabilities: Option<BTreeSet<String>>,
    host_namespaces: Option<Vec<String>>,
    host_paths: Option<Vec<String>>,
    lowest_user: Option<u64>,
    service_accounts: Option<Vec<String>>,
}

impl Ceiling {
    /// The rights of the highest profile, each replaced where the settings name it.
    pub(crate) fn new(settings: &Settings, review: &Review<Settings>) -> Self {
        let is_node = review.target.kind() == "Node";
        let of_profile = settings.profile.map(|profile| of_profile(profile, is_node));
        let (privileged, capabilities, namespaces, paths) = match of_profile {
            None | Some(None) => (true, None, None, None),
            Some(Some((capabilities, namespaces, paths))) => (
                false,
                Some(capabilities.iter().map(|name| (*name).to_owned()).collect()),
                Some(namespaces.iter().map(|name| (*name).to_owned()).collect()),
                Some(paths.iter().map(|path| (*path).to_owned()).collect()),
            ),
        };
        let typed = settings.linux_capabilities.as_ref();
        let typed = typed.map(|names| names.iter().map(|name| linux_capability(name)).collect());
        Self {
            privileged: settings.privileged.unwrap_or(privileged),
            linux_capabilities: typed.or(capabilities),
            host_namespaces: settings.host_namespaces.clone().or(namespaces),
            host_paths: settings.host_paths.clone().or(paths),
            lowest_user: settings.lowest_user.filter(|user| *user > 0),
            service_accounts: settings.service_accounts.clone(),
        }
    }

    fn gives_capability(&self, name: &str) -> bool {
        let given = self.linux_capabilities.as_ref();
        given.is_none_or(|given| given.contains(name) || given.contains("*"))
    }

    fn gives_namespace(&self, name: &str) -> bool {
        let given = self.host_namespaces.as_ref();
        given.is_none_or(|given| given.iter().any(|given| given == name))
    }

    fn gives_path(&self, path: &str) -> bool {
        let given = self.host_paths.as_ref();
        given.is_none_or(|given| given.iter().any(|folder| is_below(path, folder)))
    }

    fn gives_account(&self, name: &str) -> bool {
        let given = self.service_accounts.as_ref();
        given.is_none_or(|given| given.iter().any(|pattern| WildMatch::new(pattern).matches(name)))
    }
}

/// Linux capabilities, host namespaces and folders of a profile; none for one that gives everything.
type ProfileRights = (
    &'static [&'static str],
    &'static [&'static str],
    &'static [&'static str],
);

fn of_profile(profile: Profile, is_node: bool) -> Option<ProfileRights> {
    let on_node: (&[&str], &[&str]) = match profile {
        Profile::General if is_node => (&HOST_NAMESPACES, &["/"]),
        Profile::Netadmin if is_node => (&HOST_NAMESPACES, &[]),
        _ => (&[], &[]),
    };
    let capabilities: &[&str] = match profile {
        Profile::Sysadmin | Profile::Legacy => return None,
        Profile::General => &["SYS_PTRACE"],
        Profile::Netadmin => &["SYS_PTRACE", "NET_ADMIN", "NET_RAW"],
        Profile::Baseline | Profile::Restricted => &[],
    };
    Some((capabilities, on_node.0, on_node.1))
}

/// Says whether a path is a folder or below it, seen as the kernel sees it: `/var/log/../..` is `/`.
fn is_below(path: &str, folder: &str) -> bool {
    let (path, folder) = (parts(path), parts(folder));
    path.starts_with(&folder)
}

fn parts(path: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts
}

/// With and without the prefix, in upper and lower case, it is the same to a container runtime.
fn linux_capability(name: &str) -> String {
    let name = name.to_ascii_uppercase();
    name.strip_prefix("CAP_").unwrap_or(&name).to_owned()
}

/// Says whether a container of a resulting pod is the debug's own, not one that it takes over from the target.
pub(crate) fn is_new(
    review: &Review<Settings>,
    planned: &ResultingPod,
    kind: ContainerKind,
    index: usize,
) -> bool {
    if planned.added_container().is_some() {
        return kind == ContainerKind::Ephemeral && index + 1 == planned.pod.containers_of(kind).count();
    }
    before(review, planned, kind, index).is_none()
}

/// The target's container that a created pod's container was copied from.
pub(crate) fn before<'a>(
    review: &'a Review<Settings>,
    planned: &ResultingPod,
    kind: ContainerKind,
    index: usize,
) -> Option<&'a Object> {
    if review.target.kind() != "Pod" {
        return None;
    }
    let copied = planned.pod.containers_of(kind).nth(index)?.name().to_owned();
    let mut originals = trocar_sdk::pod::containers_of(&review.target.0, kind);
    originals
        .find(|original| original.name() == copied)
        .map(|original| original.container)
}

/// One container of a resulting pod, as far as the debug decides about it.
struct Judged<'a> {
    container: &'a Object,
    before: Option<&'a Object>,
    at: Option<String>,
}

/// The containers that the debug adds or may have changed.
fn judged<'a>(review: &'a Review<Settings>, planned: &'a ResultingPod) -> Vec<Judged<'a>> {
    let adds_one = planned.added_container().is_some();
    let containers = planned.pod.containers();
    let concerned = containers.filter(|found| !adds_one || is_new(review, planned, found.kind, found.index));
    concerned
        .map(|found| Judged {
            container: found.container,
            before: if adds_one {
                None
            } else {
                before(review, planned, found.kind, found.index)
            },
            at: planned.at(&trocar_sdk::diagnostic::pointer(found.path())),
        })
        .collect()
}

fn context(container: &Object) -> Option<&Object> {
    object(container, "securityContext")
}

fn added_capabilities(container: &Object) -> Vec<&str> {
    let capabilities = context(container).and_then(|context| object(context, "capabilities"));
    let added = capabilities.map_or(&[][..], |capabilities| list(capabilities, "add"));
    added.iter().filter_map(Value::as_str).collect()
}

fn is_privileged(container: &Object) -> bool {
    context(container).is_some_and(|context| {
        let windows = object(context, "windowsOptions");
        flag(context, "privileged") || windows.is_some_and(|windows| flag(windows, "hostProcess"))
    })
}

/// What a plan gives above the ceiling.
pub(crate) fn above(review: &Review<Settings>, ceiling: &Ceiling, planned: &ResultingPod) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let folders = folders(review, planned);
    for judged in judged(review, planned) {
        container_above(ceiling, planned, &judged, &mut found);
        mounts_above(ceiling, &folders, &judged, &mut found);
    }
    if planned.added_container().is_none() {
        pod_above(review, ceiling, planned, &mut found);
    }
    found
}

fn container_above(
    ceiling: &Ceiling,
    planned: &ResultingPod,
    judged: &Judged<'_>,
    found: &mut Vec<Diagnostic>,
) {
    let name = text(judged.container, "name").unwrap_or_default();
    let at = judged.at.as_deref().unwrap_or_default();
    let mut tell = |code: &str, message: String, field: &str| {
        found.push(Diagnostic::error(code, message).at_pointer(format!("{at}/securityContext{field}")));
    };
    let was_privileged = judged.before.is_some_and(is_privileged);
    if is_privileged(judged.container) && !ceiling.privileged && !was_privileged {
        tell(
            "privileged",
            format!("container {name:?} would be privileged"),
            "/privileged",
        );
    }
    let had: Vec<String> = judged
        .before
        .map(added_capabilities)
        .unwrap_or_default()
        .into_iter()
        .map(linux_capability)
        .collect();
    for added in added_capabilities(judged.container) {
        let capability = linux_capability(added);
        if !ceiling.gives_capability(&capability) && !had.contains(&capability) {
            let message = format!("container {name:?} would get the Linux capability {capability}");
            tell("linux-capability", message, "/capabilities/add");
        }
    }
    if let Some(lowest) = ceiling
        .lowest_user
        .filter(|_| chooses_user(judged.container, judged.before))
    {
        let user = effective(planned, judged.container, "runAsUser").and_then(Value::as_u64);
        let is_not_root = effective(planned, judged.container, "runAsNonRoot") == Some(&json!(true));
        match user {
            Some(user) if user >= lowest => {}
            Some(user) => tell(
                "user-id",
                format!("container {name:?} would run as user {user}; the lowest is {lowest}"),
                "/runAsUser",
            ),
            None if lowest == 1 && is_not_root => {}
            None => tell(
                "user-id",
                format!(
                    "container {name:?} would run as its image says; it must say a user id from {lowest} on"
                ),
                "/runAsUser",
            ),
        }
    }
}

/// The folders of the node that the target mounts already, by the names of their volumes in the resulting pod.
fn folders(review: &Review<Settings>, planned: &ResultingPod) -> Vec<(String, String)> {
    let had: Vec<&str> = target_spec(review).map(host_paths).unwrap_or_default();
    let volumes = planned.pod.spec().map_or(&[][..], |spec| list(spec, "volumes"));
    let folder = |volume: &Value| {
        let path = volume["hostPath"]["path"]
            .as_str()
            .filter(|path| had.contains(path))?;
        Some((volume["name"].as_str()?.to_owned(), path.to_owned()))
    };
    volumes.iter().filter_map(folder).collect()
}

/// A folder that the pod mounts is there for the containers that mount it, not for one that the debug adds.
fn mounts_above(
    ceiling: &Ceiling,
    folders: &[(String, String)],
    judged: &Judged<'_>,
    found: &mut Vec<Diagnostic>,
) {
    let name = text(judged.container, "name").unwrap_or_default();
    let at = judged.at.as_deref().unwrap_or_default();
    for (index, mount) in list(judged.container, "volumeMounts").iter().enumerate() {
        if let Some(path) = mounted_above(ceiling, folders, mount, judged.before) {
            let message = format!("container {name:?} would mount {path} of the node");
            let found_one = Diagnostic::error("host-path", message);
            found.push(found_one.at_pointer(format!("{at}/volumeMounts/{index}")));
        }
    }
}

/// The folder that a mount opens to a container which did not have it before, and which the ceiling does not give.
fn mounted_above(
    ceiling: &Ceiling,
    folders: &[(String, String)],
    mount: &Value,
    before: Option<&Object>,
) -> Option<String> {
    let (_, folder) = folders.iter().find(|(name, _)| mount["name"] == name.as_str())?;
    let path = match mount["subPath"].as_str() {
        Some(part) => format!("{}/{part}", folder.trim_end_matches('/')),
        None => folder.clone(),
    };
    // Elsewhere in the container it is the same folder with the same rights.
    let elsewhere = |mount: &Value| {
        let mut mount = mount.clone();
        if let Some(mount) = mount.as_object_mut() {
            mount.remove("mountPath");
        }
        mount
    };
    let had = before.map_or(&[][..], |before| list(before, "volumeMounts"));
    let is_kept = had.iter().any(|had| elsewhere(had) == elsewhere(mount));
    (!is_kept && !ceiling.gives_path(&path)).then_some(path)
}

/// Says whether a container runs as another user than the one that it was copied from; a new one always does.
fn chooses_user(container: &Object, before: Option<&Object>) -> bool {
    let user = |container: &Object| context(container).and_then(|context| context.get("runAsUser").cloned());
    before.is_none_or(|before| user(before) != user(container))
}

/// A field of the security context: the container's own, or else the pod's.
fn effective<'a>(planned: &'a ResultingPod, container: &'a Object, field: &str) -> Option<&'a Value> {
    let own = context(container).and_then(|context| context.get(field));
    own.or_else(|| planned.pod.security_context()?.get(field))
}

fn pod_above(
    review: &Review<Settings>,
    ceiling: &Ceiling,
    planned: &ResultingPod,
    found: &mut Vec<Diagnostic>,
) {
    let root = format!("/steps/{}/object/spec", planned.step);
    let mut tell = |code: &str, message: String, field: &str| {
        found.push(Diagnostic::error(code, message).at_pointer(format!("{root}/{field}")));
    };
    let Some(spec) = planned.pod.spec() else {
        return;
    };
    let original = target_spec(review);
    for namespace in HOST_NAMESPACES {
        let was = original.is_some_and(|spec| flag(spec, namespace));
        if flag(spec, namespace) && !ceiling.gives_namespace(namespace) && !was {
            tell(
                "host-namespace",
                format!("the pod would use {namespace}"),
                namespace,
            );
        }
    }
    let had: Vec<&str> = original.map(host_paths).unwrap_or_default();
    for path in host_paths(spec) {
        if !ceiling.gives_path(path) && !had.contains(&path) {
            tell(
                "host-path",
                format!("the pod would mount {path} of the node"),
                "volumes",
            );
        }
    }
    let windows = object(spec, "securityContext").and_then(|context| object(context, "windowsOptions"));
    if windows.is_some_and(|windows| flag(windows, "hostProcess")) && !ceiling.privileged {
        let message = "the pod would be a host process of a Windows node".to_owned();
        tell("privileged", message, "securityContext/windowsOptions");
    }
    let account = account(spec);
    let own = original.map(self::account);
    if own != Some(account) && account != "default" && !ceiling.gives_account(account) {
        tell(
            "service-account",
            format!("the pod would use the service account {account:?}"),
            "serviceAccountName",
        );
    }
}

fn target_spec(review: &Review<Settings>) -> Option<&Object> {
    let is_pod = review.target.kind() == "Pod";
    object(&review.target.0, "spec").filter(|_| is_pod)
}

fn account(spec: &Object) -> &str {
    let named = text(spec, "serviceAccountName").or_else(|| text(spec, "serviceAccount"));
    named.filter(|name| !name.is_empty()).unwrap_or("default")
}

fn host_paths(spec: &Object) -> Vec<&str> {
    let volumes = list(spec, "volumes").iter();
    volumes
        .filter_map(|volume| text(object(volume.as_object()?, "hostPath")?, "path"))
        .collect()
}

/// Takes away what is above the ceiling.
pub(crate) fn lower(review: &Review<Settings>, ceiling: &Ceiling, planned: &mut ResultingPod) {
    let adds_one = planned.added_container().is_some();
    let snapshot = planned.clone();
    let folders = folders(review, &snapshot);
    for kind in ContainerKind::ALL {
        let places: Vec<(bool, Option<Object>)> = snapshot
            .pod
            .containers_of(kind)
            .map(|found| {
                let is_new = is_new(review, &snapshot, kind, found.index);
                let before = before(review, &snapshot, kind, found.index).cloned();
                (is_new || !adds_one, before.filter(|_| !adds_one))
            })
            .collect();
        for (container, (is_concerned, before)) in planned.pod.containers_mut(kind).zip(places) {
            if is_concerned {
                lower_container(ceiling, container, before.as_ref());
                lower_mounts(ceiling, &folders, container, before.as_ref());
            }
        }
    }
    if !adds_one {
        lower_pod(review, ceiling, planned.pod.spec_mut());
    }
}

fn lower_container(ceiling: &Ceiling, container: &mut Object, before: Option<&Object>) {
    let had: Vec<String> = before
        .map(added_capabilities)
        .unwrap_or_default()
        .into_iter()
        .map(linux_capability)
        .collect();
    let was_privileged = before.is_some_and(is_privileged);
    if let Some(context) = container
        .get_mut("securityContext")
        .and_then(Value::as_object_mut)
    {
        if !ceiling.privileged && !was_privileged {
            context.remove("privileged");
            context.remove("windowsOptions");
        }
        let added = context
            .get_mut("capabilities")
            .and_then(|capabilities| capabilities.get_mut("add"))
            .and_then(Value::as_array_mut);
        if let Some(added) = added {
            added.retain(|name| {
                let name = linux_capability(name.as_str().unwrap_or_default());
                ceiling.gives_capability(&name) || had.contains(&name)
            });
        }
    }
    if let Some(lowest) = ceiling.lowest_user.filter(|_| chooses_user(container, before)) {
        let context = object_mut(container, "securityContext");
        let user = context.get("runAsUser").and_then(Value::as_u64);
        if user.is_none_or(|user| user < lowest) {
            context.insert("runAsUser".into(), json!(lowest));
            context.insert("runAsNonRoot".into(), json!(true));
        }
    }
}

fn lower_mounts(
    ceiling: &Ceiling,
    folders: &[(String, String)],
    container: &mut Object,
    before: Option<&Object>,
) {
    let Some(mounts) = container.get_mut("volumeMounts").and_then(Value::as_array_mut) else {
        return;
    };
    let count = mounts.len();
    mounts.retain(|mount| mounted_above(ceiling, folders, mount, before).is_none());
    if mounts.is_empty() && count > 0 {
        container.remove("volumeMounts");
    }
}

fn lower_pod(review: &Review<Settings>, ceiling: &Ceiling, spec: &mut Object) {
    let original = target_spec(review);
    for namespace in HOST_NAMESPACES {
        let was = original.is_some_and(|spec| flag(spec, namespace));
        if !ceiling.gives_namespace(namespace) && !was {
            spec.remove(namespace);
        }
    }
    let had: Vec<String> = original
        .map(host_paths)
        .unwrap_or_default()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let volumes = spec
        .get("volumes")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let (kept, gone): (Vec<Value>, Vec<Value>) = volumes.into_iter().partition(|volume| {
        let path = volume
            .get("hostPath")
            .and_then(|path| path.get("path"))
            .and_then(Value::as_str);
        path.is_none_or(|path| ceiling.gives_path(path) || had.iter().any(|had| had == path))
    });
    remove_volumes(spec, &gone, kept);
    if !ceiling.privileged
        && let Some(context) = spec.get_mut("securityContext").and_then(Value::as_object_mut)
    {
        context.remove("windowsOptions");
    }
    let own = original.map_or("default", account).to_owned();
    let used = account(spec).to_owned();
    if used != own && used != "default" && !ceiling.gives_account(&used) {
        spec.remove("serviceAccount");
        spec.insert("serviceAccountName".into(), json!(own));
    }
}

/// Removes volumes from a pod's spec, and the places where its containers mount them.
pub(crate) fn remove_volumes(spec: &mut Object, gone: &[Value], kept: Vec<Value>) {
    if gone.is_empty() {
        return;
    }
    match kept.is_empty() {
        true => spec.remove("volumes"),
        false => spec.insert("volumes".into(), Value::Array(kept)),
    };
    let is_gone = |mount: &Value| gone.iter().any(|volume| volume["name"] == mount["name"]);
    for kind in ContainerKind::ALL {
        let containers = spec.get_mut(kind.field()).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
            let Some(mounts) = container.get_mut("volumeMounts").and_then(Value::as_array_mut) else {
                continue;
            };
            mounts.retain(|mount| !is_gone(mount));
            if mounts.is_empty() {
                container.remove("volumeMounts");
            }
        }
    }
}
