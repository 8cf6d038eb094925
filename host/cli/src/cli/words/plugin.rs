//! What to do about a plugin that cannot be had, does not run, or plans what no plan may do; and about a configuration.

use std::io;

use trocar::{Limit, WasmError, config::ConfigErrorKind, plan::check::Violation, plugin::PluginError};

/// What to do about a plugin, ready to paste where that is possible.
pub(crate) fn after_plugin(error: &PluginError) -> Option<String> {
    match error {
        PluginError::Unknown { .. } => Some("a plugin from a file is named by its path: ./NAME.wasm".into()),
        PluginError::WrongType { wanted, .. } => {
            Some(format!("trocar plugin list shows every {}", wanted.name()))
        }
        PluginError::Wasm { error, .. } => after_wasm(error),
        PluginError::Supply { plugin, error } => super::registry::after_supply(plugin, error),
        PluginError::Digest { .. } => Some(
            "if you rebuilt it, put the new digest into the configuration; if you did not, find out who changed the file"
                .into(),
        ),
        PluginError::Unprotected { writable, .. } => Some(format!(
            "make it writable by root alone: chown root {0}; chmod go-w {0}",
            writable.display()
        )),
        PluginError::Read { .. } => Some("trocar plugin list shows the plugins that need no file".into()),
        _ => None,
    }
}

/// Returns whether a write failed because there is no room left.
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
                "make it accessible to you alone: chmod 700 {}",
                folder.display()
            ));
        }
        WasmError::SystemCache { .. } => "only root can write to it: run this as root",
        WasmError::CoreModule => "make it a component: trocar plugin pack MODULE.wasm --manifest plugin.yaml",
        WasmError::NoManifest => "add one: trocar plugin pack FILE.wasm --manifest plugin.yaml",
        WasmError::Precompiled => "use the .wasm file that it was made from",
        WasmError::UnknownImport(_) => "the imports that trocar offers are listed in docs/capabilities.md",
        WasmError::Version { .. } => "build the plugin with the SDK of this version",
        WasmError::NotWasm(_) => {
            "a plugin is the .wasm file that trocar plugin build or trocar plugin pack writes"
        }
        WasmError::Invalid(_) => "build the plugin again, with the SDK of this version",
        WasmError::Manifest(_) | WasmError::ManifestLies { .. } => {
            "correct plugin.yaml and pack the plugin again: trocar plugin pack FILE.wasm --manifest plugin.yaml"
        }
        WasmError::World { .. } => {
            "the plugin has to export it: in Rust with trocar_sdk::strategy!(make_plan)"
        }
        WasmError::NoRoom(_) => {
            "running a plugin reserves 5 GB of addresses, though little memory: raise the limit (ulimit -v)"
        }
        WasmError::Host(_) => "this is a bug in trocar",
        WasmError::Panicked(_) | WasmError::Trapped { .. } | WasmError::Exited | WasmError::Answer(_) => {
            "this is a bug in the plugin; -v shows its log"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

fn after_limit(limit: Limit, allowed: u64, asked: Option<u64>) -> String {
    match limit {
        Limit::Stack => "the stack cannot be raised; the plugin has to recurse less deeply".into(),
        Limit::Parts => "this cannot be raised; the plugin has to be linked from fewer parts".into(),
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

/// What to do about a policy that could not judge: what it says names the limit, if it reached one.
pub(crate) fn after_failed_policy() -> String {
    "-v shows the policy's log; where it reached a limit and you trust it: --limit NAME=AMOUNT".into()
}

/// What to do about a plan that breaks a guard rail.
pub(crate) fn after_violation(violation: &Violation) -> String {
    match violation.option {
        Some(option) => format!("a plan may do that where you ask for it, with --{option}"),
        None => {
            "no plan may do that, with any plugin; use another plugin, and report it to the author of this one"
                .into()
        }
    }
}

/// What to do about a mistake in a configuration.
pub(crate) fn after_config(kind: &ConfigErrorKind) -> Option<String> {
    let hint = match kind {
        ConfigErrorKind::Circle => "remove one of the includes",
        ConfigErrorKind::Digest => "trocar plugin inspect FILE.wasm shows a plugin's digest",
        ConfigErrorKind::Source => {
            "a plugin has a file with a digest, or a source: oci://HOST/REPOSITORY:TAG"
        }
        ConfigErrorKind::PlainHttp => "give it a certificate; registries can name its authority with caFile",
        ConfigErrorKind::NameTaken => {
            "what one file sets, another can neither replace nor weaken; choose another name"
        }
        ConfigErrorKind::WeakerLayer => "a layer names plugins of its own layer or of a stronger one",
        ConfigErrorKind::PluginName => "a plugin from a file gets a name under plugins, with its digest",
        ConfigErrorKind::Profile(nearest) => {
            return nearest.as_ref().map(|nearest| format!("did you mean {nearest}?"));
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// What was typed and makes no difference to a strategy's plan. The options are named as in their document.
pub(crate) fn unread(strategy: &str, options: &[&str]) -> String {
    let flags: Vec<&str> = options.iter().map(|option| flag(option)).collect();
    let flags = match flags.as_slice() {
        [init @ .., last] if !init.is_empty() => format!("{} and {last}", init.join(", ")),
        all => all.concat(),
    };
    format!("the strategy {strategy:?} ignores {flags}: its plan is the same without")
}

/// The flag that sets an option.
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
    fn each_failure_of_a_component_has_a_next_step() {
        for (error, wanted) in [
            (WasmError::NotWasm("x".into()), "trocar plugin build"),
            (WasmError::CoreModule, "trocar plugin pack MODULE.wasm"),
            (WasmError::Precompiled, ".wasm file"),
            (WasmError::Invalid("x".into()), "build the plugin again"),
            (WasmError::NoManifest, "trocar plugin pack FILE.wasm"),
            (WasmError::Manifest("x".into()), "correct plugin.yaml"),
            (
                WasmError::ManifestLies {
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
                "SDK of this version",
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
            (limit(Limit::Stack, 1, None), "cannot be raised"),
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
                "run this as root",
            ),
            (WasmError::NoRoom("x".into()), "ulimit -v"),
            (WasmError::Host("x".into()), "bug in trocar"),
        ] {
            let hint = after_wasm(&error).unwrap_or_default();
            assert!(hint.contains(wanted), "{error}: {hint}");
        }
    }

    #[test]
    fn each_plugin_that_cannot_be_had_has_a_next_step() {
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
    fn mistakes_in_a_configuration_have_a_next_step_where_the_message_does_not_say_it() {
        for (kind, wanted) in [
            (ConfigErrorKind::Circle, Some("remove one of the includes")),
            (
                ConfigErrorKind::WeakerLayer,
                Some("a layer names plugins of its own layer or of a stronger one"),
            ),
            (
                ConfigErrorKind::Digest,
                Some("trocar plugin inspect FILE.wasm shows a plugin's digest"),
            ),
            (
                ConfigErrorKind::NameTaken,
                Some("what one file sets, another can neither replace nor weaken; choose another name"),
            ),
            (
                ConfigErrorKind::PluginName,
                Some("a plugin from a file gets a name under plugins, with its digest"),
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
