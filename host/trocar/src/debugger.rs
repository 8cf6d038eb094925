//! The one way from a request to a session: plan, approve, apply, attach. Here is the first of them.

use std::{sync::Arc, time::Instant};

use serde_json::Value;
use trocar_cluster::{Cluster, ClusterError, CreatedPod, Identity, LookupError, lookup, who_am_i};
use trocar_core::{
    audit::AuditEvent,
    config::Config,
    planning,
    reference::{Kind, Reference},
    request::DebugRequest,
    stamp::Stamp,
    target::{Target, TargetId, TargetKind},
};
use trocar_sdk::{Actor, Context};

use crate::{
    approval::Draft,
    audit::{AuditError, AuditLog, Auditor},
    engine::Engine,
    error::{DebugError, PlannerError},
    journal::JournalFile,
    planner::{Planner, PluginChoice},
};

/// Told what could not be written into the journal.
type Tell = Box<dyn Fn(&str)>;

/// Told of a pod that is created, before and after.
type TellCreated = Box<dyn Fn(&CreatedPod)>;

/// Debugs targets of one cluster, by the rules of one configuration.
pub struct Debugger {
    pub(crate) cluster: Cluster,
    pub(crate) planner: Planner,
    pub(crate) context: Context,
    pub(crate) actor: Actor,
    is_identified: bool,
    impersonator: Option<String>,
    audit: Arc<AuditLog>,
    /// Made with the first plan, and anew once anything else is: an approval is only good with what it was made by.
    auditor: Option<Arc<Auditor>>,
    pub(crate) journal: Option<(JournalFile, Tell)>,
    pub(crate) removal: Option<TellCreated>,
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
            audit: Arc::default(),
            auditor: None,
            journal: None,
            removal: None,
        }
    }

    /// Asks the policies of a configuration, and takes its defaults.
    #[must_use]
    pub fn with_config(mut self, config: &Config) -> Self {
        self.planner = self.planner.with_config(config);
        self.auditor = None;
        self
    }

    /// Chooses plugins besides those of the configuration.
    #[must_use]
    pub fn with_plugins(mut self, choice: PluginChoice) -> Self {
        self.planner = self.planner.with_plugins(choice);
        self.auditor = None;
        self
    }

    /// Writes decisions down.
    #[must_use]
    pub fn with_audit(mut self, log: AuditLog) -> Self {
        self.audit = Arc::new(log);
        self.auditor = None;
        self
    }

    /// Keeps a journal of what is made, by which a person finds their own sessions again. `warn` is told when it cannot be
    /// written: nothing is debugged less for that.
    #[must_use]
    pub fn with_journal(mut self, journal: JournalFile, warn: impl Fn(&str) + 'static) -> Self {
        self.journal = Some((journal, Box::new(warn)));
        self
    }

    /// Notes of each created pod that it is to be deleted at the end of its session, which the caller does: with
    /// [`removal::remove`](crate::removal::remove).
    ///
    /// `tell` is told of a pod before it is created, and again with its unique id once it was: a process that outlives this one
    /// has to know of it by then.
    #[must_use]
    pub fn with_removal(mut self, tell: impl Fn(&CreatedPod) + 'static) -> Self {
        self.removal = Some(Box::new(tell));
        self
    }

    /// What is known of who asks besides what the cluster says: the reason, and the names in the kubeconfig.
    #[must_use]
    pub fn with_actor(mut self, actor: Actor) -> Self {
        self.actor = actor;
        self.is_identified = false;
        self.auditor = None;
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
        if !self.planner.has_policies() && self.audit.is_empty() {
            return Ok(());
        }
        if !self.is_identified {
            let identity = who_am_i(&self.cluster).await?;
            self.know(identity);
        }
        if let (Some(real), None) = (real, &self.impersonator) {
            self.impersonator = Some(who_am_i(real).await?.user);
            self.auditor = None;
        }
        Ok(())
    }

    /// What the cluster said of who asks, where it was asked already.
    #[must_use]
    pub fn with_identity(mut self, identity: Identity) -> Self {
        self.know(identity);
        self
    }

    fn know(&mut self, identity: Identity) {
        (self.actor.user, self.actor.groups) = (identity.user, identity.groups);
        self.is_identified = true;
        self.auditor = None;
    }

    pub(crate) fn auditor(&mut self) -> Arc<Auditor> {
        let auditor = self.auditor.get_or_insert_with(|| {
            Arc::new(Auditor {
                log: self.audit.clone(),
                session: self.context.suffix.clone(),
                actor: self.actor.clone(),
                impersonator: self.impersonator.clone(),
            })
        });
        auditor.clone()
    }

    /// Returns true if a plan was made by this debugger, as it is now.
    pub(crate) fn is_own(&self, auditor: &Arc<Auditor>) -> bool {
        self.auditor.as_ref().is_some_and(|own| Arc::ptr_eq(own, auditor))
    }

    /// The marks of a plan on what it makes.
    pub(crate) fn stamp(&self, draft: &planning::Draft) -> Stamp {
        Stamp::new(draft.plan(), &self.actor, &self.context)
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
    /// A target that is not from a cluster (a file names it, for example) only says which object is meant: that is read.
    ///
    /// # Errors
    /// Fails when there is no plan, and when policies deny it, which is written down.
    pub async fn plan(&mut self, request: &DebugRequest, target: &Target) -> Result<Draft, DebugError> {
        self.identify(None).await?;
        if target.id().uid.is_some() && target.resource_version().is_some() {
            return self.draft(request, target);
        }
        let live = self.read_again(target.id()).await?;
        self.draft(request, &live)
    }

    /// Makes a plan for a target as it was read. A denial is written down.
    pub(crate) fn draft(&mut self, request: &DebugRequest, target: &Target) -> Result<Draft, DebugError> {
        let auditor = self.auditor();
        let made = Instant::now();
        let judged = self.planner.draft(request, target, &self.context, &self.actor);
        if let Err(error) = &judged {
            note_denial(&auditor, error)?;
        }
        Ok(Draft {
            judged: judged?,
            request: request.clone(),
            auditor,
            made,
        })
    }

    /// Reads a target as it is now.
    pub(crate) async fn read_again(&self, target: &TargetId) -> Result<Target, LookupError> {
        let reference = Reference {
            kind: match target.kind {
                TargetKind::Pod => Kind::Pod,
                TargetKind::Node => Kind::Node,
            },
            name: target.name.clone(),
        };
        let namespace = target.namespace.as_deref().unwrap_or_default();
        let mut found = lookup(&self.cluster, &reference, namespace, false).await?;
        Ok(found.remove(0).target)
    }
}

/// Writes down that policies deny a plan.
pub(crate) fn note_denial(auditor: &Auditor, error: &PlannerError) -> Result<(), AuditError> {
    if let PlannerError::Plan(error) = error
        && let Some(plan) = error.reviewed()
    {
        auditor.write(AuditEvent::Denied, plan, &Value::Null, None)?;
    }
    Ok(())
}
