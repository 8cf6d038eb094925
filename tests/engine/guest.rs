//! Builds plugins from the guests in `tests/guests`: WebAssembly text is assembled here, guests in Rust are committed as
//! components. Needs no compiler for guests. Policies are in a separate folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use trocar::plugin::{MANIFEST_SECTION, pack};
use wasm_encoder::{
    ComponentExportKind, ComponentInstanceSection, ComponentSection as _, ComponentSectionId, CustomSection,
    Encode as _, InstanceSection, MemorySection, MemoryType, Module,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, SourceMap};

/// The version of the contract that the guests are written for.
const VERSION: &str = "0.1.0";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of all guests.
pub(crate) fn all() -> Vec<String> {
    let names = |folder: PathBuf| {
        fs::read_dir(folder).unwrap().map(|entry| {
            let path = entry.unwrap().path();
            let is_guest = path.is_dir() || path.extension().is_some_and(|extension| extension == "wat");
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, is_guest)
        })
    };
    let mut guests: Vec<String> = names(folder())
        .chain(names(folder().join("rust")))
        .chain(names(folder().join("policies")))
        .filter(|(name, is_guest)| *is_guest && !["preamble", "policies", "rust"].contains(&name.as_str()))
        .map(|(name, _)| name)
        .collect();
    guests.sort();
    guests
}

/// The path of a policy's text, which may not exist.
fn policy_file(guest: &str) -> PathBuf {
    folder().join("policies").join(format!("{guest}.wat"))
}

fn is_policy(guest: &str) -> bool {
    policy_file(guest).exists()
}

/// The text of a guest.
fn source(guest: &str) -> String {
    if is_policy(guest) {
        read(&policy_file(guest))
    } else {
        read(&folder().join(format!("{guest}.wat")))
    }
}

/// The name that a guest's manifest has.
pub(crate) fn plugin_name(guest: &str) -> String {
    guest.replace('_', "-")
}

/// A manifest that is correct for most guests.
pub(crate) fn manifest(guest: &str) -> String {
    let plugin_type = if is_policy(guest) { "policy" } else { "strategy" };
    format!(
        r#"{{
  "apiVersion": "trocar.dev/v1alpha1", "kind": "PluginManifest", "name": "{}", "version": "0.1.0",
  "type": "{plugin_type}", "abi": "0.1", "summary": "A guest that misbehaves"
}}"#,
        plugin_name(guest)
    )
}

/// A guest packed by `trocar plugin pack`.
pub(crate) fn plugin(guest: &str) -> Vec<u8> {
    plugin_with(guest, &manifest(guest))
}

/// A guest packed by `trocar plugin pack`, with another manifest.
pub(crate) fn plugin_with(guest: &str, manifest: &str) -> Vec<u8> {
    match pack(&component(guest), manifest) {
        Ok((plugin, _)) => plugin,
        Err(error) => panic!("{guest} cannot be packed: {error}"),
    }
}

/// A component with an unchecked section.
pub(crate) fn with_section(mut component: Vec<u8>, manifest: &str) -> Vec<u8> {
    let section = CustomSection {
        name: MANIFEST_SECTION.into(),
        data: manifest.as_bytes().into(),
    };
    section.append_to_component(&mut component);
    component
}

/// A plugin that was packed without checks.
pub(crate) fn unchecked(guest: &str) -> Vec<u8> {
    with_section(component(guest), &manifest(guest))
}

