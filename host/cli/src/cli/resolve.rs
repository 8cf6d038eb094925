//! From what was typed to what the library needs: files are read here, defaults filled in, and each flag checked.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};
use trocar::{
    Context, DebugOptions, EnvVar, Keep, Limits, Target,
    capability::Grants,
    config::Defaults,
    documents,
    request::{self, DebugRequest},
    text,
};

use super::{
    args::{DebugFlags, PluginFlags},
    as_target,
    connect::duration,
    error::CliError,
    pflag::{Switch, pairs},
    words,
};

/// Makes a request of the flags and checks it.
pub(crate) fn request(
    flags: &DebugFlags,
    defaults: &Defaults,
    targets: usize,
    own_strategy: bool,
) -> Result<DebugRequest, CliError> {
    let typed = |switch: Option<Switch>| switch.map(|switch| switch.0);
    let on = |switch: Option<Switch>, default: bool| typed(switch).unwrap_or(default);
    let env = flag_pairs("env", &flags.env)?;
    let set_image = flag_pairs("set-image", &flags.set_image)?;
    let profile = flags.profile.as_deref().or(defaults.profile.as_deref());
    let profile = request::profile(profile.unwrap_or("general")).map_err(|unknown| {
        let failed = CliError::usage(unknown.to_string()).kubectls();
        match &unknown.nearest {
            Some(nearest) => failed.hint(format!("did you mean --profile={nearest}?")),
            None => failed,
        }
    })?;
    let custom = flags.custom.as_deref().map(custom).transpose()?.flatten();
    let (stdin, tty) = (on(flags.stdin, false), on(flags.tty, false));
    let attach = typed(flags.attach);
    let as_root = on(flags.as_target.as_root, false);
    let options = DebugOptions {
        image: non_empty(&flags.image).or_else(|| default_image(flags, defaults, own_strategy)),
        args: flags.command.clone(),
        arguments_only: on(flags.arguments_only, false),
        env: env
            .into_iter()
            .map(|(name, value)| EnvVar { name, value })
            .collect(),
        container: non_empty(&flags.container),
        target_container: non_empty(&flags.target),
        stdin,
        // Without it a program never learns of the end of its input, as with kubectl. A terminal may be attached to again.
        stdin_once: stdin && !tty && attach != Some(false),
        tty,
        image_pull_policy: non_empty(&flags.image_pull_policy).or_else(|| defaults.image_pull_policy.clone()),
        profile,
        custom,
        copy_to: non_empty(&flags.copy_to),
        replace: on(flags.replace, false),
        same_node: on(flags.same_node, false),
        share_processes: typed(flags.share_processes),
        set_image: set_image.into_iter().collect(),
        keep: Keep {
            labels: typed(flags.keep_labels),
            annotations: typed(flags.keep_annotations),
            liveness: typed(flags.keep_liveness),
            readiness: typed(flags.keep_readiness),
            startup: typed(flags.keep_startup),
            init_containers: typed(flags.keep_init_containers),
        },
        inherit: as_target::inherit(&flags.as_target.inherit, as_root)?,
        as_root,
        pull_secrets: flags.as_target.pull_secret.clone(),
        priority_class: non_empty(&flags.as_target.priority_class),
        tolerate_all: on(flags.as_target.tolerate_all, false),
    };
    let request = DebugRequest {
        options,
        attach,
        targets,
        own_strategy,
        time_to_live: time_to_live(flags, defaults)?,
    };
    request::check(&request)?;
    Ok(request)
}

/// The seconds of `--ttl`, or of the default for it: that one does not hold for a copy that is the workload.
fn time_to_live(flags: &DebugFlags, defaults: &Defaults) -> Result<Option<u64>, CliError> {
    let is_replaced = flags.replace.is_some_and(|switch| switch.0);
    let default = defaults.ttl.as_ref().filter(|_| !is_replaced);
    let Some(typed) = flags.ttl.as_ref().or(default) else {
        return Ok(None);
    };
    if is_replaced {
        return Err(CliError::usage(
            "--ttl cannot be used with --replace: the copy takes the workload's place",
        ));
    }
    match duration("ttl", typed)?.as_secs() {
        0 => Err(CliError::usage(format!(
            "--ttl={typed}: a pod's time to live is at least one second"
        ))),
        seconds => Ok(Some(seconds)),
    }
}

/// The configured image, where the command would make no sense without one.
fn default_image(flags: &DebugFlags, defaults: &Defaults, own_strategy: bool) -> Option<String> {
    let is_copy = flags.copy_to.as_deref().is_some_and(|name| !name.is_empty());
    let changes_something = !flags.set_image.is_empty() || flags.container.is_some();
    let needs_image = !(own_strategy || is_copy && changes_something);
    defaults.image.clone().filter(|_| needs_image)
}

fn non_empty(typed: &Option<String>) -> Option<String> {
    typed.clone().filter(|text| !text.is_empty())
}

