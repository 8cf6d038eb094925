//! Making checked plans for the commands: which strategy, with which settings, loaded once each.

use std::{collections::BTreeMap, sync::Arc};

use trocar::{
    Context, DebugOptions, DebugPlan, Engine, EngineConfig, PlanRequest, Planned, Severity, Target,
    capability::{ClusterReader, Grants},
    plan::Step,
    plugin::{Plugin, PluginType},
    request::ignored_flags,
    target::TargetKind,
};

use super::{args::PluginFlags, error::CliError, resolve, ui};

/// Makes plans.
pub(crate) struct Planner<'a> {
    engine: Engine,
    grants: Grants,
    flags: &'a PluginFlags,
    plugins: BTreeMap<String, Plugin>,
    reader: Option<Arc<dyn ClusterReader>>,
}

impl<'a> Planner<'a> {
    /// Makes a planner; nothing is loaded before the first plan.
    pub(crate) fn new(
        flags: &'a PluginFlags,
        reader: Option<Arc<dyn ClusterReader>>,
    ) -> Result<Self, CliError> {
        let engine = ui::engine(EngineConfig {
            limits: resolve::limits(&flags.limit)?,
            // Only a strategy of the user's own is ever compiled.
            cache: flags.strategy.as_ref().and_then(|_| resolve::cache_folder()),
            pooling: false,
        })?;
        Ok(Self {
            engine,
            grants: resolve::grants(flags)?,
            flags,
            plugins: BTreeMap::new(),
            reader,
        })
    }

    /// Makes a plan for a target.
    pub(crate) fn plan(
        &mut self,
        target: &Target,
        options: &DebugOptions,
        context: &Context,
    ) -> Result<DebugPlan, CliError> {
        let source = resolve::strategy(self.flags.strategy.as_deref(), target.id().kind, options);
        let key = source.to_string();
        if !self.plugins.contains_key(&key) {
            let plugin = self.engine.load(&source, PluginType::Strategy, &self.grants)?;
            self.plugins.insert(key.clone(), plugin);
        }
        let strategy = &self.plugins[&key];
        let settings = resolve::settings(self.flags, strategy.description().manifest())?;
        let Planned { mut plan, log } = self.engine.plan(&PlanRequest {
            target,
            options,
            strategy,
            settings: &settings,
            context,
            reader: self.reader.as_ref(),
        })?;
        ui::plugin_log(&plan.strategy.name, &log, self.flags.verbose.0);
        let is_node = target.id().kind == TargetKind::Node;
        plan.diagnostics.extend(ignored_flags(options, is_node));
        Ok(plan)
    }
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
