//! Running components: contents only. Nothing in here knows that a cluster exists.

mod bindings;
mod cache;
mod classify;
mod component;
mod config;
mod convert;
mod error;
mod limits;
mod log;
mod runtime;
mod state;
mod trusted;
mod turns;
mod wasi;

pub use cache::check as check_cache;
pub(crate) use component::{
    Inspected, check_encoding, check_size, has_manifest, inspect, is_core_module, with_manifest,
};
pub(crate) use convert::{GuestDecision, GuestPlan, message};
pub use error::{Blame, WasmError};
pub use limits::{Limit, Limits};
pub(crate) use log::plain;
pub use log::{LogLevel, LogLine};
pub(crate) use runtime::{Allocation, CallContext, Code, Loaded, PlanInput, ReviewInput, Runtime};
pub(crate) use state::Reads;
pub(crate) use trusted::PageAligned;
