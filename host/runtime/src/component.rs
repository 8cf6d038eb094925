//! Looking at a component's bytes before anything of it is compiled or run: is it one, what does it say about itself,
//! and is that true.

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

/// The most functions that a component may have; compiling takes time for each.
const MOST_FUNCTIONS: u64 = 200_000;

/// The largest body of one function, in bytes: what is larger takes the compiler out of all proportion.
const LARGEST_FUNCTION: u64 = 1 << 20;

/// The packages of WASI 0.2 that the second tier gets.
const WASI_PACKAGES: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];

/// The interfaces that the contract has.
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

    /// The name in a component, without its version.
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

/// What a component takes from the start, at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sizes {
    /// The bytes of a memory.
    pub(crate) memory: u64,
    /// The elements of a table.
    pub(crate) table: u64,
}

/// What a component's bytes say.
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
    /// Refuses what takes more from the start than it may.
    pub(crate) fn check_sizes(&self, limits: &Limits) -> Result<(), WasmError> {
        limits.allow(Limit::Memory, self.sizes.memory)?;
        limits.allow(Limit::TableElements, self.sizes.table)
    }

    /// Says whether the component is of the second tier.
    pub(crate) fn wants_wasi(&self) -> bool {
        self.imports.iter().any(|import| import.starts_with("wasi:"))
    }

    /// Says whether the component imports an interface of the contract.
    pub(crate) fn imports(&self, interface: Interface) -> bool {
        self.imports
            .iter()
            .any(|import| split(import).0 == interface.name())
    }
}

/// Reads what a component says about itself and checks that it is so.
///
/// # Errors
/// Fails when the bytes are no component, are too large or too hard to compile, and when the manifest is missing,
/// malformed or untrue.
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

/// Refuses a file by its size alone, before it is read.
pub(crate) fn check_size(size: u64, limits: &Limits) -> Result<(), WasmError> {
    limits.allow(Limit::Component, size)
}

/// Refuses everything that is not a component.
pub(crate) fn check_encoding(bytes: &[u8]) -> Result<(), WasmError> {
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
            _ => "it does not start as one",
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
            Payload::CustomSection(section) if depth == 1 && section.name() == MANIFEST_SECTION => {
                let earlier = outline.manifest.replace(section.data());
                if earlier.is_some() {
                    return Err(WasmError::Manifest("there are two of them".into()));
                }
            }
            Payload::ComponentImportSection(imports) if depth == 1 => {
                for import in imports {
                    let import = import.map_err(invalid)?;
                    if !matches!(import.ty, ComponentTypeRef::Type(_)) {
                        outline.imports.push(message(import.name.name));
                    }
                }
            }
            Payload::ComponentExportSection(exports) if depth == 1 => {
                for export in exports {
                    let export = export.map_err(invalid)?;
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

/// The most bytes that one of these memories has from the start.
fn largest_memory(memories: MemorySectionReader<'_>) -> Result<u64, WasmError> {
    let mut largest = 0;
    for memory in memories {
        let memory = memory.map_err(invalid)?;
        let page = 1_u64 << memory.page_size_log2.unwrap_or(16).min(16);
        largest = largest.max(memory.initial.saturating_mul(page));
    }
    Ok(largest)
}

/// The most elements that one of these tables has from the start.
fn largest_table(tables: TableSectionReader<'_>) -> Result<u64, WasmError> {
    let mut largest = 0;
    for table in tables {
        largest = largest.max(table.map_err(invalid)?.ty.initial);
    }
    Ok(largest)
}

fn check_function(size: u64, count: u64) -> Result<(), WasmError> {
    if size > LARGEST_FUNCTION {
        return Err(WasmError::Invalid(format!(
            "a function of {size} bytes is larger than the {LARGEST_FUNCTION} that are compiled"
        )));
    }
    if count > MOST_FUNCTIONS {
        return Err(WasmError::Invalid(format!(
            "it has more than {MOST_FUNCTIONS} functions"
        )));
    }
    Ok(())
}

fn invalid(error: wasmparser::BinaryReaderError) -> WasmError {
    WasmError::Invalid(format!("{} (at byte {:#x})", error.message(), error.offset()))
}

/// The exports tell what a plugin is and for which version of the contract; the manifest must say the same.
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
    if !fits(version) {
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

/// The imports are what a component asks for; the manifest must declare all of it, and no more than it uses.
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
        if !fits(version) {
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

/// Says whether an import is an interface of the WASI that the second tier gets.
fn is_wasi(import: &str) -> bool {
    let (name, version) = split(import);
    let package = name.strip_prefix("wasi:").and_then(|name| name.split('/').next());
    package.is_some_and(|package| WASI_PACKAGES.contains(&package)) && version.starts_with("0.2.")
}

/// Splits `package/interface@version`.
fn split(name: &str) -> (&str, &str) {
    name.split_once('@').unwrap_or((name, ""))
}

/// Says whether a version of the contract is one that this host runs: the same 0.MINOR.
fn fits(version: &str) -> bool {
    version
        .strip_prefix(ABI)
        .and_then(|rest| rest.strip_prefix('.'))
        .is_some_and(|patch| patch.parse::<u32>().is_ok())
}

/// Appends a manifest to a component.
pub(crate) fn with_manifest(mut component: Vec<u8>, manifest: &[u8]) -> Vec<u8> {
    use wasm_encoder::{ComponentSection as _, CustomSection};
    CustomSection {
        name: MANIFEST_SECTION.into(),
        data: manifest.into(),
    }
    .append_to_component(&mut component);
    component
}

/// Says whether a core module or component already has a manifest.
pub(crate) fn has_manifest(bytes: &[u8]) -> bool {
    outline(bytes).is_ok_and(|outline| outline.manifest.is_some())
}

/// Says whether the bytes are a core module.
pub(crate) fn is_core_module(bytes: &[u8]) -> bool {
    Parser::is_core_wasm(bytes)
}
