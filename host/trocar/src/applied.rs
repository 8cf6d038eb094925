//! An applied plan: its session, and what it leaves behind.

use std::time::Duration;

use serde_json::Value;
use trocar_cluster::{
    Cluster, Ended, InputQueue, Output, Screen, Session, SessionError, bytes_before_tail, deleted_by,
    losing_runtime, read_node,
};
use trocar_core::{
    audit::AuditOutcome,
    plan::{DebugPlan, Step},
    planning::StoredOtherwise,
};

use crate::{audit::LastRecord, quota::GivenForQuota, tail::TailOutput};

/// The caller's side of a session.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// The caller has input for the container.
    pub stdin: bool,
    /// The container's terminal is attached to the caller's.
    pub tty: bool,
    /// The size of the user's terminal; none where output goes to no terminal.
    pub screen: Option<Screen>,
    /// The time within which the container has to start.
    pub start_timeout: Duration,
    /// Waits the full `start_timeout` for an unschedulable pod, rather than 10 s when only another pod or other nodes could help.
    pub waits_for_nodes: bool,
    /// The number of earlier lines that are shown; none shows all.
    pub tail: Option<usize>,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            stdin: false,
            tty: false,
            screen: None,
            start_timeout: Duration::from_secs(60),
            waits_for_nodes: false,
            tail: None,
        }
    }
}

/// An applied plan. Its end is audited on drop.
///
/// ```compile_fail,E0599
/// // There is no session before the write.
/// async fn early(approved: trocar::Approved, output: &mut dyn trocar::cluster::Output) {
///     let (_, mut input) = trocar::cluster::input_queue(1);
///     approved.attach(output, &mut input, Default::default()).await;
/// }
/// ```
///
/// ```compile_fail,E0451
/// // Only the write creates one.
/// fn forged(applied: trocar::Applied) -> trocar::Applied {
///     trocar::Applied { ..applied }
/// }
/// ```
///
/// ```compile_fail,E0382
/// // There is one session per write.
/// async fn twice(applied: trocar::Applied, output: &mut dyn trocar::cluster::Output) {
///     let (_, mut input) = trocar::cluster::input_queue(1);
///     applied.attach(output, &mut input, Default::default()).await;
///     applied.attach(output, &mut input, Default::default()).await;
/// }
/// ```
pub struct Applied {
    pub(crate) cluster: Cluster,
    pub(crate) record: LastRecord,
    pub(crate) stored_otherwise: Option<StoredOtherwise>,
    pub(crate) given: Vec<GivenForQuota>,
}

impl Applied {
    /// A query about the deletion of the created pod, for after its session. None for an ephemeral container.
    pub fn deletion(&self) -> Option<Deletion> {
        let creates_pod = |step: &Step| matches!(step, Step::CreatePod(_));
        let uid = self.record.pod["metadata"]["uid"].as_str()?;
        self.plan().steps().iter().any(creates_pod).then(|| Deletion {
            cluster: self.cluster.clone(),
            namespace: self.plan().debug_namespace().unwrap_or_default().to_owned(),
            name: self.plan().debug_pod().to_owned(),
            uid: uid.to_owned(),
        })
    }

    /// A query about the node's container runtime, for after the session. None while the pod has no node.
    pub fn runtime(&self) -> Option<NodeRuntime> {
        let node = self.record.pod["spec"]["nodeName"].as_str()?;
        Some(NodeRuntime {
            cluster: self.cluster.clone(),
            node: node.to_owned(),
        })
    }

    /// The plan, as it was applied.
    pub fn plan(&self) -> &DebugPlan {
        &self.record.plan
    }

    /// The pod with the debug container, as the server stored it.
    pub fn pod(&self) -> &Value {
        &self.record.pod
    }

    /// Differences between what was judged and what the server stored. No enforced policy denies them.
    pub fn stored_otherwise(&self) -> Option<&StoredOtherwise> {
        self.stored_otherwise.as_ref()
    }

    /// Resources that were added to the debug container, since quotas of the namespace require them.
    pub fn given_for_quota(&self) -> &[GivenForQuota] {
        &self.given
    }

