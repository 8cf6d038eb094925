//! Making checked plans for the commands: which strategy and which policies, with which settings, loaded once each.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;
use trocar::{
    Actor, Context, DebugOptions, DebugPlan, Engine, EngineConfig, PlanError, PlanRequest, Severity, Target,
    capability::{ClusterReader, Grants},
    config::{Config, PolicyEntry, Sourced},
    plan::{Mode, Step},
    plugin::{Plugin, PluginSource, PluginType},
    policy::{Match, PolicyRule},
    request::ignored_flags,
    target::TargetKind,
};

use super::{
    args::{PluginFlags, PolicyFlags},
    error::CliError,
    resolve, settings_cache, ui,
};

/// Makes plans.
pub(crate) struct Planner<'a> {
    engine: Engine,
    flags: &'a PluginFlags,
    policy_flags: &'a PolicyFlags,
    config: &'a Config,
    strategies: BTreeMap<String, Plugin>,
    /// The configured policies, by their names.
    policies: BTreeMap<String, PolicyRule>,
    /// Those of `--policy`. What is typed never stands in the place of what is configured, whatever its name.
    typed_policies: BTreeMap<String, PolicyRule>,
    reader: Option<Arc<dyn ClusterReader>>,
}

/// A plan, and whether somebody else's plugin made it what it is.
pub(crate) struct Made {
    pub(crate) plan: DebugPlan,
    /// Its strategy is not a default plugin, or a policy that is not one changed it.
    pub(crate) is_foreign: bool,
}

/// Why there is no plan: to be shown, or to be written down first.
pub(crate) enum NoPlan {
    /// A policy does not let it pass.
    Denied(PlanError),
    Failed(CliError),
}

impl From<CliError> for NoPlan {
    fn from(failed: CliError) -> Self {
        Self::Failed(failed)
    }
}

impl From<NoPlan> for CliError {
    fn from(no_plan: NoPlan) -> Self {
        match no_plan {
            NoPlan::Denied(error) => error.into(),
            NoPlan::Failed(failed) => failed,
        }
    }
}

impl<'a> Planner<'a> {
    /// Makes a planner; nothing is loaded before the first plan.
    pub(crate) fn new(
        flags: &'a PluginFlags,
        policy_flags: &'a PolicyFlags,
        config: &'a Config,
        reader: Option<Arc<dyn ClusterReader>>,
    ) -> Result<Self, CliError> {
        let is_path = |typed: &String| matches!(PluginSource::typed(typed), PluginSource::File(_));
        let may_compile = !config.plugins.is_empty()
            || flags.strategy.as_ref().is_some_and(is_path)
            || policy_flags.policy.iter().any(is_path);
        let engine = ui::engine(EngineConfig {
            limits: resolve::limits(&flags.limit)?,
            cache: resolve::cache_folder().filter(|_| may_compile),
            pooling: false,
        })?;
        // A mistake in a flag is told before anything is planned.
        resolve::grants(&flags.grant)?;
        Ok(Self {
            engine,
            flags,
            policy_flags,
            config,
            strategies: BTreeMap::new(),
            policies: BTreeMap::new(),
            typed_policies: BTreeMap::new(),
            reader,
        })
    }

    /// Says whether policies may be asked, for which it must be known who asks.
    pub(crate) fn has_policies(&self) -> bool {
        !self.config.policies.is_empty() || !self.policy_flags.policy.is_empty()
    }

    /// Makes a plan for a target.
    pub(crate) fn plan(
        &mut self,
        target: &Target,
        options: &DebugOptions,
        context: &Context,
        actor: &Actor,
    ) -> Result<Made, NoPlan> {
        let typed = self
            .flags
            .strategy
            .as_ref()
            .or(self.config.defaults.strategy.as_ref());
        let name = match typed {
            Some(typed) => typed.clone(),
            None => resolve::strategy(target.id().kind, options).to_owned(),
        };
        self.load_strategy(&name)?;
        self.load_policies(&name, target, context, actor)?;
        let strategy = &self.strategies[&name];
        let settings = resolve::settings(self.flags, &name, strategy.description().manifest())?;
        let policies = self.rules();
        let request = PlanRequest {
            target,
            options,
            strategy,
            settings: &settings,
            context,
            actor,
            policies: &policies,
            reader: self.reader.as_ref(),
        };
        let mut logs = Vec::new();
        let planned = self.engine.plan_and_log(&request, &mut logs);
        for log in &logs {
            ui::plugin_log(&log.plugin, &log.lines, self.flags.verbose.0);
        }
        let mut plan = planned.map_err(|error| match error.reviewed() {
            Some(_) => NoPlan::Denied(error),
            None => NoPlan::Failed(error.into()),
        })?;
        let is_node = target.id().kind == TargetKind::Node;
        plan.diagnostics.extend(ignored_flags(options, is_node));
        let is_own = |rule: &&&PolicyRule| !rule.plugin.description().is_default();
        let changed_by_others = policies
            .iter()
            .filter(is_own)
            .any(|rule| plan.changers().contains(&rule.name));
        Ok(Made {
            is_foreign: !strategy.description().is_default() || changed_by_others,
            plan,
        })
    }

    /// The policies in the order in which they are asked: the configured ones, then those that were typed.
    fn rules(&self) -> Vec<&PolicyRule> {
        let configured = self.config.policies.iter();
        let configured = configured.filter_map(|policy| self.policies.get(&policy.value.name));
        let typed = self.policy_flags.policy.iter();
        configured
            .chain(typed.filter_map(|name| self.typed_policies.get(name)))
            .collect()
    }

