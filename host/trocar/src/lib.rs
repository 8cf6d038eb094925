//! Debug Kubernetes pods and nodes, with sandboxed WebAssembly plugins that decide how.

mod approval;
mod audit;
mod debugger;
mod engine;
mod error;
mod planner;

pub use approval::{Approved, Consent, Draft, NotAgreed, SamePod, approve_all, check_names};
pub use audit::{AuditError, AuditLog};
pub use debugger::{Applied, ApplyError, Debugger, LeftBehind, SessionOptions, left_behind};
pub use engine::{Engine, PlanError, PlanRequest, Planned, PluginLog, PolicyRule};
pub use error::{DebugError, PlannerError, SettingsOf};
pub use planner::{Planner, PluginChoice, policy_rule, settings_problems, source_named};
pub use trocar_core::{
    capability, config, documents, manifest,
    plan::{self, DebugPlan},
    planning::default_strategy,
    policy, reference, request, settings, strict, target,
    target::Target,
    text,
};
pub use trocar_runtime::{Blame, EngineConfig, Limit, Limits, LogLevel, LogLine, WasmError, check_cache};
pub use trocar_sdk::{
    Actor, Context, DebugOptions, Diagnostic, EnvVar, Failure, FailureKind, Keep, Profile, Severity, names,
    options::API_VERSION,
};

/// A cluster: how it is reached, what is read from it, and what a session shows.
pub mod cluster {
    pub use trocar_cluster::{
        Action, Cluster, ClusterConfig, ClusterError, Ended, Found, Hopeless, Identity, Input, InputQueue,
        InputSender, LiveReader, LookupError, Output, RequestTrace, Screen, SessionError, SessionEvent,
        Stream, input_queue, lookup, nothing_starts, select, who_am_i,
    };
}

/// Plugins: where they come from, what is known of them without running them, and how they are made.
pub mod plugin {
    pub use trocar_core::manifest::{
        ABI, CapabilityRequest, KindScope, PluginFlag, PluginManifest, PluginRule, PluginType,
        SECTION as MANIFEST_SECTION,
    };
    pub use trocar_runtime::plugin::*;
}
