//! Running cases, and comparing outcomes with expectations and snapshots.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use trocar_core::{capability::Grants, config::Config, manifest::PluginType};
use trocar_runtime::plugin::{Plugin, PluginSource};
use trocar_sdk::DebugOptions;

use super::{
    Case, CaseError,
    coverage::{Coverage, undeclared},
    outcome::{CaseVerdict, Outcome},
};
use crate::{
    engine::{Engine, PlanError, PlanRequest, PolicyRule},
    error::PlannerError,
    planner::settings_problems,
};

/// The result of a case.
#[derive(Clone, Debug)]
pub struct CaseResult {
    /// The outcome.
    pub outcome: Outcome,
    /// Differences to the expectations; empty if there are none.
    pub differences: Vec<String>,
    /// The snapshot, if the outcome differs from it.
    pub before: Option<Value>,
    /// How long planning took.
    pub took: Duration,
}

impl CaseResult {
    /// Returns true if the outcome is as expected and equals the snapshot.
    pub fn is_as_expected(&self) -> bool {
        self.differences.is_empty() && self.before.is_none()
    }
}

/// Runs cases, and records their coverage.
pub struct Runner<'a> {
    engine: &'a Engine,
    plugins: BTreeMap<(String, bool), Plugin>,
    checked: BTreeSet<(String, String)>,
    coverage: BTreeMap<String, Coverage>,
}

impl<'a> Runner<'a> {
    /// Creates a runner. Each plugin is loaded once, when a case needs it.
    pub fn new(engine: &'a Engine) -> Self {
        Self {
            engine,
            plugins: BTreeMap::new(),
            checked: BTreeSet::new(),
            coverage: BTreeMap::new(),
        }
    }

    /// Runs a case, and compares its outcome with its expectations and with `before`, its snapshot.
    ///
    /// # Errors
    /// Fails when a plugin cannot be loaded, and when settings are invalid. A refusal is an outcome, not an error.
    pub fn run(&mut self, case: &Case, before: Option<&Value>) -> Result<CaseResult, CaseError> {
        let strategy = self.plugin(&case.strategy, PluginType::Strategy)?;
        self.check_strategy_settings(case, &strategy)?;
        let rules = self.rules(case)?;
        let rules: Vec<&PolicyRule> = rules.iter().collect();
        // After loading: the time of a case is that of its plan.
        let started = Instant::now();
        let outcome = match &case.options {
            Ok(options) => self.outcome(case, options, &strategy, &rules),
            Err(refusal) => Outcome::refused(refusal),
        };
        let took = started.elapsed();
        self.touch(&rules, &outcome);
        let mut differences = case.expect.differences(&outcome);
        for rule in &rules {
            differences.extend(undeclared(rule, &outcome));
        }
        let before = before.filter(|before| **before != json!(outcome)).cloned();
        Ok(CaseResult {
            before,
            outcome,
            differences,
            took,
        })
    }

    fn outcome(
        &self,
        case: &Case,
        options: &DebugOptions,
        strategy: &Plugin,
        rules: &[&PolicyRule],
    ) -> Outcome {
        let planned = self.engine.plan(&PlanRequest {
            target: &case.target,
            options,
            strategy,
            strategy_name: None,
            settings: &case.settings,
            context: &case.context,
            actor: &case.actor,
            policies: rules,
            reader: case.reader().as_ref(),
            time_to_live: None,
        });
        match &planned {
            Ok(planned) => Outcome::of(&planned.plan, None),
            Err(error) => match error.reviewed() {
                Some(plan) => Outcome {
                    // A denial has its reasons in the policies' diagnostics.
                    refusal: matches!(error, PlanError::Undecided { .. }).then(|| error.to_string()),
                    ..Outcome::of(plan, Some(CaseVerdict::Deny))
                },
                None => match error {
                    PlanError::Refused { failure, .. } => Outcome::refused_by_strategy(failure),
                    _ => Outcome::refused(error),
                },
            },
        }
    }

