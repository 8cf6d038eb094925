//! What the values of one file may be: names, digests, defaults. That files do not take each other's names is asked here as
//! well, with what was set before.

use super::{
    ConfigError, ConfigErrorKind, Defaults, Origin, file::PluginEntry, parse_duration, source::Source,
};
use crate::{capability::Grants, request, target::is_label};

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
    if defaults.contains(&plugin.name.as_str()) {
        return Err(source.error(
            &name_at,
            format!(
                "{:?} is the name of a default plugin; choose another",
                plugin.name
            ),
        ));
    }
    let hex = plugin.digest.strip_prefix("sha256:").unwrap_or_default();
    if hex.len() != 64 || !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(ConfigError {
            kind: ConfigErrorKind::Digest,
            ..source.error(
                &format!("{at}/digest"),
                format!(
                    "{:?} is no digest: it is sha256: and 64 hexadecimal digits",
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
            return Err(source.error(&at("ttl"), "a pod lives for at least a second"));
        }
    }
    if let Some(image) = &given.image
        && trocar_sdk::image::ImageReference::parse(image).is_none()
    {
        return Err(source.error(&at("image"), format!("{image:?} is no image reference")));
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
            format!("{plugin:?} is no name of a plugin"),
        )
    })
}
