//! The one orchestration: strategy, guard rails, and what comes of them. Only this module knows both plugins and clusters.

use std::{path::PathBuf, sync::Arc, time::Duration};

use trocar_sdk::{Context, DebugOptions, Diagnostic, Failure};

use crate::{
    capability::{ClusterReader, Grants},
    plan::{
        DebugPlan, PluginId, Step,
        check::{Violation, check, check_count},
        excess::excess,
    },
    plugin::{self, Plugin, PluginDescription, PluginError, PluginSource, PluginType},
    target::Target,
    wasm::{
        Allocation, Blame, CallContext, GuestPlan, Limits, LogLine, PlanInput, Reads, Runtime, WasmError,
        message,
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
    #[error("the plan of strategy {:?} is refused: {violation}", strategy.name)]
    GuardRail {
        /// Who planned it.
        strategy: PluginId,
        /// What no plan may do.
        violation: Violation,
    },
}

impl PlanError {
    /// Who has to change something.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Plugin(error) => error.blame(),
            Self::Refused { .. } => Blame::User,
            Self::GuardRail { .. } => Blame::Plugin,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Plugin(error) => error.hint(),
            Self::Refused { .. } => None,
            Self::GuardRail { .. } => Some(
                "no plan may do that, whatever the plugin; use another strategy, and tell the author of this one".into(),
            ),
        }
    }
}

/// A plan, and what the plugins wrote while it was made.
#[derive(Debug)]
pub struct Planned {
    /// The plan, checked.
    pub plan: DebugPlan,
    /// The strategy's log.
    pub log: Vec<LogLine>,
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
                loaded,
            }),
            Err(error) => Err(blamed(&opened.description, error)),
        }
    }

    /// Makes a plan and checks it.
    ///
    /// # Errors
    /// Fails when the strategy refuses, breaks or reaches a limit, and when its plan breaks a guard rail.
    pub fn plan(&self, request: &PlanRequest<'_>) -> Result<Planned, PlanError> {
        let description = &request.strategy.description;
        let options = serde_json::to_string(request.options).expect("options can always be written");
        let context = serde_json::to_string(request.context).expect("a context can always be written");
        let input = PlanInput {
            target: request.target.text(),
            options: &options,
            settings: request.settings,
            context: &context,
        };
        let call = CallContext {
            now: since_1970(&request.context.time),
            reads: request
                .reader
                .map(|reader| Reads::new(reader.clone(), description.manifest())),
        };
        let (answer, log) = self.runtime.make_plan(&request.strategy.loaded, &input, call);
        let answer = answer.map_err(|error| blamed(description, error))?;
        let proposed = answer.map_err(|failure| PlanError::Refused {
            strategy: description.id(),
            failure: Box::new(failure),
        })?;
        let plan = checked(proposed, request)?;
        Ok(Planned { plan, log })
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

/// Reads a guest's steps and holds them against the guard rails.
fn checked(proposed: GuestPlan, request: &PlanRequest<'_>) -> Result<DebugPlan, PlanError> {
    let strategy = request.strategy.description.id();
    if let Err(violation) = check_count(proposed.steps.len()) {
        return Err(PlanError::GuardRail { strategy, violation });
    }
    let mut steps = Vec::with_capacity(proposed.steps.len());
    for (index, (action, object)) in proposed.steps.iter().enumerate() {
        let step = Step::parse(action, object).map_err(|problem| {
            let answer = WasmError::Answer(message(&format!("step {} {problem}", index + 1)));
            blamed(&request.strategy.description, answer)
        })?;
        steps.push(step);
    }
    let guard_rails = check(
        &steps,
        proposed.attach.as_deref(),
        request.target,
        request.options,
        &request.context.namespace,
    );
    if let Err(mut violation) = guard_rails {
        // It quotes what the guest wrote.
        violation.message = message(&violation.message);
        return Err(PlanError::GuardRail { strategy, violation });
    }
    Ok(DebugPlan {
        target: request.target.id().clone(),
        beyond_options: excess(&steps, request.target, request.options),
        strategy,
        steps,
        attach: proposed.attach,
        diagnostics: proposed.diagnostics,
    })
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
