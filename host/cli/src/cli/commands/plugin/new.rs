//! `trocar plugin new`: writes a folder with a working plugin, its tests and cases, and the SDK's source. Needs no network.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use trocar::{manifest::PluginType, plugin, target::is_label};

use super::build::Language;
use crate::cli::{
    args::{NewPluginType, PluginNewArgs},
    embedded,
    error::CliError,
    ui,
};

/// `sdk/Cargo.toml` of a new plugin. A test compares its versions with those of the workspace.
const SDK_CARGO_TOML: &str = r#"[package]
name = "trocar-sdk"
description = "Write debug strategies and policies for trocar"
version = "0.1.0"
edition = "2024"
rust-version = "1.95"
license = "Apache-2.0"

[features]
default = ["guest", "arena", "panic-text"]
guest = ["dep:wit-bindgen"]
arena = []
panic-text = []

[dependencies]
serde = { version = "1.0.229", features = ["derive"] }
serde_json = { version = "1.0.154", features = ["float_roundtrip"] }
strsim = "0.11.1"
wit-bindgen = { version = "=0.60.0", default-features = false, features = ["macros", "realloc"], optional = true }
"#;

const PYPROJECT: &str = r#"[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = [".", "sdk"]

[tool.mypy]
mypy_path = "sdk"
files = ["plugin.py"]
"#;

pub(crate) fn new(args: &PluginNewArgs) -> Result<(), CliError> {
    check_name(&args.name)?;
    let folder = args.folder.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    let files = files(&args.name, args.plugin_type.into(), args.language.into());
    write_all(&folder, &files)?;
    let [first, second, third] = next(args.language.into());
    ui::output(&format!(
        "{} ({} files): a working {} in {}, with its tests\n\nnext:\n  cd {0}\n  {first}\n  {second}\n  {third}\n",
        folder.display(),
        files.len(),
        PluginType::from(args.plugin_type).name(),
        Language::from(args.language).name(),
    ))
}

impl From<NewPluginType> for PluginType {
    fn from(typed: NewPluginType) -> Self {
        match typed {
            NewPluginType::Strategy => Self::Strategy,
            NewPluginType::Policy => Self::Policy,
        }
    }
}

fn check_name(name: &str) -> Result<(), CliError> {
    if !is_label(name) {
        return Err(CliError::usage(format!("{name:?} is not a valid plugin name"))
            .hint("use lower-case letters, digits and dashes, at most 63 of them"));
    }
    if plugin::is_default_name(name) {
        return Err(
            CliError::usage(format!("{name:?} is the name of a default plugin")).hint("choose another name"),
        );
    }
    Ok(())
}

/// A path within the new folder, and the file's text.
type NewFile = (String, String);

fn files(name: &str, plugin_type: PluginType, language: Language) -> Vec<NewFile> {
    let example = format!("examples/{}/{}/", language.id(), plugin_type.name());
    let old_name = match plugin_type {
        PluginType::Strategy => "java-tools",
        PluginType::Policy => "house-rules",
    };
    let renamed = |text: &str| text.replace(old_name, name);
    // The example's own Cargo.toml names this repository's workspace; `cargo_toml` writes one that stands alone.
    let of_example = embedded::below(&example).filter(|(file, _)| *file != "Cargo.toml");
    let mut files: Vec<NewFile> = of_example
        .map(|(file, text)| (renamed(file), renamed(text)))
        .collect();
    let cases = format!("cases/{name}.cases.yaml");
    for (file, schema) in [
        ("plugin.yaml", "plugin-manifest"),
        (cases.as_str(), "policy-cases"),
    ] {
        let found = files.iter_mut().find(|(known, _)| known == file);
        if let Some((_, text)) = found {
            let up = if file == "plugin.yaml" { "" } else { "../" };
            *text = format!("# yaml-language-server: $schema={up}sdk/{schema}.schema.json\n{text}");
        }
        let schema = format!("{schema}.schema.json");
        files.push((format!("sdk/{schema}"), embedded::text(&schema).to_owned()));
    }
    files.extend(of_language(name, language));
    files.push(("README.md".into(), readme(name, plugin_type, language)));
    files.push((".github/workflows/plugin.yml".into(), workflow(language)));
    files.sort();
    files
}