    /// Returns true if a boolean field of the session's container is set, such as `tty`.
    pub fn container_flag(&self, flag: &str) -> bool {
        let name = self.plan().attach().unwrap_or_default();
        ["ephemeralContainers", "containers", "initContainers"]
            .into_iter()
            .filter_map(|list| self.pod()["spec"][list].as_array())
            .flatten()
            .any(|container| container["name"] == name && container[flag] == true)
    }

    /// Runs the plan's session to its end. Returns none if the plan has no session.
    ///
    /// Dropping the future detaches: the connections are closed and the program goes on.
    ///
    /// # Errors
    /// Fails when the container does not start, when the pod is deleted, when the connection is lost and cannot be made again,
    /// and when the output cannot be written.
    pub async fn attach(
        mut self,
        output: &mut dyn Output,
        input: &mut InputQueue,
        options: SessionOptions,
    ) -> Result<Option<Ended>, SessionError> {
        let Some(container) = self.plan().attach().map(str::to_owned) else {
            return Ok(None);
        };
        let session = Session {
            cluster: self.cluster.clone(),
            namespace: self.plan().debug_namespace().unwrap_or_default().to_owned(),
            pod: self.plan().debug_pod().to_owned(),
            container,
            stdin: options.stdin,
            stdin_once: self.container_flag("stdinOnce"),
            has_terminal: self.container_flag("tty"),
            tty: options.tty,
            screen: options.screen,
            start_timeout: options.start_timeout,
            waits_for_nodes: options.waits_for_nodes,
        };
        // If the future is dropped from here on, the record says that a session began and not how it ended.
        self.record.outcome = AuditOutcome::Session(None);
        let skipped = match options.tail {
            Some(lines) => before_tail(&session, lines).await,
            None => 0,
        };
        let mut output = TailOutput::new(output, skipped);
        let ended = session.run(&self.record.pod, input, &mut output).await;
        self.record.outcome = match &ended {
            Ok(ended) => AuditOutcome::Session(Some(ended.exit_code())),
            Err(_) => AuditOutcome::Failed,
        };
        ended.map(Some)
    }
}

/// A query about who deleted a created pod, for after its session.
pub struct Deletion {
    cluster: Cluster,
    namespace: String,
    name: String,
    uid: String,
}

impl Deletion {
    /// Returns what deleted the pod, by the cluster's events, which may be empty. None if the pod exists or cannot be read.
    pub async fn by(&self) -> Option<Vec<String>> {
        deleted_by(&self.cluster, &self.namespace, &self.name, &self.uid).await
    }
}

/// A query about the container runtime of a debug container's node.
pub struct NodeRuntime {
    cluster: Cluster,
    node: String,
}

impl NodeRuntime {
    /// Returns the runtime's name and version if it is known to lose output. None if not, or if the node cannot be read.
    pub async fn losing(&self) -> Option<String> {
        losing_runtime(&read_node(&self.cluster, &self.node).await.ok()?)
    }

    /// The node's name.
    pub fn node(&self) -> &str {
        &self.node
    }
}

/// The number of bytes before the last lines of the log; 0 if the log cannot be read, which the session reports.
async fn before_tail(session: &Session, lines: usize) -> u64 {
    let Session {
        cluster,
        namespace,
        pod,
        container,
        ..
    } = session;
    let counted = bytes_before_tail(cluster, namespace, pod, container, lines).await;
    counted.unwrap_or_default()
}

/// An object that a debug leaves behind in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeftBehind {
    /// An ephemeral container. Kubernetes cannot remove one from its pod.
    Container {
        /// Its name.
        container: String,
    },
    /// A created pod.
    Pod,
    /// The absence of a pod that was deleted.
    Deleted {
        /// Its name.
        pod: String,
    },
}

/// What a plan leaves behind when it was applied.
pub fn left_behind(plan: &DebugPlan) -> Vec<LeftBehind> {
    left_by(plan.steps())
}

/// What these steps of a plan leave behind.
pub(crate) fn left_by(steps: &[Step]) -> Vec<LeftBehind> {
    let left = steps.iter().map(|step| match step {
        Step::AddEphemeralContainer(container) => LeftBehind::Container {
            container: trocar_sdk::pod::text(container, "name")
                .unwrap_or_default()
                .to_owned(),
        },
        Step::CreatePod(_) => LeftBehind::Pod,
        Step::DeletePod(deletion) => LeftBehind::Deleted {
            pod: deletion.name.clone(),
        },
    });
    left.collect()
}
