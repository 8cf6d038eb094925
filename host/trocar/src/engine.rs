//! Planning with loaded plugins, for policy tests, servers and embedders. Offline.

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

/// Why planning failed.
pub type PlanError = planning::PlanError<PluginError>;

/// Runs plugins, and checks what they propose.
pub struct Engine {
    runtime: runtime::Engine,
    stores: Stores,
    /// Warnings about missing signatures that were sent: each is sent once.
    warned: Mutex<BTreeSet<(String, String)>>,
}

/// A policy as it is configured.
#[derive(Clone, Debug)]
pub struct PolicyRule {
    /// Its name, unique in the configuration.
    pub name: String,
    /// The policy's plugin.
    pub plugin: Plugin,
    /// How its verdict is enforced.
    pub mode: Mode,
    /// The plans that it reviews.
    pub matches: Match,
    /// The plugin's settings, as JSON text.
    pub settings: String,
}

impl PolicyRule {
    /// Returns true if the policy reviews an action. `declared_action` is one that a policy reviews only if its manifest declares it;
    /// none for actions that all policies review.
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

/// The inputs of a plan.
#[derive(Clone, Copy)]
pub struct PlanRequest<'a> {
    /// The target.
    pub target: &'a Target,
    /// The user's options.
    pub options: &'a DebugOptions,
    /// The strategy.
    pub strategy: &'a Plugin,
    /// The strategy's configured name; none for the name in its manifest. Policies are matched by it.
    pub strategy_name: Option<&'a str>,
    /// The strategy's settings, as JSON text.
    pub settings: &'a str,
    /// Time, namespace and random suffix.
    pub context: &'a Context,
    /// The user, and the reason of the debug.
    pub actor: &'a Actor,
    /// The policies, in the order of their reviews. Those that do not match are skipped.
    pub policies: &'a [&'a PolicyRule],
    /// The reader for plugins that were granted `cluster-read`.
    pub reader: Option<&'a Arc<dyn ClusterReader>>,
    /// The time to live of a created pod.
    pub time_to_live: Option<TimeToLive<'a>>,
}

/// What another program planned, as it reached a cluster, and the policies that judge it.
#[derive(Clone, Copy)]
pub struct SubmittedRequest<'a> {
    /// What was submitted.
    pub submitted: &'a Submitted,
    /// The target.
    pub target: &'a Target,
    /// What policies are matched by.
    pub subject: Subject<'a>,
    /// Time and namespace.
    pub context: &'a Context,
    /// The user, and the reason of the debug.
    pub actor: &'a Actor,
    /// The policies, in the order of their reviews. Those that do not match are skipped.
    pub policies: &'a [PolicyRule],
    /// The reader for plugins that were granted `cluster-read`.
    pub reader: Option<&'a Arc<dyn ClusterReader>>,
}

/// The review of something that another program planned.
#[derive(Debug)]
pub struct SubmittedReview {
    /// The plan, with the policies' reviews and amendments.
    pub plan: DebugPlan,
    /// The outcome of all reviews.
    pub outcome: Outcome,
    /// The policies' logs, in the order of their reviews.
    pub logs: Vec<PluginLog>,
    /// The duration of each policy's call.
    pub took: Vec<(String, Duration)>,
}

/// A plan, with the logs of its plugins.
#[derive(Debug)]
pub struct Planned {
    /// The plan, checked.
    pub plan: DebugPlan,
    /// The plugins' logs, in the order of their calls.
    pub logs: Vec<PluginLog>,
}

/// The log of one call of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginLog {
    /// The strategy's name, or the policy's in the configuration.
    pub plugin: String,
    /// The lines.
    pub lines: Vec<LogLine>,
}

impl Engine {
    /// Creates an engine. Nothing is compiled and no thread is started; only the cache folder is opened.
    ///
    /// # Errors
    /// Fails when the cache folder cannot be used.
    pub fn new(config: EngineConfig) -> Result<Self, WasmError> {
        Ok(Self {
            runtime: runtime::Engine::new(config)?,
            stores: Stores::default(),
            warned: Mutex::default(),
        })
    }

