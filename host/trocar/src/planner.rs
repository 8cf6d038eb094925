//! The planner: selects and loads the strategy and policies of a debug, with settings and grants, each once. Offline.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value, json};
use trocar_core::{
    capability::{ClusterReader, Grants},
    config::{Cleaner, Config, Layer, PluginEntry, PolicyEntry, Sourced},
    manifest::{PluginManifest, PluginType},
    plan::{DebugPlan, Mode},
    planning::{Draft, Proposal, StoredOtherwise, TimeToLive, default_strategy, strategy_names},
    policy::Match,
    registry::RegistrySource,
    request::{self, DebugRequest},
    settings::{SettingsProblem, check_settings},
    target::Target,
};
use trocar_runtime::{
    LogLine,
    plugin::{self, Plugin, PluginSource},
};
use trocar_sdk::{Actor, Context, Object};

use crate::{
    engine::{Engine, PlanRequest, PluginLog, PolicyRule},
    error::{PlannerError, SettingsOf},
};

/// Plugins that a user chose for one debug, in addition to those of the configuration.
#[derive(Clone, Debug, Default)]
pub struct PluginChoice {
    /// The strategy: a default or configured name, or a file. None for the default one for target and options.
    pub strategy: Option<String>,
    /// The strategy's settings.
    pub settings: Map<String, Value>,
    /// The capabilities granted to the plugins chosen here.
    pub grants: Grants,
    /// Policies in addition to the configured ones: names or files.
    pub policies: Vec<String>,
}

type LogSink = Arc<dyn Fn(&str, &[LogLine]) + Send + Sync>;

type UnreadSink = Arc<dyn Fn(&str, &[String]) + Send + Sync>;

/// Plans debugs. Plugins are loaded when they are first needed.
pub struct Planner {
    engine: Engine,
    config: Config,
    choice: PluginChoice,
    strategies: BTreeMap<String, Strategy>,
    /// The configured policies, by their names.
    policies: BTreeMap<String, PolicyRule>,
    /// The chosen policies, separate so that one can never replace a configured policy of the same name.
    chosen: BTreeMap<String, PolicyRule>,
    reader: Option<Arc<dyn ClusterReader>>,
    log: Option<LogSink>,
    unread: Option<UnreadSink>,
}

struct Strategy {
    plugin: Plugin,
    /// The configured name, else that in the manifest, which cannot be a configured plugin's.
    name: String,
    settings: String,
}

impl Planner {
    /// Creates a planner with the policies and defaults of a configuration.
    pub fn new(engine: Engine, config: &Config) -> Self {
        Self {
            engine,
            config: config.clone(),
            choice: PluginChoice::default(),
            strategies: BTreeMap::new(),
            policies: BTreeMap::new(),
            chosen: BTreeMap::new(),
            reader: None,
            log: None,
            unread: None,
        }
    }

    /// Uses the policies and defaults of a configuration.
    #[must_use]
    pub fn with_config(mut self, config: &Config) -> Self {
        self.config = config.clone();
        self.unload()
    }

    /// Uses plugins in addition to those of the configuration.
    #[must_use]
    pub fn with_plugins(mut self, choice: PluginChoice) -> Self {
        self.choice = choice;
        self.unload()
    }

    /// Drops plugins that were loaded under other rules.
    fn unload(mut self) -> Self {
        self.strategies.clear();
        self.policies.clear();
        self.chosen.clear();
        self
    }

    /// Sets the reader for plugins that were granted `cluster-read`.
    #[must_use]
    pub fn with_reader(mut self, reader: Arc<dyn ClusterReader>) -> Self {
        self.reader = Some(reader);
        self
    }

    /// Sets the receiver of logs: the plugin's or policy's name, and the lines of one call.
    #[must_use]
    pub fn with_log(mut self, log: impl Fn(&str, &[LogLine]) + Send + Sync + 'static) -> Self {
        self.log = Some(Arc::new(log));
        self
    }

    /// Sets a function that is called once with the options that make no difference to a strategy's plan: the strategy's name, and
    /// field names. Finding them calls the strategy once more for each option that is set.
    #[must_use]
    pub fn with_unread(mut self, unread: impl Fn(&str, &[String]) + Send + Sync + 'static) -> Self {
        self.unread = Some(Arc::new(unread));
        self
    }