/// The SDK, and the files that the language's own tools need.
fn of_language(name: &str, language: Language) -> Vec<NewFile> {
    let sdk = |from: &str, to: &str| -> Vec<NewFile> {
        let files = embedded::below(from);
        files
            .map(|(file, text)| (format!("{to}{file}"), text.to_owned()))
            .collect()
    };
    let (mut files, own): (Vec<NewFile>, Vec<(&str, String)>) = match language {
        Language::Rust => {
            let mut files = sdk("rust/", "sdk/src/");
            files.extend(sdk("wit/", "sdk/wit/"));
            files.push(("sdk/Cargo.toml".into(), SDK_CARGO_TOML.into()));
            (
                files,
                vec![
                    ("Cargo.toml", cargo_toml(name)),
                    (".gitignore", "/target\n*.wasm\n".into()),
                ],
            )
        }
        Language::Python => (
            sdk("python/", "sdk/trocar_sdk/"),
            vec![
                ("pyproject.toml", PYPROJECT.into()),
                (
                    ".gitignore",
                    "__pycache__/\n.pytest_cache/\n.trocar/\n*.wasm\n".into(),
                ),
            ],
        ),
        Language::JavaScript => (
            sdk("javascript/", "sdk/"),
            vec![
                ("package.json", package_json(name)),
                (".gitignore", "/node_modules\n.trocar/\n*.wasm\n".into()),
            ],
        ),
    };
    files.extend(own.into_iter().map(|(file, text)| (file.to_owned(), text)));
    files
}

fn cargo_toml(name: &str) -> String {
    // A plugin's name may begin with a digit, a crate's name may not.
    let prefix = if name.starts_with(|letter: char| letter.is_ascii_digit()) {
        "plugin-"
    } else {
        ""
    };
    format!(
        r#"[package]
name = "{prefix}{name}"
version = "0.1.0"
edition = "2024"

[dependencies]
serde = {{ version = "1", features = ["derive"] }}
trocar-sdk = {{ path = "sdk" }}

[dev-dependencies]
serde_json = "1"

# The plugin is a workspace of its own, also in a folder of another.
[workspace]
exclude = ["sdk"]
"#
    )
}

fn package_json(name: &str) -> String {
    format!(
        r#"{{
  "name": "{name}",
  "version": "0.1.0",
  "private": true,
  "type": "module",
  "scripts": {{ "test": "node --test" }}
}}
"#
    )
}

/// The commands to run next: test, build, run the cases.
fn next(language: Language) -> [&'static str; 3] {
    let (test, build) = match language {
        Language::Rust => ("cargo test", "trocar plugin build"),
        Language::Python => ("python3 -m pytest", "trocar plugin build --install-tool"),
        Language::JavaScript => ("node --test", "trocar plugin build --install-tool"),
    };
    [test, build, "trocar plugin test"]
}

fn readme(name: &str, plugin_type: PluginType, language: Language) -> String {
    let [test, build, cases] = next(language);
    let needs = match language {
        Language::Rust => "Rust, and `rustup target add wasm32-unknown-unknown`",
        Language::Python => "Python 3.10 or later with pip, and pytest (`pip install pytest`)",
        Language::JavaScript => "Node.js 20 or later with npm",
    };
    let source = match language {
        Language::Rust => "src/lib.rs",
        other => other.marker(),
    };
    let used = match plugin_type {
        PluginType::Strategy => format!("trocar debug -it POD --strategy=./{name}.wasm"),
        PluginType::Policy => format!(
            "# in a configuration file, with the digest that trocar plugin inspect shows:\n\
             # plugins: [{{name: {name}, file: {name}.wasm, digest: \"sha256:…\"}}]\n# policies: [{{name: {name}}}]\n\
             trocar config check --config config.yaml"
        ),
    };
    format!(
        "# {name}\n\nA {} for trocar. It needs {needs}.\n\n```sh\n{test:35} # the logic, without WebAssembly\n\
         {build:35} # makes {name}.wasm\n{cases:35} # the cases, with the component\n{used}\n```\n\n\
         `{source}` is the plugin, `plugin.yaml` has its name, settings and flags, `cases/` has requests with their \
         expected outcomes, `sdk/` is the source of trocar's SDK.\n",
        plugin_type.name()
    )
}

