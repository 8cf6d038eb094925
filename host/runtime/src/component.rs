//! Inspecting a component before it is compiled or run: its format, its manifest, and whether the two agree.

use serde::{Deserialize, Serialize};
use wasmparser::{
    ComponentExternalKind, ComponentTypeRef, Encoding, MemorySectionReader, Parser, Payload,
    TableSectionReader, WasmFeatures,
};

use super::{
    error::WasmError,
    limits::{Limit, Limits},
};
use trocar_core::{
    capability::CLUSTER_READ,
    manifest::{ABI, PluginManifest, PluginType, SECTION as MANIFEST_SECTION},
    text::message,
};

/// The most functions of a component. Each costs compile time.
const MAX_FUNCTIONS: u64 = 200_000;

/// The largest function body, in bytes. Compile time grows faster than linearly with the size.
const MAX_FUNCTION_SIZE: u64 = 1 << 20;

/// The packages of WASI 0.2 that the second tier provides.
// Without `http`, which StarlingMonkey imports unless its features are switched off.
const WASI_PACKAGES: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];

/// The interfaces of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interface {
    Types,
    Log,
    Cluster,
    Strategy,
    Policy,
}

impl Interface {
    const ALL: [Self; 5] = [
        Self::Types,
        Self::Log,
        Self::Cluster,
        Self::Strategy,
        Self::Policy,
    ];

    /// The name in a component, without the version.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Types => "trocar:plugin/types",
            Self::Log => "trocar:plugin/log",
            Self::Cluster => "trocar:plugin/cluster",
            Self::Strategy => "trocar:plugin/strategy",
            Self::Policy => "trocar:plugin/policy",
        }
    }

    fn of(plugin_type: PluginType) -> Self {
        match plugin_type {
            PluginType::Strategy => Self::Strategy,
            PluginType::Policy => Self::Policy,
        }
    }
}

/// The initial sizes of a component.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sizes {
    /// Bytes of the largest memory.
    pub(crate) memory: u64,
    /// Elements of the largest table.
    pub(crate) table: u64,
}

/// What is known of a component from its bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Inspected {
    pub(crate) manifest: PluginManifest,
    /// The names of all imports, with versions.
    pub(crate) imports: Vec<String>,
    /// The names of all exports, with versions.
    pub(crate) exports: Vec<String>,
    pub(crate) sizes: Sizes,
}

impl Inspected {
    /// Fails when the initial sizes exceed a limit: no call could succeed.
    pub(crate) fn check_sizes(&self, limits: &Limits) -> Result<(), WasmError> {
        limits.allow(Limit::Memory, self.sizes.memory)?;
        limits.allow(Limit::TableElements, self.sizes.table)
    }

    /// Returns whether the component is of the second tier.
    pub(crate) fn wants_wasi(&self) -> bool {
        self.imports.iter().any(|import| import.starts_with("wasi:"))
    }

    /// Returns whether the component imports an interface of the contract.
    pub(crate) fn imports(&self, interface: Interface) -> bool {
        self.imports
            .iter()
            .any(|import| split(import).0 == interface.name())
    }
}

/// Parses a component, and checks its manifest against its imports and exports.
///
/// # Errors
/// Fails when the bytes are not a component or exceed a limit, and when the manifest is missing, malformed or wrong.
pub(crate) fn inspect(bytes: &[u8], limits: &Limits) -> Result<Inspected, WasmError> {
    check_size(bytes.len() as u64, limits)?;
    check_encoding(bytes)?;
    let outline = outline(bytes)?;
    let manifest = outline.manifest.ok_or(WasmError::NoManifest)?;
    let manifest = PluginManifest::parse(manifest)
        .map_err(|problem| WasmError::Manifest(message(&problem.to_string())))?;
    let inspected = Inspected {
        manifest,
        imports: outline.imports,
        exports: outline.exports,
        sizes: outline.sizes,
    };
    inspected.check_sizes(limits)?;
    check_exports(&inspected)?;
    check_imports(&inspected)?;
    Ok(inspected)
}

/// Checks a file's size, before it is read.
pub(crate) fn check_size(size: u64, limits: &Limits) -> Result<(), WasmError> {
    limits.allow(Limit::Component, size)
}

