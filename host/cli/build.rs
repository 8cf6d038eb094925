//! Puts into the program what `trocar plugin new` and `trocar plugin build` write: the contract, the SDKs in source, and the
//! examples from which new plugins start.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// What is embedded: the folder or file, from the root of the repository, and the name under which it is known.
const SOURCES: [(&str, &str); 7] = [
    ("guest-sdk/wit", "wit"),
    ("guest-sdk/src", "rust"),
    ("guest-sdk/python/trocar_sdk", "python"),
    ("guest-sdk/javascript", "javascript"),
    ("guest-sdk/examples", "examples"),
    (
        "docs/schemas/plugin-manifest.schema.json",
        "plugin-manifest.schema.json",
    ),
    (
        "docs/schemas/policy-cases.schema.json",
        "policy-cases.schema.json",
    ),
];

/// The endings of the files that are: no component that was made beside its source, and nothing that a tool left.
const ENDINGS: [&str; 9] = ["js", "json", "md", "py", "rs", "toml", "ts", "typed", "yaml"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?)
        .join("../..")
        .canonicalize()?;
    let mut files = Vec::new();
    for (source, name) in SOURCES {
        let source = root.join(source);
        println!("cargo::rerun-if-changed={}", source.display());
        collect(&source, name, &mut files)?;
    }
    files.sort();
    let mut table = String::from("&[\n");
    for (name, file) in files {
        writeln!(
            table,
            "    ({name:?}, include_str!({:?})),",
            file.display().to_string()
        )?;
    }
    table.push_str("]\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("embedded.rs"), table)?;
    Ok(())
}

/// The files of a folder, by their names from there. Tests of the SDKs themselves are left out.
fn collect(source: &Path, name: &str, files: &mut Vec<(String, PathBuf)>) -> Result<(), Box<dyn Error>> {
    if source.is_file() {
        files.push((name.to_owned(), source.to_owned()));
        return Ok(());
    }
    for entry in fs::read_dir(source)? {
        let entry = entry?.path();
        let file_name = entry
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .to_owned();
        let ending = entry
            .extension()
            .and_then(|ending| ending.to_str())
            .unwrap_or_default();
        let is_of_sdk_tests =
            !name.starts_with("examples") && matches!(file_name.as_str(), "test" | "tests" | "tests.rs");
        let is_wanted = ENDINGS.contains(&ending) || ending == "wit" || entry.is_dir();
        let is_left_over =
            file_name.starts_with('.') || matches!(file_name.as_str(), "__pycache__" | "node_modules");
        if is_wanted && !is_of_sdk_tests && !is_left_over {
            collect(&entry, &format!("{name}/{file_name}"), files)?;
        }
    }
    Ok(())
}
