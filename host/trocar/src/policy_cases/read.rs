//! Reading cases: finds their files, and parses each document into cases.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value;
use trocar_core::{
    capability::WrittenDown,
    config::{Config, Layer, PolicyEntry},
    documents,
    planning::default_strategy,
    strict,
    target::Target,
};
use trocar_runtime::plugin::PluginSource;
use trocar_sdk::{Actor, Context, DebugOptions, options::API_VERSION};

use super::{Case, CaseError, EXTENSION, ReadFlags, expect::Expect};
use crate::{files::read_config, planner::configured_source};

/// The document of a case.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct CaseDocument {
    api_version: String,
    kind: String,
    name: String,
    /// For readers only; not used.
    #[serde(rename = "description")]
    _description: String,
    policies: Vec<PolicyEntry>,
    /// A configuration file whose policies come before those of the case.
    config: Option<PathBuf>,
    target: Option<Value>,
    target_file: Option<PathBuf>,
    /// A recorded case of kubectl, for its arguments and the first of its objects that they name.
    kubectl_case: Option<PathBuf>,
    options: Option<DebugOptions>,
    args: Vec<String>,
    strategy: Option<String>,
    /// The strategy's settings.
    settings: Option<Value>,
    actor: Actor,
    context: Context,
    /// The cluster, for plugins that read it. Without it none answers.
    objects: Option<Vec<Value>>,
    expect: Expect,
}

/// Finds the files with cases below a folder, in alphabetical order. A file is returned itself. Links to folders are not followed.
///
/// # Errors
/// Fails when a folder cannot be read, and when there are no files with cases.
pub fn find(place: &Path) -> Result<Vec<PathBuf>, CaseError> {
    let unreadable = |file: &Path, error| CaseError::Read {
        file: file.to_owned(),
        error,
    };
    if !fs::metadata(place)
        .map_err(|error| unreadable(place, error))?
        .is_dir()
    {
        return Ok(vec![place.to_owned()]);
    }
    let mut found = Vec::new();
    let mut folders = vec![place.to_owned()];
    while let Some(folder) = folders.pop() {
        // Types of entries and not of what they link to: a link may lead back to a folder above it.
        for entry in fs::read_dir(&folder).map_err(|error| unreadable(&folder, error))? {
            let entry = entry.map_err(|error| unreadable(&folder, error))?;
            if entry
                .file_type()
                .map_err(|error| unreadable(&folder, error))?
                .is_dir()
            {
                folders.push(entry.path());
            } else if entry.file_name().to_string_lossy().ends_with(EXTENSION) {
                found.push(entry.path());
            }
        }
    }
    if found.is_empty() {
        return Err(CaseError::NoCases(place.to_owned()));
    }
    found.sort();
    Ok(found)
}

/// Reads the cases of a file, and the files that they name.
///
/// # Errors
/// Fails when a file cannot be read or is malformed, and when two cases have the same name.
pub fn read(file: &Path, flags: &ReadFlags<'_>) -> Result<Vec<Case>, CaseError> {
    parse(file, &bounded(file)?, flags)
}

/// Parses the cases in a text. `file` is its name in errors, and relative paths in cases are resolved against its folder.
///
/// # Errors
/// Fails when the text or a file that it names is malformed, and when two cases have the same name.
pub fn parse(file: &Path, text: &[u8], flags: &ReadFlags<'_>) -> Result<Vec<Case>, CaseError> {
    let wrong = |problem: String| CaseError::Shape {
        file: file.to_owned(),
        problem,
    };
    let mut names = BTreeSet::new();
    let mut cases = Vec::new();
    for document in documents(file, text)? {
        for document in spread(document).map_err(wrong)? {
            let name = document["name"].as_str().unwrap_or_default().to_owned();
            let in_case = |error| CaseError::Case {
                file: file.to_owned(),
                name: name.clone(),
                error: Box::new(error),
            };
            let read: CaseDocument = strict::from_value(&document)
                .map_err(|error| in_case(CaseError::Invalid(error.to_string())))?;
            if read.api_version != API_VERSION || read.kind != "PolicyCases" {
                return Err(wrong(format!("this is not {API_VERSION} PolicyCases")));
            }
            cases.push(case(file, read, flags).map_err(in_case)?);
            if name.is_empty() || !names.insert(name.clone()) {
                return Err(wrong(format!("every case needs a unique name: {name:?}")));
            }
        }
    }
    Ok(cases)
}

