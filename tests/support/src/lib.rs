//! What tests share: a program under test in an environment of its own, on pipes or on a terminal, and an API server that
//! misbehaves on demand.
//!
//! Waiting here is always for something that happens, with a bound that only a hang reaches. Nothing sleeps.

pub mod api;
pub mod container_log;
mod environment;
mod gathered;
pub mod measure;
mod process;
pub mod pty;
pub mod registry;
mod seed;
mod skipped;

pub use api::{Answer, FakeApiServer, Fault, Gate, Program, RecordedRequest};
pub use container_log::OutputStream;
pub use environment::{CommandOutput, TestEnv, in_path, kubeconfig};
pub use process::Running;
pub use pty::Terminal;
pub use seed::seed;
pub use skipped::skipped;

use std::time::Duration;

/// How long anything may take that a test waits for. Only what hangs takes so long.
pub const PATIENCE: Duration = Duration::from_secs(60);
