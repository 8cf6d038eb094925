//! The one way from a request to a session: plan, approve, apply, attach.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;
use trocar_cluster::{
    Cluster, ClusterError, Ended, Identity, InputQueue, LookupError, Output, Refusal, Screen, Session,
    SessionError, Unfinished, apply, dry_run, lookup, who_am_i,
};
use trocar_core::{
    audit::{AuditEvent, AuditOutcome},
    config::Config,
    plan::{DebugPlan, Step},
    planning,
    reference::{Kind, Reference},
    request::DebugRequest,
    stamp::Stamp,
    target::{Target, TargetId, TargetKind},
};
use trocar_sdk::{Actor, Context};

use crate::{
    approval::{Approved, Draft},
    audit::{AuditError, AuditLog, Auditor, LastRecord},
    engine::Engine,
    error::{DebugError, PlannerError},
    planner::{Planner, PluginChoice},
};

/// How often a conflict is met with another try: enough for twenty people who debug one pod at once.
const MAX_TRIES: u32 = 30;

/// The longest pause before another try.
const MAX_PAUSE: Duration = Duration::from_millis(320);

/// How old a plan may be before its target is looked at again: a person may have thought about it for long.
const MAX_AGE: Duration = Duration::from_secs(3);

/// Debugs targets of one cluster, by the rules of one configuration.
pub struct Debugger {
    cluster: Cluster,
    planner: Planner,
    context: Context,
    actor: Actor,
    is_identified: bool,
    impersonator: Option<String>,
    audit: Option<AuditLog>,
    auditor: Option<Arc<Auditor>>,
}

/// Why a plan was not carried out, or not as it was judged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The target changed, and the plan for it as it is now gives more than was agreed to. Nothing was changed.
    #[error("{} has changed, and its plan gives more than was agreed to now", .0.plan().target())]
    Stale(Box<Draft>),
    /// The target changed, and there is no plan for it as it is now. Nothing was changed.
    #[error(transparent)]
    Planner(PlannerError),
    /// The target is another object of the same name now, or gone. Nothing was changed.
    #[error(transparent)]
    Lookup(LookupError),
    /// The server refused a write.
    #[error("{error}")]
    Cluster {
        /// Why.
        error: ClusterError,
        /// The pod that was created before that, and stays.
        created: Option<String>,
        /// Its namespace.
        namespace: Option<String>,
    },
    /// The decision cannot be written down where the configuration requires it.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

impl Debugger {
    /// Makes a debugger without configuration: no policies, no audit.
    ///
    /// `context` is the time, the namespace of pods for targets without one, and the session's name, as data.
    pub fn new(cluster: Cluster, engine: Engine, context: Context) -> Self {
        Self::with_planner(cluster, Planner::new(engine, &Config::default()), context)
    }

    /// Makes a debugger of a planner, which has configuration and chosen plugins.
    pub fn with_planner(cluster: Cluster, planner: Planner, context: Context) -> Self {
        Self {
            cluster,
            planner,
            context,
            actor: Actor::default(),
            is_identified: false,
            impersonator: None,
            audit: None,
            auditor: None,
        }
    }

    /// Asks the policies of a configuration, and takes its defaults.
    #[must_use]
    pub fn with_config(mut self, config: &Config) -> Self {
        self.planner = self.planner.with_config(config);
        self
    }

    /// Chooses plugins besides those of the configuration.
    #[must_use]
    pub fn with_plugins(mut self, choice: PluginChoice) -> Self {
        self.planner = self.planner.with_plugins(choice);
        self
    }

    /// Writes decisions down.
    #[must_use]
    pub fn with_audit(mut self, log: AuditLog) -> Self {
        self.audit = Some(log);
        self
    }

    /// What is known of who asks besides what the cluster says: the reason, and the names in the kubeconfig.
    #[must_use]
    pub fn with_actor(mut self, actor: Actor) -> Self {
        self.actor = actor;
        self
    }

