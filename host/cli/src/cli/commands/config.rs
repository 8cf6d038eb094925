//! `trocar config`: the configuration as it is merged, and whether it holds.

use serde_json::{Map, Value, json};
use trocar::{
    API_VERSION, AuditError, Engine, EngineConfig,
    cluster::PluginPolicy,
    config::{AuditEntry, Config, Layer, PolicyEntry, Sourced},
    configured_source,
    documents::{harmless_json, to_json, to_yaml},
    policy_rule,
    text::plain,
};

use crate::cli::{
    args::{ConfigFileFlag, ConfigViewArgs, DocumentOutput},
    configuration,
    error::CliError,
    kuberc::Kuberc,
    resolve, ui,
};

pub(crate) fn view(args: &ConfigViewArgs) -> Result<(), CliError> {
    let mut config = configuration::load(args.file.config.as_deref())?;
    let kuberc = Kuberc::load(args.kuberc.as_deref())?;
    if let Some(kuberc) = &kuberc {
        kuberc.add_to(&mut config)?;
    }
    ui::output(&match args.output {
        DocumentOutput::Yaml => annotated(&config) + &kuberc.as_ref().map(preferences).unwrap_or_default(),
        DocumentOutput::Json => to_json(&with_origins(&config, kuberc.as_ref())),
    })
}

/// What a kuberc says besides, as comments: none of it can stand in a configuration.
fn preferences(kuberc: &Kuberc) -> String {
    let flags = kuberc.flags("debug");
    let flags = flags.iter().map(|flag| {
        format!(
            "# {} (kuberc): debug --{}={}\n",
            kuberc.place(flag),
            flag.name,
            flag.shown()
        )
    });
    let plugins = match &kuberc.plugins {
        PluginPolicy::AllowAll => String::new(),
        PluginPolicy::DenyAll => format!(
            "# {} (kuberc): no credential plugin may run\n",
            kuberc.file.display()
        ),
        PluginPolicy::Allowlist(list) => {
            format!(
                "# {} (kuberc): credential plugins that may run: {}\n",
                kuberc.file.display(),
                list.join(", ")
            )
        }
    };
    flags.collect::<String>() + &plugins
}

/// A part of the configuration and where it comes from.
struct Part {
    value: Value,
    place: String,
    layer: Layer,
}

fn parts<T: serde::Serialize>(list: &[Sourced<T>]) -> Vec<Part> {
    let part = |item: &Sourced<T>| Part {
        value: json!(item.value),
        place: item.origin().to_string(),
        layer: item.layer,
    };
    list.iter().map(part).collect()
}

/// The lists of a configuration, by name.
fn lists(config: &Config) -> [(&'static str, Vec<Part>); 5] {
    [
        ("plugins", parts(&config.plugins)),
        ("policies", parts(&config.policies)),
        ("audit", parts(&config.audit)),
        ("cleaners", parts(&config.cleaners)),
        ("registries", parts(&config.registries)),
    ]
}

fn annotated(config: &Config) -> String {
    let mut text = String::new();
    for file in &config.files {
        text += &format!("# {}\n", plain(&file.display().to_string()));
    }
    if config.files.is_empty() {
        text += "# there is no configuration file\n";
    }
    text += &format!("apiVersion: {API_VERSION}\nkind: Config\n");
    let defaults = json!(config.defaults);
    if !config.default_origins.is_empty() {
        text += "defaults:\n";
    }
    for default in &config.default_origins {
        let line = to_yaml(&[json!({default.value: defaults[default.value]})]);
        let place = plain(&default.origin().to_string());
        text += &format!("  # {place} ({})\n  {line}", layer(default.layer));
    }
    for (name, parts) in lists(config) {
        if !parts.is_empty() {
            text += &format!("{name}:\n");
        }
        for part in parts {
            text += &format!("# {} ({})\n", plain(&part.place), layer(part.layer));
            text += &list_item(part.value);
        }
    }
    for (index, trust) in parts(&config.trust).into_iter().enumerate() {
        let value = to_yaml(&[json!({"trust": trust.value})]);
        text += &format!("# {} ({})\n", plain(&trust.place), layer(trust.layer));
        // One file has one; what others say besides holds as well, but cannot stand in the same document.
        text += &match index {
            0 => value,
            _ => value.lines().map(|line| format!("# {line}\n")).collect(),
        };
    }
    if let Some(lock) = config.locks.first() {
        let place = plain(&lock.origin().to_string());
        text += &format!("# {place} ({})\nlock: required\n", layer(lock.layer));
    }
    if let Some(admission) = &config.admission {
        let place = plain(&admission.origin().to_string());
        let value = to_yaml(&[json!({"admission": admission.value})]);
        text += &format!("# {place} ({})\n{value}", layer(admission.layer));
    }
    text
}

/// An item of a list. One with hidden letters is written as JSON, in one line, since it stands among others.
fn list_item(value: Value) -> String {
    let json = harmless_json(&value.to_string());
    match json.contains("\\u") {
        true => format!("- {json}\n"),
        false => to_yaml(&[json!([value])]),
    }
}

fn layer(layer: Layer) -> &'static str {
    match layer {
        Layer::System => "system",
        Layer::User => "user",
        Layer::Flag => "--config",
        Layer::Kuberc => "kuberc",
    }
}