    /// Sets a listener for events while plugins are loaded.
    #[must_use]
    pub fn with_listener(self, listener: impl Fn(&LoadEvent<'_>) + Send + Sync + 'static) -> Self {
        Self {
            runtime: self.runtime.with_listener(listener),
            ..self
        }
    }

    /// Sets the stores of plugins from registries. Without stores, such plugins are not found.
    #[must_use]
    pub fn with_stores(mut self, stores: Stores) -> Self {
        self.stores = stores;
        self
    }

    /// Resolves a plugin from a registry to a file in a store, and checks every plugin except the default ones by the trust rules of a
    /// configuration. The result is bound to what was checked.
    ///
    /// # Errors
    /// Fails when the plugin is not on this machine, when a lock differs, and when the trust rules refuse it.
    pub fn find(&self, config: &Config, source: &PluginSource) -> Result<PluginSource, PluginError> {
        supply::find(
            &self.stores,
            config,
            source,
            self.runtime.limits().component,
            &|plugin, missing| self.warn_once(plugin, missing),
        )
    }

    /// Sends a warning once, even if several policies use the plugin.
    fn warn_once(&self, plugin: &str, missing: &str) {
        let warning = (plugin.to_owned(), missing.to_owned());
        if self.warned.lock().is_ok_and(|mut known| known.insert(warning)) {
            self.runtime.tell(&LoadEvent::NotSigned { plugin, missing });
        }
    }

    /// Returns whether a key signed a plugin, regardless of the trust rules.
    ///
    /// # Errors
    /// Fails when the plugin is not on this machine.
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

    /// Compiles a plugin into the cache ahead of its first use. Returns false if it was compiled already, is a default plugin, or
    /// there is no cache.
    ///
    /// # Errors
    /// Fails when the plugin does not exist or cannot be used, and when the cache cannot be written.
    pub fn compile(&self, source: &PluginSource) -> Result<bool, PluginError> {
        self.runtime.compile(source)
    }

    /// Describes a plugin, without running it.
    ///
    /// # Errors
    /// Fails when the plugin does not exist or cannot be used.
    pub fn describe(&self, source: &PluginSource) -> Result<PluginDescription, PluginError> {
        self.runtime.describe(source)
    }

    /// Loads a plugin with the capabilities that it was granted.
    ///
    /// # Errors
    /// Fails when the plugin does not exist, is of the other type, or cannot be used.
    pub fn load(
        &self,
        source: &PluginSource,
        wanted: PluginType,
        grants: &Grants,
    ) -> Result<Plugin, PluginError> {
        self.runtime.load(source, wanted, grants)
    }

    /// Lets a plugin check its settings beyond their schema.
    ///
    /// # Errors
    /// Fails when the plugin crashes or reaches a limit.
    pub fn validate_settings(&self, plugin: &Plugin, settings: &str) -> Answer<Vec<Diagnostic>> {
        self.runtime.validate_settings(plugin, settings)
    }

    /// Makes a plan: strategy, guard rails, policies. Blocks while plugins run, each within its time limit.
    ///
    /// # Errors
    /// Fails when the strategy refuses, crashes or reaches a limit, when a policy denies the plan, and when it breaks a guard rail.
    pub fn plan(&self, request: &PlanRequest<'_>) -> Result<Planned, PlanError> {
        let mut logs = Vec::new();
        let draft = self.draft(request, &mut logs)?;
        Ok(Planned {
            plan: draft.into_plan(),
            logs,
        })
    }

    /// Like [`Self::plan`], but returns a draft, and logs even if planning fails.
    pub(crate) fn draft(
        &self,
        request: &PlanRequest<'_>,
        logs: &mut Vec<PluginLog>,
    ) -> Result<Draft, PlanError> {
        self.with_guests(request, logs, |inputs, guests| planning::draft(inputs, guests))
    }

    /// Judges an existing debug container, in place of the strategy's answer.
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

    /// Compares what a server stored with a draft of the same request. Policies review the differences; none if there are none.
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

    /// Lets policies judge what another program planned. The result cannot be applied. Blocks while plugins run, each within its
    /// time limit.
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

    /// Finds options that make no difference to a strategy's plan, by field name. Calls the strategy once more for each option that
    /// is set. Returns nothing for default strategies, and for those that read the cluster, since its state may change between calls.
    pub fn unread_options(&self, request: &PlanRequest<'_>) -> Vec<String> {
        let description = request.strategy.description();
        if description.is_default() || description.manifest().asks_for(CLUSTER_READ) {
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

    /// What a strategy proposes with these options; none if it refuses or fails.
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
            // Strategies that read the cluster are left out before: its state may change between two calls.
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

/// Returns whether a user set a field of the options. A profile is always present, and `stdinOnce` follows from other options.
fn is_set(name: &str, value: &Value) -> bool {
    match name {
        "profile" => value != Profile::default().name(),
        "stdinOnce" => false,
        _ => true,
    }
}

struct LoadedGuests<'a, 'b> {
    engine: &'a runtime::Engine,
    /// The strategy and its settings; none for what another program planned.
    strategy: Option<(&'b Plugin, &'b str)>,
    context: &'b Context,
    reader: Option<&'b Arc<dyn ClusterReader>>,
    asked: &'a [&'b PolicyRule],
    logs: &'a mut Vec<PluginLog>,
    /// Collects the durations of policies' calls, if wanted.
    took: Option<&'a mut Vec<(String, Duration)>>,
    /// Replaces the strategy's answer.
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
            // Not reached: `judge_submitted` does not ask for a proposal.
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
        let started = self.took.as_ref().map(|_| Instant::now());
        let (answer, lines) = self.engine.evaluate(&rule.plugin, &input, self.aids());
        if let (Some(took), Some(started)) = (&mut self.took, started) {
            took.push((rule.name.clone(), started.elapsed()));
        }
        self.log(&rule.name, lines);
        let answer = answer.map_err(|error| error.to_string())?;
        answer.map_err(|failure| failure.message)
    }
}

/// The time of a context, for guests that read a clock; 1970 for a malformed time, which must not prevent a plan.
fn since_1970(time: &str) -> Duration {
    let seconds = time.parse::<jiff::Timestamp>().map_or(0, |time| time.as_second());
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}
