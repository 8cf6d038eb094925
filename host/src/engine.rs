//! The one orchestration: strategy, policies, guard rails, and what comes of them.

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde_json::Value;
use trocar_sdk::{Actor, Context, DebugOptions, Diagnostic, Failure};

use crate::{
    capability::{ClusterReader, Grants},
    plan::{
        DebugPlan, PlanChange, PluginId, Step,
        check::{Violation, check, check_count},
        excess::excess,
    },
    plugin::{self, Plugin, PluginDescription, PluginError, PluginSource, PluginType},
    policy::{self, Judgement, Outcome, PolicyRule, Reviewer},
    target::Target,
    wasm::{
        Allocation, Blame, CallContext, GuestDecision, GuestPlan, Limits, LogLine, PlanInput, Reads,
        ReviewInput, Runtime, WasmError, message,
    },
};

/// How an engine is made.
#[derive(Clone, Debug, Default)]
pub struct EngineConfig {
    /// What a guest may use.
    pub limits: Limits,
    /// Where compiled components are kept; none to compile each time. The folder is made when it is missing, and must
    /// belong to the user alone.
    pub cache: Option<PathBuf>,
    /// Reserve memory for many plans, as a server does; off for a program that makes a few and ends.
    pub pooling: bool,
}

/// Runs plugins and checks what they propose.
pub struct Engine {
    runtime: Runtime,
}

/// Everything that goes into one plan.
#[derive(Clone, Copy)]
pub struct PlanRequest<'a> {
    /// What is debugged.
    pub target: &'a Target,
    /// What the user asked for.
    pub options: &'a DebugOptions,
    /// The strategy.
    pub strategy: &'a Plugin,
    /// The strategy's settings, as JSON text.
    pub settings: &'a str,
    /// Time, namespace and random suffix, as data.
    pub context: &'a Context,
    /// Who asks, and why.
    pub actor: &'a Actor,
    /// The policies, in the order in which they are asked.
    pub policies: &'a [&'a PolicyRule],
    /// Who reads the cluster for a plugin that was granted it.
    pub reader: Option<&'a Arc<dyn ClusterReader>>,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The plugin is broken, or reached a limit.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// The strategy refused, for a reason of its own.
    #[error("{failure}")]
    Refused {
        /// Who refused.
        strategy: PluginId,
        /// Why.
        failure: Box<Failure>,
    },
    /// The plan breaks a guard rail.
    #[error("the plan of {author} is refused: {violation}")]
    GuardRail {
        /// Who planned it, or changed it so: for example `strategy "mine"`.
        author: String,
        /// What no plan may do.
        violation: Violation,
    },
    /// Policies deny it.
    #[error("{}", denial(plan))]
    Denied {
        /// The plan as it was when they did, with all reviews.
        plan: Box<DebugPlan>,
    },
    /// Policies do not come to a plan that all of them allow.
    #[error("{}", indecision(policies))]
    Undecided {
        /// Who changes what.
        policies: Vec<String>,
        /// The plan as it was last, with all reviews.
        plan: Box<DebugPlan>,
    },
}

impl PlanError {
    /// The plan that policies did not let pass, with their reviews.
    pub fn reviewed(&self) -> Option<&DebugPlan> {
        match self {
            Self::Denied { plan } | Self::Undecided { plan, .. } => Some(plan),
            _ => None,
        }
    }

    /// Who has to change something.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Plugin(error) => error.blame(),
            Self::Refused { .. } | Self::Denied { .. } => Blame::User,
            Self::GuardRail { .. } | Self::Undecided { .. } => Blame::Plugin,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Plugin(error) => error.hint(),
            Self::GuardRail { .. } => Some(
                "no plan may do that, whatever the plugin; use another plugin, and tell the author of this one".into(),
            ),
            Self::Undecided { policies, .. } => Some(match policies.as_slice() {
                [_] => "whoever wrote this policy has to tell it when the plan is as it wants it".into(),
                _ => "whoever wrote these policies has to decide which one gives way".into(),
            }),
            Self::Refused { .. } | Self::Denied { .. } => None,
        }
    }
}

fn denial(plan: &DebugPlan) -> String {
    let names: Vec<String> = plan.denials().map(|review| review.policy.clone()).collect();
    match names.as_slice() {
        [one] => format!("policy {one:?} denies this"),
        names => format!("the policies {} deny this", quoted(names)),
    }
}

fn indecision(policies: &[String]) -> String {
    match policies {
        [one] => format!("policy {one:?} changes the plan each time that it sees it"),
        several => format!("the policies {} undo each other's changes", quoted(several)),
    }
}

fn quoted(names: &[String]) -> String {
    trocar_sdk::names::list(names.iter().map(String::as_str))
}

/// A plan, and what the plugins wrote while it was made.
#[derive(Debug)]
pub struct Planned {
    /// The plan, checked.
    pub plan: DebugPlan,
    /// What each plugin wrote, in the order in which they were asked.
    pub logs: Vec<PluginLog>,
}

/// What one plugin wrote in one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginLog {
    /// The strategy's name, or the policy's in the configuration.
    pub plugin: String,
    /// The lines.
    pub lines: Vec<LogLine>,
}

