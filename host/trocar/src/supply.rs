//! Resolves a plugin's source to a file with a digest: by locks and stores for registries, and checked by trust rules.
//!
//! Offline. The digest binds what is loaded later to what was checked here.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use trocar_core::{
    config::{Config, Layer},
    registry::{
        Accepted, Lock, LockedPlugin, RegistryReference, RegistrySource, StoredSource, SupplyError,
        trust::{Named, Signer},
    },
};
use trocar_registry::{PublicKey, Signature, Store, StoredPlugin, digest, signature_beside};
use trocar_runtime::plugin::{PluginError, PluginSource};

use crate::files;

/// The stores of plugins from registries.
#[derive(Clone, Debug, Default)]
pub struct Stores {
    /// The user's store.
    pub user: Option<Store>,
    /// The system's store. Plugins of the system's configuration come from here only.
    pub system: Option<Store>,
}

/// Receives warnings of trust rules: the plugin, and the missing signatures.
type Warn<'a> = dyn Fn(&str, &str) + 'a;

/// A plugin to be checked by trust rules.
struct Candidate<'a> {
    /// Its reference or path.
    shown: String,
    /// The source that rules match.
    named: Named,
    digests: Vec<&'a str>,
}

pub(crate) fn find(
    stores: &Stores,
    config: &Config,
    source: &PluginSource,
    allowed: u64,
    warn: &Warn<'_>,
) -> Result<PluginSource, PluginError> {
    let found = match source {
        PluginSource::Default(_) | PluginSource::Stored(_) => return Ok(source.clone()),
        PluginSource::Registry(wanted) => of_registry(stores, config, wanted, warn),
        // Without trust rules files are not read here, only once when they are loaded.
        _ if config.trust.is_empty() => return Ok(source.clone()),
        PluginSource::File(path) => of_file(config, path, None, false, allowed, warn),
        PluginSource::Pinned(path, digest) => of_file(config, path, Some(digest), false, allowed, warn),
        PluginSource::System(path, digest) => of_file(config, path, Some(digest), true, allowed, warn),
    };
    match found {
        Ok(Some(stored)) => Ok(PluginSource::Stored(stored)),
        // The file cannot be used: loading it reports why.
        Ok(None) => Ok(source.clone()),
        Err(error) => Err(PluginError::Supply {
            plugin: source.to_string(),
            error,
        }),
    }
}

fn of_registry(
    stores: &Stores,
    config: &Config,
    wanted: &RegistrySource,
    warn: &Warn<'_>,
) -> Result<Option<StoredSource>, SupplyError> {
    let reference = RegistryReference::parse(&wanted.reference)?;
    let (manifest, locked) = pinned(config, wanted, &reference)?;
    let (store, plugin) = stored(stores, &manifest, wanted.is_systems)?;
    let component = &plugin.component.digest;
    // Two digests count: the manifest's is what is signed, the component's is what runs.
    if let Some(digest) = wanted.component.as_ref().filter(|digest| *digest != component) {
        return Err(SupplyError::Component {
            wanted: digest.clone(),
            found: component.clone(),
        });
    }
    if let Some((file, locked)) = locked.filter(|(_, locked)| locked.component != *component) {
        return Err(SupplyError::LockDiffers {
            file,
            what: "component",
            found: locked.component,
            wanted: component.clone(),
        });
    }
    let candidate = Candidate {
        shown: wanted.reference.clone(),
        named: Named::registry(&reference),
        digests: vec![&manifest, component],
    };
    // Also where a lock names the digest: a lock is a record, not evidence.
    let judged = judge(config, &candidate, warn, || {
        Ok((signatures(store, &manifest)?, Signed::Manifest(&manifest)))
    })?;
    Ok(Some(StoredSource {
        name: wanted.reference.clone(),
        digest: component.clone(),
        path: plugin.path,
        is_systems: wanted.is_systems,
        signers: judged.signers,
    }))
}

