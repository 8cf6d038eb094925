//! Shared test support: the program under test in an isolated environment, on pipes or on a terminal, and a fake API server and
//! registry that misbehave on demand.
//!
//! Waiting is always for an event, with a timeout that only a hang reaches. Nothing sleeps.

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

/// The timeout for everything that a test waits for. Only a hang reaches it.
pub const PATIENCE: Duration = Duration::from_secs(60);
