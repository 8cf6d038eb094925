//! One plan with plugins that are loaded already: what policy tests, servers and embedders use. No cluster is needed.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::{Map, Value};
use trocar_core::{
    capability::{CLUSTER_READ, ClusterReader, Grants},
    config::Config,
    manifest::PluginType,
    plan::{DebugPlan, Mode},
    planning::{
        self, Author, Decision, Documents, Draft, Guests, PlanInputs, Proposal, StoredOtherwise, Submitted,
        SubmittedInputs, TimeToLive,
    },
    policy::{Match, Outcome, Reviewer, Subject},
    target::Target,
};
use trocar_registry::PublicKey;
use trocar_runtime::{
    self as runtime, Answer, CallAids, EngineConfig, LoadEvent, LogLine, PlanInput, ReviewInput, WasmError,
    plugin::{Plugin, PluginDescription, PluginError, PluginSource},
};
use trocar_sdk::{Actor, Context, DebugOptions, Diagnostic, Failure, Profile};

use crate::supply::{self, Stores};

/// Why there is no plan.
pub type PlanError = planning::PlanError<PluginError>;

/// Runs plugins and checks what they propose.
pub struct Engine {
    runtime: runtime::Engine,
    stores: Stores,
    /// What was told of plugins that lack a signature, each once.
    told: Mutex<BTreeSet<(String, String)>>,
}

/// A policy as it is configured.
#[derive(Clone, Debug)]
pub struct PolicyRule {
    /// Its name, unique in the configuration.
    pub name: String,
    /// The plugin that judges.
    pub plugin: Plugin,
    /// How its verdict is enforced.
    pub mode: Mode,
    /// The plans that it is asked about.
    pub matches: Match,
    /// The plugin's settings, as JSON text.
    pub settings: String,
}

impl PolicyRule {
    /// Returns true if the policy is asked about an action. Some are for policies that declare them; none stands for others.
    pub fn reviews(&self, declared_action: Option<&str>) -> bool {
        let manifest = self.plugin.description().manifest();
        declared_action.is_none_or(|action| manifest.reviews(action))
    }

    fn reviewer(&self) -> Reviewer {
        Reviewer {
            name: self.name.clone(),
            plugin: self.plugin.description().id(),
            is_default: self.plugin.description().is_default(),
            mode: self.mode,
        }
    }
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
    /// The name by which configuration knows the strategy; none for its own. It decides which policies are asked.
    pub strategy_name: Option<&'a str>,
    /// The strategy's settings, as JSON text.
    pub settings: &'a str,
    /// Time, namespace and random suffix, as data.
    pub context: &'a Context,
    /// Who asks, and why.
    pub actor: &'a Actor,
    /// The policies, in the order in which they are asked. Those whose conditions do not hold are not.
    pub policies: &'a [&'a PolicyRule],
    /// What reads the cluster for a plugin that was granted it.
    pub reader: Option<&'a Arc<dyn ClusterReader>>,
    /// How long a created pod may live.
    pub time_to_live: Option<TimeToLive<'a>>,
}

/// What another program planned, as it reached a cluster, and who is to judge it.
#[derive(Clone, Copy)]
pub struct SubmittedRequest<'a> {
    /// What was planned.
    pub submitted: &'a Submitted,
    /// What is debugged.
    pub target: &'a Target,
    /// What is known of it, by which the policies are chosen.
    pub subject: Subject<'a>,
    /// Time and namespace, as data.
    pub context: &'a Context,
    /// Who asks, and why.
    pub actor: &'a Actor,
    /// The policies, in the order in which they are asked. Those whose conditions do not hold are not.
    pub policies: &'a [PolicyRule],
    /// What reads the cluster for a plugin that was granted it.
    pub reader: Option<&'a Arc<dyn ClusterReader>>,
}