/// Later values of a key win, each key keeps its first place.
fn flag_pairs(flag: &str, typed: &[String]) -> Result<Vec<(String, String)>, CliError> {
    let mut read: Vec<(String, String)> = Vec::new();
    for item in typed {
        let found = pairs(item).map_err(|reason| {
            CliError::usage(format!(
                "invalid argument {item:?} for \"--{flag}\" flag: {reason}"
            ))
        })?;
        for (key, value) in found {
            // kubectl keeps the pairs in a map of Go, whose order changes from run to run.
            match read.iter_mut().find(|(known, _)| *known == key) {
                Some((_, old)) => *old = value,
                None => read.push((key, value)),
            }
        }
    }
    Ok(read)
}

/// Reads the partial container of `--custom`; none when the file is empty.
fn custom(path: &Path) -> Result<Option<Map<String, Value>>, CliError> {
    let text = fs::read(path).map_err(|error| {
        // Go opens a folder without an error and fails to read it.
        let step = match error.kind() {
            io::ErrorKind::IsADirectory => "read",
            _ => "open",
        };
        CliError::new(format!(
            "must pass a container spec json file for custom profile: {step} {}: {}",
            path.display(),
            kubectls_words(&error)
        ))
        .kubectls()
    })?;
    let invalid = |reason: String| {
        CliError::new(format!(
            "{} does not contain a valid container spec: {reason}",
            path.display()
        ))
    };
    let mut read = documents::read(&text).map_err(|error| invalid(error.to_string()))?;
    match read.len() {
        // As kubectl: an empty file changes nothing.
        0 => Ok(None),
        1 => {
            let container = read.remove(0);
            let checked = request::custom(&container).map_err(|error| {
                let invalid = |reason: String| invalid(reason).hints(words::after_custom(&error.at));
                let place = std::str::from_utf8(&text)
                    .ok()
                    .and_then(|text| documents::locate(text, &error.at));
                match place {
                    Some((line, column)) => invalid(format!("line {line}, column {column}: {error}")),
                    None => invalid(error.to_string()),
                }
            })?;
            Ok(Some(checked))
        }
        several => Err(invalid(format!("it holds {several} documents"))),
    }
}

/// As Go writes the commonest errors of the operating system.
fn kubectls_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        io::ErrorKind::IsADirectory => "is a directory".into(),
        _ => error.to_string(),
    }
}

/// The namespace that was typed; an empty one is none.
pub(crate) fn namespace(typed: &Option<String>) -> Option<&str> {
    typed.as_deref().filter(|namespace| !namespace.is_empty())
}

/// Reads all targets of the files; `-` is standard input, and a folder stands for the files in it.
pub(crate) fn file_targets(files: &[PathBuf], namespace: Option<&str>) -> Result<Vec<Target>, CliError> {
    let mut targets = Vec::new();
    let mut all = Vec::new();
    for file in files {
        if file.is_dir() {
            all.extend(files_of(file)?);
        } else {
            all.push(file.clone());
        }
    }
    for file in &all {
        let name = file.display();
        let read =
            documents::read(&read_file(file)?).map_err(|error| CliError::new(format!("{name}: {error}")))?;
        if read.is_empty() {
            return Err(CliError::new(format!("{name}: it holds no object")).hint(WRITES_OBJECT));
        }
        for object in documents::flatten(read) {
            check_kind(file, &object)?;
            let target = Target::new(object, namespace.unwrap_or("default"))
                .map_err(|error| CliError::from(error).of(&name.to_string()))?;
            check_namespace(&target, namespace)?;
            targets.push(target);
        }
    }
    Ok(targets)
}

const WRITES_OBJECT: &str = "kubectl get pod NAME -o yaml writes such a file";

/// The files of a folder that kubectl reads: those whose name says that they hold objects, by name.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let failed = |error: io::Error| CliError::new(format!("cannot read {}: {error}", folder.display()));
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let holds_objects = ["json", "yaml", "yml"]
            .iter()
            .any(|ending| path.extension() == Some(ending.as_ref()));
        if holds_objects && path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(CliError::new(format!(
            "error reading [{}]: recognized file extensions are [.json .yaml .yml]",
            folder.display()
        ))
        .kubectls());
    }
    files.sort();
    Ok(files)
}

/// An object that does not say what it is is told from one of a kind that cannot be debugged.
fn check_kind(file: &Path, object: &Value) -> Result<(), CliError> {
    let Some(fields) = object.as_object() else {
        return Err(
            CliError::new(format!("{}: it does not hold an object", file.display())).hint(WRITES_OBJECT),
        );
    };
    for (field, name) in [("kind", "Kind"), ("apiVersion", "apiVersion")] {
        if fields.get(field).is_none_or(|value| *value == "") {
            let shown: String = object.to_string().chars().take(1000).collect();
            let file = file.display().to_string();
            return Err(CliError::new(format!(
                "unable to decode {file:?}: Object '{name}' is missing in '{shown}'"
            ))
            .kubectls());
        }
    }
    Ok(())
}

