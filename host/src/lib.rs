//! Debug Kubernetes pods and nodes, with sandboxed WebAssembly plugins that decide how.

pub mod audit;
pub mod capability;
pub mod cluster;
pub mod config;
pub mod documents;
mod engine;
pub mod plan;
pub mod plugin;
pub mod policy;
pub mod reference;
pub mod request;
pub mod strict;
pub mod target;
mod wasm;

pub use engine::{Engine, EngineConfig, PlanError, PlanRequest, Planned, PluginLog};
pub use plan::DebugPlan;
pub use target::Target;
pub use trocar_sdk::{
    Actor, Context, DebugOptions, Diagnostic, EnvVar, Failure, FailureKind, Keep, Profile, Severity, names,
    options::API_VERSION,
};
pub use wasm::{Blame, Limit, Limits, LogLevel, LogLine, WasmError, check_cache};
