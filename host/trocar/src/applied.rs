//! A plan that was carried out: its session, and what stays of it.

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

/// What a front has for a session.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// There is something for the container's standard input.
    pub stdin: bool,
    /// Our terminal is the container's.
    pub tty: bool,
    /// The terminal that a person looks at, where one does.
    pub screen: Option<Screen>,
    /// How long the container may take to start.
    pub start_timeout: Duration,
    /// A pod that no node takes is waited for that long as well. Else it is given up after 10 s where waiting does not help.
    pub waits_for_nodes: bool,
    /// How many lines are shown of what was written before; none for all of it.
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

/// A plan that was carried out. How it ends is written down when this goes away.
///
/// ```compile_fail,E0599
/// // There is no session without a write.
/// async fn early(approved: trocar::Approved, output: &mut dyn trocar::cluster::Output) {
///     let (_, mut input) = trocar::cluster::input_queue(1);
///     approved.attach(output, &mut input, Default::default()).await;
/// }
/// ```
///
/// ```compile_fail,E0451
/// // Nothing but a write makes one.
/// fn forged(applied: trocar::Applied) -> trocar::Applied {
///     trocar::Applied { ..applied }
/// }
/// ```
///
/// ```compile_fail,E0382
/// // One write is good for one session.
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
    /// The pod that the plan created, to be asked about once its session has ended. None for an ephemeral container.
    pub fn deletion(&self) -> Option<Deletion> {
        let creates = |step: &Step| matches!(step, Step::CreatePod(_));
        let uid = self.record.pod["metadata"]["uid"].as_str()?;
        self.plan().steps().iter().any(creates).then(|| Deletion {
            cluster: self.cluster.clone(),
            namespace: self.plan().debug_namespace().unwrap_or_default().to_owned(),
            name: self.plan().debug_pod().to_owned(),
            uid: uid.to_owned(),
        })
    }

    /// What runs the debug container, to be asked about once its program has ended. None where the pod has no node yet.
    pub fn runtime(&self) -> Option<NodeRuntime> {
        let node = self.record.pod["spec"]["nodeName"].as_str()?;
        Some(NodeRuntime {
            cluster: self.cluster.clone(),
            node: node.to_owned(),
        })
    }

    /// The plan as it was carried out.
    pub fn plan(&self) -> &DebugPlan {
        &self.record.plan
    }

    /// The pod with the debug container, as the server stored it.
    pub fn pod(&self) -> &Value {
        &self.record.pod
    }

    /// What was stored otherwise than it was judged. No policy that is enforced denies it.
    pub fn stored_otherwise(&self) -> Option<&StoredOtherwise> {
        self.stored_otherwise.as_ref()
    }

    /// What the debug container was given besides, since quotas of the namespace take no pod without.
    pub fn given_for_quota(&self) -> &[GivenForQuota] {
        &self.given
    }

    /// Returns true if a flag of the container that a session is with is set, for example `tty`.
    pub fn container_flag(&self, flag: &str) -> bool {
        let name = self.plan().attach().unwrap_or_default();
        ["ephemeralContainers", "containers", "initContainers"]
            .into_iter()
            .filter_map(|list| self.pod()["spec"][list].as_array())
            .flatten()
            .any(|container| container["name"] == name && container[flag] == true)
    }

    /// Runs a session with the container that the plan made, to its end. None where the plan has no session.
    ///
    /// Dropping the future leaves: the connections are closed and the program goes on.
    ///
    /// # Errors
    /// Fails when the container does not start, when the pod goes away, when the cluster does not answer for longer than
    /// another try can mend, and when the output cannot be written.
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

/// Who deleted a created pod, if it was deleted: asked once its session has ended.
pub struct Deletion {
    cluster: Cluster,
    namespace: String,
    name: String,
    uid: String,
}

impl Deletion {
    /// Says whether it was deleted, and by what: empty where the cluster's events do not say. None where it still is, and where
    /// it cannot be read.
    pub async fn by(&self) -> Option<Vec<String>> {
        deleted_by(&self.cluster, &self.namespace, &self.name, &self.uid).await
    }
}

/// The container runtime of the node on which a debug container is.
pub struct NodeRuntime {
    cluster: Cluster,
    node: String,
}

impl NodeRuntime {
    /// Its name and version, where that is known to lose output itself. None where the node may not be read.
    pub async fn losing(&self) -> Option<String> {
        losing_runtime(&read_node(&self.cluster, &self.node).await.ok()?)
    }

    /// The node's name.
    pub fn node(&self) -> &str {
        &self.node
    }
}

/// How much of the output was written before the last lines. All is shown where the log cannot be read: the session tells that.
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

/// What a debug leaves behind in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeftBehind {
    /// An ephemeral container, which nothing can remove from its pod.
    Container {
        /// Its name.
        container: String,
    },
    /// A pod.
    Pod,
    /// A pod that is gone now.
    Deleted {
        /// Its name.
        pod: String,
    },
}

/// What a plan leaves behind once it was carried out.
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