impl Engine {
    /// Makes an engine. Nothing is compiled, no thread is started and no file is read before the first need, but for the
    /// cache folder.
    ///
    /// # Errors
    /// Fails when the cache folder cannot be used.
    pub fn new(config: EngineConfig) -> Result<Self, WasmError> {
        let allocation = if config.pooling {
            Allocation::Pooling
        } else {
            Allocation::OnDemand
        };
        let runtime = Runtime::new(allocation, config.limits, config.cache.as_deref())?;
        Ok(Self { runtime })
    }

    /// Says what a plugin is, without running it.
    ///
    /// # Errors
    /// Fails when there is no such plugin and when it would be refused.
    pub fn describe(&self, source: &PluginSource) -> Result<PluginDescription, PluginError> {
        plugin::open(source, self.runtime.limits()).map(|opened| opened.description)
    }

    /// Makes a plugin ready to run, with what it was granted.
    ///
    /// # Errors
    /// Fails when there is no such plugin, when it is of the other kind, and when it is refused.
    pub fn load(
        &self,
        source: &PluginSource,
        wanted: PluginType,
        grants: &Grants,
    ) -> Result<Plugin, PluginError> {
        let opened = plugin::open(source, self.runtime.limits())?;
        let found = opened.description.manifest().plugin_type;
        if found != wanted {
            return Err(PluginError::WrongType {
                name: opened.description.manifest().name.clone(),
                wanted,
                found,
            });
        }
        let loaded = self
            .runtime
            .load(&opened.code(), &opened.description.inspected, grants);
        match loaded {
            Ok(loaded) => Ok(Plugin {
                description: opened.description,
                loaded: Arc::new(loaded),
            }),
            Err(error) => Err(blamed(&opened.description, error)),
        }
    }

    /// Makes a plan, lets the policies review it and checks it.
    ///
    /// # Errors
    /// Fails when the strategy refuses, breaks or reaches a limit, when a policy denies the plan, and when it breaks a guard
    /// rail.
    pub fn plan(&self, request: &PlanRequest<'_>) -> Result<Planned, PlanError> {
        let mut logs = Vec::new();
        let plan = self.plan_and_log(request, &mut logs)?;
        Ok(Planned { plan, logs })
    }

    /// The same, where the logs of the plugins are wanted also when there is no plan.
    ///
    /// # Errors
    /// Fails as `plan` does.
    pub fn plan_and_log(
        &self,
        request: &PlanRequest<'_>,
        logs: &mut Vec<PluginLog>,
    ) -> Result<DebugPlan, PlanError> {
        let texts = Texts::new(request);
        let proposed = self.propose(request, &texts, logs)?;
        let mut plan = assembled(proposed, request)?;
        self.review(&mut plan, request, &texts, logs)?;
        plan.beyond_options = excess(&plan.steps, request.target, request.options);
        Ok(plan)
    }

    fn propose(
        &self,
        request: &PlanRequest<'_>,
        texts: &Texts,
        logs: &mut Vec<PluginLog>,
    ) -> Result<GuestPlan, PlanError> {
        let description = &request.strategy.description;
        let input = PlanInput {
            target: request.target.text(),
            options: &texts.options,
            settings: request.settings,
            context: &texts.context,
        };
        let call = call_context(request, description);
        let (answer, lines) = self.runtime.make_plan(&request.strategy.loaded, &input, call);
        logs.push(PluginLog {
            plugin: description.manifest().name.clone(),
            lines,
        });
        let answer = answer.map_err(|error| blamed(description, error))?;
        answer.map_err(|failure| PlanError::Refused {
            strategy: description.id(),
            failure: Box::new(failure),
        })
    }

    /// Lets the policies that are concerned review a plan; after their changes the guard rails are checked again.
    fn review(
        &self,
        plan: &mut DebugPlan,
        request: &PlanRequest<'_>,
        texts: &Texts,
        logs: &mut Vec<PluginLog>,
    ) -> Result<(), PlanError> {
        let asked: Vec<&PolicyRule> = request
            .policies
            .iter()
            .copied()
            .filter(|rule| {
                let strategy = &plan.strategy.name;
                rule.matches.holds(
                    strategy,
                    request.target,
                    &request.context.namespace,
                    request.actor,
                )
            })
            .collect();
        if asked.is_empty() {
            return Ok(());
        }
        let reviewers: Vec<Reviewer> = asked.iter().map(|rule| reviewer(rule)).collect();
        let proposed = plan.steps.clone();
        let outcome = policy::review(plan, &reviewers, &mut |index, plan| {
            self.evaluate(asked[index], plan, request, texts, logs)
        });
        let reviewed = || Box::new(plan.clone());
        match outcome {
            Outcome::Denied => return Err(PlanError::Denied { plan: reviewed() }),
            Outcome::Undecided(policies) => {
                let plan = reviewed();
                return Err(PlanError::Undecided { policies, plan });
            }
            Outcome::Allowed if plan.steps == proposed => return Ok(()),
            Outcome::Allowed => {}
        }
        check_plan(plan, request).map_err(|violation| PlanError::GuardRail {
            author: format!("the policies {}", quoted(&plan.changers())),
            violation,
        })
    }