/// Checks that the bytes begin like a component.
pub(crate) fn check_encoding(bytes: &[u8]) -> Result<(), WasmError> {
    // Machine code from outside could do anything: wasmtime runs it without a check.
    if wasmtime::Engine::detect_precompiled(bytes).is_some() {
        return Err(WasmError::Precompiled);
    }
    if Parser::is_core_wasm(bytes) {
        return Err(WasmError::CoreModule);
    }
    if !Parser::is_component(bytes) {
        let looks_like = match bytes {
            [] => "the file is empty",
            _ if bytes.starts_with(b"(") => "it looks like WebAssembly text",
            _ => "it does not start with a WebAssembly header",
        };
        return Err(WasmError::NotWasm(looks_like.into()));
    }
    Ok(())
}

#[derive(Default)]
struct Outline<'a> {
    manifest: Option<&'a [u8]>,
    imports: Vec<String>,
    exports: Vec<String>,
    functions: u64,
    sizes: Sizes,
}

fn outline(bytes: &[u8]) -> Result<Outline<'_>, WasmError> {
    let mut outline = Outline::default();
    let mut depth = 0_u32;
    let mut parser = Parser::new(0);
    // This reads the outline only. The compiler validates, by its own settings.
    parser.set_features(WasmFeatures::all());
    for payload in parser.parse_all(bytes) {
        match payload.map_err(invalid)? {
            Payload::Version {
                encoding: Encoding::Component,
                ..
            }
            | Payload::Version {
                encoding: Encoding::Module,
                ..
            } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            // At the outermost level only: a composed component contains others, which may have manifests of their own.
            Payload::CustomSection(section) if depth == 1 && section.name() == MANIFEST_SECTION => {
                let earlier = outline.manifest.replace(section.data());
                // Which of two counts would depend on the tool that reads them.
                if earlier.is_some() {
                    return Err(WasmError::Manifest("the component has two manifests".into()));
                }
            }
            Payload::ComponentImportSection(imports) if depth == 1 => {
                for import in imports {
                    let import = import.map_err(invalid)?;
                    // An imported type needs nothing of the host.
                    if !matches!(import.ty, ComponentTypeRef::Type(_)) {
                        outline.imports.push(message(import.name.name));
                    }
                }
            }
            Payload::ComponentExportSection(exports) if depth == 1 => {
                for export in exports {
                    let export = export.map_err(invalid)?;
                    // Toolchains add exports of their own, such as `init` (QuickJS) or `exports` (Python). They are not a reason
                    // to refuse.
                    if export.kind == ComponentExternalKind::Instance {
                        outline.exports.push(message(export.name.name));
                    }
                }
            }
            Payload::MemorySection(memories) => {
                outline.sizes.memory = outline.sizes.memory.max(largest_memory(memories)?);
            }
            Payload::TableSection(tables) => {
                outline.sizes.table = outline.sizes.table.max(largest_table(tables)?);
            }
            Payload::CodeSectionEntry(body) => {
                outline.functions += 1;
                check_function(body.range().len() as u64, outline.functions)?;
            }
            _ => {}
        }
    }
    Ok(outline)
}

/// The initial size of the largest of these memories, in bytes.
fn largest_memory(memories: MemorySectionReader<'_>) -> Result<u64, WasmError> {
    let mut largest = 0;
    for memory in memories {
        let memory = memory.map_err(invalid)?;
        // 64 KiB by default. Capped, so that an invalid exponent cannot overflow the shift before the compiler refuses it.
        let page = 1_u64 << memory.page_size_log2.unwrap_or(16).min(16);
        largest = largest.max(memory.initial.saturating_mul(page));
    }
    Ok(largest)
}

/// The initial size of the largest of these tables, in elements.
fn largest_table(tables: TableSectionReader<'_>) -> Result<u64, WasmError> {
    let mut largest = 0;
    for table in tables {
        largest = largest.max(table.map_err(invalid)?.ty.initial);
    }
    Ok(largest)
}

fn check_function(size: u64, count: u64) -> Result<(), WasmError> {
    if size > MAX_FUNCTION_SIZE {
        return Err(WasmError::Invalid(format!(
            "a function has {size} bytes; the maximum is {MAX_FUNCTION_SIZE}"
        )));
    }
    if count > MAX_FUNCTIONS {
        return Err(WasmError::Invalid(format!(
            "it has more than {MAX_FUNCTIONS} functions"
        )));
    }
    Ok(())
}

fn invalid(error: wasmparser::BinaryReaderError) -> WasmError {
    WasmError::Invalid(format!("{} (at byte {:#x})", error.message(), error.offset()))
}