/// What came of something that another program planned.
#[derive(Debug)]
pub struct SubmittedReview {
    /// The plan, with what the policies said and changed.
    pub plan: DebugPlan,
    /// What it comes to.
    pub outcome: Outcome,
    /// What each policy wrote, in the order in which they were asked.
    pub logs: Vec<PluginLog>,
    /// How long each call of a policy took.
    pub took: Vec<(String, Duration)>,
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
        Ok(Self {
            runtime: runtime::Engine::new(config)?,
            stores: Stores::default(),
            told: Mutex::default(),
        })
    }

    /// Hands what is worth a word while plugins are loaded to a function.
    #[must_use]
    pub fn with_listener(self, listener: impl Fn(&LoadEvent<'_>) + Send + Sync + 'static) -> Self {
        Self {
            runtime: self.runtime.with_listener(listener),
            ..self
        }
    }

    /// Finds plugins of registries in these stores. Without them there are none.
    #[must_use]
    pub fn with_stores(mut self, stores: Stores) -> Self {
        self.stores = stores;
        self
    }

    /// Finds out where a plugin of a registry is on this machine, and holds any plugin but the default ones against the rules
    /// of trust of a configuration. What is loaded then is what was held against them.
    ///
    /// # Errors
    /// Fails when it is not there, when a lock says something else, and when it is not trusted.
    pub fn find(&self, config: &Config, source: &PluginSource) -> Result<PluginSource, PluginError> {
        supply::find(
            &self.stores,
            config,
            source,
            self.runtime.limits().component,
            &|plugin, missing| self.tell_once(plugin, missing),
        )
    }

    /// One plugin may be found for several policies.
    fn tell_once(&self, plugin: &str, missing: &str) {
        let told = (plugin.to_owned(), missing.to_owned());
        if self.told.lock().is_ok_and(|mut known| known.insert(told)) {
            self.runtime.tell(&LoadEvent::NotSigned { plugin, missing });
        }
    }

    /// Says whether a key signed a plugin, whatever the configuration asks for.
    ///
    /// # Errors
    /// Fails when the plugin is not there.
    pub fn is_signed(
        &self,
        config: &Config,
        source: &PluginSource,
        key: &PublicKey,
    ) -> Result<bool, PluginError> {
        let allowed = self.runtime.limits().component;
        supply::is_signed(&self.stores, config, source, key, allowed).map_err(|error| PluginError::Supply {
            plugin: source.to_string(),
            error,
        })
    }

    /// Compiles a plugin ahead of its first use, and keeps it where it is looked for then. Returns false where there was
    /// nothing to do, or no place to keep it.
    ///
    /// # Errors
    /// Fails when there is no such plugin, when it is refused, and when what was compiled cannot be kept.
    pub fn compile(&self, source: &PluginSource) -> Result<bool, PluginError> {
        self.runtime.compile(source)
    }

    /// Describes a plugin, without running it.
    ///
    /// # Errors
    /// Fails when there is no such plugin and when it would be refused.
    pub fn describe(&self, source: &PluginSource) -> Result<PluginDescription, PluginError> {
        self.runtime.describe(source)
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
        self.runtime.load(source, wanted, grants)
    }

    /// Lets a plugin check its settings beyond what its schema can say.
    ///
    /// # Errors
    /// Fails when the plugin breaks or reaches a limit.
    pub fn validate_settings(&self, plugin: &Plugin, settings: &str) -> Answer<Vec<Diagnostic>> {
        self.runtime.validate_settings(plugin, settings)
    }

    /// Makes a plan, lets the policies review it and checks it. Blocks while plugins run, each within its time limit.
    ///
    /// # Errors
    /// Fails when the strategy refuses, breaks or reaches a limit, when a policy denies the plan, and when it breaks a guard
    /// rail.
    pub fn plan(&self, request: &PlanRequest<'_>) -> Result<Planned, PlanError> {
        let mut logs = Vec::new();
        let draft = self.draft(request, &mut logs)?;
        Ok(Planned {
            plan: draft.into_plan(),
            logs,
        })
    }

    /// The same, as a draft, and with the logs of the plugins also when there is no plan.
    pub(crate) fn draft(
        &self,
        request: &PlanRequest<'_>,
        logs: &mut Vec<PluginLog>,
    ) -> Result<Draft, PlanError> {
        self.with_guests(request, logs, |inputs, guests| planning::draft(inputs, guests))
    }

    /// Judges what is there already: it stands in the place of the strategy's answer.
    pub(crate) fn draft_of(
        &self,
        request: &PlanRequest<'_>,
        present: Proposal,
        logs: &mut Vec<PluginLog>,
    ) -> Result<Draft, PlanError> {
        self.with_guests(request, logs, |inputs, guests| {
            guests.present = Some(present);
            planning::draft(inputs, guests)
        })
    }

    /// Compares what a server stored with a draft of the same request, and asks its policies where it is not the same.
    pub(crate) fn judge_stored(
        &self,
        request: &PlanRequest<'_>,
        draft: &Draft,
        stored: &Value,
        logs: &mut Vec<PluginLog>,
    ) -> Option<StoredOtherwise> {
        self.with_guests(request, logs, |inputs, guests| {
            planning::judge_stored(draft, stored, inputs, guests)
        })
    }

    /// Lets the policies judge what another program planned. It is never carried out here. Blocks while plugins run, each
    /// within its time limit.
    pub fn judge_submitted(&self, request: &SubmittedRequest<'_>) -> SubmittedReview {
        let policies = request.policies.iter();
        let action = request.submitted.declared_action();
        let asked: Vec<&PolicyRule> = policies
            .filter(|rule| rule.matches.fits(&request.subject) && rule.reviews(action))
            .collect();
        let reviewers: Vec<Reviewer> = asked.iter().map(|rule| rule.reviewer()).collect();
        let inputs = SubmittedInputs {
            target: request.target,
            context: request.context,
            actor: request.actor,
            reviewers: &reviewers,
        };
        let (mut logs, mut took) = (Vec::new(), Vec::new());
        let mut guests = LoadedGuests {
            engine: &self.runtime,
            strategy: None,
            context: request.context,
            reader: request.reader,
            asked: &asked,
            logs: &mut logs,
            took: Some(&mut took),
            present: None,
        };
        let (plan, outcome) = planning::judge_submitted(request.submitted, &inputs, &mut guests);
        SubmittedReview {
            plan,
            outcome,
            logs,
            took,
        }
    }

    /// Finds the options that make no difference to what a strategy plans, by the names of their fields. The strategy is asked
    /// once more for each option that is set; of a default one, and of one that reads the cluster, nothing is said.
    pub fn unread_options(&self, request: &PlanRequest<'_>) -> Vec<String> {
        let about = request.strategy.description();
        if about.is_default() || about.manifest().asks_for(CLUSTER_READ) {
            return Vec::new();
        }
        let Ok(Value::Object(options)) = serde_json::to_value(request.options) else {
            return Vec::new();
        };
        let set = options.iter().filter(|(name, value)| is_set(name, value));
        let set: Vec<&String> = set.map(|(name, _)| name).collect();
        if set.is_empty() {
            return Vec::new();
        }
        let Some(planned) = self.proposal(request, &options) else {
            return Vec::new();
        };
        let is_unread = |name: &&String| {
            let mut without = options.clone();
            without.remove(*name);
            self.proposal(request, &without).as_ref() == Some(&planned)
        };
        set.into_iter().filter(is_unread).cloned().collect()
    }

    /// What a strategy proposes with these options; none where it refuses or breaks.
    fn proposal(&self, request: &PlanRequest<'_>, options: &Map<String, Value>) -> Option<Proposal> {
        let options = Value::Object(options.clone()).to_string();
        let context = serde_json::to_string(request.context).ok()?;
        let input = PlanInput {
            target: request.target.text(),
            options: &options,
            settings: request.settings,
            context: &context,
        };
        let aids = CallAids {
            now: since_1970(&request.context.time),
            reader: None,
        };
        let (answer, _) = self.runtime.propose(request.strategy, &input, aids);
        answer.ok()?.ok()
    }

    fn with_guests<T>(
        &self,
        request: &PlanRequest<'_>,
        logs: &mut Vec<PluginLog>,
        work: impl FnOnce(&PlanInputs<'_>, &mut LoadedGuests<'_, '_>) -> T,
    ) -> T {
        let strategy = request.strategy.description();
        let name = request.strategy_name.unwrap_or(&strategy.manifest().name);
        let names = planning::strategy_names(name, strategy.is_default(), request.target.id().kind);
        let mut asked = Vec::with_capacity(request.policies.len());
        asked.extend(request.policies.iter().copied().filter(|rule| {
            rule.matches
                .holds(&names, request.target, &request.context.namespace, request.actor)
        }));
        let reviewers: Vec<Reviewer> = asked.iter().map(|rule| rule.reviewer()).collect();
        let inputs = PlanInputs {
            target: request.target,
            options: request.options,
            context: request.context,
            actor: request.actor,
            strategy: &Author {
                id: strategy.id(),
                is_default: strategy.is_default(),
            },
            reviewers: &reviewers,
            time_to_live: request.time_to_live,
        };
        let mut guests = LoadedGuests {
            engine: &self.runtime,
            strategy: Some((request.strategy, request.settings)),
            context: request.context,
            reader: request.reader,
            asked: &asked,
            logs,
            took: None,
            present: None,
        };
        work(&inputs, &mut guests)
    }
}

/// Says whether a field of the options is what somebody typed: a profile is always there, and how input ends follows from others.
fn is_set(name: &str, value: &Value) -> bool {
    match name {
        "profile" => value != Profile::default().name(),
        "stdinOnce" => false,
        _ => true,
    }
}

/// The plugins of one plan.
struct LoadedGuests<'a, 'b> {
    engine: &'a runtime::Engine,
    /// The strategy and its settings; none where something was planned already.
    strategy: Option<(&'b Plugin, &'b str)>,
    context: &'b Context,
    reader: Option<&'b Arc<dyn ClusterReader>>,
    asked: &'a [&'b PolicyRule],
    logs: &'a mut Vec<PluginLog>,
    /// How long each call of a policy took, where that is wanted.
    took: Option<&'a mut Vec<(String, Duration)>>,
    /// Stands in the place of the strategy's answer.
    present: Option<Proposal>,
}

