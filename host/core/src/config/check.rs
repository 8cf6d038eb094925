//! What the values of one file may be: names, digests, defaults. That files do not take each other's names is asked here as
//! well, with what was set before.

use super::{
    ConfigError, ConfigErrorKind, Defaults, Layer, Origin, RegistryEntry, file::PluginEntry, parse_duration,
    source::Source,
};
use crate::{
    capability::Grants,
    registry::{
        RegistryReference, SCHEME, is_digest,
        reference::{is_component, is_host, is_this_machine},
    },
    request,
    target::is_label,
};

/// `known` is where a plugin of that name was set before.
pub(super) fn check_plugin(
    source: &Source,
    at: &str,
    plugin: &PluginEntry,
    known: Option<Origin>,
    defaults: &[&str],
) -> Result<(), ConfigError> {
    let name_at = format!("{at}/name");
    check_name(source, &name_at, "plugin", &plugin.name, known)?;
    // Policies name strategies: under the name of a default one, any plugin would pass for it.
    if defaults.contains(&plugin.name.as_str()) {
        return Err(source.error(
            &name_at,
            format!(
                "{:?} is the name of a default plugin; choose another",
                plugin.name
            ),
        ));
    }
    check_source(source, at, plugin)?;
    let is_said = !plugin.digest.is_empty() || plugin.source.is_none();
    if is_said && !is_digest(&plugin.digest) {
        return Err(ConfigError {
            kind: ConfigErrorKind::Digest,
            ..source.error(
                &format!("{at}/digest"),
                format!(
                    "{:?} is not a digest: write sha256: and 64 hexadecimal digits",
                    plugin.digest
                ),
            )
        });
    }
    for (index, grant) in plugin.grants.iter().enumerate() {
        let granted = Grants::default().add(grant);
        granted.map_err(|unknown| source.error(&format!("{at}/grants/{index}"), unknown.to_string()))?;
    }
    Ok(())
}

/// A plugin has a file, or a reference in a registry.
fn check_source(source: &Source, at: &str, plugin: &PluginEntry) -> Result<(), ConfigError> {
    let has_file = !plugin.file.as_os_str().is_empty();
    let name = &plugin.name;
    let of_kind = |problem: String| ConfigError {
        kind: ConfigErrorKind::Source,
        ..source.error(at, problem)
    };
    let reference = match (has_file, &plugin.source) {
        (true, None) => return Ok(()),
        (true, Some(_)) => {
            return Err(of_kind(format!(
                "the plugin {name:?} has both a file and a source"
            )));
        }
        (false, None) => {
            return Err(of_kind(format!(
                "the plugin {name:?} has neither a file nor a source"
            )));
        }
        (false, Some(reference)) => reference,
    };
    let wrong = |problem: String| source.error(&format!("{at}/source"), problem);
    if !reference.starts_with(SCHEME) {
        return Err(wrong(format!(
            "a source begins with {SCHEME}, unlike {reference:?}"
        )));
    }
    let read = RegistryReference::parse(reference).map_err(|error| wrong(error.to_string()))?;
    match read.wanted() {
        Some(_) => Ok(()),
        None => Err(wrong(format!("{reference} has neither a tag nor a digest"))),
    }
}

/// `known` is where the registry was set before.
pub(super) fn check_registry(
    source: &Source,
    at: &str,
    registry: &RegistryEntry,
    known: Option<Origin>,
) -> Result<(), ConfigError> {
    let host = &registry.host;
    let hosts = [("host".to_owned(), host)].into_iter();
    let auth = registry
        .auth
        .iter()
        .enumerate()
        .map(|(index, host)| (format!("auth/{index}"), host));
    for (field, host) in hosts.chain(auth) {
        if !is_host(host) {
            let problem =
                format!("{host:?} is not the name of a host: it has a dot or a port, and lower-case letters");
            return Err(source.error(&format!("{at}/{field}"), problem));
        }
    }
    for (index, mirror) in registry.mirrors.iter().enumerate() {
        let (mirror_host, prefix) = mirror.split_once('/').unwrap_or((mirror, ""));
        if !is_host(mirror_host) || !prefix.is_empty() && !prefix.split('/').all(is_component) {
            let problem = format!("{mirror:?} is not a mirror: it is written HOST or HOST/PREFIX");
            return Err(source.error(&format!("{at}/mirrors/{index}"), problem));
        }
    }
    if let Some(known) = known {
        return Err(ConfigError {
            kind: ConfigErrorKind::NameTaken,
            ..source.error(at, format!("the registry {host} is set in {known} already"))
        });
    }
    let may_be_plain = source.layer == Layer::System || is_this_machine(host);
    if registry.plain_http && !may_be_plain {
        return Err(ConfigError {
            kind: ConfigErrorKind::PlainHttp,
            ..source.error(
                &format!("{at}/plainHTTP"),
                format!(
                    "{host} is not this machine: only the system's configuration can turn TLS off for it"
                ),
            )
        });
    }
    Ok(())
}

pub(super) fn check_defaults(source: &Source, given: &Defaults) -> Result<(), ConfigError> {
    let at = |field: &str| format!("/defaults/{field}");
    if let Some(profile) = &given.profile {
        request::profile(profile).map_err(|unknown| ConfigError {
            kind: ConfigErrorKind::Profile(unknown.nearest.clone()),
            ..source.error(&at("profile"), unknown.to_string())
        })?;
    }
    if let Some(timeout) = &given.pod_running_timeout {
        parse_duration(timeout).map_err(|error| source.error(&at("podRunningTimeout"), error.to_string()))?;
    }
    if let Some(ttl) = &given.ttl {
        let time = parse_duration(ttl).map_err(|error| source.error(&at("ttl"), error.to_string()))?;
        if time.as_secs() == 0 {
            return Err(source.error(&at("ttl"), "a pod's time to live is at least one second"));
        }
    }
    if let Some(image) = &given.image
        && trocar_sdk::image::ImageReference::parse(image).is_none()
    {
        return Err(source.error(&at("image"), format!("{image:?} is not an image reference")));
    }
    Ok(())
}

pub(super) fn check_name(
    source: &Source,
    at: &str,
    what: &str,
    name: &str,
    known: Option<Origin>,
) -> Result<(), ConfigError> {
    if !is_label(name) {
        return Err(source.error(
            at,
            format!("{name:?} is not lower-case letters, digits and dashes, 63 at the most"),
        ));
    }
    match known {
        None => Ok(()),
        Some(known) => Err(ConfigError {
            kind: ConfigErrorKind::NameTaken,
            ..source.error(at, format!("the {what} {name:?} is set in {known} already"))
        }),
    }
}

/// A policy names its plugin. A path would be looked for where the program happens to be started, by whatever lies there.
pub(super) fn check_policy_plugin(source: &Source, at: &str, plugin: &str) -> Result<(), ConfigError> {
    if is_label(plugin) {
        return Ok(());
    }
    Err(ConfigError {
        kind: ConfigErrorKind::PluginName,
        ..source.error(
            &format!("{at}/plugin"),
            format!("{plugin:?} is not the name of a plugin"),
        )
    })
}
