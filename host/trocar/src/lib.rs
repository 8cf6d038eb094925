//! Debug Kubernetes pods and nodes, as planned by sandboxed WebAssembly plugins.
//!
//! A plugin proposes a plan, policies review it, the host checks it, a user consents to what it grants beyond the request, and
//! only then is anything written to a cluster. The types enforce this order: [`Debugger::plan`] returns a [`Draft`],
//! [`Draft::approve`] turns it into an [`Approved`] plan, [`Debugger::apply`] takes nothing else, and [`Applied::attach`] runs
//! the session. Nothing else writes, so callers cannot skip a step.
//!
//! A plan needs no cluster:
//!
//! ```
//! use trocar::{Actor, Config, Context, DebugOptions, DebugRequest, Engine, EngineConfig, Planner, Target};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pod = serde_json::json!({
//!     "apiVersion": "v1", "kind": "Pod",
//!     "metadata": {"name": "web-0", "namespace": "shop"},
//!     "spec": {"containers": [{"name": "app", "image": "web:1"}]},
//! });
//! let target = Target::new(pod, "default")?;
//! let request = DebugRequest::new(DebugOptions {
//!     image: Some("busybox:1.36".into()),
//!     target_container: Some("app".into()),
//!     ..DebugOptions::default()
//! });
//! let context = Context {
//!     namespace: "shop".into(),
//!     suffix: "abc12".into(),
//!     time: "2026-01-01T00:00:00Z".into(),
//! };
//!
//! let engine = Engine::new(EngineConfig::default())?;
//! let mut planner = Planner::new(engine, &Config::default());
//! let plan = planner.plan(&request, &target, &context, &Actor::default())?;
//! assert_eq!(plan.attach(), Some("debugger-abc12"));
//! # Ok(())
//! # }
//! ```
//!
//! Whole programs are in `examples/`: `plan` (offline), `debug` (with consent), `judge` (policies alone, no cluster).

mod applied;
mod apply;
mod approval;
mod audit;
mod debugger;
mod engine;
mod error;
mod files;
mod journal;
mod planner;
pub mod policy_cases;
mod present;
mod quota;
mod rejoin;
pub mod removal;
pub mod sessions;
mod supply;
mod tail;

pub use applied::{Applied, Deletion, LeftBehind, NodeRuntime, SessionOptions, left_behind};
pub use apply::{ApplyError, DryRun, WriteError};
pub use approval::{Approved, Draft, NotAgreed, SamePod, approve_all, check_names};
pub use audit::{AuditError, AuditLog, check_audit_file};
pub use debugger::Debugger;
pub use engine::{
    Engine, PlanError, PlanRequest, Planned, PluginLog, PolicyRule, SubmittedRequest, SubmittedReview,
};
pub use error::{DebugError, PlannerError, SettingsOf};
pub use files::read_config;
pub use journal::JournalFile;
pub use planner::{Planner, PluginChoice, configured_source, policy_rule, settings_problems, source_named};
pub use quota::GivenForQuota;
pub use rejoin::RejoinError;
pub use supply::{Stores, manifest_of, read_lock};
pub use trocar_core::{
    audit::{AuditEvent, AuditRecord},
    bounded, capability,
    config::{self, Config},
    documents,
    kubernetes::{Difference, DifferenceKind},
    manifest,
    plan::{self, DebugPlan, REASON_VARIABLE, reason_in},
    planning::{Blame, EXTERNAL, StoredOtherwise, Submitted, TimeToLive, default_strategy},
    policy, reference,
    request::{self, DebugRequest},
    settings, strict,
    target::{self, Target},
    text,
};
pub use trocar_runtime::{
    EngineConfig, Limit, LimitError, Limits, LoadEvent, LogLevel, LogLine, SystemFiles, WasmError,
    check_cache,
};
pub use trocar_sdk::{
    Actor, Context, DebugOptions, Diagnostic, EnvVar, Failure, FailureKind, Keep, Profile, Severity, inherit,
    names, options::API_VERSION,
};

/// Clusters: connections, reads, and the types of sessions. Nothing here writes.
pub mod cluster {
    pub use trocar_cluster::{
        Action, Cluster, ClusterConfig, ClusterError, CredentialError, Doubt, Ended, Found, Hopeless,
        HopelessKind, Identity, Input, InputQueue, InputSender, Kubeconfig, KubeconfigError, LiveReader,
        LookupError, MissingResource, NodeTrouble, Output, Overrides, PluginPolicy, ProxyEnvironment,
        Refusal, RequestTrace, Screen, Secret, Selection, SessionError, SessionEvent, Status, StatusCause,
        StatusDetails, Stream, WriteOutput, certificate_end, input_queue, is_trouble, list_names, lookup,
        may_have_node_trouble, never_joins, node_trouble, nothing_starts, read_node, select, who_am_i,
    };
}

/// Registries: pulling and pushing plugins, and the stores for pulled ones.
pub mod registry {
    pub use trocar_core::registry::*;
    pub use trocar_registry::{
        CarriedPlugin, Client, ClientConfig, CredentialFiles, FoundSignature, HostConfig, KeyError,
        ProxyError, Pruned, PublicKey, Pulled, Pushed, RegistryError, Signature, Store, StoredPlugin,
        Timeouts, Upload, digest, read_bundle, write_bundle, write_whole,
    };
}

/// Plugins: sources, descriptions, manifests and packing.
pub mod plugin {
    pub use trocar_core::manifest::{
        ABI, CapabilityRequest, KindScope, PluginFlag, PluginManifest, PluginRule, PluginType,
        SECTION as MANIFEST_SECTION,
    };
    pub use trocar_runtime::plugin::*;
}