/// Resolves a reference to the digest of a manifest: its own, or that in the lock.
///
/// # Errors
/// Fails when there is neither, and when they differ.
pub fn manifest_of(config: &Config, wanted: &RegistrySource) -> Result<String, SupplyError> {
    let reference = RegistryReference::parse(&wanted.reference)?;
    Ok(pinned(config, wanted, &reference)?.0)
}

/// The manifest's digest, and the lock's entry with the lock's path.
fn pinned(
    config: &Config,
    wanted: &RegistrySource,
    reference: &RegistryReference,
) -> Result<(String, Option<(PathBuf, LockedPlugin)>), SupplyError> {
    let Some((name, file)) = &wanted.configured else {
        let digest = reference.digest().ok_or(SupplyError::NotPinned { lock: None })?;
        return Ok((digest.to_owned(), None));
    };
    let file = Lock::path(file);
    let lock = read_lock(&file)?.unwrap_or_default();
    let Some(locked) = lock.find(name) else {
        let digest = reference
            .digest()
            .filter(|_| !must_be_locked(config, wanted.is_systems, name));
        let digest = digest.ok_or(SupplyError::NotPinned { lock: Some(file) })?;
        return Ok((digest.to_owned(), None));
    };
    let differs = |what, found: &str, wanted: &str| SupplyError::LockDiffers {
        file: file.clone(),
        what,
        found: found.to_owned(),
        wanted: wanted.to_owned(),
    };
    if locked.source != wanted.reference {
        return Err(differs("source", &locked.source, &wanted.reference));
    }
    match reference.digest() {
        Some(digest) if digest != locked.manifest => Err(differs("manifest", &locked.manifest, digest)),
        _ => Ok((locked.manifest.clone(), Some((file, locked.clone())))),
    }
}

/// Returns whether a configuration file of the plugin's layer or of a stronger one requires a lock.
fn must_be_locked(config: &Config, is_systems: bool, name: &str) -> bool {
    let plugin = config.plugins.iter().find(|plugin| plugin.value.name == *name);
    let weakest = if is_systems { Layer::System } else { Layer::Kuberc };
    let layer = plugin.map_or(weakest, |plugin| plugin.layer);
    config.locks.iter().any(|lock| lock.layer <= layer)
}

/// Reads a lock; none if the file does not exist.
///
/// # Errors
/// Fails when the file cannot be read or is malformed.
pub fn read_lock(file: &Path) -> Result<Option<Lock>, SupplyError> {
    let text = match files::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let failed = format!("cannot read {}: {error}", file.display());
            return Err(SupplyError::Store(failed));
        }
    };
    let lock = Lock::read(&text).map_err(|error| SupplyError::Lock {
        file: file.to_owned(),
        error,
    })?;
    Ok(Some(lock))
}

/// Finds a plugin in the stores. Plugins of the system's configuration are found in the system's store only.
fn stored<'a>(
    stores: &'a Stores,
    manifest: &str,
    is_systems: bool,
) -> Result<(&'a Store, StoredPlugin), SupplyError> {
    // What the user can write to must not replace a policy of the system.
    let user = stores.user.iter().filter(|_| !is_systems);
    for store in user.chain(&stores.system) {
        let found = store
            .find(manifest)
            .map_err(|error| SupplyError::Store(error.to_string()))?;
        if let Some(plugin) = found {
            return Ok((store, plugin));
        }
    }
    Err(SupplyError::NotPulled {
        digest: manifest.to_owned(),
        is_systems,
    })
}

fn signatures(store: &Store, manifest: &str) -> Result<Vec<Signature>, SupplyError> {
    let signatures = store.signatures_of(manifest);
    signatures.map_err(|error| SupplyError::Store(error.to_string()))
}