    fn load_strategy(&mut self, name: &str) -> Result<(), CliError> {
        if !self.strategies.contains_key(name) {
            let mut named = plugin_named(self.config, name);
            named.grant(&self.flags.grant)?;
            let plugin = self
                .engine
                .load(&named.source, PluginType::Strategy, &named.grants)?;
            self.strategies.insert(name.to_owned(), plugin);
        }
        Ok(())
    }

    /// Loads the policies that this debug concerns, and no others.
    fn load_policies(
        &mut self,
        strategy: &str,
        target: &Target,
        context: &Context,
        actor: &Actor,
    ) -> Result<(), CliError> {
        let strategy = &self.strategies[strategy].description().manifest().name;
        for policy in &self.config.policies {
            let entry = &policy.value;
            let is_concerned = entry.matches.holds(strategy, target, &context.namespace, actor);
            if is_concerned && !self.policies.contains_key(&entry.name) {
                let rule = policy_rule(&self.engine, self.config, policy)?;
                self.policies.insert(entry.name.clone(), rule);
            }
        }
        for typed in &self.policy_flags.policy {
            if !self.typed_policies.contains_key(typed) {
                let rule = typed_rule(&self.engine, self.config, typed, &self.flags.grant)?;
                self.typed_policies.insert(typed.clone(), rule);
            }
        }
        Ok(())
    }
}

/// Where a plugin comes from, and what it may do.
struct Named {
    source: PluginSource,
    grants: Grants,
}

impl Named {
    fn grant(&mut self, typed: &[String]) -> Result<(), CliError> {
        if resolve::grants(typed)?.cluster_read {
            self.grants.cluster_read = true;
        }
        Ok(())
    }
}

/// Where a plugin comes from that was typed by its name.
pub(crate) fn source_named(config: &Config, typed: &str) -> PluginSource {
    plugin_named(config, typed).source
}

/// Finds a plugin by what was typed: a name of the configuration, a default one, or a file.
fn plugin_named(config: &Config, typed: &str) -> Named {
    let configured = config.plugins.iter().find(|plugin| plugin.value.name == typed);
    match configured.map(|plugin| &plugin.value) {
        Some(entry) => Named {
            source: PluginSource::Pinned(entry.file.clone(), entry.digest.clone()),
            // Unknown names were refused when the configuration was read; here they grant nothing.
            grants: resolve::grants(&entry.grants).unwrap_or_default(),
        },
        None => Named {
            source: PluginSource::typed(typed),
            grants: Grants::default(),
        },
    }
}

/// Loads a configured policy and checks its settings.
pub(crate) fn policy_rule(
    engine: &Engine,
    config: &Config,
    policy: &Sourced<PolicyEntry>,
) -> Result<PolicyRule, CliError> {
    let entry = &policy.value;
    let named = plugin_named(config, entry.plugin());
    let plugin = engine
        .load(&named.source, PluginType::Policy, &named.grants)
        .map_err(|error| {
            CliError::from(error).of(&format!("{}: policy {:?}", policy.origin(), entry.name))
        })?;
    let settings = Value::Object(entry.settings.clone());
    let text = settings.to_string();
    if !settings_cache::is_known_good(plugin.description().digest(), &text) {
        let problems = resolve::settings_problems(plugin.description().manifest(), &settings)?;
        if let Some(problem) = problems.first() {
            let place = policy.origin_of(&format!("/settings{}", problem.at));
            return Err(CliError::new(format!(
                "configuration: {place}: settings of policy {:?}: {problem}",
                entry.name
            ))
            .hint(format!(
                "trocar plugin inspect {} shows its settings",
                named.source
            )));
        }
        settings_cache::remember(plugin.description().digest(), &text);
    }
    Ok(PolicyRule {
        name: entry.name.clone(),
        plugin,
        mode: entry.mode,
        matches: entry.matches.clone(),
        settings: text,
    })
}

fn typed_rule(
    engine: &Engine,
    config: &Config,
    typed: &str,
    grants: &[String],
) -> Result<PolicyRule, CliError> {
    let mut named = plugin_named(config, typed);
    named.grant(grants)?;
    let plugin = engine.load(&named.source, PluginType::Policy, &named.grants)?;
    let problems = resolve::settings_problems(
        plugin.description().manifest(),
        &Value::Object(Default::default()),
    )?;
    if let Some(problem) = problems.first() {
        return Err(CliError::usage(format!("--policy={typed}: {problem}"))
            .hint("a policy with settings belongs into a configuration file: --config"));
    }
    Ok(PolicyRule {
        name: plugin.description().manifest().name.clone(),
        plugin,
        mode: Mode::Enforce,
        matches: Match::default(),
        settings: "{}".into(),
    })
}

/// Two targets must not come to the same new pod.
pub(crate) fn check_names<'a>(plans: impl IntoIterator<Item = &'a DebugPlan>) -> Result<(), CliError> {
    let mut made: BTreeMap<(Option<&str>, &str), &DebugPlan> = BTreeMap::new();
    for plan in plans {
        if !plan.steps.iter().any(|step| matches!(step, Step::CreatePod(_))) {
            continue;
        }
        if let Some(other) = made.insert((plan.debug_namespace(), plan.debug_pod()), plan) {
            return Err(CliError::new(format!(
                "{} and {} would both become pod {:?}",
                other.target,
                plan.target,
                plan.debug_pod()
            ))
            .hint("debug them one at a time, each with a --copy-to of its own"));
        }
    }
    Ok(())
}

/// Shows what a person should know before a plan is carried out: warnings, and rights that nobody asked for.
pub(crate) fn show_warnings(plan: &DebugPlan) {
    for found in plan.diagnostics_of(Severity::Warning) {
        ui::warning(&ui::with_help(found));
    }
    for excess in &plan.beyond_options {
        ui::warning(&format!("the plan gives more than the flags ask for: {excess}"));
    }
}
