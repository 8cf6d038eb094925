//! Single rights: which the ceiling gives. Which a plan adds beyond them is in `above.rs`, and how they are taken away in
//! `lower.rs`.

mod above;
mod containers;
mod lower;
mod rights;

use std::collections::BTreeSet;

use trocar_sdk::{Profile, policy::Review};
use wildmatch::WildMatch;

use self::rights::{HOST_NAMESPACES, linux_capability};
pub(crate) use self::{
    above::above,
    containers::{before, is_new},
    lower::{lower, remove_volumes},
};
use crate::settings::Settings;

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
