//! Files that are not plugins, and plugins with a wrong manifest: refused before they are compiled or run.

use std::fs;

use trocar::{
    Blame, Limit, WasmError,
    capability::Grants,
    plugin::{PackError, PluginError, PluginSource, PluginType, pack},
};

use crate::{
    guest,
    host::{Asked, Host, assert_harmless, reached, reason, told},
    limits::committed_default,
};

/// Checks that bytes are refused, with this message.
fn assert_refused(name: &str, bytes: &[u8], blame: Blame, message: &str) -> PluginError {
    let error = Host::new().refuses_bytes(name, bytes);
    told(&error, &format!("{name}.wasm"), blame, &[message]);
    error
}

#[test]
fn a_file_of_100_mb_is_refused_without_being_read() {
    let host = Host::new();
    let path = host.path("large.wasm");
    // A sparse file of 100 MB. Only one byte more than the limit is read of it.
    fs::File::create(&path).unwrap().set_len(100_000_000).unwrap();
    let source = PluginSource::File(path);
    let error = host.timed("large", || host.engine.describe(&source)).unwrap_err();
    assert_eq!(reached(&error, Limit::Component), Some(100_000_000));
    told(
        &error,
        "large.wasm",
        Blame::Plugin,
        &["is larger than the limit of 32Mi bytes for a component"],
    );
    let error = host
        .engine
        .load(&source, PluginType::Strategy, &Grants::default())
        .unwrap_err();
    assert_eq!(reached(&error, Limit::Component), Some(100_000_000));
}

#[test]
fn a_device_without_an_end_is_read_only_up_to_the_limit() {
    let host = Host::limited(|limits| limits.component = 1 << 20);
    let error = host
        .engine
        .describe(&PluginSource::File("/dev/zero".into()))
        .unwrap_err();
    assert_eq!(reached(&error, Limit::Component), Some((1 << 20) + 1));
}

#[test]
fn a_file_that_is_not_there_and_a_folder_are_no_plugins() {
    let host = Host::new();
    for path in [host.path("none.wasm"), host.folder.path().to_owned()] {
        let error = host
            .engine
            .describe(&PluginSource::File(path.clone()))
            .unwrap_err();
        assert!(matches!(error, PluginError::Read { .. }), "{error:?}");
        told(
            &error,
            path.to_str().unwrap(),
            Blame::User,
            &["cannot read the plugin"],
        );
    }
}

#[test]
fn an_empty_file() {
    let error = assert_refused("empty", b"", Blame::User, "the file is empty");
    assert!(matches!(reason(&error), WasmError::NotWasm(_)));
}

#[test]
fn webassembly_text() {
    let error = assert_refused(
        "text",
        b"(component)",
        Blame::User,
        "it looks like WebAssembly text",
    );
    assert!(matches!(reason(&error), WasmError::NotWasm(_)));
}

#[test]
fn something_else_altogether() {
    assert_refused(
        "elf",
        b"\x7fELF and so on",
        Blame::User,
        "does not start with a WebAssembly header",
    );
    assert_refused("head", b"\0asm", Blame::User, "not a WebAssembly component");
    assert_refused(
        "odd",
        b"\0asm\x09\x00\x07\x00",
        Blame::User,
        "does not start with a WebAssembly header",
    );
}

#[test]
fn a_core_module() {
    let module = guest::core_module("trap");
    let error = assert_refused(
        "core",
        &module,
        Blame::User,
        "a core WebAssembly module, not a component",
    );
    assert!(matches!(reason(&error), WasmError::CoreModule));
}

#[test]
fn machine_code_is_refused_from_whoever_it_comes() {
    let engine = wasmtime::Engine::default();
    let component = engine.precompile_component(&guest::plugin("trap")).unwrap();
    let module = engine.precompile_module(&guest::core_module("trap")).unwrap();
    for code in [component, module] {
        let error = assert_refused("machine", &code, Blame::User, "precompiled machine code");
        assert!(matches!(reason(&error), WasmError::Precompiled));
    }
}

#[test]
fn a_truncated_file_is_refused_wherever_it_ends() {
    let host = Host::new();
    let plugin = guest::plugin("trap");
    for length in (8..plugin.len()).step_by(7) {
        let error = host.refuses_bytes("cut", &plugin[..length]);
        assert_eq!(error.blame(), Blame::Plugin, "{length}: {error}");
        assert_harmless(&error.to_string());
        assert!(error.to_string().contains("cut.wasm"), "{length}: {error}");
    }
}

#[test]
fn bytes_that_changed_never_hurt_the_host() {
    let host = Host::new();
    let plugin = guest::plugin("trap");
    for place in (8..plugin.len()).step_by(13) {
        let mut changed = plugin.clone();
        changed[place] ^= 0x55;
        if let Ok(loaded) = host.load_bytes("changed", &changed) {
            drop(host.plan(&loaded, &Asked::default()));
        }
    }
}