/// Reads a file of at most `documents::LARGEST` bytes.
fn bounded(file: &Path) -> Result<Vec<u8>, CaseError> {
    let read = || -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        File::open(file)?
            .take(documents::LARGEST + 1)
            .read_to_end(&mut text)?;
        Ok(text)
    };
    let text = read().map_err(|error| CaseError::Read {
        file: file.to_owned(),
        error,
    })?;
    if text.len() as u64 > documents::LARGEST {
        return Err(CaseError::TooLarge(file.to_owned()));
    }
    Ok(text)
}

fn documents(file: &Path, text: &[u8]) -> Result<Vec<Value>, CaseError> {
    documents::read(text).map_err(|error| CaseError::Document {
        file: file.to_owned(),
        error,
    })
}

/// The cases of a document: each of its `cases`, merged over the document's other fields.
fn spread(mut document: Value) -> Result<impl Iterator<Item = Value>, String> {
    let cases = document.as_object_mut().and_then(|fields| fields.remove("cases"));
    let cases = match cases {
        None => vec![Value::Object(serde_json::Map::new())],
        Some(Value::Array(cases)) => cases,
        Some(_) => return Err("cases: must be a list".into()),
    };
    Ok(cases.into_iter().map(move |case| {
        let mut merged = document.clone();
        merge(&mut merged, case);
        merged
    }))
}

/// Merges by RFC 7386: objects field by field, null removes, everything else replaces. Recursion is bounded, since documents are
/// read with a limited depth.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(fields) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            fields.remove(&name);
        } else {
            merge(fields.entry(name).or_insert(Value::Null), value);
        }
    }
}

fn case(file: &Path, read: CaseDocument, flags: &ReadFlags<'_>) -> Result<Case, CaseError> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut target = read.target.clone();
    let mut args = read.args.clone();
    if let Some(path) = &read.target_file {
        target = Some(one_document(&folder.join(path))?);
    }
    if let Some(path) = &read.kubectl_case {
        let recorded = one_document(&folder.join(path))?;
        let recorded_args = recorded["args"].as_array().into_iter().flatten();
        args.extend(recorded_args.filter_map(Value::as_str).map(str::to_owned));
        target = target.or_else(|| recorded_target(&recorded, &args));
    }
    let target =
        target.ok_or_else(|| CaseError::Invalid("it has no target, targetFile or kubectlCase".into()))?;
    let namespace = match read.context.namespace.as_str() {
        "" => "default".to_owned(),
        namespace => namespace.to_owned(),
    };
    let target = Target::new(target, &namespace)?;
    let options = match read.options {
        Some(options) => Ok(options),
        None => flags(&args, read.strategy.is_some()),
    };
    let defaults = DebugOptions::default();
    let default = default_strategy(target.id().kind, options.as_ref().unwrap_or(&defaults));
    let strategy = read.strategy.as_deref().unwrap_or(default);
    Ok(Case {
        file: file.to_owned(),
        name: read.name,
        policies: policies(folder, read.config.as_deref(), read.policies)?,
        strategy: from_folder(folder, strategy),
        settings: read
            .settings
            .map_or_else(|| "{}".to_owned(), |settings| settings.to_string()),
        target,
        options,
        actor: read.actor,
        // Fixed where the case says nothing, so that snapshots stay the same from run to run.
        context: Context {
            namespace,
            suffix: non_empty(read.context.suffix, "bbbbb"),
            time: non_empty(read.context.time, "2026-01-01T00:00:00Z"),
        },
        objects: read.objects.map(WrittenDown),
        expect: read.expect,
    })
}