    fn evaluate(
        &self,
        rule: &PolicyRule,
        plan: &DebugPlan,
        request: &PlanRequest<'_>,
        texts: &Texts,
        logs: &mut Vec<PluginLog>,
    ) -> Judgement {
        let description = &rule.plugin.description;
        let input = ReviewInput {
            plan: &plan.under_review().to_string(),
            target: request.target.text(),
            options: &texts.options,
            actor: &texts.actor,
            settings: &rule.settings,
            context: &texts.context,
        };
        let call = call_context(request, description);
        let (answer, lines) = self.runtime.evaluate(&rule.plugin.loaded, &input, call);
        logs.push(PluginLog {
            plugin: rule.name.clone(),
            lines,
        });
        let answer = answer.map_err(|error| {
            let error = blamed(description, error);
            let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("{error}{hint}")
        })?;
        judgement(answer.map_err(|failure| failure.message)?)
    }

    /// Lets a plugin check its settings beyond what its schema can say.
    ///
    /// # Errors
    /// Fails when the plugin breaks or reaches a limit.
    pub fn validate_settings(
        &self,
        plugin: &Plugin,
        settings: &str,
    ) -> Result<Result<Vec<Diagnostic>, Failure>, PluginError> {
        self.runtime
            .validate_settings(&plugin.loaded, settings, CallContext::default())
            .map_err(|error| blamed(&plugin.description, error))
    }
}

/// The documents that every plugin is given, as JSON text.
struct Texts {
    options: String,
    actor: String,
    context: String,
}

impl Texts {
    fn new(request: &PlanRequest<'_>) -> Self {
        let written = "our own documents can always be written";
        Self {
            options: serde_json::to_string(request.options).expect(written),
            actor: serde_json::to_string(request.actor).expect(written),
            context: serde_json::to_string(request.context).expect(written),
        }
    }
}

fn call_context(request: &PlanRequest<'_>, description: &PluginDescription) -> CallContext {
    CallContext {
        now: since_1970(&request.context.time),
        reads: request
            .reader
            .map(|reader| Reads::new(reader.clone(), description.manifest())),
    }
}

fn reviewer(rule: &PolicyRule) -> Reviewer {
    Reviewer {
        name: rule.name.clone(),
        plugin: rule.plugin.description.id(),
        mode: rule.mode,
    }
}

/// Reads a guest's steps and holds them against the guard rails.
fn assembled(proposed: GuestPlan, request: &PlanRequest<'_>) -> Result<DebugPlan, PlanError> {
    let strategy = request.strategy.description.id();
    let author = || format!("strategy {:?}", request.strategy.description.manifest().name);
    check_count(proposed.steps.len()).map_err(|violation| PlanError::GuardRail {
        author: author(),
        violation,
    })?;
    let mut steps = Vec::with_capacity(proposed.steps.len());
    for (index, (action, object)) in proposed.steps.iter().enumerate() {
        let step = Step::parse(action, object).map_err(|problem| {
            let answer = WasmError::Answer(message(&format!("step {} {problem}", index + 1)));
            blamed(&request.strategy.description, answer)
        })?;
        steps.push(step);
    }
    let plan = DebugPlan {
        target: request.target.id().clone(),
        strategy,
        steps,
        attach: proposed.attach,
        policies: Vec::new(),
        beyond_options: Vec::new(),
        diagnostics: proposed.diagnostics,
    };
    check_plan(&plan, request).map_err(|violation| PlanError::GuardRail {
        author: author(),
        violation,
    })?;
    Ok(plan)
}

fn check_plan(plan: &DebugPlan, request: &PlanRequest<'_>) -> Result<(), Violation> {
    let checked = check(
        &plan.steps,
        plan.attach.as_deref(),
        request.target,
        request.options,
        &request.context.namespace,
    );
    checked.map_err(|violation| Violation {
        // It quotes what the guest wrote.
        message: message(&violation.message),
        ..violation
    })
}

/// Reads a policy's answer: the values of its changes are JSON that nobody has looked at yet.
fn judgement(decision: GuestDecision) -> Judgement {
    let changes = decision.changes.into_iter().map(|(operation, at, value)| {
        let value = value.map(|text| serde_json::from_str::<Value>(&text)).transpose();
        let value =
            value.map_err(|error| format!("the value of its change at {at:?} is not valid JSON: {error}"))?;
        Ok(PlanChange { operation, at, value })
    });
    let changes = changes.collect::<Result<_, String>>()?;
    Ok((decision.verdict, changes, decision.diagnostics))
}

fn blamed(description: &PluginDescription, error: WasmError) -> PluginError {
    let manifest = description.manifest();
    PluginError::Wasm {
        plugin: format!("{} {}", manifest.name, manifest.version),
        error,
    }
}

/// The time of a context, for guests that ask a clock. A malformed time is no reason not to plan.
fn since_1970(time: &str) -> Duration {
    let seconds = time.parse::<jiff::Timestamp>().map_or(0, |time| time.as_second());
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}