/// Reads a whole file of a sensible size; `-` is standard input.
pub(crate) fn read_file(file: &Path) -> Result<Vec<u8>, CliError> {
    let failed = |error: io::Error| {
        if error.kind() == io::ErrorKind::NotFound {
            return CliError::new(format!(
                "the path {:?} does not exist",
                file.display().to_string()
            ))
            .kubectls();
        }
        CliError::new(format!("cannot read {}: {error}", file.display()))
    };
    let mut text = Vec::new();
    let limit = documents::LARGEST + 1;
    if file == Path::new("-") {
        io::stdin()
            .lock()
            .take(limit)
            .read_to_end(&mut text)
            .map_err(failed)?;
    } else {
        let file = fs::File::open(file).map_err(failed)?;
        file.take(limit).read_to_end(&mut text).map_err(failed)?;
    }
    if text.len() as u64 == limit {
        return Err(CliError::new(format!(
            "{} is larger than the {} MiB that are read",
            file.display(),
            documents::LARGEST >> 20
        )));
    }
    Ok(text)
}

/// Reads a file, which may be a pipe; of one that is too large as much as shows that it is.
pub(crate) fn read_bounded(file: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    fs::File::open(file)?
        .take(documents::LARGEST + 1)
        .read_to_end(&mut text)?;
    Ok(text)
}

/// A namespace that was typed and one that the object names must be the same.
fn check_namespace(target: &Target, typed: Option<&str>) -> Result<(), CliError> {
    match (typed, &target.id().namespace) {
        (Some(typed), Some(named)) if typed != named => Err(CliError::new(format!(
            "the namespace from the provided object {named:?} does not match the namespace {typed:?}. You must pass \
             '--namespace={named}' to perform this operation."
        ))
        .kubectls()),
        _ => Ok(()),
    }
}

/// The limits, with what was typed.
pub(crate) fn limits(typed: &[String]) -> Result<Limits, CliError> {
    let mut limits = Limits::default();
    for item in typed {
        limits
            .set(item)
            .map_err(|reason| CliError::usage(format!("--limit: {reason}")))?;
    }
    Ok(limits)
}

pub(crate) fn grants(typed: &[String]) -> Result<Grants, CliError> {
    let mut grants = Grants::default();
    for name in typed {
        grants
            .add(name)
            .map_err(|reason| CliError::usage(format!("--grant: {reason}")))?;
    }
    Ok(grants)
}

/// The strategy's settings, from `--set`.
pub(crate) fn settings(flags: &PluginFlags) -> Result<Map<String, Value>, CliError> {
    let mut settings = Map::new();
    for item in &flags.set {
        let (name, value) = item
            .split_once('=')
            .ok_or_else(|| CliError::usage(format!("--set: {item:?} must be formatted as NAME=VALUE")))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        settings.insert(name.to_owned(), value);
    }
    Ok(settings)
}

/// Time, namespace and suffix, as data.
pub(crate) fn context(namespace: Option<&str>, suffix: Option<&str>) -> Result<Context, CliError> {
    let suffix = match suffix {
        Some(typed) => checked_suffix(typed)?,
        None => {
            let mut random = [0; 8];
            getrandom::fill(&mut random)
                .map_err(|error| CliError::new(format!("the system gives no random bytes: {error}")))?;
            trocar::names::suffix(u64::from_ne_bytes(random))
        }
    };
    Ok(Context {
        namespace: namespace.unwrap_or("default").to_owned(),
        suffix,
        time: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    })
}

fn checked_suffix(typed: &str) -> Result<String, CliError> {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if (1..=20).contains(&typed.len()) && typed.bytes().all(letter) {
        return Ok(typed.to_owned());
    }
    Err(CliError::usage(format!(
        "--suffix: {typed:?} is not 1 to 20 lower-case letters and digits"
    )))
}

/// The reason, which is shown to people and written to logs: one line of a sensible length.
pub(crate) fn reason(typed: Option<&str>) -> Result<Option<String>, CliError> {
    const LONGEST: usize = 1000;
    let Some(reason) = typed.map(str::trim).filter(|reason| !reason.is_empty()) else {
        return Ok(None);
    };
    if reason.chars().any(text::is_hidden) {
        return Err(CliError::usage(
            "--reason must be one line without control characters",
        ));
    }
    if reason.len() > LONGEST {
        return Err(CliError::usage(format!(
            "--reason is longer than {LONGEST} bytes"
        )));
    }
    Ok(Some(reason.to_owned()))
}

/// Where compiled plugins are kept: below `XDG_CACHE_HOME`, else `~/.cache`.
pub(crate) fn cache_folder() -> Option<PathBuf> {
    cache("components")
}

/// A folder for what can be made again, beside the compiled plugins.
pub(crate) fn cache(name: &str) -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        // The XDG specification has relative paths ignored.
        .filter(|path| path.is_absolute());
    let base = base.or_else(|| std::env::home_dir().map(|home| home.join(".cache")))?;
    Some(base.join("trocar").join(name))
}