/// Checks that the manifest has the plugin type and contract version of the component's exports.
fn check_exports(inspected: &Inspected) -> Result<(), WasmError> {
    let manifest = &inspected.manifest;
    let wanted = Interface::of(manifest.plugin_type);
    let exported = |interface: Interface| {
        let mut exports = inspected.exports.iter().map(|export| split(export));
        exports.find(|(name, _)| *name == interface.name())
    };
    let Some((name, version)) = exported(wanted) else {
        let other = match wanted {
            Interface::Strategy => Interface::Policy,
            _ => Interface::Strategy,
        };
        if exported(other).is_some() {
            return Err(WasmError::ManifestMismatch {
                claimed: format!("this is a {}", manifest.plugin_type.name()),
                found: format!("the component exports {}", other.name()),
            });
        }
        return Err(WasmError::World {
            wanted: format!("{}@{ABI}.0", wanted.name()),
        });
    };
    if !is_supported(version) {
        return Err(WasmError::Version {
            found: format!("{name}@{version}"),
            supported: format!("{name}@{ABI}"),
        });
    }
    if manifest.abi != ABI {
        return Err(WasmError::ManifestMismatch {
            claimed: format!(
                "the plugin was built for version {:?} of the contract",
                manifest.abi
            ),
            found: format!("the component exports {name}@{version}"),
        });
    }
    Ok(())
}

/// Checks that the host provides every import, and that the manifest declares exactly the capabilities that are imported.
fn check_imports(inspected: &Inspected) -> Result<(), WasmError> {
    for import in &inspected.imports {
        if is_wasi(import) {
            continue;
        }
        let (name, version) = split(import);
        let known = Interface::ALL
            .into_iter()
            .any(|interface| interface.name() == name);
        if !known {
            return Err(WasmError::UnknownImport(import.clone()));
        }
        // Compared here, since wasmtime would only report an import "with the wrong type".
        if !is_supported(version) {
            return Err(WasmError::Version {
                found: import.clone(),
                supported: format!("{name}@{ABI}"),
            });
        }
    }
    let declared = inspected.manifest.asks_for(CLUSTER_READ);
    let used = inspected.imports(Interface::Cluster);
    if used && !declared {
        return Err(WasmError::ManifestMismatch {
            claimed: "the plugin needs no capability".into(),
            found: format!("the component imports {}", Interface::Cluster.name()),
        });
    }
    if declared && !used {
        return Err(WasmError::ManifestMismatch {
            claimed: format!("the plugin needs the capability {CLUSTER_READ:?}"),
            found: format!("the component does not import {}", Interface::Cluster.name()),
        });
    }
    Ok(())
}

/// Returns whether an import is an interface of the WASI that the second tier provides.
fn is_wasi(import: &str) -> bool {
    let (name, version) = split(import);
    let package = name.strip_prefix("wasi:").and_then(|name| name.split('/').next());
    // Any 0.2: toolchains import 0.2.9 or 0.2.12, and wasmtime's linker provides both.
    package.is_some_and(|package| WASI_PACKAGES.contains(&package)) && version.starts_with("0.2.")
}

/// Splits `package/interface@version`.
fn split(name: &str) -> (&str, &str) {
    name.split_once('@').unwrap_or((name, ""))
}

/// Returns whether this host runs a version of the contract: the same 0.MINOR.
fn is_supported(version: &str) -> bool {
    version
        .strip_prefix(ABI)
        .and_then(|rest| rest.strip_prefix('.'))
        .is_some_and(|patch| patch.parse::<u32>().is_ok())
}

/// Appends the manifest's section to a component.
pub(crate) fn with_manifest(mut component: Vec<u8>, manifest: &[u8]) -> Vec<u8> {
    use wasm_encoder::{ComponentSection as _, CustomSection};
    CustomSection {
        name: MANIFEST_SECTION.into(),
        data: manifest.into(),
    }
    .append_to_component(&mut component);
    component
}

/// Returns whether a core module or component already has a manifest.
pub(crate) fn has_manifest(bytes: &[u8]) -> bool {
    outline(bytes).is_ok_and(|outline| outline.manifest.is_some())
}

/// Returns whether the bytes are a core module.
pub(crate) fn is_core_module(bytes: &[u8]) -> bool {
    Parser::is_core_wasm(bytes)
}