    /// The connection.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Asks the cluster who asks, where policies or audit have to know. Once; the first plan does it otherwise.
    ///
    /// `real` is a connection without impersonation, where the usual one acts as somebody else.
    ///
    /// # Errors
    /// Fails when the cluster cannot be reached or does not take the credentials.
    pub async fn identify(&mut self, real: Option<&Cluster>) -> Result<(), ClusterError> {
        let has_audit = self.audit.as_ref().is_some_and(|log| !log.is_empty());
        if self.is_identified || !(self.planner.has_policies() || has_audit) {
            return Ok(());
        }
        let Identity { user, groups } = who_am_i(&self.cluster).await?;
        (self.actor.user, self.actor.groups) = (user, groups);
        if let Some(real) = real {
            self.impersonator = Some(who_am_i(real).await?.user);
        }
        self.is_identified = true;
        Ok(())
    }

    fn auditor(&mut self) -> Arc<Auditor> {
        let Self {
            audit,
            actor,
            impersonator,
            context,
            ..
        } = self;
        let auditor = self.auditor.get_or_insert_with(|| {
            Arc::new(Auditor {
                log: audit.take().unwrap_or_default(),
                session: context.suffix.clone(),
                actor: actor.clone(),
                impersonator: impersonator.clone(),
            })
        });
        auditor.clone()
    }

    /// Finds what a reference names: a pod or node itself, or the best pod of a workload, in the context's namespace.
    ///
    /// # Errors
    /// Fails when it is not there, may not be read, or has no pods.
    pub async fn find(&self, reference: &Reference) -> Result<Target, LookupError> {
        let mut found = lookup(&self.cluster, reference, &self.context.namespace, false).await?;
        Ok(found.remove(0).target)
    }

    /// Makes a plan for a target: strategy, configured policies, guard rails. Nothing is written to the cluster.
    ///
    /// # Errors
    /// Fails when there is no plan, and when policies deny it, which is written down.
    pub async fn plan(&mut self, request: &DebugRequest, target: &Target) -> Result<Draft, DebugError> {
        self.identify(None).await?;
        let auditor = self.auditor();
        let judged = self.judge(request, target, &auditor)??;
        Ok(Draft {
            judged,
            request: request.clone(),
            auditor,
            made: Instant::now(),
        })
    }

    /// A draft by the whole chain; a denial is written down. The outer error is that it could not be.
    fn judge(
        &mut self,
        request: &DebugRequest,
        target: &Target,
        auditor: &Auditor,
    ) -> Result<Result<planning::Draft, PlannerError>, AuditError> {
        let judged = self.planner.draft(request, target, &self.context, &self.actor);
        if let Err(PlannerError::Plan(error)) = &judged
            && let Some(plan) = error.reviewed()
        {
            auditor.write(AuditEvent::Denied, plan, &Value::Null, &[])?;
        }
        Ok(judged)
    }

    /// Lets the server check a plan with everything that it has, and store nothing. Needs no consent.
    ///
    /// # Errors
    /// Fails when the server would refuse it.
    pub async fn dry_run(&self, draft: &Draft) -> Result<(), ClusterError> {
        let stamp = Stamp::new(draft.plan(), &self.actor, &self.context);
        dry_run(&self.cluster, &draft.judged, &stamp).await.map(drop)
    }

    /// Carries out an approved plan, with its stamps, and writes down how it ends.
    ///
    /// Where the target changed meanwhile it is read and judged again; it is written to when the policies allow it and
    /// its rights are among those agreed to.
    ///
    /// # Errors
    /// Fails when the server refuses, and with a new draft when more would be given than was agreed to.
    pub async fn apply(&mut self, approved: Approved) -> Result<Applied, ApplyError> {
        let Approved {
            mut judged,
            request,
            mut record,
            made,
        } = approved;
        record.outcome = AuditOutcome::Failed;
        if made.elapsed() > MAX_AGE {
            judged = self.judged_again(judged, &request, &mut record).await?;
        }
        let mut tried = 0;
        loop {
            tried += 1;
            let stamp = Stamp::new(judged.plan(), &self.actor, &self.context);
            let unfinished = match apply(&self.cluster, &judged, &stamp).await {
                Ok(written) => {
                    record.pod.clone_from(&written.pod);
                    record.outcome = AuditOutcome::Created;
                    return Ok(Applied {
                        cluster: self.cluster.clone(),
                        pod: written.pod,
                        record,
                    });
                }
                Err(unfinished) => unfinished,
            };
            let was_replaced = may_be_replaced(&unfinished)
                && self
                    .read_again(judged.plan().target())
                    .await
                    .is_ok_and(|now| now.id() != judged.target().id());
            if !(was_replaced || is_conflict(&unfinished)) || tried == MAX_TRIES {
                return Err(refused(judged.plan(), unfinished));
            }
            tokio::time::sleep(pause(tried, &self.context.suffix)).await;
            judged = self.judged_again(judged, &request, &mut record).await?;
        }
    }

