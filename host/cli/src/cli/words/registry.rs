//! What to do about a registry, and about a plugin of one that cannot be used.

use trocar::registry::{RegistryError, SupplyError, Untrusted};

/// What to do after a registry failed.
pub(crate) fn after_registry(error: &RegistryError) -> Option<String> {
    let hint = match error {
        RegistryError::Unreachable { .. } => {
            "check the name; behind a proxy set HTTPS_PROXY; in a closed network set a mirror under registries, or bring \
             the plugins with trocar plugin bundle"
        }
        RegistryError::Tls { host, .. } => {
            return Some(format!(
                "if it has an authority of its own: registries: [{{host: \"{host}\", caFile: FILE}}] in the configuration"
            ));
        }
        RegistryError::TimedOut { .. } | RegistryError::Broken { .. } => "try again later",
        RegistryError::NotARegistry { .. } => {
            "check the name: it is written oci://HOST/REPOSITORY:TAG, where HOST is a registry and not its web page"
        }
        RegistryError::Denied {
            host,
            is_anonymous: true,
            ..
        } => return Some(format!("log in with docker login {host} or podman login {host}")),
        RegistryError::Denied { host, .. } => {
            return Some(format!(
                "check that the user may do that, or log in as another: docker login {host}"
            ));
        }
        RegistryError::NotFound { .. } => {
            "trocar plugin list --available oci://HOST/REPOSITORY shows what is there"
        }
        RegistryError::TooMany { .. } => {
            "wait, log in, or set a mirror under registries in the configuration"
        }
        RegistryError::ConfigType { .. } => {
            "let it pass for an image: --config-media-type=application/vnd.oci.image.config.v1+json"
        }
        RegistryError::TooLarge { allowed, .. } => {
            return Some(format!(
                "if that is a plugin, raise the limit, now {allowed}: --limit component=SIZE"
            ));
        }
        RegistryError::Digest { .. } | RegistryError::Size { .. } => {
            "the registry, or what stands between, changed the bytes; they were thrown away. Tell who runs it"
        }
        RegistryError::File { path, source, .. } if super::plugin::is_full(source) => {
            let folder = path.parent().unwrap_or(path);
            return Some(format!(
                "make room in {}; nothing half-written is used",
                folder.display()
            ));
        }
        RegistryError::NotAPlugin { .. } => "a plugin is pushed with trocar plugin push",
        RegistryError::Realm { host, .. } => {
            return Some(format!(
                "if you trust that place with your credentials: registries: [{{host: \"{host}\", auth: [HOST]}}] in the configuration"
            ));
        }
        RegistryError::Redirect { .. } => {
            "tell who runs the registry; a mirror under registries may help meanwhile"
        }
        RegistryError::Plain { .. } => {
            "the system's configuration can allow it: registries: [{host: HOST, plainHTTP: true}]"
        }
        RegistryError::Credentials { host, .. } => return Some(format!("log in again: docker login {host}")),
        RegistryError::NoTag { .. } => "name a tag or a digest: oci://HOST/REPOSITORY:TAG",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// What to do about a plugin of a registry that cannot be used.
pub(crate) fn after_supply(plugin: &str, error: &SupplyError) -> Option<String> {
    Some(match error {
        SupplyError::Reference(_) => "it is written oci://HOST/REPOSITORY@sha256:DIGEST".into(),
        SupplyError::NotPinned { lock: None } => {
            format!("trocar plugin pull {plugin} prints it with its digest")
        }
        SupplyError::NotPinned { lock: Some(_) } => "write down which one it is: trocar plugin lock".into(),
        SupplyError::Lock { .. } => {
            "a newer trocar may have written it; if not, remove it and write it again: trocar plugin lock".into()
        }
        SupplyError::LockDiffers { .. } => "if the configuration was changed: trocar plugin lock; if not, find out who changed the lock".into(),
        SupplyError::NotPulled { is_systems: true, .. } => "as root: trocar plugin pull --system".into(),
        SupplyError::NotPulled { .. } => match plugin.contains('@') {
            true => format!("trocar plugin pull {plugin}"),
            false => "trocar plugin pull".into(),
        },
        SupplyError::Component { .. } => "if the plugin was pushed again, put its new digest into the configuration".into(),
        SupplyError::Untrusted(Untrusted::Revoked { .. }) => "use another version: trocar plugin update".into(),
        SupplyError::Untrusted(Untrusted::Unsigned { .. }) => {
            "if it was signed after the pull: trocar plugin pull; docs/plugins-registries.md says how plugins are signed".into()
        }
        SupplyError::Untrusted(_) => "who owns the configuration decides which sources are trusted".into(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_of_a_registry_has_a_next_step() {
        let host = || "r.example".to_owned();
        for (error, wanted) in [
            (
                RegistryError::Unreachable {
                    host: host(),
                    why: String::new(),
                },
                "HTTPS_PROXY",
            ),
            (
                RegistryError::Tls {
                    host: host(),
                    why: String::new(),
                },
                "caFile",
            ),
            (
                RegistryError::Denied {
                    host: host(),
                    repository: "a".into(),
                    action: "pull from",
                    is_anonymous: true,
                    said: String::new(),
                },
                "docker login r.example",
            ),
            (
                RegistryError::ConfigType {
                    host: host(),
                    media_type: "x".into(),
                    said: String::new(),
                },
                "--config-media-type",
            ),
            (
                RegistryError::TooLarge {
                    what: "it".into(),
                    allowed: 1,
                    announced: None,
                },
                "--limit component",
            ),
            (
                RegistryError::Realm {
                    host: host(),
                    realm: "x".into(),
                    why: "x",
                },
                "auth: [HOST]",
            ),
            (RegistryError::NoTag { name: "x".into() }, ":TAG"),
        ] {
            let hint = after_registry(&error).unwrap();
            assert!(hint.contains(wanted), "{error}: {hint}");
        }
    }

    #[test]
    fn each_reason_not_to_use_a_plugin_has_a_next_step() {
        let pinned = "oci://r.example/a@sha256:x";
        for (error, wanted) in [
            (
                SupplyError::NotPinned { lock: None },
                "trocar plugin pull oci://r.example/a@sha256:x",
            ),
            (
                SupplyError::NotPinned {
                    lock: Some("c.lock".into()),
                },
                "trocar plugin lock",
            ),
            (
                SupplyError::NotPulled {
                    digest: "x".into(),
                    is_systems: true,
                },
                "--system",
            ),
            (
                SupplyError::NotPulled {
                    digest: "x".into(),
                    is_systems: false,
                },
                pinned,
            ),
            (
                SupplyError::Untrusted(Untrusted::Unsigned {
                    place: "x".into(),
                    missing: "x".into(),
                }),
                "trocar plugin pull",
            ),
        ] {
            let hint = after_supply(pinned, &error).unwrap();
            assert!(hint.contains(wanted), "{error}: {hint}");
        }
    }
}