    pub(super) fn engine(&self) -> &'a Engine {
        self.engine
    }

    pub(super) fn plugin(&mut self, source: &PluginSource, wanted: PluginType) -> Result<Plugin, CaseError> {
        let key = (source.to_string(), wanted == PluginType::Policy);
        if let Some(plugin) = self.plugins.get(&key) {
            return Ok(plugin.clone());
        }
        // Without trust rules: cases are about what a plugin does, not about where it comes from. Nor do they ask for grants: what it
        // reads is in the case.
        let source = self.engine.find(&Config::default(), source)?;
        let plugin = self.engine.load(&source, wanted, &Grants::all())?;
        self.plugins.insert(key, plugin.clone());
        Ok(plugin)
    }

    fn rules(&mut self, case: &Case) -> Result<Vec<PolicyRule>, CaseError> {
        let mut rules = Vec::with_capacity(case.policies.len());
        for (entry, source) in &case.policies {
            let plugin = self.plugin(source, PluginType::Policy)?;
            let text = json!(entry.settings).to_string();
            let digest = plugin.description().digest().to_owned();
            if self.checked.insert((digest, text.clone())) {
                self.check_settings(case, &entry.name, &plugin, &text)?;
            }
            rules.push(PolicyRule {
                name: entry.name.clone(),
                plugin,
                mode: entry.mode,
                matches: entry.matches.clone(),
                settings: text,
            });
        }
        Ok(rules)
    }

    fn check_settings(
        &self,
        case: &Case,
        policy: &str,
        plugin: &Plugin,
        text: &str,
    ) -> Result<(), CaseError> {
        let failed = |error: PlannerError| CaseError::Policy {
            file: case.file.clone(),
            policy: policy.to_owned(),
            error: Box::new(error),
        };
        match self.settings_problem(plugin, text).map_err(failed)? {
            None => Ok(()),
            Some(problem) => Err(CaseError::Settings {
                file: case.file.clone(),
                policy: policy.to_owned(),
                problem,
            }),
        }
    }

    fn check_strategy_settings(&mut self, case: &Case, strategy: &Plugin) -> Result<(), CaseError> {
        let digest = strategy.description().digest().to_owned();
        // Without settings there is nothing to check, and the call is saved.
        if case.settings == "{}" || !self.checked.insert((digest, case.settings.clone())) {
            return Ok(());
        }
        let of_case = |error: CaseError| CaseError::Case {
            file: case.file.clone(),
            name: case.name.clone(),
            error: Box::new(error),
        };
        match self.settings_problem(strategy, &case.settings) {
            Ok(None) => Ok(()),
            Ok(Some(problem)) => Err(of_case(CaseError::StrategySettings(problem))),
            Err(error) => Err(of_case(CaseError::Strategy(Box::new(error)))),
        }
    }

    /// The first problem of settings, by the plugin's schema or by the plugin itself.
    fn settings_problem(&self, plugin: &Plugin, text: &str) -> Result<Option<String>, PlannerError> {
        let settings = serde_json::from_str(text).unwrap_or_default();
        let problems = settings_problems(plugin.description().manifest(), &settings)?;
        if let Some(problem) = problems.first() {
            return Ok(Some(problem.to_string()));
        }
        match self.engine.validate_settings(plugin, text) {
            Ok(Ok(found)) => Ok(found.first().map(|found| found.message.clone())),
            Ok(Err(failure)) => Ok(Some(failure.to_string())),
            Err(error) => Err(error.into()),
        }
    }

    fn touch(&mut self, rules: &[&PolicyRule], outcome: &Outcome) {
        for rule in rules {
            let name = &rule.plugin.description().manifest().name;
            self.coverage
                .entry(name.clone())
                .or_default()
                .touch(rule, outcome);
        }
    }

    /// What no case has covered: by policy, the codes of its rules and its settings.
    pub fn untouched(&self) -> Vec<(String, Vec<String>)> {
        let all = self.coverage.iter();
        all.map(|(name, coverage)| (name.clone(), coverage.untouched()))
            .filter(|(_, untouched)| !untouched.is_empty())
            .collect()
    }
}
