//! Finding and reading the configuration's files: the system's, the user's, and the one that was typed.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use trocar::{
    Stores, SystemFiles,
    config::{Config, Layer},
    read_config,
    registry::Store,
};

use super::{error::CliError, kuberc::Kuberc};

/// The administrator's configuration.
const SYSTEM: &str = "/etc/trocar/config.yaml";

/// Where `trocar plugin compile --system` puts what it makes.
const SYSTEM_COMPILED: &str = "/var/cache/trocar/components";

/// Where `trocar plugin pull --system` puts what it pulls.
const SYSTEM_PLUGINS: &str = "/var/lib/trocar/plugins";

/// Loads all files that are there. That a file cannot be read, or not understood, is an error: it may hold policies.
pub(crate) fn load(typed: Option<&Path>) -> Result<Config, CliError> {
    let mut files = Vec::new();
    for (layer, path) in [(Layer::System, system()), (Layer::User, user())] {
        if let Some(path) = path.filter(|path| is_there(path)) {
            files.push((layer, path));
        }
    }
    if let Some(path) = typed {
        files.push((Layer::Flag, path.to_owned()));
    }
    if files.is_empty() {
        return Ok(Config::default());
    }
    Ok(read_config(&files)?)
}

/// The same, with what the user prefers for kubectl where no file says otherwise.
pub(crate) fn load_preferred(typed: Option<&Path>, kuberc: Option<&Path>) -> Result<Config, CliError> {
    let mut config = load(typed)?;
    if let Some(kuberc) = Kuberc::load(kuberc)? {
        kuberc.add_to(&mut config)?;
    }
    Ok(config)
}

/// Loads the configuration that a command is about: the system's alone, or all of it.
pub(crate) fn load_for(is_systems: bool, typed: Option<&Path>) -> Result<Config, CliError> {
    match is_systems {
        true => load_system(),
        false => load(typed),
    }
}

/// Loads the system's file alone.
fn load_system() -> Result<Config, CliError> {
    match system().filter(|path| is_there(path)) {
        Some(path) => Ok(read_config(&[(Layer::System, path)])?),
        None => Ok(Config::default()),
    }
}

/// Where the plugins of the system's configuration are taken from. Tests have a system of their own.
pub(crate) fn system_files() -> SystemFiles {
    if cfg!(debug_assertions)
        && let Some(root) = std::env::var_os("__TROCAR_SYSTEM_ROOT").map(PathBuf::from)
    {
        let owner = rustix::process::geteuid().as_raw();
        let compiled = root.join("compiled");
        return SystemFiles::default().compiled_in(compiled).owned_by(owner, root);
    }
    SystemFiles::default().compiled_in(SYSTEM_COMPILED.into())
}

/// Where plugins of registries are kept: the user's, below `XDG_DATA_HOME`, else `~/.local/share`, and the system's.
pub(crate) fn stores() -> Stores {
    let base = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let base = base.or_else(|| std::env::home_dir().map(|home| home.join(".local/share")));
    let system = match std::env::var_os("__TROCAR_SYSTEM_ROOT").filter(|_| cfg!(debug_assertions)) {
        Some(root) => PathBuf::from(root).join("plugins"),
        None => SYSTEM_PLUGINS.into(),
    };
    Stores {
        user: base.map(|base| Store::of_user(base.join("trocar/plugins"))),
        system: Some(Store::of_system(system)),
    }
}

/// Only a file that is certainly not there is left out.
fn is_there(path: &Path) -> bool {
    !matches!(fs::symlink_metadata(path), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

/// Only tests can name another system configuration: otherwise any user could leave out the system's policies.
fn system() -> Option<PathBuf> {
    if cfg!(debug_assertions)
        && let Some(path) = std::env::var_os("__TROCAR_SYSTEM_CONFIG")
    {
        return Some(path.into());
    }
    Some(SYSTEM.into())
}

fn user() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let base = base.or_else(|| std::env::home_dir().map(|home| home.join(".config")))?;
    Some(base.join("trocar").join("config.yaml"))
}
