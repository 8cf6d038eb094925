//! The single rights that the ceiling grants. Rights of a plan beyond them are found in `privileges.rs`, `confinement.rs`,
//! `pod.rs` and `objects.rs`, and removed in `lower.rs`.

mod confinement;
mod lower;
mod objects;
mod pod;
mod privileges;

use std::collections::BTreeSet;

use trocar_sdk::{Profile, pod_security::BASELINE_CAPABILITIES};
use wildmatch::WildMatch;

pub(crate) use self::lower::{lower, remove_volumes};
use self::{objects::Given, privileges::linux_capability};
use crate::{finding::Finding, planned::Planned, settings::Settings};

const HOST_NAMESPACES: [&str; 3] = ["hostNetwork", "hostPID", "hostIPC"];

/// The rights that the ceiling grants to what a debug adds. None means unbounded.
#[derive(Clone, Debug)]
pub(crate) struct Ceiling {
    privileged: bool,
    /// The profile that bounds confinement, by what it gives on the same target.
    confined: Option<Profile>,
    linux_capabilities: Option<BTreeSet<String>>,
    host_namespaces: Option<Vec<String>>,
    host_paths: Option<Vec<String>>,
    lowest_user: Option<u64>,
    service_accounts: Option<Vec<String>>,
    objects: Given,
}

impl Ceiling {
    /// The rights of the highest profile, with those that the settings name replaced.
    pub(crate) fn new(settings: &Settings, is_node: bool) -> Self {
        let of_profile = settings.profile.map(|profile| of_profile(profile, is_node));
        let gives_everything = matches!(of_profile, None | Some(None));
        let (mut privileged, capabilities, namespaces, paths) = match of_profile {
            None | Some(None) => (true, None, None, None),
            Some(Some((capabilities, namespaces, paths))) => (
                false,
                Some(capabilities.into_iter().map(str::to_owned).collect()),
                Some(namespaces.iter().map(|name| (*name).to_owned()).collect()),
                Some(paths.iter().map(|path| (*path).to_owned()).collect()),
            ),
        };
        privileged = settings.privileged.unwrap_or(privileged);
        let typed = settings.linux_capabilities.as_ref();
        let typed = typed.map(|names| names.iter().map(|name| linux_capability(name)).collect());
        let nothing = settings.profile.map(|_| Vec::new());
        Self {
            privileged,
            confined: settings.profile.filter(|_| !privileged && !gives_everything),
            linux_capabilities: typed.or(capabilities),
            host_namespaces: settings.host_namespaces.clone().or(namespaces),
            host_paths: settings.host_paths.clone().or(paths),
            lowest_user: settings.lowest_user,
            service_accounts: settings.service_accounts.clone().or(nothing),
            objects: Given::new(settings),
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

/// The rights in a plan that are above the ceiling.
pub(crate) fn above(ceiling: &Ceiling, planned: &Planned<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let folders = privileges::folders(planned);
    let given = confinement::given(ceiling, planned);
    let objects = objects::Objects::new(&ceiling.objects, planned);
    for judged in planned.containers() {
        if !judged.is_kept {
            privileges::above(ceiling, planned, &judged, &folders, &mut found);
        }
        if let Some(given) = &given {
            confinement::above(given, planned, &judged, &mut found);
        }
        objects.of_container(&judged, &mut found);
    }
    if planned.added.is_none() {
        pod::above(ceiling, planned, &mut found);
        objects.of_pod(&mut found);
    }
    found
}

/// Linux capabilities, host namespaces and folders of a profile; none for an unbounded profile.
type ProfileRights = (
    Vec<&'static str>,
    &'static [&'static str],
    &'static [&'static str],
);

fn of_profile(profile: Profile, is_node: bool) -> Option<ProfileRights> {
    let on_node: (&[&str], &[&str]) = match profile {
        Profile::General if is_node => (&HOST_NAMESPACES, &["/"]),
        Profile::Netadmin if is_node => (&HOST_NAMESPACES, &[]),
        _ => (&[], &[]),
    };
    let added: &[&str] = match profile {
        Profile::Sysadmin | Profile::Legacy => return None,
        Profile::General => &["SYS_PTRACE"],
        Profile::Netadmin => &["SYS_PTRACE", "NET_ADMIN", "NET_RAW"],
        Profile::Baseline => &[],
        Profile::Restricted => return Some((Vec::new(), on_node.0, on_node.1)),
    };
    // The default capabilities of containers: they need not be added.
    let capabilities = BASELINE_CAPABILITIES.iter().chain(added).copied().collect();
    Some((capabilities, on_node.0, on_node.1))
}

/// Returns whether a path is a folder or below it, normalized as by the kernel: `/var/log/../..` is `/`.
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