/// The source of a plugin that a case names. Paths are relative to the case's folder.
fn from_folder(folder: &Path, typed: &str) -> PluginSource {
    match PluginSource::typed(typed) {
        PluginSource::File(path) => PluginSource::File(folder.join(path)),
        other => other,
    }
}

fn non_empty(text: String, otherwise: &str) -> String {
    if text.is_empty() {
        otherwise.to_owned()
    } else {
        text
    }
}

pub(super) fn one_document(file: &Path) -> Result<Value, CaseError> {
    let mut read = documents(file, &bounded(file)?)?;
    match read.len() {
        1 => Ok(read.remove(0)),
        several => Err(CaseError::Shape {
            file: file.to_owned(),
            problem: format!("it must hold one document, not {several}"),
        }),
    }
}

/// Finds the object of a recorded case that its arguments name.
fn recorded_target(recorded: &Value, args: &[String]) -> Option<Value> {
    let is_named = |object: &&Value| {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        args.iter()
            .any(|typed| typed == name || typed.rsplit('/').next() == Some(name))
    };
    recorded["objects"].as_array()?.iter().find(is_named).cloned()
}

fn policies(
    folder: &Path,
    config: Option<&Path>,
    own: Vec<PolicyEntry>,
) -> Result<Vec<(PolicyEntry, PluginSource)>, CaseError> {
    let config = match config {
        Some(path) => read_config(&[(Layer::Flag, folder.join(path))])?,
        None => Config::default(),
    };
    let configured = config.policies.iter().map(|policy| &policy.value);
    let all = configured.chain(&own).map(|entry| {
        let known = config
            .plugins
            .iter()
            .find(|plugin| plugin.value.name == entry.plugin());
        let source = match known {
            Some(plugin) => configured_source(plugin),
            None => from_folder(folder, entry.plugin()),
        };
        (entry.clone(), source)
    });
    Ok(all.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cases_are_merged_by_rfc_7386() {
        for (target, patch, merged) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (
                json!({}),
                json!({"a": {"bb": {"ccc": null}}}),
                json!({"a": {"bb": {}}}),
            ),
        ] {
            let mut found = target.clone();
            merge(&mut found, patch.clone());
            assert_eq!(found, merged, "{target} with {patch}");
        }
    }

    #[test]
    fn links_to_folders_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(".", folder.path().join("again")).unwrap();
        fs::create_dir(folder.path().join("below")).unwrap();
        fs::write(folder.path().join("below/b.cases.yaml"), "").unwrap();
        fs::write(folder.path().join("c.cases.yaml"), "").unwrap();
        fs::write(folder.path().join("other.yaml"), "").unwrap();
        let found = find(folder.path()).unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|file| file.strip_prefix(&folder).unwrap())
            .collect();
        assert_eq!(
            names,
            [Path::new("below/b.cases.yaml"), Path::new("c.cases.yaml")]
        );
    }

    #[test]
    fn a_message_about_args_is_the_refusal_of_the_case() {
        let text = "apiVersion: trocar.dev/v1alpha1\nkind: PolicyCases\nname: a\nargs: [--nonsense]\ntarget: {apiVersion: v1, \
                    kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: b}]}}\nexpect: {verdict: refuse, \
                    messages: [unknown flag]}\n";
        let flags = |typed: &[String], own_strategy: bool| {
            assert!(!own_strategy, "the case names no strategy");
            Err(format!("unknown flag: {}", typed.join(" ")))
        };
        let cases = parse(Path::new("a.cases.yaml"), text.as_bytes(), &flags).unwrap();
        let engine = crate::Engine::new(crate::EngineConfig::default()).unwrap();
        let result = crate::policy_cases::Runner::new(&engine)
            .run(&cases[0], None)
            .unwrap();
        assert!(result.is_as_expected(), "{:?}", result.differences);
        assert_eq!(
            result.outcome.refusal.as_deref(),
            Some("unknown flag: --nonsense")
        );
    }
}
