//! Hints for errors of plugins, guard rails and configurations.

use std::io;

use trocar::{Limit, WasmError, config::ConfigErrorKind, plan::check::Violation, plugin::PluginError};

/// The hint for an error of a plugin, ready to paste where possible.
pub(crate) fn after_plugin(error: &PluginError) -> Option<String> {
    match error {
        PluginError::Unknown { .. } => Some("to use a file, name its path: ./NAME.wasm".into()),
        PluginError::WrongType { wanted, .. } => {
            Some(format!("trocar plugin list shows every {}", wanted.name()))
        }
        PluginError::Wasm { error, .. } => after_wasm(error),
        PluginError::Supply { plugin, error } => super::registry::after_supply(plugin, error),
        PluginError::Digest { .. } => Some(
            "if you rebuilt the plugin, put the new digest into the configuration; if not, find out who changed the file"
                .into(),
        ),
        PluginError::Unprotected { writable, .. } => Some(format!(
            "make it writable by root only: chown root {0}; chmod go-w {0}",
            writable.display()
        )),
        PluginError::Read { .. } => Some("trocar plugin list shows the plugins that can be used by name".into()),
        _ => None,
    }
}

/// Returns true for errors of a full disk, an exhausted quota or a size limit.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

fn after_wasm(error: &WasmError) -> Option<String> {
    let hint = match error {
        WasmError::Limit {
            limit,
            allowed,
            asked,
        } => return Some(after_limit(*limit, *allowed, *asked)),
        WasmError::NotGranted(capability) => {
            return Some(format!("if you trust the plugin, grant it: --grant {capability}"));
        }
        WasmError::Cache { folder, source } | WasmError::SystemCache { folder, source }
            if is_full(source) =>
        {
            return Some(format!("make room in {}", folder.display()));
        }
        WasmError::Cache { folder, .. } => {
            return Some(format!(
                "make it accessible to you only: chmod 700 {}",
                folder.display()
            ));
        }
        WasmError::SystemCache { .. } => "only root can write there: run this command as root",
        WasmError::CoreModule => "make it a component: trocar plugin pack MODULE.wasm --manifest plugin.yaml",
        WasmError::NoManifest => "add one: trocar plugin pack FILE.wasm --manifest plugin.yaml",
        WasmError::Precompiled => "use the .wasm file that it was compiled from",
        WasmError::UnknownImport(_) => "docs/capabilities.md lists the imports that trocar provides",
        WasmError::Version { .. } => "rebuild the plugin with the SDK of this trocar version",
        WasmError::NotWasm(_) => {
            "a plugin is the .wasm file that trocar plugin build or trocar plugin pack writes"
        }
        WasmError::Invalid(_) => "rebuild the plugin with the SDK of this trocar version",
        WasmError::Manifest(_) | WasmError::ManifestMismatch { .. } => {
            "correct plugin.yaml and pack the plugin again: trocar plugin pack FILE.wasm --manifest plugin.yaml"
        }
        WasmError::World { .. } => "export it from the plugin: in Rust with trocar_sdk::strategy!(make_plan)",
        WasmError::NoRoom(_) => {
            "a plugin reserves 5 GB of address space, though it uses little memory: raise the limit (ulimit -v)"
        }
        WasmError::Host(_) => "this is a bug in trocar: please report it",
        WasmError::Panicked(_) | WasmError::Trapped { .. } | WasmError::Exited | WasmError::Answer(_) => {
            "this is a bug in the plugin; -v shows its log"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

fn after_limit(limit: Limit, allowed: u64, asked: Option<u64>) -> String {
    match limit {
        Limit::Stack => "this limit is fixed; the plugin has to recurse less deeply".into(),
        Limit::Parts => "this limit is fixed; the plugin has to be linked from fewer parts".into(),
        _ => {
            let wanted = asked.map_or(allowed.saturating_mul(2), |asked| asked.max(allowed));
            format!(
                "if you trust the plugin, raise the limit: --limit {}={}",
                limit.name(),
                limit.amount(rounded_up(limit, wanted))
            )
        }
    }
}

fn rounded_up(limit: Limit, amount: u64) -> u64 {
    let step = match limit {
        Limit::Memory | Limit::Data | Limit::Result | Limit::Log | Limit::Component => 1 << 20,
        Limit::Time | Limit::CompileTime => 1000,
        _ => return amount,
    };
    amount.checked_next_multiple_of(step).unwrap_or(amount)
}

/// The hint for a policy that failed. Its message names the limit, if it reached one.
pub(crate) fn after_failed_policy() -> String {
    "-v shows the policy's log; if it reached a limit and you trust the policy, raise it: --limit NAME=AMOUNT"
        .into()
}

/// The hint for a plan that breaks a guard rail.
pub(crate) fn after_violation(violation: &Violation) -> String {
    match violation.option {
        Some(option) => format!("a plan may do that if you ask for it with --{option}"),
        None => "no plugin may do that: use another one, and report this to the plugin's author".into(),
    }
}

/// The hint for a mistake in a configuration.
pub(crate) fn after_config(kind: &ConfigErrorKind) -> Option<String> {
    let hint = match kind {
        ConfigErrorKind::Circle => "remove one of the includes",
        ConfigErrorKind::Digest => "trocar plugin inspect FILE.wasm shows a plugin's digest",
        ConfigErrorKind::Source => {
            "give the plugin a file with a digest, or a source: oci://HOST/REPOSITORY:TAG"
        }
        ConfigErrorKind::PlainHttp => {
            "use HTTPS: for a private certificate authority, set caFile under registries"
        }
        ConfigErrorKind::NameTaken => {
            "an entry of one file cannot be replaced or weakened by another file; choose another name"
        }
        ConfigErrorKind::WeakerLayer => "a layer can only use plugins of its own layer or of a stronger one",
        ConfigErrorKind::PluginName => "to use a file, give it a name under plugins, with its digest",
        ConfigErrorKind::Profile(nearest) => {
            return nearest.as_ref().map(|nearest| format!("did you mean {nearest}?"));
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// The warning about typed options that a strategy ignores. `options` are field names of the options document.
pub(crate) fn unread(strategy: &str, options: &[&str]) -> String {
    let flags: Vec<&str> = options.iter().map(|option| flag(option)).collect();
    let flags = match flags.as_slice() {
        [init @ .., last] if !init.is_empty() => format!("{} and {last}", init.join(", ")),
        all => all.concat(),
    };
    format!("the strategy {strategy:?} ignores {flags}: its plan is the same without")
}

/// The flag that sets a field of the options document.
fn flag(option: &str) -> &str {
    match option {
        "args" => "the command",
        "argumentsOnly" => "--arguments-only",
        "asRoot" => "--as-root",
        "container" => "--container",
        "copyTo" => "--copy-to",
        "custom" => "--custom",
        "env" => "--env",
        "image" => "--image",
        "imagePullPolicy" => "--image-pull-policy",
        "inherit" => "--inherit",
        "keep" => "--keep-…",
        "priorityClass" => "--priority-class",
        "profile" => "--profile",
        "pullSecrets" => "--pull-secret",
        "replace" => "--replace",
        "sameNode" => "--same-node",
        "setImage" => "--set-image",
        "shareProcesses" => "--share-processes",
        "stdin" => "--stdin",
        "targetContainer" => "--target",
        "tolerateAll" => "--tolerate-all",
        "tty" => "--tty",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::{io, path::PathBuf};

    use trocar::plugin::PluginType;

    use super::*;

    fn limit(limit: Limit, allowed: u64, asked: Option<u64>) -> WasmError {
        WasmError::Limit {
            limit,
            allowed,
            asked,
        }
    }

    #[test]
    fn each_error_of_a_component_has_a_hint() {
        for (error, wanted) in [
            (WasmError::NotWasm("x".into()), "trocar plugin build"),
            (WasmError::CoreModule, "trocar plugin pack MODULE.wasm"),
            (WasmError::Precompiled, ".wasm file"),
            (WasmError::Invalid("x".into()), "rebuild the plugin"),
            (WasmError::NoManifest, "trocar plugin pack FILE.wasm"),
            (WasmError::Manifest("x".into()), "correct plugin.yaml"),
            (
                WasmError::ManifestMismatch {
                    claimed: "a".into(),
                    found: "b".into(),
                },
                "correct plugin.yaml",
            ),
            (
                WasmError::Version {
                    found: "a".into(),
                    supported: "b".into(),
                },
                "SDK of this trocar",
            ),
            (WasmError::World { wanted: "a".into() }, "strategy!"),
            (
                WasmError::NotGranted("cluster-read".into()),
                "--grant cluster-read",
            ),
            (WasmError::UnknownImport("a".into()), "docs/capabilities.md"),
            (limit(Limit::Memory, 64 << 20, None), "--limit memory=128Mi"),
            (
                limit(Limit::Component, 32 << 20, Some(100_000_000)),
                "--limit component=96Mi",
            ),
            (limit(Limit::Time, 1000, None), "--limit time=2s"),
            (limit(Limit::HostCalls, 10, Some(11)), "--limit host-calls=11"),
            (limit(Limit::Stack, 1, None), "limit is fixed"),
            (limit(Limit::Parts, 1, None), "fewer parts"),
            (limit(Limit::Memory, u64::MAX, Some(u64::MAX)), "--limit memory="),
            (WasmError::Panicked("x".into()), "-v shows its log"),
            (WasmError::Exited, "-v shows its log"),
            (
                WasmError::Trapped {
                    reason: "x".into(),
                    function: None,
                },
                "-v shows its log",
            ),
            (WasmError::Answer("x".into()), "-v shows its log"),
            (
                WasmError::Cache {
                    folder: "/cache".into(),
                    source: io::ErrorKind::PermissionDenied.into(),
                },
                "chmod 700 /cache",
            ),
            (
                WasmError::Cache {
                    folder: "/cache".into(),
                    source: io::ErrorKind::StorageFull.into(),
                },
                "make room in /cache",
            ),
            (
                WasmError::SystemCache {
                    folder: "/var/cache".into(),
                    source: io::ErrorKind::PermissionDenied.into(),
                },
                "as root",
            ),
            (WasmError::NoRoom("x".into()), "ulimit -v"),
            (WasmError::Host("x".into()), "bug in trocar"),
        ] {
            let hint = after_wasm(&error).unwrap_or_default();
            assert!(hint.contains(wanted), "{error}: {hint}");
        }
    }

    #[test]
    fn each_error_of_a_plugin_has_a_hint() {
        let path = || PathBuf::from("x.wasm");
        for (error, wanted) in [
            (
                PluginError::Unprotected {
                    path: path(),
                    writable: "/opt".into(),
                },
                "chmod go-w /opt",
            ),
            (
                PluginError::Unknown {
                    name: "x".into(),
                    plugin_type: None,
                    known: Vec::new(),
                },
                "./NAME.wasm",
            ),
            (
                PluginError::WrongType {
                    name: "x".into(),
                    wanted: PluginType::Policy,
                    found: PluginType::Strategy,
                },
                "trocar plugin list shows every policy",
            ),
            (
                PluginError::Read {
                    path: path(),
                    source: io::ErrorKind::NotFound.into(),
                },
                "trocar plugin list",
            ),
            (
                PluginError::Digest {
                    path: path(),
                    wanted: "a".into(),
                    found: "b".into(),
                },
                "new digest",
            ),
            (
                PluginError::Wasm {
                    plugin: "x".into(),
                    error: WasmError::CoreModule,
                },
                "make it a component",
            ),
        ] {
            let hint = after_plugin(&error).unwrap_or_default();
            assert!(hint.contains(wanted), "{error}: {hint}");
        }
    }

    #[test]
    fn mistakes_in_a_configuration_have_a_hint_unless_the_message_is_enough() {
        for (kind, wanted) in [
            (ConfigErrorKind::Circle, Some("remove one of the includes")),
            (
                ConfigErrorKind::WeakerLayer,
                Some("a layer can only use plugins of its own layer or of a stronger one"),
            ),
            (
                ConfigErrorKind::Digest,
                Some("trocar plugin inspect FILE.wasm shows a plugin's digest"),
            ),
            (
                ConfigErrorKind::NameTaken,
                Some(
                    "an entry of one file cannot be replaced or weakened by another file; choose another name",
                ),
            ),
            (
                ConfigErrorKind::PluginName,
                Some("to use a file, give it a name under plugins, with its digest"),
            ),
            (
                ConfigErrorKind::Profile(Some("general".into())),
                Some("did you mean general?"),
            ),
            (ConfigErrorKind::Profile(None), None),
            (ConfigErrorKind::Other, None),
        ] {
            assert_eq!(after_config(&kind).as_deref(), wanted, "{kind:?}");
        }
    }
}
