//! `trocar plugin pull`: fetches plugins into a store, verifies them by the trust rules, and compiles them, in this order.

use std::{cell::RefCell, collections::BTreeMap};

use trocar::{
    Engine,
    config::{Config, Layer},
    plugin::{PluginDescription, PluginSource},
    registry::{Client, RegistryReference, RegistrySource, SCHEME, Store},
};

use super::{client, engine, from_registries, manifest, reference, store};
use crate::cli::{args::PluginPullArgs, block_on, configuration, error::CliError, resolve, ui};

/// A plugin to be pulled, and the configuration layer that names it.
struct Wanted {
    source: RegistrySource,
    /// What to fetch: pinned to a digest, unless it was typed without one.
    reference: RegistryReference,
    layer: Layer,
}

pub(crate) fn pull(args: &PluginPullArgs) -> Result<(), CliError> {
    let config = configuration::load_for(args.system, args.file.config.as_deref())?;
    let wanted = match args.plugins.is_empty() {
        true => configured(&config, args.system)?,
        false => args
            .plugins
            .iter()
            .map(|typed| named(&config, typed))
            .collect::<Result<_, _>>()?,
    };
    if wanted.is_empty() {
        return ui::output("the configuration names no plugins from registries\n");
    }
    let puller = Puller::new(&config, args.system, &args.limit)?;
    for plugin in &wanted {
        let pulled = puller.pull(&plugin.source, &plugin.reference, plugin.layer)?;
        ui::output_line(&plugin.reference.pinned(&pulled.manifest).to_string())?;
        for signer in pulled.description.signers() {
            ui::error_line(&format!("signed by {signer}"));
        }
    }
    Ok(())
}

fn configured(config: &Config, is_systems: bool) -> Result<Vec<Wanted>, CliError> {
    let plugins = from_registries(config, is_systems).into_iter();
    plugins
        .map(|(plugin, source)| pinned_by_config(config, source, plugin.layer))
        .collect()
}

/// Resolves what was typed: a plugin's name in the configuration, else a reference.
fn named(config: &Config, typed: &str) -> Result<Wanted, CliError> {
    let configured = from_registries(config, false).into_iter();
    let mut configured = configured.filter(|(plugin, _)| plugin.value.name == typed);
    if let Some((plugin, source)) = configured.next() {
        return pinned_by_config(config, source, plugin.layer);
    }
    if !typed.contains('/') {
        let failed = CliError::new(format!(
            "the configuration names no plugin {typed:?} from a registry"
        ));
        return Err(
            failed.hint("to pull one that is not configured: trocar plugin pull oci://HOST/REPOSITORY:TAG")
        );
    }
    let reference = reference(typed)?;
    let typed = reference.to_string();
    let PluginSource::Registry(source) = PluginSource::typed(&typed) else {
        return Err(CliError::usage(format!("{typed:?} does not begin with {SCHEME}")));
    };
    Ok(Wanted {
        source,
        reference,
        layer: Layer::Flag,
    })
}

fn pinned_by_config(config: &Config, source: RegistrySource, layer: Layer) -> Result<Wanted, CliError> {
    let digest = manifest(config, &source)?;
    let reference = reference(&source.reference)?.pinned(&digest);
    Ok(Wanted {
        source,
        reference,
        layer,
    })
}

/// A plugin that was pulled and compiled.
pub(super) struct Pulled {
    pub(super) manifest: String,
    pub(super) description: PluginDescription,
}

/// Pulls plugins into one store.
pub(super) struct Puller<'a> {
    config: &'a Config,
    engine: Engine,
    store: Store,
    /// The largest component that is pulled, in bytes.
    allowed: u64,
    /// One client per layer, since each reads certificate files.
    clients: RefCell<BTreeMap<Layer, Client>>,
}

impl<'a> Puller<'a> {
    pub(super) fn new(config: &'a Config, is_systems: bool, limits: &[String]) -> Result<Self, CliError> {
        let limits = resolve::limits(limits)?;
        Ok(Self {
            config,
            allowed: limits.component,
            engine: engine(limits)?,
            store: store(is_systems)?,
            clients: RefCell::default(),
        })
    }

    fn client(&self, layer: Layer) -> Result<Client, CliError> {
        if let Some(known) = self.clients.borrow().get(&layer) {
            return Ok(known.clone());
        }
        let new = client(self.config, layer)?;
        self.clients.borrow_mut().insert(layer, new.clone());
        Ok(new)
    }

    /// Pulls one plugin with its signatures, verifies it and compiles it.
    pub(super) fn pull(
        &self,
        source: &RegistrySource,
        reference: &RegistryReference,
        layer: Layer,
    ) -> Result<Pulled, CliError> {
        let client = self.client(layer)?;
        let manifest = block_on(self.fetch(&client, reference))?;
        self.check(source, reference, manifest)
    }

    async fn fetch(&self, client: &Client, reference: &RegistryReference) -> Result<String, CliError> {
        let pulled = client.pull(reference, self.allowed).await?;
        let signatures = client.signatures(&pulled.from, &pulled.digest).await?;
        // Kept before it is judged: the rules are applied again at each load, and a store grants nothing.
        self.store.keep(&pulled)?;
        self.store.keep_signatures(&pulled.digest, &signatures)?;
        Ok(pulled.digest)
    }

    /// Verifies a plugin in the store, and compiles it.
    pub(super) fn check(
        &self,
        source: &RegistrySource,
        reference: &RegistryReference,
        manifest: String,
    ) -> Result<Pulled, CliError> {
        // A typed reference, and one that is about to be locked, has no digest yet: pin it to the digest that was found.
        let source = match &source.configured {
            Some(_) if source.reference.contains('@') => source.clone(),
            _ => RegistrySource {
                reference: reference.pinned(&manifest).to_string(),
                configured: None,
                ..source.clone()
            },
        };
        let found = self.engine.find(self.config, &PluginSource::Registry(source))?;
        self.engine.compile(&found)?;
        Ok(Pulled {
            manifest,
            description: self.engine.describe(&found)?,
        })
    }
}
