//! Running cases in the engine, and holding what comes out against what is expected.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use trocar::{
    DebugOptions, Engine, PlanError, PlanRequest, PolicyRule,
    capability::Grants,
    documents,
    manifest::PluginType,
    plugin::{Plugin, PluginSource},
    settings_problems,
};

use super::{
    Case,
    coverage::{Coverage, undeclared},
    outcome::{CaseVerdict, Outcome},
};
use crate::cli::{diff::unified, error::CliError};

/// What came out of a case.
#[derive(Clone, Debug)]
pub(crate) struct CaseResult {
    pub(crate) outcome: Outcome,
    /// How it differs from what is expected. Empty when it does not.
    pub(crate) differences: Vec<String>,
    pub(crate) took: Duration,
}

/// Runs cases, and remembers what they touched.
pub(crate) struct Runner<'a> {
    engine: &'a Engine,
    plugins: BTreeMap<(String, bool), Plugin>,
    checked: BTreeSet<(String, String)>,
    coverage: BTreeMap<String, Coverage>,
}

impl<'a> Runner<'a> {
    pub(crate) fn new(engine: &'a Engine) -> Self {
        Self {
            engine,
            plugins: BTreeMap::new(),
            checked: BTreeSet::new(),
            coverage: BTreeMap::new(),
        }
    }

    /// Runs a case and holds it against what is expected. `before` is what came out when its snapshot was taken.
    pub(crate) fn run(&mut self, case: &Case, before: Option<&Value>) -> Result<CaseResult, CliError> {
        let strategy = self.plugin(&PluginSource::typed(&case.strategy), PluginType::Strategy)?;
        let rules = self.rules(case)?;
        let rules: Vec<&PolicyRule> = rules.iter().collect();
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
        if let Some(before) = before.filter(|before| **before != json!(outcome)) {
            differences.push(changed(before, &json!(outcome)));
        }
        Ok(CaseResult {
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
            settings: "{}",
            context: &case.context,
            actor: &case.actor,
            policies: rules,
            reader: None,
        });
        match &planned {
            Ok(planned) => Outcome::of(&planned.plan, None),
            Err(error) => match error.reviewed() {
                Some(plan) => Outcome {
                    // Of a denial the policies say themselves why.
                    refusal: matches!(error, PlanError::Undecided { .. }).then(|| error.to_string()),
                    ..Outcome::of(plan, Some(CaseVerdict::Deny))
                },
                None => Outcome::refused(error),
            },
        }
    }

    fn plugin(&mut self, source: &PluginSource, wanted: PluginType) -> Result<Plugin, CliError> {
        let key = (source.to_string(), wanted == PluginType::Policy);
        if let Some(plugin) = self.plugins.get(&key) {
            return Ok(plugin.clone());
        }
        let plugin = self.engine.load(source, wanted, &Grants::default())?;
        self.plugins.insert(key, plugin.clone());
        Ok(plugin)
    }

    fn rules(&mut self, case: &Case) -> Result<Vec<PolicyRule>, CliError> {
        let mut rules = Vec::with_capacity(case.policies.len());
        for (entry, source) in &case.policies {
            let plugin = self.plugin(source, PluginType::Policy)?;
            let settings = Value::Object(entry.settings.clone());
            let text = settings.to_string();
            if self
                .checked
                .insert((plugin.description().digest().to_owned(), text.clone()))
            {
                self.check_settings(&plugin, &settings, &text).map_err(|failed| {
                    failed.of(&format!("{}: policy {:?}", case.file.display(), entry.name))
                })?;
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

    fn check_settings(&self, plugin: &Plugin, settings: &Value, text: &str) -> Result<(), CliError> {
        let problems = settings_problems(plugin.description().manifest(), settings)?;
        if let Some(problem) = problems.first() {
            return Err(CliError::new(format!("settings: {problem}")));
        }
        match self.engine.validate_settings(plugin, text)? {
            Ok(found) if found.is_empty() => Ok(()),
            Ok(found) => Err(CliError::new(format!("settings: {}", found[0].message))),
            Err(failure) => Err(CliError::new(format!("settings: {failure}"))),
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

    /// What no case has touched: by policy, the codes of its rules and its settings.
    pub(crate) fn untouched(&self) -> Vec<(String, Vec<String>)> {
        let all = self.coverage.iter();
        all.map(|(name, coverage)| (name.clone(), coverage.untouched()))
            .filter(|(_, untouched)| !untouched.is_empty())
            .collect()
    }
}

fn changed(before: &Value, now: &Value) -> String {
    let yaml = |value: &Value| documents::to_yaml(std::slice::from_ref(value));
    let diff = unified(&yaml(before), &yaml(now), "snapshot", "now");
    format!(
        "the snapshot is another (--update takes a new one):\n{}",
        diff.trim_end()
    )
}
