//! Runs components: inspects, compiles and links them, enforces limits, and uses a fresh instance for every call.
//!
//! Nothing in here knows that a cluster exists. Internal to trocar, without stability: programs use the crate `trocar`.

mod bindings;
mod cache;
mod classify;
mod compiler;
mod component;
mod config;
mod convert;
mod engine;
mod error;
mod known;
mod limits;
mod log;
pub mod plugin;
mod protection;
mod queue;
mod runtime;
mod state;
mod trusted;
mod wasi;

pub use cache::check as check_cache;
pub use engine::{Answer, CallAids, Engine, EngineConfig, LoadEvent, PlanInput, ReviewInput, SystemFiles};
pub use error::WasmError;
pub use limits::{Limit, LimitError, Limits};
pub use log::{LogLevel, LogLine};
pub use trocar_core::planning::Blame;