    /// Returns true if there may be policies, which need the user's identity.
    pub fn has_policies(&self) -> bool {
        !self.config.policies.is_empty() || !self.choice.policies.is_empty()
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Plans a debug: strategy, guard rails, policies, guard rails again, rights.
    ///
    /// Blocks while plugins run, each within its time limit.
    ///
    /// # Errors
    /// Fails when the request contradicts itself, when a plugin cannot be loaded or refuses, when policies deny the plan, and when it
    /// breaks a guard rail.
    pub fn plan(
        &mut self,
        request: &DebugRequest,
        target: &Target,
        context: &Context,
        actor: &Actor,
    ) -> Result<DebugPlan, PlannerError> {
        let draft = self.draft(request, target, context, actor)?;
        Ok(draft.into_plan())
    }

    pub(crate) fn draft(
        &mut self,
        request: &DebugRequest,
        target: &Target,
        context: &Context,
        actor: &Actor,
    ) -> Result<Draft, PlannerError> {
        request::check(request)?;
        let strategy = self.strategy_for(request, target);
        self.load_strategy(&strategy)?;
        self.load_policies(&strategy, target, context, actor)?;
        let drafted = self.ask(
            &strategy,
            request,
            target,
            context,
            actor,
            |engine, request, logs| engine.draft(request, logs),
        );
        if drafted.is_ok() && self.unread.is_some() {
            let options = self.ask(
                &strategy,
                request,
                target,
                context,
                actor,
                |engine, request, _| engine.unread_options(request),
            );
            // Reported once.
            if let Some(unread) = self.unread.take_if(|_| !options.is_empty()) {
                unread(&self.strategies[&strategy].name, &options);
            }
        }
        drafted.map_err(|error| PlannerError::Plan(Box::new(error)))
    }

    /// Compares what a server stored with a draft of this planner. Policies review the differences; none if there are none.
    pub(crate) fn judge_stored(
        &self,
        request: &DebugRequest,
        draft: &Draft,
        stored: &Value,
        context: &Context,
        actor: &Actor,
    ) -> Option<StoredOtherwise> {
        self.ask(
            &self.strategy_for(request, draft.target()),
            request,
            draft.target(),
            context,
            actor,
            |engine, request, logs| engine.judge_stored(request, draft, stored, logs),
        )
    }

    fn strategy_for(&self, request: &DebugRequest, target: &Target) -> String {
        let typed = self
            .choice
            .strategy
            .as_ref()
            .or(self.config.defaults.strategy.as_ref());
        match typed {
            Some(typed) => typed.clone(),
            None => default_strategy(target.id().kind, &request.options).to_owned(),
        }
    }

    /// Calls the engine with the loaded plugins, and reports their logs.
    fn ask<T>(
        &self,
        strategy: &str,
        request: &DebugRequest,
        target: &Target,
        context: &Context,
        actor: &Actor,
        ask: impl FnOnce(&Engine, &PlanRequest<'_>, &mut Vec<PluginLog>) -> T,
    ) -> T {
        let strategy = &self.strategies[strategy];
        let mut logs = Vec::new();
        let cleaners: Vec<Cleaner> = self.config.cleaners.iter().map(|cleaner| cleaner.value).collect();
        let answer = ask(
            &self.engine,
            &PlanRequest {
                target,
                options: &request.options,
                strategy: &strategy.plugin,
                strategy_name: Some(&strategy.name),
                settings: &strategy.settings,
                context,
                actor,
                policies: &self.rules(),
                reader: self.reader.as_ref(),
                time_to_live: request.time_to_live.map(|seconds| TimeToLive {
                    seconds,
                    cleaners: &cleaners,
                }),
            },
            &mut logs,
        );
        self.show(&logs);
        answer
    }

    /// Lets policies judge an existing debug container, as if it were added now. `strategy` is the default strategy that would add
    /// one like it, `target` the pod without it.
    pub(crate) fn judge_present(
        &mut self,
        strategy: &str,
        target: &Target,
        container: &Object,
        context: &Context,
        actor: &Actor,
    ) -> Result<Draft, PlannerError> {
        self.load_strategy(strategy)?;
        self.load_policies(strategy, target, context, actor)?;
        let present = Proposal {
            steps: vec![("add-ephemeral-container".into(), json!(container).to_string())],
            attach: trocar_sdk::pod::text(container, "name").map(str::to_owned),
            ..Proposal::default()
        };
        let request = DebugRequest::default();
        let drafted = self.ask(
            strategy,
            &request,
            target,
            context,
            actor,
            |engine, request, logs| engine.draft_of(request, present, logs),
        );
        drafted.map_err(|error| PlannerError::Plan(Box::new(error)))
    }

    fn show(&self, logs: &[PluginLog]) {
        if let Some(log) = &self.log {
            logs.iter()
                .for_each(|of_plugin| log(&of_plugin.plugin, &of_plugin.lines));
        }
    }

    /// The loaded policies in the order of their reviews: configured ones, then chosen ones.
    fn rules(&self) -> Vec<&PolicyRule> {
        let configured = self.config.policies.iter();
        let configured = configured.filter_map(|policy| self.policies.get(&policy.value.name));
        let chosen = self
            .choice
            .policies
            .iter()
            .filter_map(|name| self.chosen.get(name));
        configured.chain(chosen).collect()
    }

    fn load_strategy(&mut self, typed: &str) -> Result<(), PlannerError> {
        if self.strategies.contains_key(typed) {
            return Ok(());
        }
        let mut named = named(&self.config, typed, None);
        named.grants.add_all(&self.choice.grants);
        let plugin = loaded(&self.engine, &self.config, &named, PluginType::Strategy)?;
        let settings = Value::Object(self.choice.settings.clone());
        let manifest = plugin.description().manifest();
        if let Some(problem) = settings_problem(manifest, &settings)? {
            return Err(PlannerError::Settings {
                of: SettingsOf::Strategy(typed.to_owned()),
                problem,
            });
        }
        let strategy = Strategy {
            name: named.name.unwrap_or_else(|| manifest.name.clone()),
            settings: settings.to_string(),
            plugin,
        };
        self.strategies.insert(typed.to_owned(), strategy);
        Ok(())
    }

    /// Loads the policies that match this debug. Others are not even read, which saves time at the start.
    fn load_policies(
        &mut self,
        strategy: &str,
        target: &Target,
        context: &Context,
        actor: &Actor,
    ) -> Result<(), PlannerError> {
        let strategy = &self.strategies[strategy];
        let is_default = strategy.plugin.description().is_default();
        let names = strategy_names(&strategy.name, is_default, target.id().kind);
        for policy in &self.config.policies {
            let entry = &policy.value;
            let is_matching = entry.matches.holds(&names, target, &context.namespace, actor);
            if is_matching && !self.policies.contains_key(&entry.name) {
                let rule = policy_rule(&self.engine, &self.config, policy)?;
                self.policies.insert(entry.name.clone(), rule);
            }
        }
        for typed in &self.choice.policies {
            if !self.chosen.contains_key(typed) {
                let rule = chosen_rule(&self.engine, &self.config, typed, &self.choice.grants)?;
                self.chosen.insert(typed.clone(), rule);
            }
        }
        Ok(())
    }
}

/// A plugin that was named, with its source and grants.
struct Named {
    /// The default or configured name; none for a file.
    name: Option<String>,
    source: PluginSource,
    grants: Grants,
}

/// Resolves what was typed: a configured name, a default one, a reference or a file.
///
/// A policy can only use plugins of its own layer and of stronger ones.
fn named(config: &Config, typed: &str, policy: Option<&Sourced<PolicyEntry>>) -> Named {
    let is_visible = |layer| policy.is_none_or(|policy| layer <= policy.layer);
    let mut plugins = config.plugins.iter();
    let configured = plugins.find(|plugin| plugin.value.name == typed && is_visible(plugin.layer));
    match configured.map(|plugin| (&plugin.value, configured_source(plugin))) {
        Some((entry, source)) => Named {
            name: Some(entry.name.clone()),
            source,
            // Unknown names were refused when the configuration was read.
            grants: Grants::parse(&entry.grants).unwrap_or_default(),
        },
        None => {
            let source = PluginSource::typed(typed);
            Named {
                name: matches!(source, PluginSource::Default(_)).then(|| typed.to_owned()),
                source,
                grants: Grants::default(),
            }
        }
    }
}

/// The source of a configured plugin. Those of the system's layer must be in files that only root can change.
pub fn configured_source(plugin: &Sourced<PluginEntry>) -> PluginSource {
    let PluginEntry {
        file, digest, source, ..
    } = &plugin.value;
    let is_systems = plugin.layer == Layer::System;
    if let Some(reference) = source {
        return PluginSource::Registry(RegistrySource {
            reference: reference.clone(),
            configured: Some((plugin.value.name.clone(), plugin.file.clone())),
            component: (!digest.is_empty()).then(|| digest.clone()),
            is_systems,
        });
    }
    match is_systems {
        true => PluginSource::System(file.clone(), digest.clone()),
        false => PluginSource::Pinned(file.clone(), digest.clone()),
    }
}

/// The source of what was typed: a configured name, a default one, a reference or a file.
pub fn source_named(config: &Config, typed: &str) -> PluginSource {
    named(config, typed, None).source
}

/// Checks that a plugin's manifest does not have the name of a default or another configured plugin.
fn check_own_name(config: &Config, named: &Named, plugin: &Plugin) -> Result<(), PlannerError> {
    let description = plugin.description();
    if description.is_default() {
        return Ok(());
    }
    let own = &description.manifest().name;
    let is_default = plugin::is_default_name(own);
    let is_configured = config.plugins.iter().any(|known| known.value.name == *own);
    // Policies match strategies by name: with a name that is taken, a plugin would get past them.
    let is_taken = is_default || is_configured && named.name.as_ref() != Some(own);
    if !is_taken {
        return Ok(());
    }
    Err(PlannerError::NameTaken {
        file: named.source.to_string(),
        name: own.clone(),
        is_default,
    })
}

/// Resolves a plugin, checks it by the trust rules, and loads it.
fn loaded(
    engine: &Engine,
    config: &Config,
    named: &Named,
    wanted: PluginType,
) -> Result<Plugin, PlannerError> {
    let source = engine.find(config, &named.source)?;
    let plugin = engine.load(&source, wanted, &named.grants)?;
    check_own_name(config, named, &plugin)?;
    Ok(plugin)
}

/// Loads a configured policy and checks its settings against the plugin's schema.
///
/// # Errors
/// Fails when the plugin cannot be loaded, and when the settings are invalid.
pub fn policy_rule(
    engine: &Engine,
    config: &Config,
    policy: &Sourced<PolicyEntry>,
) -> Result<PolicyRule, PlannerError> {
    let entry = &policy.value;
    let named = named(config, entry.plugin(), Some(policy));
    let of_policy = |error: PlannerError| PlannerError::Policy {
        place: policy.origin().to_string(),
        policy: entry.name.clone(),
        error: Box::new(error),
    };
    let plugin = loaded(engine, config, &named, PluginType::Policy).map_err(of_policy)?;
    let settings = Value::Object(entry.settings.clone());
    if let Some(problem) = settings_problem(plugin.description().manifest(), &settings)? {
        let place = policy.origin_of(&format!("/settings{}", problem.at));
        return Err(PlannerError::Settings {
            of: SettingsOf::Configured {
                place: place.to_string(),
                policy: entry.name.clone(),
                plugin: named.source.to_string(),
            },
            problem,
        });
    }
    Ok(PolicyRule {
        name: entry.name.clone(),
        plugin,
        mode: entry.mode,
        matches: entry.matches.clone(),
        settings: settings.to_string(),
    })
}

fn chosen_rule(
    engine: &Engine,
    config: &Config,
    typed: &str,
    grants: &Grants,
) -> Result<PolicyRule, PlannerError> {
    let mut named = named(config, typed, None);
    named.grants.add_all(grants);
    let plugin = loaded(engine, config, &named, PluginType::Policy)?;
    let manifest = plugin.description().manifest();
    if let Some(problem) = settings_problem(manifest, &Value::Object(Map::new()))? {
        return Err(PlannerError::Settings {
            of: SettingsOf::Chosen(typed.to_owned()),
            problem,
        });
    }
    Ok(PolicyRule {
        name: manifest.name.clone(),
        plugin,
        mode: Mode::Enforce,
        matches: Match::default(),
        settings: "{}".into(),
    })
}

/// The first problem of settings, by the schema in a plugin's manifest.
fn settings_problem(
    manifest: &PluginManifest,
    settings: &Value,
) -> Result<Option<SettingsProblem>, PlannerError> {
    settings_problems(manifest, settings).map(|problems| problems.into_iter().next())
}

/// Checks settings by the schema in a plugin's manifest.
///
/// # Errors
/// Fails when the manifest's schema is malformed, which is the plugin's fault.
pub fn settings_problems(
    manifest: &PluginManifest,
    settings: &Value,
) -> Result<Vec<SettingsProblem>, PlannerError> {
    let Some(schema) = &manifest.settings_schema else {
        let has_none = settings.as_object().is_none_or(Map::is_empty);
        let problem = SettingsProblem {
            at: String::new(),
            message: format!("plugin {:?} has no settings", manifest.name),
        };
        return Ok(if has_none { Vec::new() } else { vec![problem] });
    };
    check_settings(schema, settings).map_err(|error| PlannerError::Schema {
        plugin: manifest.name.clone(),
        problem: error.to_string(),
    })
}
