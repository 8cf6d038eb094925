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
mod joined;
mod lines;
mod logs;
mod lookup;
mod names;
mod nodes;
mod paths;
mod progress;
mod reader;
mod refusal;
mod run;
mod scheduling;
mod session;
mod sessions;
mod status;
mod telling;
mod warnings;
mod watch;

pub use apply::{apply_step, delete_pod, dry_run_step, find_written};
pub use client::{Cluster, RequestTrace};
pub use connect::{
    ClusterConfig, Kubeconfig, KubeconfigError, Overrides, PluginPolicy, ProxyEnvironment, Secret, Selection,
};
pub use error::{Action, ClusterError, CredentialError};
pub use events::deleted_by;
pub use identity::{Identity, who_am_i};
pub use joined::never_joins;
pub use lookup::{Found, LookupError, lookup, select};
pub use names::list_names;
pub use nodes::{NodeTrouble, may_have_node_trouble, node_trouble, read_node};
pub use progress::{Hopeless, HopelessKind, Progress, is_trouble, nothing_starts, progress};
pub use reader::LiveReader;
pub use refusal::{Refusal, Status, StatusCause, StatusDetails};
pub use session::{
    Doubt, Ended, Input, InputQueue, InputSender, Output, Screen, Session, SessionEnded, SessionError,
    SessionEvent, Stream, WriteOutput, input_queue,
};
pub use sessions::{Listed, PodChange, PodChanges, list_sessions, read_pod, watch_pods};
