//! Everything that talks to a cluster: reading targets, writing checked plans, waiting, attaching. Knows no plugins.
//!
//! Internal to trocar, without stability: programs use the crate `trocar`.

mod access;
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
mod removal;
mod run;
mod runtime;
mod scheduling;
mod session;
mod sessions;
mod status;
mod subscription;
mod tail;
mod warnings;
mod watch;

pub use access::may_delete_pod;
pub use apply::{apply_step, delete_pod, dry_run_step, find_written};
pub use client::{Cluster, RequestTrace};
pub use connect::{
    ClusterConfig, Handover, Kubeconfig, KubeconfigError, Overrides, PluginPolicy, ProxyEnvironment,
    ProxyError, Secret, Selection, certificate_end,
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
pub use refusal::{MissingResource, Refusal, Status, StatusCause, StatusDetails};
pub use removal::{CreatedPod, remove_created};
pub use runtime::losing_runtime;
pub use session::{
    Doubt, Ended, Input, InputQueue, InputSender, Output, Screen, Session, SessionEnded, SessionError,
    SessionEvent, Stream, WriteOutput, input_queue,
};
pub use sessions::{Listed, PodChange, PodChanges, list_sessions, read_pod, watch_pods};
pub use tail::bytes_before_tail;