    /// The plan for the target as it is now: the same where nothing changed that it is made of, else a new one.
    async fn judged_again(
        &mut self,
        judged: planning::Approved,
        request: &DebugRequest,
        record: &mut LastRecord,
    ) -> Result<planning::Approved, ApplyError> {
        let now = self.read_again(judged.plan().target()).await?;
        if let Some(same) = judged.for_target(&now) {
            return Ok(same);
        }
        let auditor = self.auditor();
        let newer = self.judge(request, &now, &auditor)?;
        match judged.renew(newer.map_err(ApplyError::Planner)?) {
            Ok(renewed) => {
                auditor.write(AuditEvent::Allowed, renewed.plan(), &Value::Null, &[])?;
                record.plan = renewed.plan().clone();
                Ok(renewed)
            }
            Err(stale) => Err(ApplyError::Stale(Box::new(Draft {
                judged: *stale,
                request: request.clone(),
                auditor,
                made: Instant::now(),
            }))),
        }
    }

    async fn read_again(&self, target: &TargetId) -> Result<Target, ApplyError> {
        let reference = Reference {
            kind: match target.kind {
                TargetKind::Pod => Kind::Pod,
                TargetKind::Node => Kind::Node,
            },
            name: target.name.clone(),
        };
        let namespace = target.namespace.as_deref().unwrap_or_default();
        let found = lookup(&self.cluster, &reference, namespace, false).await;
        Ok(found.map_err(ApplyError::Lookup)?.remove(0).target)
    }
}

/// How long to wait before another try: longer each time, and differently long for each session, by its name.
fn pause(tried: u32, session: &str) -> Duration {
    let spread = session.bytes().fold(tried, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(byte))
    }) % 100;
    let pause = Duration::from_millis(10 << tried.min(5)).min(MAX_PAUSE);
    pause * (50 + spread) / 100
}

/// Whether a write was refused because the target is not as it was looked at. One that made something is not tried again.
fn is_conflict(unfinished: &Unfinished) -> bool {
    unfinished.written.pod.is_null() && unfinished.error.refusal() == Some(Refusal::Conflict)
}

/// Whether a write may have been refused because another object has the target's name now: of the test of its identity the
/// server says no more than that the request is invalid.
fn may_be_replaced(unfinished: &Unfinished) -> bool {
    unfinished.written.pod.is_null() && unfinished.error.code() == Some(422)
}

fn refused(plan: &DebugPlan, unfinished: Unfinished) -> ApplyError {
    let created = unfinished.written.pod["metadata"]["name"]
        .as_str()
        .map(str::to_owned);
    ApplyError::Cluster {
        error: unfinished.error,
        created,
        namespace: plan.debug_namespace().map(str::to_owned),
    }
}

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
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            stdin: false,
            tty: false,
            screen: None,
            start_timeout: Duration::from_secs(60),
        }
    }
}

/// A plan that was carried out. How it ends is written down when this goes away.
pub struct Applied {
    cluster: Cluster,
    pod: Value,
    record: LastRecord,
}

impl Applied {
    /// The plan as it was carried out.
    pub fn plan(&self) -> &DebugPlan {
        &self.record.plan
    }

    /// The pod with the debug container, as the server returned it.
    pub fn pod(&self) -> &Value {
        &self.pod
    }

    /// Returns true if a flag of the container that a session is with is set, for example `tty`.
    pub fn container_flag(&self, flag: &str) -> bool {
        let name = self.plan().attach().unwrap_or_default();
        ["ephemeralContainers", "containers", "initContainers"]
            .into_iter()
            .filter_map(|list| self.pod["spec"][list].as_array())
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
        };
        self.record.outcome = AuditOutcome::Session(None);
        let ended = session.run(&self.pod, input, output).await;
        self.record.outcome = match &ended {
            Ok(ended) => AuditOutcome::Session(Some(ended.exit_code())),
            Err(_) => AuditOutcome::Failed,
        };
        ended.map(Some)
    }
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
    let left = plan.steps().iter().map(|step| match step {
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
