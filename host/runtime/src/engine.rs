//! Plugins as the outside sees them: described, loaded with what they were granted, and called.

use std::{path::PathBuf, sync::Arc, time::Duration};

use trocar_core::{
    capability::{ClusterReader, Grants},
    manifest::PluginType,
    planning::{Decision, Proposal},
};
use trocar_sdk::{Diagnostic, Failure};

use crate::{
    Limits, LogLine, WasmError,
    plugin::{self, Plugin, PluginDescription, PluginError, PluginSource},
    runtime::{Allocation, CallContext, Called, Runtime},
    state::Reads,
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

/// Runs plugins. What they answer is not checked yet.
pub struct Engine {
    runtime: Runtime,
}

/// The texts of a request for a plan: JSON documents.
#[derive(Clone, Copy, Debug)]
pub struct PlanInput<'a> {
    /// The target.
    pub target: &'a str,
    /// The `DebugOptions`.
    pub options: &'a str,
    /// The strategy's settings.
    pub settings: &'a str,
    /// Time, namespace and random suffix.
    pub context: &'a str,
}

/// The texts of a plan under review: JSON documents.
#[derive(Clone, Copy, Debug)]
pub struct ReviewInput<'a> {
    /// The plan.
    pub plan: &'a str,
    /// The target.
    pub target: &'a str,
    /// The `DebugOptions`.
    pub options: &'a str,
    /// Who asks, and why.
    pub actor: &'a str,
    /// The policy's settings.
    pub settings: &'a str,
    /// Time, namespace and random suffix.
    pub context: &'a str,
}

/// What a single call may need besides its documents: data, or a capability that was granted.
#[derive(Clone, Copy, Default)]
pub struct CallAids<'a> {
    /// The time in the request, since 1970, for guests that read a clock.
    pub now: Duration,
    /// The capability `cluster-read`, where there is a cluster.
    pub reader: Option<&'a Arc<dyn ClusterReader>>,
}

/// What a plugin answered, or its own refusal; or why there is no answer.
pub type Answer<T> = Result<Result<T, Failure>, PluginError>;

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

    /// Describes a plugin, without running it.
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

    /// Asks a strategy for a plan. The second value is what it logged.
    pub fn propose(
        &self,
        strategy: &Plugin,
        input: &PlanInput<'_>,
        aids: CallAids<'_>,
    ) -> (Answer<Proposal>, Vec<LogLine>) {
        let call = call_context(strategy, aids);
        answered(strategy, self.runtime.make_plan(&strategy.loaded, input, call))
    }

    /// Asks a policy about a plan. The second value is what it logged.
    pub fn evaluate(
        &self,
        policy: &Plugin,
        input: &ReviewInput<'_>,
        aids: CallAids<'_>,
    ) -> (Answer<Decision>, Vec<LogLine>) {
        let call = call_context(policy, aids);
        answered(policy, self.runtime.evaluate(&policy.loaded, input, call))
    }

    /// Lets a plugin check its settings beyond what its schema can say.
    ///
    /// # Errors
    /// Fails when the plugin breaks or reaches a limit.
    pub fn validate_settings(&self, plugin: &Plugin, settings: &str) -> Answer<Vec<Diagnostic>> {
        self.runtime
            .validate_settings(&plugin.loaded, settings, CallContext::default())
            .map_err(|error| blamed(&plugin.description, error))
    }
}

fn call_context(plugin: &Plugin, aids: CallAids<'_>) -> CallContext {
    CallContext {
        now: aids.now,
        reads: aids
            .reader
            .map(|reader| Reads::new(reader.clone(), plugin.description.manifest())),
    }
}

fn answered<T>(plugin: &Plugin, (answer, lines): Called<T>) -> (Answer<T>, Vec<LogLine>) {
    (answer.map_err(|error| blamed(&plugin.description, error)), lines)
}

fn blamed(description: &PluginDescription, error: WasmError) -> PluginError {
    let manifest = description.manifest();
    PluginError::Wasm {
        plugin: format!("{} {}", manifest.name, manifest.version),
        error,
    }
}