fn of_file(
    config: &Config,
    path: &Path,
    wanted: Option<&String>,
    is_systems: bool,
    allowed: u64,
    warn: &Warn<'_>,
) -> Result<Option<StoredSource>, SupplyError> {
    let Some((resolved, bytes)) = read_file(path, allowed) else {
        return Ok(None);
    };
    let found = digest(&bytes);
    if wanted.is_some_and(|wanted| *wanted != found) {
        return Ok(None);
    }
    let candidate = Candidate {
        shown: path.display().to_string(),
        // Rules match the file behind links: a link would give any file a name that is trusted.
        named: Named::File(resolved.to_string_lossy().into_owned()),
        digests: vec![&found],
    };
    let judged = judge(config, &candidate, warn, || {
        let signatures = signature_beside(path).into_iter().collect();
        Ok((signatures, Signed::Bytes(&bytes)))
    })?;
    Ok(Some(StoredSource {
        name: candidate.shown,
        path: path.to_owned(),
        digest: found,
        is_systems,
        signers: judged.signers,
    }))
}

/// Returns whether a key signed a plugin, regardless of the trust rules.
pub(crate) fn is_signed(
    stores: &Stores,
    config: &Config,
    source: &PluginSource,
    key: &PublicKey,
    allowed: u64,
) -> Result<bool, SupplyError> {
    let none = std::collections::BTreeMap::new();
    if let PluginSource::Registry(wanted) = source {
        let manifest = manifest_of(config, wanted)?;
        let (store, _) = stored(stores, &manifest, wanted.is_systems)?;
        return Ok(signatures(store, &manifest)?
            .iter()
            .any(|signature| signature.is_of_manifest(key, &manifest, &none)));
    }
    let Some(file) = source.file() else {
        return Ok(false);
    };
    let Some((_, bytes)) = read_file(file, allowed) else {
        return Err(SupplyError::Store(format!("cannot read {}", file.display())));
    };
    Ok(signature_beside(file).is_some_and(|signature| signature.is_of_bytes(key, &bytes, &none)))
}

/// Reads a file of at most `allowed` bytes. Returns its resolved path, too; none if it cannot be read or is larger.
fn read_file(path: &Path, allowed: u64) -> Option<(PathBuf, Vec<u8>)> {
    let resolved = fs::canonicalize(path).ok()?;
    let file = fs::File::open(&resolved).ok()?;
    let mut bytes = Vec::new();
    file.take(allowed.saturating_add(1))
        .read_to_end(&mut bytes)
        .ok()?;
    (bytes.len() as u64 <= allowed).then_some((resolved, bytes))
}

/// What signatures are about.
enum Signed<'a> {
    Manifest(&'a str),
    Bytes(&'a [u8]),
}

/// Checks a plugin by the trust rules of all layers. Signatures are read only if there are rules.
fn judge<'a>(
    config: &Config,
    candidate: &Candidate<'_>,
    warn: &Warn<'_>,
    evidence: impl FnOnce() -> Result<(Vec<Signature>, Signed<'a>), SupplyError>,
) -> Result<Accepted, SupplyError> {
    let mut all = Accepted::default();
    if config.trust.is_empty() {
        return Ok(all);
    }
    let (signatures, of) = evidence()?;
    let has_signed = |signer: &Signer| {
        let key = PublicKey::read(signer.key.as_deref()?).ok()?;
        let is_signed = signatures.iter().any(|signature| match of {
            Signed::Manifest(manifest) => signature.is_of_manifest(&key, manifest, &signer.annotations),
            Signed::Bytes(bytes) => signature.is_of_bytes(&key, bytes, &signer.annotations),
        });
        is_signed.then(|| shown(signer, &key))
    };
    for trust in &config.trust {
        let place = |at: &str| trust.origin_of(at).to_string();
        let accepted = trust
            .value
            .judge(&candidate.named, &candidate.digests, &has_signed, &place);
        let accepted = accepted.map_err(SupplyError::from)?;
        for warning in &accepted.warnings {
            warn(&candidate.shown, warning);
        }
        for signer in accepted.signers {
            if !all.signers.contains(&signer) {
                all.signers.push(signer);
            }
        }
    }
    Ok(all)
}

/// A signer's name in messages: its owner and the beginning of its key's digest.
fn shown(signer: &Signer, key: &PublicKey) -> String {
    let hex = key.fingerprint().trim_start_matches("sha256:");
    let hex = hex.get(..16).unwrap_or(hex);
    match &signer.owner {
        Some(owner) => format!("{owner} (key {hex})"),
        None => format!("key {hex}"),
    }
}
