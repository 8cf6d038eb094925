//! `trocar plugin lock` and `trocar plugin update`: the only commands that write a lock.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use trocar::{
    config::{Config, PluginEntry, Sourced},
    documents::to_yaml,
    manifest::CapabilityRequest,
    read_lock,
    registry::{Lock, LockedPlugin, RegistrySource, amount, listed, write_whole},
};

use super::{of_registries, pull::Puller, reference};
use crate::cli::{
    args::{PluginLockArgs, PluginUpdateArgs},
    configuration,
    error::CliError,
    ui,
};

/// Locks what is not locked yet, and what names another source now.
pub(crate) fn lock(args: &PluginLockArgs) -> Result<(), CliError> {
    let config = configuration::load_for(args.system, args.file.config.as_deref())?;
    write_locks(args, &config, &|_| false)
}

/// Looks at tags again.
pub(crate) fn update(args: &PluginUpdateArgs) -> Result<(), CliError> {
    let config = configuration::load_for(args.lock.system, args.lock.file.config.as_deref())?;
    let known = of_registries(&config, args.lock.system);
    let unknown = args.names.iter();
    let mut unknown = unknown.filter(|name| !known.iter().any(|(plugin, _)| plugin.value.name == **name));
    if let Some(name) = unknown.next() {
        return Err(CliError::new(format!(
            "the configuration names no plugin {name:?} of a registry"
        )));
    }
    write_locks(&args.lock, &config, &|name| {
        args.names.is_empty() || args.names.iter().any(|typed| typed == name)
    })
}

/// Locks the plugins of each file of the configuration, each in the lock beside its file.
fn write_locks(
    args: &PluginLockArgs,
    config: &Config,
    is_looked_at_again: &dyn Fn(&str) -> bool,
) -> Result<(), CliError> {
    let mut files: BTreeMap<PathBuf, Vec<(&Sourced<PluginEntry>, RegistrySource)>> = BTreeMap::new();
    for (plugin, source) in of_registries(config, args.system) {
        files
            .entry(plugin.file.clone())
            .or_default()
            .push((plugin, source));
    }
    if files.is_empty() {
        return ui::output("the configuration names no plugins of registries\n");
    }
    let puller = Puller::new(config, args.system, &[])?;
    for (file, plugins) in files {
        let path = Lock::path(&file);
        let old = read_lock(&path).map_err(|error| CliError::new(error.to_string()))?;
        let old = old.unwrap_or_default();
        let mut new = Lock::default();
        for (plugin, source) in plugins {
            let known = old
                .find(&plugin.value.name)
                .filter(|known| known.source == source.reference && !is_looked_at_again(&plugin.value.name));
            let locked = match known {
                Some(known) => known.clone(),
                None => looked_up(&puller, plugin, &source)?,
            };
            new.plugins.push(locked);
        }
        take(args, &path, &old, &new)?;
    }
    Ok(())
}

/// What a reference stands for now: pulled, verified and described.
fn looked_up(
    puller: &Puller<'_>,
    plugin: &Sourced<PluginEntry>,
    source: &RegistrySource,
) -> Result<LockedPlugin, CliError> {
    let reference = reference(&source.reference)?;
    let unlocked = RegistrySource {
        configured: None,
        ..source.clone()
    };
    let kept = puller.pull(&unlocked, &reference, plugin.layer);
    let kept = kept.map_err(|error| error.of(&plugin.origin().to_string()))?;
    let found = kept.description;
    let manifest = found.manifest();
    let capabilities: BTreeSet<String> = manifest.capabilities.iter().flat_map(in_words).collect();
    Ok(LockedPlugin {
        name: plugin.value.name.clone(),
        source: source.reference.clone(),
        manifest: kept.manifest,
        component: found.digest().to_owned(),
        version: manifest.version.clone(),
        size: found.size(),
        memory: Some(found.memory()),
        capabilities: capabilities.into_iter().collect(),
        signers: found.signers().to_vec(),
    })
}

/// A capability with each kind of object that it is for, so that a wider scope is more than there was.
fn in_words(asked: &CapabilityRequest) -> Vec<String> {
    match asked.scope.as_slice() {
        [] => vec![asked.name.clone()],
        scope => scope
            .iter()
            .map(|scope| format!("{} of {} {}", asked.name, scope.api_version, scope.kind))
            .collect(),
    }
}

/// Shows what changes, asks where a plugin gets more, and writes.
fn take(args: &PluginLockArgs, path: &Path, old: &Lock, new: &Lock) -> Result<(), CliError> {
    let (told, gains) = differences(old, new);
    if told.is_empty() {
        return ui::output(&format!("{}: nothing has changed\n", path.display()));
    }
    ui::output(&told)?;
    let question = format!("A plugin gets {}. Lock it?", gains.join(", "));
    if !gains.is_empty() && !args.yes && !ui::confirm(&question) {
        let failed = CliError::new(format!(
            "{} is left as it was: a plugin would get {}",
            path.display(),
            gains.join(", ")
        ));
        return Err(failed.hint("look at the changes above; to take them without being asked: --yes"));
    }
    write_whole(path, None, to_yaml(&[new.document()]).as_bytes())
        .map_err(|error| CliError::new(format!("cannot write {}: {error}", path.display())))?;
    ui::output(&format!("wrote {}\n", path.display()))
}

/// What changes, for people, and what plugins get that they had not.
fn differences(old: &Lock, new: &Lock) -> (String, Vec<String>) {
    let (mut told, mut gains) = (String::new(), Vec::new());
    for plugin in &new.plugins {
        let before = old.find(&plugin.name);
        let changes = match before {
            Some(before) => before.changes(plugin),
            None => vec![
                format!("source: {}", plugin.source),
                format!("version: {}", plugin.version),
                format!("manifest: {}", plugin.manifest),
                format!("memory: {}", amount(plugin.memory)),
                format!("capabilities: {}", listed(&plugin.capabilities)),
                format!("signers: {}", listed(&plugin.signers)),
            ],
        };
        if !changes.is_empty() {
            told += &format!(
                "{}{}\n",
                plugin.name,
                if before.is_none() { " (new)" } else { "" }
            );
            told.extend(changes.iter().map(|change| format!("  {change}\n")));
        }
        let nothing = LockedPlugin {
            // The limits are the same for all that is new.
            memory: None,
            capabilities: Vec::new(),
            signers: Vec::new(),
            ..plugin.clone()
        };
        let gained = before.unwrap_or(&nothing).gains(plugin);
        gains.extend(gained.into_iter().map(|gain| format!("{gain} ({})", plugin.name)));
    }
    for gone in old.plugins.iter().filter(|known| new.find(&known.name).is_none()) {
        told += &format!("{} (removed)\n", gone.name);
    }
    (told, gains)
}
