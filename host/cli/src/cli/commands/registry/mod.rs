//! `trocar plugin push`, `pull`, `lock`, `update`, `bundle`, `verify` and `prune`, and what these share.

mod bundle;
mod lock;
mod pull;
mod push;
mod verify;

use std::{env, fs, io::Read as _, path::PathBuf, sync::Arc};

use serde_json::json;
use trocar::{
    Engine, EngineConfig, Limits,
    cluster::ProxyEnvironment,
    config::{Config, Layer, PluginEntry, RegistryEntry, Sourced},
    configured_source,
    documents::to_json,
    manifest_of,
    plugin::{PluginError, PluginSource},
    registry::{
        Client, ClientConfig, CredentialFiles, HostConfig, ProxyError, RegistryReference, RegistrySource,
        Store, Timeouts,
    },
};

pub(crate) use self::{
    bundle::bundle,
    lock::{lock, update},
    pull::pull,
    push::push,
    verify::{prune, verify},
};
use crate::cli::{
    args::{ListOutput, PluginListArgs},
    block_on, configuration,
    error::CliError,
    resolve, ui,
};

/// The most bytes that are read of a `caFile`.
const MAX_CERTIFICATES: u64 = 4 << 20;

/// Prints the tags of a repository.
pub(crate) fn available(args: &PluginListArgs, repository: &str) -> Result<(), CliError> {
    let config = configuration::load(args.file.config.as_deref())?;
    let repository = reference(repository)?;
    let mut tags = block_on(async { Ok(client(&config, Layer::Flag)?.tags(&repository).await?) })?;
    // The order of registries differs: the specification asks for lexical order, which not all implement.
    tags.sort();
    let name = repository.name();
    let references: Vec<String> = tags.iter().map(|tag| format!("oci://{name}:{tag}")).collect();
    ui::output(&match args.output {
        ListOutput::Name => references
            .iter()
            .map(|reference| format!("{reference}\n"))
            .collect(),
        ListOutput::Json => to_json(&json!({"items": tags.iter().zip(&references)
            .map(|(tag, reference)| json!({"tag": tag, "reference": reference})).collect::<Vec<_>>()})),
        ListOutput::Table => ui::table(
            ["TAG", "REFERENCE"],
            tags.into_iter()
                .zip(references)
                .map(|(tag, reference)| [tag, reference]),
        ),
    })
}

fn reference(typed: &str) -> Result<RegistryReference, CliError> {
    RegistryReference::parse(typed).map_err(|error| CliError::usage(error.to_string()))
}

/// A client for plugins of a configuration layer. Registry settings of weaker layers do not apply to it, since a mirror or a
/// certificate authority decides which bytes come.
fn client(config: &Config, layer: Layer) -> Result<Client, CliError> {
    let entries = config.registries.iter().filter(|entry| entry.layer <= layer);
    let proxies = ProxyEnvironment::read(|name| env::var(name).ok());
    Ok(Client::new(ClientConfig {
        hosts: entries.map(host).collect::<Result<_, _>>()?,
        credentials: CredentialFiles {
            files: credential_files(),
            ..CredentialFiles::default()
        },
        timeouts: Timeouts::default(),
        proxy: Some(Arc::new(move |url: &str| {
            proxies
                .proxy_of(url)
                .map_err(|error| ProxyError(error.to_string()))
        })),
    }))
}

fn host(entry: &Sourced<RegistryEntry>) -> Result<HostConfig, CliError> {
    let RegistryEntry {
        host,
        mirrors,
        ca_file,
        plain_http,
        auth,
    } = &entry.value;
    let read = |file: &PathBuf| {
        let mut pem = Vec::new();
        let read = fs::File::open(file).and_then(|file| file.take(MAX_CERTIFICATES).read_to_end(&mut pem));
        let place = entry.origin_of("/caFile");
        read.map_err(|error| CliError::new(format!("{place}: cannot read {}: {error}", file.display())))?;
        Ok::<_, CliError>(pem)
    };
    Ok(HostConfig {
        host: host.clone(),
        plain_http: *plain_http,
        authorities: ca_file.as_ref().map(read).transpose()?,
        mirrors: mirrors.clone(),
        auth: auth.clone(),
    })
}

/// The credential files of podman and docker, in the order in which podman reads them.
fn credential_files() -> Vec<PathBuf> {
    let variable = |name: &str| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let home = env::home_dir();
    let below_home = |path: &str| home.as_ref().map(|home| home.join(path));
    let config = variable("XDG_CONFIG_HOME").or_else(|| below_home(".config"));
    let docker = variable("DOCKER_CONFIG").or_else(|| below_home(".docker"));
    let files = [
        variable("REGISTRY_AUTH_FILE"),
        variable("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json")),
        config.map(|folder| folder.join("containers/auth.json")),
        docker.map(|folder| folder.join("config.json")),
    ];
    files.into_iter().flatten().collect()
}

/// An engine with the user's cache of compiled components.
fn engine(limits: Limits) -> Result<Engine, CliError> {
    ui::engine(EngineConfig {
        limits,
        cache: resolve::cache_folder(),
        ..EngineConfig::default()
    })
}

/// The system's store of plugins, or the user's.
fn store(is_systems: bool) -> Result<Store, CliError> {
    let stores = configuration::stores();
    let store = if is_systems { stores.system } else { stores.user };
    store.ok_or_else(|| CliError::new("there is no home folder to keep plugins in"))
}

/// The plugins from registries that the system's configuration layer names, or that all other layers name.
fn from_registries(config: &Config, is_systems: bool) -> Vec<(&Sourced<PluginEntry>, RegistrySource)> {
    let plugins = config.plugins.iter();
    let plugins = plugins.filter(|plugin| (plugin.layer == Layer::System) == is_systems);
    let found = plugins.filter_map(|plugin| match configured_source(plugin) {
        PluginSource::Registry(source) => Some((plugin, source)),
        _ => None,
    });
    found.collect()
}

/// The digest of a plugin's manifest: from its reference, else from the lock.
fn manifest(config: &Config, source: &RegistrySource) -> Result<String, CliError> {
    let digest = manifest_of(config, source).map_err(|error| PluginError::Supply {
        plugin: source.reference.clone(),
        error,
    });
    Ok(digest?)
}
