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

use super::{from_registries, pull::Puller, reference};
use crate::cli::{
    args::{PluginLockArgs, PluginUpdateArgs},
    configuration,
    error::CliError,
    ui,
};

/// Locks plugins that are not locked yet or whose source has changed.
pub(crate) fn lock(args: &PluginLockArgs) -> Result<(), CliError> {
    let config = configuration::load_for(args.system, args.file.config.as_deref())?;
    write_locks(args, &config, &|_| false)
}

/// Resolves the tags of locked plugins again: of all, or of the named ones.
pub(crate) fn update(args: &PluginUpdateArgs) -> Result<(), CliError> {
    let config = configuration::load_for(args.lock.system, args.lock.file.config.as_deref())?;
    let known = from_registries(&config, args.lock.system);
    let unknown = args.names.iter();
    let mut unknown = unknown.filter(|name| !known.iter().any(|(plugin, _)| plugin.value.name == **name));
    if let Some(name) = unknown.next() {
        return Err(CliError::new(format!(
            "the configuration names no plugin {name:?} from a registry"
        )));
    }
    write_locks(&args.lock, &config, &|name| {
        args.names.is_empty() || args.names.iter().any(|typed| typed == name)
    })
}

/// Writes one lock beside each configuration file that names plugins from registries.
fn write_locks(
    args: &PluginLockArgs,
    config: &Config,
    is_updated: &dyn Fn(&str) -> bool,
) -> Result<(), CliError> {
    let mut files: BTreeMap<PathBuf, Vec<(&Sourced<PluginEntry>, RegistrySource)>> = BTreeMap::new();
    for (plugin, source) in from_registries(config, args.system) {
        files
            .entry(plugin.file.clone())
            .or_default()
            .push((plugin, source));
    }
    if files.is_empty() {
        return ui::output("the configuration names no plugins from registries\n");
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
                .filter(|known| known.source == source.reference && !is_updated(&plugin.value.name));
            let locked = match known {
                Some(known) => known.clone(),
                None => resolve(&puller, plugin, &source)?,
            };
            new.plugins.push(locked);
        }
        write_changes(args, &path, &old, &new)?;
    }
    Ok(())
}

/// Pulls and verifies what a reference resolves to now, and describes it for the lock.
fn resolve(
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
    let capabilities: BTreeSet<String> = manifest.capabilities.iter().flat_map(scoped_names).collect();
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

/// A capability once for each kind of object in its scope, so that a wider scope shows as a gain.
fn scoped_names(request: &CapabilityRequest) -> Vec<String> {
    match request.scope.as_slice() {
        [] => vec![request.name.clone()],
        scope => scope
            .iter()
            .map(|scope| format!("{} of {} {}", request.name, scope.api_version, scope.kind))
            .collect(),
    }
}

/// Shows the changes, asks for consent where a plugin gains something, and writes the lock.
fn write_changes(args: &PluginLockArgs, path: &Path, old: &Lock, new: &Lock) -> Result<(), CliError> {
    let (changes, gains) = differences(old, new);
    if changes.is_empty() {
        return ui::output(&format!("{} is up to date\n", path.display()));
    }
    ui::output(&changes)?;
    let question = format!("A plugin gets {}. Lock it?", gains.join(", "));
    if !gains.is_empty() && !args.yes && !ui::confirm(&question) {
        let failed = CliError::new(format!(
            "{} was not changed: a plugin would get {}",
            path.display(),
            gains.join(", ")
        ));
        return Err(failed.hint("check the changes above; to accept them without a prompt: --yes"));
    }
    write_whole(path, None, to_yaml(&[new.document()]).as_bytes())
        .map_err(|error| CliError::new(format!("cannot write {}: {error}", path.display())))?;
    ui::output(&format!("wrote {}\n", path.display()))
}

/// The changes as text, and what plugins gain by them.
fn differences(old: &Lock, new: &Lock) -> (String, Vec<String>) {
    let (mut text, mut gains) = (String::new(), Vec::new());
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
            text += &format!(
                "{}{}\n",
                plugin.name,
                if before.is_none() { " (new)" } else { "" }
            );
            text.extend(changes.iter().map(|change| format!("  {change}\n")));
        }
        let nothing = LockedPlugin {
            // Memory is within the same limit for every new plugin, so it is not a gain.
            memory: None,
            capabilities: Vec::new(),
            signers: Vec::new(),
            ..plugin.clone()
        };
        let gained = before.unwrap_or(&nothing).gains(plugin);
        gains.extend(gained.into_iter().map(|gain| format!("{gain} ({})", plugin.name)));
    }
    for removed in old.plugins.iter().filter(|known| new.find(&known.name).is_none()) {
        text += &format!("{} (removed)\n", removed.name);
    }
    (text, gains)
}
