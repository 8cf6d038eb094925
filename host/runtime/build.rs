//! Compiles the default plugins ahead of time, so that using them needs no compilation.
//!
//! Reads the committed `plugins/NAME/NAME.wasm`, and writes machine code and a table of it to `OUT_DIR`.
//! Building those components from source is `cargo xtask guests`.

#[path = "src/config.rs"]
mod config;

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use wasmparser::{Parser, Payload};
use wasmtime::Engine;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/config.rs");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let engine = engine(&env::var("TARGET")?)?;
    let mut table = String::from("&[\n");
    for (name, component) in components()? {
        println!("cargo::rerun-if-changed={}", component.display());
        let bytes = fs::read(&component)?;
        let compiled = engine
            .precompile_component(&bytes)
            .map_err(|error| format!("cannot compile {}: {error:#}", component.display()))?;
        let compiled_path = out.join(format!("{name}.cwasm"));
        fs::write(&compiled_path, &compiled)?;
        let digest = Sha256::digest(&bytes);
        let Outline {
            manifest,
            imports,
            exports,
        } = outline(&bytes)?;
        writeln!(
            table,
            "    Embedded {{ name: {name:?}, digest: \"sha256:{digest:x}\", size: {size}, manifest: {manifest:?}, \
             imports: &{imports:?}, exports: &{exports:?}, compiled: {{ \
             static CODE: PageAligned<[u8; {length}]> = PageAligned(*include_bytes!({compiled_path:?})); &CODE.0 }} }},",
            size = bytes.len(),
            length = compiled.len(),
        )?;
    }
    table.push_str("]\n");
    fs::write(out.join("embedded.rs"), table)?;
    Ok(())
}

/// An engine for the target's baseline processor, so that the program runs on every one.
fn engine(target: &str) -> Result<Engine, Box<dyn Error>> {
    let mut config = config::compiler_config();
    // A named target, even if it is this machine's, keeps wasmtime from using the features of this machine's processor.
    config.target(target)?;
    Ok(Engine::new(&config)?)
}

/// What the host would otherwise read from a component at each start.
#[derive(Default)]
struct Outline {
    manifest: String,
    imports: Vec<String>,
    exports: Vec<String>,
}

fn outline(component: &[u8]) -> Result<Outline, Box<dyn Error>> {
    let mut outline = Outline::default();
    // Nested modules and components have sections of the same kinds.
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::CustomSection(section) if section.name() == "trocar:manifest" => {
                outline.manifest = String::from_utf8(section.data().to_vec())?;
            }
            Payload::ComponentImportSection(imports) if depth == 1 => {
                for import in imports {
                    outline.imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(exports) if depth == 1 => {
                for export in exports {
                    outline.exports.push(export?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(outline)
}

/// The committed components, sorted by name.
fn components() -> Result<Vec<(String, PathBuf)>, Box<dyn Error>> {
    let plugins = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../plugins");
    println!("cargo::rerun-if-changed={}", plugins.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(&plugins)? {
        let folder = entry?;
        let name = folder
            .file_name()
            .into_string()
            .map_err(|_| "a plugin's folder is not named in UTF-8")?;
        let component = folder.path().join(format!("{name}.wasm"));
        if component.is_file() {
            found.push((name, component.canonicalize()?));
        }
    }
    // `read_dir` has no fixed order, and the same tree must make the same program.
    found.sort();
    Ok(found)
}
