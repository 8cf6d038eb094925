//! Preferences of kubectl: defaults for flags, aliases, and which credential plugins may run.
//!
//! Source: `pkg/kuberc` of kubectl 1.37. Differences: a file that cannot be understood is an error, also at its usual place,
//! since it may forbid credential plugins; `trocar plan` has the defaults of `debug`; the defaults that a configuration of
//! trocar's sets as well are weaker than those (`configured`).

use std::{
    env,
    ffi::OsString,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::{Map, Value};
use trocar::{
    cluster::PluginPolicy,
    config::{Config, Defaults},
    documents, strict,
};

use super::{error::CliError, resolve::read_bounded, ui};

/// The flags that trocar's own configuration can set, and its names for them.
const CONFIGURED: [(&str, &str); 6] = [
    ("image", "image"),
    ("image-pull-policy", "imagePullPolicy"),
    ("profile", "profile"),
    ("pod-running-timeout", "podRunningTimeout"),
    ("detach-keys", "detachKeys"),
    ("quiet", "quiet"),
];

/// The flags whose values are never shown.
const SECRET: [&str; 2] = ["token", "password"];

pub(crate) struct Kuberc {
    pub(crate) file: PathBuf,
    text: String,
    document: Document,
    /// A field that is not known.
    unknown: Option<String>,
    pub(crate) plugins: PluginPolicy,
}

/// A default for a flag, and where it stands.
pub(crate) struct FlagDefault {
    pub(crate) name: String,
    value: String,
    at: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Document {
    api_version: String,
    kind: String,
    #[serde(alias = "overrides")]
    defaults: Option<Vec<CommandDefaults>>,
    aliases: Option<Vec<Alias>>,
    credential_plugin_policy: String,
    credential_plugin_allowlist: Option<Vec<AllowlistEntry>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct CommandDefaults {
    command: String,
    #[serde(alias = "flags")]
    options: Option<Vec<OptionDefault>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct OptionDefault {
    name: String,
    default: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Alias {
    name: String,
    command: String,
    prepend_args: Option<Vec<String>>,
    append_args: Option<Vec<String>>,
    #[serde(alias = "flags")]
    options: Option<Vec<OptionDefault>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AllowlistEntry {
    name: String,
    command: String,
}

impl Kuberc {
    /// Finds and reads the file: the one that was typed, that of KUBERC, or the user's own where it is there.
    pub(crate) fn load(typed: Option<&Path>) -> Result<Option<Self>, CliError> {
        let variable = env::var_os("KUBERC").filter(|value| !value.is_empty());
        let is_off = variable.as_ref().is_some_and(|value| value == "off")
            || env::var("KUBECTL_KUBERC").is_ok_and(|value| value.eq_ignore_ascii_case("false"));
        let (file, must_be_there) = match (typed, variable) {
            (Some(_), _) if is_off => {
                return Err(CliError::usage(
                    "--kuberc cannot be used where KUBERC=off or KUBECTL_KUBERC=false",
                ));
            }
            _ if is_off => return Ok(None),
            (Some(file), _) => (file.to_owned(), true),
            (None, Some(file)) => (file.into(), true),
            (None, None) => match env::home_dir() {
                Some(home) => (home.join(".kube/kuberc"), false),
                None => return Ok(None),
            },
        };
        let text = match read_bounded(&file) {
            Err(error) if error.kind() == ErrorKind::NotFound && !must_be_there => return Ok(None),
            read => read
                .map_err(|error| CliError::new(format!("kuberc: cannot read {}: {error}", file.display())))?,
        };
        Self::parse(file.clone(), &text).map_err(|problem| {
            CliError::new(format!("kuberc: {}: {problem}", file.display())).hint("KUBERC=off ignores it")
        })
    }

    /// Reads a file's text; none where nothing is in it. No error quotes a value, which may be a token.
    fn parse(file: PathBuf, text: &[u8]) -> Result<Option<Self>, String> {
        let read = documents::read(text).map_err(|error| match (error.line, error.column) {
            (Some(line), Some(column)) => format!("it is not valid YAML at line {line}, column {column}"),
            _ => "it is not valid YAML".to_owned(),
        })?;
        if read.is_empty() {
            return Ok(None);
        }
        let is_preference = |document: &&Value| {
            document["kind"] == "Preference"
                && ["v1alpha1", "v1beta1"]
                    .iter()
                    .any(|version| document["apiVersion"] == format!("kubectl.config.k8s.io/{version}"))
        };
        let found = read.iter().find(is_preference);
        let found = found.ok_or("it is not a Preference of kubectl.config.k8s.io/v1beta1")?;
        let (document, unknown): (Document, _) = match strict::from_value(found) {
            Ok(document) => (document, None),
            Err(error) => {
                let place = error.at.trim_start_matches('/').replace('/', ".");
                let lenient = serde_json::from_value(found.clone());
                let document = lenient.map_err(|_| format!("{place}: it is not of the right type"))?;
                (document, Some(place))
            }
        };
        check(&document)?;
        Ok(Some(Self {
            plugins: plugin_policy(&document)?,
            text: String::from_utf8_lossy(text).into_owned(),
            document,
            unknown,
            file,
        }))
    }

    /// Warns of a field that is not known: it may be a mistyped one.
    pub(crate) fn warn(&self) {
        if let Some(place) = &self.unknown {
            ui::warning(&format!("kuberc: {}: {place} is not known", self.file.display()));
        }
    }

    /// The defaults for a command's flags, but for those that a configuration can set as well.
    pub(crate) fn flags(&self, command: &str) -> Vec<FlagDefault> {
        let all = self.of_command(command).into_iter();
        all.filter(|default| !is_configured(&default.name)).collect()
    }

    fn of_command(&self, command: &str) -> Vec<FlagDefault> {
        // A command of trocar's may have the name of another one of kubectl's.
        if !matches!(command, "debug" | "plan") {
            return Vec::new();
        }
        let entries = self.document.defaults.iter().flatten().enumerate();
        let of_command = entries.filter(|(_, entry)| entry.command.trim() == "debug");
        let options = of_command.flat_map(|(index, entry)| {
            let options = entry.options.iter().flatten().enumerate();
            options.map(move |(option, default)| FlagDefault {
                name: default.name.clone(),
                value: default.default.clone(),
                at: format!("/defaults/{index}/options/{option}"),
            })
        });
        options.collect()
    }

    /// Adds what a configuration can set as well, as its weakest layer.
    pub(crate) fn add_to(&self, config: &mut Config) -> Result<(), CliError> {
        let mut fields = Map::new();
        let mut places = Vec::new();
        for default in self.of_command("debug") {
            let Some((_, field)) = CONFIGURED.iter().find(|(flag, _)| *flag == default.name) else {
                continue;
            };
            let value = match *field {
                "quiet" => Value::Bool(self.switch(&default)?),
                _ => Value::String(default.value.clone()),
            };
            fields.insert((*field).to_owned(), value);
            places.push((*field, default.at));
        }
        let defaults: Defaults = serde_json::from_value(fields.into()).unwrap_or_default();
        config.add_weakest_defaults(&self.file, &self.text, defaults, &places);
        Ok(())
    }

    fn switch(&self, default: &FlagDefault) -> Result<bool, CliError> {
        let read = default.value.parse::<super::pflag::Switch>();
        read.map(|switch| switch.0).map_err(|problem| {
            CliError::usage(format!(
                "kuberc: {}: --{}: {problem}",
                self.place(default),
                default.name
            ))
        })
    }

    pub(crate) fn place(&self, default: &FlagDefault) -> String {
        let (line, column) = documents::locate(&self.text, &default.at).unwrap_or((1, 1));
        format!("{}:{line}:{column}", self.file.display())
    }

    /// The command line that an alias stands for: its command, then its first arguments, what was typed, and its last ones.
    /// None where there is no such alias.
    pub(crate) fn expanded(
        &self,
        alias: &str,
        typed: Vec<OsString>,
    ) -> Option<(OsString, Vec<OsString>, Vec<FlagDefault>)> {
        let mut aliases = self.document.aliases.iter().flatten().enumerate();
        let (index, alias) = aliases.find(|(_, known)| known.name == alias)?;
        let mut words = alias.command.split_whitespace().map(OsString::from);
        let command = words.next().unwrap_or_default();
        let arguments =
            |list: &Option<Vec<String>>| list.iter().flatten().map(OsString::from).collect::<Vec<_>>();
        let rest = words
            .chain(arguments(&alias.prepend_args))
            .chain(typed)
            .chain(arguments(&alias.append_args))
            .collect();
        let options = alias.options.iter().flatten().enumerate();
        let defaults = options.map(|(option, default)| FlagDefault {
            name: default.name.clone(),
            value: default.default.clone(),
            at: format!("/aliases/{index}/options/{option}"),
        });
        Some((command, rest, defaults.collect()))
    }
}

impl FlagDefault {
    /// As it is typed.
    pub(crate) fn word(&self) -> OsString {
        format!("--{}={}", self.name, self.value).into()
    }

    /// As it is shown.
    pub(crate) fn shown(&self) -> &str {
        if SECRET.contains(&self.name.as_str()) {
            "[hidden]"
        } else {
            &self.value
        }
    }
}

fn is_configured(flag: &str) -> bool {
    CONFIGURED.iter().any(|(known, _)| *known == flag)
}

fn check(document: &Document) -> Result<(), String> {
    let of_defaults = document
        .defaults
        .iter()
        .flatten()
        .filter_map(|entry| entry.options.as_ref());
    let of_aliases = document
        .aliases
        .iter()
        .flatten()
        .filter_map(|alias| alias.options.as_ref());
    if let Some(option) = of_defaults
        .chain(of_aliases)
        .flatten()
        .find(|option| option.name.starts_with('-'))
    {
        return Err(format!(
            "flag name {:?} must be in its long form without dashes",
            option.name
        ));
    }
    let mut names: Vec<&str> = document
        .aliases
        .iter()
        .flatten()
        .map(|alias| alias.name.as_str())
        .collect();
    if let Some(name) = names
        .iter()
        .find(|name| name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphabetic()))
    {
        return Err(format!("alias name {name:?} must be letters only"));
    }
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("there are two aliases with the name {:?}", pair[0])),
        None => Ok(()),
    }
}

fn plugin_policy(document: &Document) -> Result<PluginPolicy, String> {
    let policy = document.credential_plugin_policy.as_str();
    match (policy, &document.credential_plugin_allowlist) {
        ("" | "AllowAll" | "DenyAll", Some(_)) => {
            Err("credentialPluginAllowlist is for credentialPluginPolicy: Allowlist alone".into())
        }
        ("" | "AllowAll", None) => Ok(PluginPolicy::AllowAll),
        ("DenyAll", None) => Ok(PluginPolicy::DenyAll),
        ("Allowlist", Some(list)) if !list.is_empty() => {
            let commands: Result<Vec<String>, String> = list.iter().map(command).collect();
            Ok(PluginPolicy::Allowlist(commands?))
        }
        ("Allowlist", _) => {
            Err("credentialPluginPolicy: Allowlist needs entries in credentialPluginAllowlist".into())
        }
        (other, _) => Err(format!(
            "credentialPluginPolicy {other:?} is not AllowAll, DenyAll or Allowlist"
        )),
    }
}

/// The command of an entry; `name` is its older name.
fn command(entry: &AllowlistEntry) -> Result<String, String> {
    match (entry.command.as_str(), entry.name.as_str()) {
        ("", "") => Err("an entry of credentialPluginAllowlist has no command".into()),
        (command, name) if !command.is_empty() && !name.is_empty() && command != name => {
            Err("an entry of credentialPluginAllowlist has a name and another command".into())
        }
        ("", command) | (command, _) => Ok(command.to_owned()),
    }
}