/// A committed guest in Rust.
pub(crate) fn committed(guest: &str) -> Vec<u8> {
    let path = folder().join("rust").join(guest).join(format!("{guest}.wasm"));
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A guest as a component without a manifest.
pub(crate) fn component(guest: &str) -> Vec<u8> {
    component_of(guest, |text| text)
}

/// A guest as a component of another version of the contract.
pub(crate) fn component_of_version(guest: &str, version: &str) -> Vec<u8> {
    component_of(guest, |text| text.replace(VERSION, version))
}

/// A guest as a component of a changed contract: the text is replaced in the contract and in the guest alike.
pub(crate) fn component_of(guest: &str, change: impl Fn(String) -> String) -> Vec<u8> {
    let text = source(guest);
    let is_component = text.lines().any(|line| line.starts_with("(component"));
    let is_policy = is_policy(guest);
    let complete = if is_component {
        text
    } else {
        with_preamble(&text, is_policy)
    };
    let binary = wat::parse_str(change(complete)).unwrap_or_else(|error| panic!("{guest}: {error}"));
    if is_component {
        return binary;
    }
    encode(binary, is_policy, &change).unwrap_or_else(|error| panic!("{guest}: {error:#}"))
}

/// A guest as a core module rather than a component.
pub(crate) fn core_module(guest: &str) -> Vec<u8> {
    wat::parse_str(with_preamble(&source(guest), is_policy(guest))).unwrap()
}

/// The guest's own parts, and those of the preamble that it does not define itself. Imports have to come first; only
/// guests have any.
fn with_preamble(guest: &str, is_policy: bool) -> String {
    let mut preamble = read(&folder().join("preamble.wat"));
    if is_policy {
        let of_strategies = preamble.split("\n\n");
        let shared: Vec<&str> = of_strategies
            .filter(|part| !part.contains("\"trocar:plugin/strategy"))
            .collect();
        preamble = format!(
            "{}\n\n{}",
            read(&policy_file("preamble")).trim_end(),
            shared.join("\n\n")
        );
    }
    let missing: Vec<&str> = preamble
        .split("\n\n")
        .filter(|part| !definition(part).is_some_and(|definition| defines(guest, definition)))
        .collect();
    format!("(module\n{guest}\n{})", missing.join("\n"))
}

/// The definition in a part of the preamble: `(func $name`.
fn definition(part: &str) -> Option<&str> {
    let line = part.lines().find(|line| line.starts_with('('))?;
    let name = line.find('$')?;
    let end = line[name..].find([' ', ')']).map_or(line.len(), |end| name + end);
    (!line.starts_with("(export")).then_some(&line[..end])
}

fn defines(guest: &str, definition: &str) -> bool {
    guest
        .lines()
        .filter_map(|line| line.strip_prefix(definition))
        .any(|rest| rest.is_empty() || rest.starts_with([' ', ')']))
}

fn encode(
    mut module: Vec<u8>,
    is_policy: bool,
    change: impl Fn(String) -> String,
) -> anyhow::Result<Vec<u8>> {
    let mut contract = SourceMap::default();
    for entry in fs::read_dir(folder().join("../../guest-sdk/wit"))? {
        let path = entry?.path();
        contract.push(&path, change(read(&path)));
    }
    let contract = contract.parse().map_err(|(_, error)| error)?;
    let mut resolve = Resolve::default();
    resolve.push_group(contract)?;
    let wasi = change(read(&folder().join("wasi.wit")));
    let package = resolve.push_source("wasi.wit", &wasi)?;
    let world = if is_policy { "policy-guest" } else { "wasi-guest" };
    let world = resolve.select_world(&[package], Some(world))?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    ComponentEncoder::default()
        .module(&module)?
        .validate(true)
        .encode()
}

/// A component with more memories, of one page each.
pub(crate) fn with_more_memories(mut component: Vec<u8>, count: u32) -> Vec<u8> {
    let module_index = wasmparser::Parser::new(0)
        .parse_all(&component)
        .filter(|payload| matches!(payload, Ok(wasmparser::Payload::ModuleSection { .. })))
        .count() as u32;
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut module = Module::new();
    module.section(&memories);
    component.push(ComponentSectionId::CoreModule.into());
    module.finish().as_slice().encode(&mut component);
    let mut instances = InstanceSection::new();
    for _ in 0..count {
        instances.instantiate(
            module_index,
            std::iter::empty::<(&str, wasm_encoder::ModuleArg)>(),
        );
    }
    instances.append_to_component(&mut component);
    component
}

/// A component with a nested one, which is instantiated with it.
pub(crate) fn with_component(mut component: Vec<u8>, nested: &[u8]) -> Vec<u8> {
    let mut depth = 0;
    let own = wasmparser::Parser::new(0)
        .parse_all(&component)
        .filter(|payload| {
            match payload {
                Ok(wasmparser::Payload::Version { .. }) => depth += 1,
                Ok(wasmparser::Payload::End(_)) => depth -= 1,
                _ => {}
            }
            depth == 1 && matches!(payload, Ok(wasmparser::Payload::ComponentSection { .. }))
        })
        .count() as u32;
    component.push(ComponentSectionId::Component.into());
    nested.encode(&mut component);
    let mut instances = ComponentInstanceSection::new();
    instances.instantiate(own, std::iter::empty::<(&str, ComponentExportKind, u32)>());
    instances.append_to_component(&mut component);
    component
}