fn with_origins(config: &Config, kuberc: Option<&Kuberc>) -> Value {
    let mut document = json!({"apiVersion": API_VERSION, "kind": "Config", "defaults": config.defaults});
    let mut origins = Map::new();
    for default in &config.default_origins {
        origins.insert(
            format!("/defaults/{}", default.value),
            default.origin().to_string().into(),
        );
    }
    for (name, parts) in lists(config) {
        for (index, part) in parts.iter().enumerate() {
            origins.insert(format!("/{name}/{index}"), part.place.as_str().into());
        }
        if !parts.is_empty() || name != "registries" {
            document[name] = parts.into_iter().map(|part| part.value).collect();
        }
    }
    for (index, trust) in config.trust.iter().enumerate() {
        origins.insert(format!("/trust/{index}"), trust.origin().to_string().into());
    }
    if !config.trust.is_empty() {
        document["trust"] = config.trust.iter().map(|trust| json!(trust.value)).collect();
    }
    if let Some(lock) = config.locks.first() {
        origins.insert("/lock".into(), lock.origin().to_string().into());
        document["lock"] = "required".into();
    }
    if let Some(admission) = &config.admission {
        origins.insert("/admission".into(), admission.origin().to_string().into());
        document["admission"] = json!(admission.value);
    }
    if let Some(kuberc) = kuberc {
        let mut flags = Map::new();
        for flag in kuberc.flags("debug") {
            origins.insert(format!("/kuberc/flags/{}", flag.name), kuberc.place(&flag).into());
            flags.insert(flag.name.clone(), flag.shown().into());
        }
        document["kuberc"] = json!({"file": kuberc.file, "flags": flags});
    }
    document["origins"] = origins.into();
    document
}

pub(crate) fn check(args: &ConfigFileFlag) -> Result<(), CliError> {
    let config = configuration::load(args.config.as_deref())?;
    if config.files.is_empty() {
        return ui::output("there is no configuration file\n");
    }
    let engine = ui::engine(EngineConfig {
        cache: resolve::cache_folder(),
        ..EngineConfig::default()
    })?;
    let mut problems = 0;
    for plugin in &config.plugins {
        let entry = &plugin.value;
        let found = engine
            .find(&config, &configured_source(plugin))
            .and_then(|source| engine.describe(&source))
            .map_err(CliError::from);
        let checked = found.and_then(|_| resolve::grants(&entry.grants));
        problems += report(checked.map_err(|failed| failed.of(&plugin.origin().to_string())));
    }
    for policy in &config.policies {
        problems += report(check_policy(&engine, &config, policy));
    }
    for audit in &config.audit {
        problems += check_audit(audit);
    }
    if problems > 0 {
        return Err(CliError::new(format!(
            "the configuration has {problems} mistake{}",
            if problems == 1 { "" } else { "s" }
        )));
    }
    let files: String = config
        .files
        .iter()
        .map(|file| format!("{}\n", plain(&file.display().to_string())))
        .collect();
    ui::output(&format!(
        "{files}{} plugins, {} policies, {} audit sinks: no mistakes\n",
        config.plugins.len(),
        config.policies.len(),
        config.audit.len()
    ))
}

/// Tries the file of an audit. One that is not required and cannot be written is told, and is not a mistake.
fn check_audit(audit: &Sourced<AuditEntry>) -> usize {
    let Some(file) = &audit.value.file else {
        return 0;
    };
    let Err(source) = trocar::check_audit_file(file) else {
        return 0;
    };
    let error = AuditError {
        file: file.display().to_string(),
        is_required: audit.value.required,
        source,
    };
    let place = audit.origin().to_string();
    if error.is_required {
        return report::<()>(Err(CliError::from(error).of(&place)));
    }
    ui::warning(&format!("{place}: {error}"));
    0
}

fn report<T>(checked: Result<T, CliError>) -> usize {
    match checked {
        Ok(_) => 0,
        Err(failed) => {
            failed.report();
            1
        }
    }
}

/// Loads a policy, holds its settings against its schema, and lets it check what no schema can say.
fn check_policy(engine: &Engine, config: &Config, policy: &Sourced<PolicyEntry>) -> Result<(), CliError> {
    let rule = policy_rule(engine, config, policy)?;
    let place = |pointer: &str| policy.origin_of(&format!("/settings{pointer}")).to_string();
    let found = match engine.validate_settings(&rule.plugin, &rule.settings)? {
        Ok(found) => found,
        // Settings that fit the schema and not the code are a mistake in the plugin.
        Err(failure) => {
            let name = &rule.plugin.description().manifest().name;
            let failed = CliError::new(format!(
                "{}: the code of plugin {name:?} does not take settings that its schema allows: {failure}",
                place("")
            ));
            return Err(
                failed.hint("this is a bug in the plugin: its settingsSchema and its code have to agree")
            );
        }
    };
    let Some(first) = found.first() else {
        return Ok(());
    };
    let at = place(first.at.as_deref().unwrap_or_default());
    Err(CliError::new(format!("{at}: {}", ui::with_help(first))))
}