fn workflow(language: Language) -> String {
    let [test, build, cases] = next(language);
    let setup = match language {
        Language::Rust => "    - run: rustup target add wasm32-unknown-unknown\n",
        Language::Python => {
            "    - uses: actions/setup-python@v5\n      with: {python-version: \"3.12\"}\n    - run: python3 -m pip install pytest\n"
        }
        Language::JavaScript => "    - uses: actions/setup-node@v4\n      with: {node-version: 22}\n",
    };
    format!(
        "name: plugin\non: [push, pull_request]\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n\
         \x20   - uses: actions/checkout@v4\n{setup}    - run: {test}\n\
         \x20   # Set the variable to trocar's Git repository, or install trocar from a package instead.\n\
         \x20   - run: cargo install --locked --git \"${{{{ vars.TROCAR_REPOSITORY }}}}\" trocar-cli\n\
         \x20   - run: {build}\n    - run: {cases}\n"
    )
}

/// Writes the files into a temporary folder and renames it when complete, so that no half-written plugin is left.
fn write_all(folder: &Path, files: &[NewFile]) -> Result<(), CliError> {
    let unwritten = |error: io::Error| CliError::new(format!("cannot write {}: {error}", folder.display()));
    let is_taken = fs::read_dir(folder).map_or(folder.exists(), |mut entries| entries.next().is_some());
    if is_taken {
        return Err(CliError::new(format!(
            "{} already exists and is not an empty folder",
            folder.display()
        ))
        .hint("name another folder with --folder=FOLDER"));
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    // Beside the folder: a rename works within one file system only.
    let partial = folder.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = files.iter().try_for_each(|(file, text)| {
        let file = partial.join(file);
        fs::create_dir_all(file.parent().unwrap_or(&partial))?;
        fs::write(file, text)
    });
    written
        .and_then(|()| fs::rename(&partial, folder))
        .map_err(|error| {
            // Best effort: the error to report is the one above.
            drop(fs::remove_dir_all(&partial));
            unwritten(error)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sdk_of_a_new_plugin_has_this_workspaces_versions() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let workspace = fs::read_to_string(root.join("Cargo.toml")).unwrap();
        let sdk = fs::read_to_string(root.join("guest-sdk/Cargo.toml")).unwrap();
        let (_, dependencies) = sdk.split_once("[dependencies]\n").unwrap();
        let (dependencies, _) = dependencies.split_once("\n\n").unwrap();
        let names: Vec<&str> = dependencies
            .lines()
            .map(|line| line.split(['.', ' ']).next().unwrap())
            .collect();
        assert_eq!(names, ["serde", "serde_json", "strsim", "wit-bindgen"]);
        for name in names {
            let line = workspace
                .lines()
                .find(|line| line.starts_with(&format!("{name} = ")))
                .unwrap();
            let line = line.trim_end_matches(" }");
            assert!(SDK_CARGO_TOML.contains(line), "{line}");
        }
        let features = sdk.lines().find(|line| line.starts_with("default = ")).unwrap();
        assert!(SDK_CARGO_TOML.contains(features), "{features}");
    }

    #[test]
    fn every_new_plugin_has_its_own_manifest_cases_and_workflow() {
        for language in Language::ALL {
            for plugin_type in [PluginType::Strategy, PluginType::Policy] {
                let files = files("mine", plugin_type, language);
                let text = |name: &str| {
                    let found = files.iter().find(|(known, _)| known == name);
                    &found.unwrap_or_else(|| panic!("{language:?} has no {name}")).1
                };
                let manifest = plugin::read_manifest(text("plugin.yaml")).unwrap();
                assert_eq!(
                    (manifest.name.as_str(), manifest.plugin_type),
                    ("mine", plugin_type)
                );
                assert!(text("cases/mine.cases.yaml").contains("../mine.wasm"));
                assert!(text(".github/workflows/plugin.yml").contains("trocar plugin test"));
                assert!(text("README.md").contains(next(language)[0]));
                let others = |text: &str| text.contains("java-tools") || text.contains("house-rules");
                assert!(files.iter().all(|(_, text)| !others(text)), "{language:?}");
            }
        }
    }
}