#[test]
fn a_missing_manifest() {
    let error = assert_refused(
        "bare",
        &guest::component("trap"),
        Blame::Plugin,
        "the component has no manifest",
    );
    assert!(matches!(reason(&error), WasmError::NoManifest));
}

#[test]
fn hidden_manifest() {
    let error = assert_refused(
        "hidden",
        &guest::component("hidden_manifest"),
        Blame::Plugin,
        "the component has no manifest",
    );
    assert!(matches!(reason(&error), WasmError::NoManifest));
}

#[test]
fn two_manifests() {
    let twice = guest::with_section(guest::plugin("trap"), &guest::manifest("trap"));
    assert_refused("twice", &twice, Blame::Plugin, "the component has two manifests");
    let again = pack(&guest::plugin("trap"), &guest::manifest("trap")).unwrap_err();
    assert!(matches!(again, PackError::HasManifest), "{again}");
}

/// A plugin whose manifest has one field changed, without the checks of `trocar plugin pack`.
fn with_manifest(old: &str, new: &str) -> Vec<u8> {
    let manifest = guest::manifest("trap");
    assert!(manifest.contains(old), "{old} is not in {manifest}");
    guest::with_section(guest::component("trap"), &manifest.replace(old, new))
}

/// Checks that each manifest is refused, with its message.
fn assert_manifests_refused(replaced: &[(&str, &str, &str)]) {
    for (old, new, wanted) in replaced {
        let error = assert_refused("malformed", &with_manifest(old, new), Blame::Plugin, wanted);
        assert!(matches!(reason(&error), WasmError::Manifest(_)), "{error:?}");
    }
}

#[test]
fn a_malformed_manifest_names_the_field() {
    assert_manifests_refused(&[
        (
            "\"summary\"",
            "\"sumary\"",
            "sumary: unknown field; did you mean \"summary\"?",
        ),
        (
            "\"summary\": \"A guest that misbehaves\"",
            "\"license\": \"MIT\"",
            "missing field `summary`",
        ),
        (
            "\"strategy\"",
            "\"strategist\"",
            "type: \"strategist\" is unknown; did you mean \"strategy\"?",
        ),
        (
            "v1alpha1",
            "v2",
            "apiVersion: \"trocar.dev/v2\" is not trocar.dev/v1alpha1",
        ),
        (
            "PluginManifest",
            "Plugin",
            "kind: \"Plugin\" is not PluginManifest",
        ),
        (
            "\"trap\"",
            "\"../trap\"",
            "name: \"../trap\" is not lower-case letters",
        ),
        ("{", "[{", "EOF while parsing a list"),
        (
            "\"summary\"",
            "\"capabilities\": [{\"name\": \"cluster-write\", \"reason\": \"r\"}], \"summary\"",
            "capabilities: \"cluster-write\" is unknown; there is \"cluster-read\"",
        ),
        (
            "\"summary\"",
            "\"capabilities\": [{\"name\": \"cluster-read\", \"reason\": \"r\", \"scope\": [{\"apiVersion\": \"v1\", \
             \"kind\": \"Secret\"}]}], \"summary\"",
            "capabilities: a plugin never reads Secrets",
        ),
    ]);
}

#[test]
fn text_of_a_manifest_cannot_control_the_terminal() {
    assert_manifests_refused(&[
        (
            "misbehaves",
            "\\u001b[2Jmisbehaves",
            "summary: it must be one line of plain text",
        ),
        (
            "\"0.1.0\"",
            "\"0.1.0\\u202e\"",
            "version: it must be one line of plain text",
        ),
        (
            "\"summary\"",
            "\"examples\": [\"a\\nb\"], \"summary\"",
            "examples: it must be one line of plain text",
        ),
    ]);
}

#[test]
fn a_manifest_of_a_mebibyte_is_not_read() {
    let large = with_manifest("misbehaves", &"x".repeat(1 << 20));
    assert_refused("large", &large, Blame::Plugin, "larger than 262144 bytes");
    let field = format!("\"{}\": 1, \"summary\"", "\\u001bx".repeat(20_000));
    let wordy = with_manifest("\"summary\"", &field);
    assert_refused("wordy", &wordy, Blame::Plugin, "unknown field");
}

#[test]
fn a_manifest_that_lies_about_the_kind() {
    let error = assert_refused(
        "liar",
        &with_manifest("\"strategy\"", "\"policy\""),
        Blame::Plugin,
        "the manifest says that this is a policy, but the component exports trocar:plugin/strategy",
    );
    assert!(matches!(reason(&error), WasmError::ManifestMismatch { .. }));
}

#[test]
fn a_manifest_that_lies_about_the_contract() {
    assert_refused(
        "liar",
        &with_manifest("\"0.1\"", "\"0.2\""),
        Blame::Plugin,
        "built for version \"0.2\" of the contract, but the component exports trocar:plugin/strategy@0.1.0",
    );
}

#[test]
fn wrong_world() {
    let error = Host::new().refuses("wrong_world");
    assert!(matches!(reason(&error), WasmError::World { .. }), "{error:?}");
    told(
        &error,
        "wrong_world.wasm",
        Blame::Plugin,
        &["does not export trocar:plugin/strategy@0.1.0"],
    );
}

