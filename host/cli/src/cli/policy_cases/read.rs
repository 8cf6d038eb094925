//! Cases as they are written: finding the files, and making of each document a case that can be run.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value;
use trocar::{
    API_VERSION, Actor, Context, DebugOptions, Target,
    config::{Config, Defaults, PolicyEntry},
    default_strategy, documents,
    plugin::PluginSource,
    strict,
};

use super::{Case, EXTENSION, expect::Expect};
use crate::cli::{args, configuration, error::CliError, resolve};

/// One case: what is asked, and what is expected.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct CaseDocument {
    api_version: String,
    kind: String,
    name: String,
    /// For people; not used.
    #[serde(rename = "description")]
    _description: String,
    policies: Vec<PolicyEntry>,
    /// A configuration file whose policies are asked before those of the case.
    config: Option<PathBuf>,
    target: Option<Value>,
    target_file: Option<PathBuf>,
    /// A recorded case of kubectl: its first pod or node that the arguments name, and its arguments.
    kubectl_case: Option<PathBuf>,
    options: Option<DebugOptions>,
    args: Vec<String>,
    strategy: Option<String>,
    actor: Actor,
    context: Context,
    expect: Expect,
}

/// Finds the files with cases below a folder, or the file itself, in alphabetical order.
pub(crate) fn find(place: &Path) -> Result<Vec<PathBuf>, CliError> {
    let mut found = Vec::new();
    collect(place, &mut found)?;
    found.sort();
    if found.is_empty() {
        return Err(
            CliError::new(format!("{}: there are no cases", place.display())).hint(format!(
                "cases are in files that end in {EXTENSION}; docs/policies.md shows one"
            )),
        );
    }
    Ok(found)
}

fn collect(place: &Path, found: &mut Vec<PathBuf>) -> Result<(), CliError> {
    let unreadable = |error| CliError::new(format!("cannot read {}: {error}", place.display()));
    if !fs::metadata(place).map_err(unreadable)?.is_dir() {
        found.push(place.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(place).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let is_folder = entry.file_type().map_err(unreadable)?.is_dir();
        let is_cases = entry.file_name().to_string_lossy().ends_with(EXTENSION);
        if is_folder || is_cases {
            collect(&entry.path(), found)?;
        }
    }
    Ok(())
}

/// Reads the cases of a file.
pub(crate) fn read(file: &Path) -> Result<Vec<Case>, CliError> {
    let wrong = |problem: String| CliError::new(format!("{}: {problem}", file.display()));
    let text = resolve::read_file(file)?;
    let mut cases = Vec::new();
    for document in documents::read(&text).map_err(|error| wrong(error.to_string()))? {
        for document in spread(document).map_err(wrong)? {
            let name = document["name"].as_str().unwrap_or_default().to_owned();
            let read: CaseDocument =
                strict::from_value(&document).map_err(|error| wrong(format!("case {name:?}: {error}")))?;
            if read.api_version != API_VERSION || read.kind != "PolicyCases" {
                return Err(wrong(format!("this is not {API_VERSION} PolicyCases")));
            }
            let case = case(file, read)
                .map_err(|failed| failed.ours().of(&format!("{}: case {name:?}", file.display())))?;
            if name.is_empty() || cases.iter().any(|known: &Case| known.name == case.name) {
                return Err(wrong(format!("every case needs a name of its own: {name:?}")));
            }
            cases.push(case);
        }
    }
    Ok(cases)
}

/// The cases of a document: each of its `cases` merged over what stands beside them (RFC 7386).
fn spread(mut document: Value) -> Result<Vec<Value>, String> {
    let Some(cases) = document
        .as_object_mut()
        .and_then(|document| document.remove("cases"))
    else {
        return Ok(vec![document]);
    };
    let Value::Array(cases) = cases else {
        return Err("cases: it must be a list".into());
    };
    let merged = cases.into_iter().map(|case| {
        let mut merged = document.clone();
        json_patch::merge(&mut merged, &case);
        merged
    });
    Ok(merged.collect())
}

fn case(file: &Path, read: CaseDocument) -> Result<Case, CliError> {
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
    let target = target.ok_or_else(|| CliError::new("it has no target, targetFile or kubectlCase"))?;
    let namespace = match read.context.namespace.as_str() {
        "" => "default".to_owned(),
        namespace => namespace.to_owned(),
    };
    let target = Target::new(target, &namespace)?;
    let options = match read.options {
        Some(options) => Ok(options),
        None => options_of(&args, read.strategy.is_some()).map_err(|failed| failed.message().to_owned()),
    };
    let usual = DebugOptions::default();
    let fitting = default_strategy(target.id().kind, options.as_ref().unwrap_or(&usual));
    Ok(Case {
        file: file.to_owned(),
        name: read.name,
        policies: policies(folder, read.config.as_deref(), read.policies)?,
        strategy: read
            .strategy
            .map_or_else(|| fitting.to_owned(), |typed| from_folder(folder, typed)),
        target,
        options,
        actor: read.actor,
        context: Context {
            namespace,
            suffix: non_empty(read.context.suffix, "bbbbb"),
            time: non_empty(read.context.time, "2026-01-01T00:00:00Z"),
        },
        expect: read.expect,
    })
}

/// A plugin as it is named in a case: the path of a file is from the case's folder, like all paths of a case.
fn from_folder(folder: &Path, typed: String) -> String {
    match PluginSource::typed(&typed) {
        PluginSource::File(path) => folder.join(path).display().to_string(),
        _ => typed,
    }
}

fn non_empty(text: String, otherwise: &str) -> String {
    if text.is_empty() {
        otherwise.to_owned()
    } else {
        text
    }
}

pub(super) fn one_document(file: &Path) -> Result<Value, CliError> {
    let wrong = |problem: String| CliError::new(format!("{}: {problem}", file.display()));
    let mut read = documents::read(&resolve::read_file(file)?).map_err(|error| wrong(error.to_string()))?;
    match read.len() {
        1 => Ok(read.remove(0)),
        several => Err(wrong(format!("it must hold one document, not {several}"))),
    }
}

/// The object of a recorded case that its arguments name.
fn recorded_target(recorded: &Value, args: &[String]) -> Option<Value> {
    let is_named = |object: &&Value| {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        args.iter()
            .any(|typed| typed == name || typed.rsplit('/').next() == Some(name))
    };
    recorded["objects"].as_array()?.iter().find(is_named).cloned()
}

/// The options that a command line asks for.
fn options_of(typed: &[String], own_strategy: bool) -> Result<DebugOptions, CliError> {
    let flags = args::parse_debug(typed)?;
    let request = resolve::request(&flags.debug, &Defaults::default(), 1, own_strategy)?;
    Ok(request.options)
}

fn policies(
    folder: &Path,
    config: Option<&Path>,
    own: Vec<PolicyEntry>,
) -> Result<Vec<(PolicyEntry, PluginSource)>, CliError> {
    let config = match config {
        Some(path) => configuration::read_alone(&folder.join(path))?,
        None => Config::default(),
    };
    let configured = config.policies.iter().map(|policy| &policy.value);
    let all = configured.chain(&own).map(|entry| {
        let known = config
            .plugins
            .iter()
            .find(|plugin| plugin.value.name == entry.plugin());
        let source = match known.map(|plugin| &plugin.value) {
            Some(plugin) => PluginSource::Pinned(plugin.file.clone(), plugin.digest.clone()),
            None => match PluginSource::typed(entry.plugin()) {
                PluginSource::File(path) => PluginSource::File(folder.join(path)),
                other => other,
            },
        };
        (entry.clone(), source)
    });
    Ok(all.collect())
}
