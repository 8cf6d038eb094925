//! Everything that talks to a cluster: reading targets, writing checked plans, waiting, attaching. Knows no plugins.
//!
//! Internal to trocar, without stability: programs use the crate `trocar`.

mod apply;
mod attach;
mod client;
mod connect;
mod error;
mod events;
#[doc(hidden)]
pub mod fuzzed;
mod identity;
mod lines;
mod logs;
mod lookup;
mod paths;
mod progress;
mod reader;
mod refusal;
mod run;
mod session;
mod sessions;
mod status;
mod telling;
mod watch;

pub use apply::{apply_step, delete_pod, dry_run_step, find_written};
pub use client::{Cluster, RequestTrace};
pub use connect::{
    ClusterConfig, Kubeconfig, KubeconfigError, Overrides, PluginPolicy, ProxyEnvironment, Secret, Selection,
};
pub use error::{Action, ClusterError, CredentialError};
pub use identity::{Identity, who_am_i};
pub use lookup::{Found, LookupError, lookup, select};
pub use progress::{Hopeless, HopelessKind, Progress, nothing_starts, progress};
pub use reader::LiveReader;
pub use refusal::{Refusal, Status, StatusCause, StatusDetails};
pub use session::{
    Doubt, Ended, Input, InputQueue, InputSender, Output, Screen, Session, SessionEnded, SessionError,
    SessionEvent, Stream, WriteOutput, input_queue,
};
pub use sessions::{Listed, PodChange, PodChanges, list_sessions, read_pod, watch_pods};