#[test]
fn a_plugin_of_the_other_type_is_refused() {
    let host = Host::new();
    let source = host.file("trap", &guest::plugin("trap"));
    let error = host
        .engine
        .load(&source, PluginType::Policy, &Grants::default())
        .unwrap_err();
    assert!(matches!(error, PluginError::WrongType { .. }), "{error:?}");
    told(&error, "\"trap\"", Blame::User, &["is a strategy, not a policy"]);
}

#[test]
fn another_version_of_the_contract() {
    for version in ["0.2.0", "0.3.0", "1.0.0", "0.10.0"] {
        let plugin = guest::with_section(
            guest::component_of_version("log_flood", version),
            &guest::manifest("log_flood"),
        );
        let error = assert_refused(
            "future",
            &plugin,
            Blame::Plugin,
            &format!(
                "implements trocar:plugin/strategy@{version}; this trocar runs trocar:plugin/strategy@0.1"
            ),
        );
        assert!(matches!(reason(&error), WasmError::Version { .. }));
    }
}

#[test]
fn a_later_patch_of_the_contract_fits() {
    let plugin = guest::with_section(
        guest::component_of_version("log_escapes", "0.1.7"),
        &guest::manifest("log_escapes"),
    );
    let host = Host::new();
    let plugin = host.load_bytes("later", &plugin).unwrap();
    assert_eq!(
        host.plan(&plugin, &Asked::default()).unwrap().plan.steps().len(),
        1
    );
}

#[test]
fn a_version_that_would_rewrite_the_terminal() {
    let text = "(component (instance $i) (export \"trocar:plugin/strategy@0.1.0-\\1b[2J\" (instance $i)))";
    let plugin = guest::with_section(wat::parse_str(text).unwrap(), &guest::manifest("trap"));
    assert_refused("rude", &plugin, Blame::Plugin, "\\u{1b}[2J");
}

#[test]
fn unknown_import() {
    let error = Host::new().refuses("unknown_import");
    assert!(matches!(reason(&error), WasmError::UnknownImport(_)), "{error:?}");
    told(
        &error,
        "unknown_import.wasm",
        Blame::Plugin,
        &["imports \"example:net/sockets@1.0.0\", which trocar does not provide"],
    );
}

#[test]
fn wrong_shape() {
    let error = Host::new().breaks("wrong_shape");
    assert!(matches!(reason(&error), WasmError::Invalid(_)), "{error:?}");
    told(
        &error,
        "wrong-shape 0.1.0",
        Blame::Plugin,
        &["the component is not valid"],
    );
}

#[test]
fn empty_strategy() {
    let error = Host::new().refuses("empty_strategy");
    assert!(matches!(reason(&error), WasmError::Invalid(_)), "{error:?}");
    told(
        &error,
        "empty-strategy 0.1.0",
        Blame::Plugin,
        &["does not fit the contract"],
    );
}

#[test]
fn an_answer_type_with_an_extra_field_is_refused() {
    let grown = guest::component_of("trap", |text| {
        text.replace(
            "attach: option<string>,",
            "attach: option<string>,\n        colour: option<string>,",
        )
    });
    let host = Host::new();
    let plugin = host
        .load_bytes("grown", &guest::with_section(grown, &guest::manifest("trap")))
        .unwrap();
    let error = crate::host::broken("grown", host.plan(&plugin, &Asked::default()));
    assert!(matches!(reason(&error), WasmError::Invalid(_)), "{error:?}");
    told(
        &error,
        "trap 0.1.0",
        Blame::Plugin,
        &["cannot be instantiated", "expected record of 3 fields, found 4"],
    );
}

#[test]
fn a_function_that_no_compiler_should_see() {
    // One function of more than 1 MiB: compile time grows faster than linearly.
    let body = "(drop (i32.const 1))".repeat(400_000);
    let text = format!("(component (core module (func {body})))");
    let plugin = guest::with_section(wat::parse_str(text).unwrap(), &guest::manifest("trap"));
    assert_refused("bulky", &plugin, Blame::Plugin, "bytes; the maximum is 1048576");
}

#[test]
fn a_component_is_described_without_being_compiled() {
    let host = Host::limited(|limits| limits.compile_time = std::time::Duration::ZERO);
    let source = host.file("ephemeral", &committed_default());
    let found = host.engine.describe(&source).unwrap();
    assert_eq!(found.manifest().name, "ephemeral");
    assert_eq!(found.source(), &source);
    assert!(!found.is_default());
    let default = host
        .engine
        .describe(&PluginSource::Default("ephemeral".into()))
        .unwrap();
    assert_eq!(found.digest(), default.digest());
    assert_eq!(found.size(), default.size());
    assert_eq!(found.imports(), default.imports());
    assert_eq!(found.exports(), default.exports());
    assert_eq!(found.manifest(), default.manifest());
}