impl<'b> LoadedGuests<'_, 'b> {
    fn aids(&self) -> CallAids<'b> {
        CallAids {
            now: since_1970(&self.context.time),
            reader: self.reader,
        }
    }

    fn log(&mut self, plugin: &str, lines: Vec<LogLine>) {
        self.logs.push(PluginLog {
            plugin: plugin.to_owned(),
            lines,
        });
    }
}

impl Guests for LoadedGuests<'_, '_> {
    type Error = PluginError;

    fn propose(&mut self, documents: &Documents<'_>) -> Result<Result<Proposal, Failure>, PluginError> {
        if let Some(present) = self.present.take() {
            return Ok(Ok(present));
        }
        let Some((strategy, settings)) = self.strategy else {
            // What was planned already is never proposed again.
            return Ok(Ok(Proposal::default()));
        };
        let input = PlanInput {
            target: documents.target,
            options: &documents.options,
            settings,
            context: &documents.context,
        };
        let (answer, lines) = self.engine.propose(strategy, &input, self.aids());
        self.log(&strategy.description().manifest().name, lines);
        answer
    }

    fn evaluate(&mut self, policy: usize, plan: &str, documents: &Documents<'_>) -> Result<Decision, String> {
        let rule = self.asked[policy];
        let input = ReviewInput {
            plan,
            target: documents.target,
            options: &documents.options,
            actor: &documents.actor,
            settings: &rule.settings,
            context: &documents.context,
        };
        let began = self.took.as_ref().map(|_| Instant::now());
        let (answer, lines) = self.engine.evaluate(&rule.plugin, &input, self.aids());
        if let (Some(took), Some(began)) = (&mut self.took, began) {
            took.push((rule.name.clone(), began.elapsed()));
        }
        self.log(&rule.name, lines);
        let answer = answer.map_err(|error| error.to_string())?;
        answer.map_err(|failure| failure.message)
    }
}

/// The time of a context, for guests that read a clock. A malformed time is no reason not to plan.
fn since_1970(time: &str) -> Duration {
    let seconds = time.parse::<jiff::Timestamp>().map_or(0, |time| time.as_second());
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}
