//! The debugger, and the first of the four steps from a request to a session: plan, approve, apply, attach.

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

/// Receives warnings about the journal.
type Warn = Box<dyn Fn(&str)>;

/// Receives each created pod: before it is created, and with its uid afterwards.
type OnCreated = Box<dyn Fn(&CreatedPod)>;

/// Debugs targets of one cluster, by the rules of one configuration.
pub struct Debugger {
    pub(crate) cluster: Cluster,
    pub(crate) planner: Planner,
    pub(crate) context: Context,
    pub(crate) actor: Actor,
    is_identified: bool,
    impersonator: Option<String>,
    audit: Arc<AuditLog>,
    /// Created at the first plan, and replaced when identity or rules change: an approval is bound to the auditor of its plan.
    auditor: Option<Arc<Auditor>>,
    pub(crate) journal: Option<(JournalFile, Warn)>,
    pub(crate) removal: Option<OnCreated>,
}

impl Debugger {
    /// Creates a debugger without configuration: no policies, no audit.
    ///
    /// `context` has the time, the namespace of pods for targets without one, and the session's random suffix.
    pub fn new(cluster: Cluster, engine: Engine, context: Context) -> Self {
        Self::with_planner(cluster, Planner::new(engine, &Config::default()), context)
    }

    /// Creates a debugger with a planner's configuration and plugins.
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

    /// Uses the policies and defaults of a configuration.
    #[must_use]
    pub fn with_config(mut self, config: &Config) -> Self {
        self.planner = self.planner.with_config(config);
        self.auditor = None;
        self
    }

    /// Uses plugins in addition to those of the configuration.
    #[must_use]
    pub fn with_plugins(mut self, choice: PluginChoice) -> Self {
        self.planner = self.planner.with_plugins(choice);
        self.auditor = None;
        self
    }

    /// Audits decisions.
    #[must_use]
    pub fn with_audit(mut self, log: AuditLog) -> Self {
        self.audit = Arc::new(log);
        self.auditor = None;
        self
    }

    /// Writes sessions to a journal, by which users find their own again. `warn` is called if it cannot be written: that does not
    /// prevent a debug.
    #[must_use]
    pub fn with_journal(mut self, journal: JournalFile, warn: impl Fn(&str) + 'static) -> Self {
        self.journal = Some((journal, Box::new(warn)));
        self
    }

    /// Marks created pods in the journal as deleted at the end of their sessions. The caller deletes them, with
    /// [`removal::remove`](crate::removal::remove).
    ///
    /// `on_created` is called before a pod is created, and again with its uid afterwards, so that a process that outlives this one
    /// knows of it in time.
    #[must_use]
    pub fn with_removal(mut self, on_created: impl Fn(&CreatedPod) + 'static) -> Self {
        self.removal = Some(Box::new(on_created));
        self
    }

    /// Sets what is known of the user besides the cluster's answer: the reason, and the names in the kubeconfig.
    #[must_use]
    pub fn with_actor(mut self, actor: Actor) -> Self {
        self.actor = actor;
        self.is_identified = false;
        self.auditor = None;
        self
    }

    /// The connection to the cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Asks the cluster for the user's identity, if policies or audit need it. Later calls do nothing; the first plan calls it, too.
    ///
    /// `real` is a connection without impersonation, if the debugger's own impersonates another user.
    ///
    /// # Errors
    /// Fails when the cluster cannot be reached or refuses the credentials.
    pub async fn identify(&mut self, real: Option<&Cluster>) -> Result<(), ClusterError> {
        // Saves a request: without policies and audit a debug is one read and one patch.
        if !self.planner.has_policies() && self.audit.is_empty() {
            return Ok(());
        }
        if !self.is_identified {
            let identity = who_am_i(&self.cluster).await?;
            self.set_identity(identity);
        }
        if let (Some(real), None) = (real, &self.impersonator) {
            self.impersonator = Some(who_am_i(real).await?.user);
            self.auditor = None;
        }
        Ok(())
    }

    /// Sets the user's identity, if the caller has asked the cluster already.
    #[must_use]
    pub fn with_identity(mut self, identity: Identity) -> Self {
        self.set_identity(identity);
        self
    }

    fn set_identity(&mut self, identity: Identity) {
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

    /// Returns true if a plan was made by this debugger with its current identity and rules.
    pub(crate) fn is_own(&self, auditor: &Arc<Auditor>) -> bool {
        self.auditor.as_ref().is_some_and(|own| Arc::ptr_eq(own, auditor))
    }

    /// The stamp for objects that a plan creates.
    pub(crate) fn stamp(&self, draft: &planning::Draft) -> Stamp {
        Stamp::new(draft.plan(), &self.actor, &self.context)
    }

    /// Finds the target of a reference: a pod or node, or the best pod of a workload, in the context's namespace.
    ///
    /// # Errors
    /// Fails when the object does not exist, may not be read, or has no pods.
    pub async fn find(&self, reference: &Reference) -> Result<Target, LookupError> {
        let mut found = lookup(&self.cluster, reference, &self.context.namespace, false).await?;
        Ok(found.remove(0).target)
    }

    /// Plans a debug: strategy, guard rails, configured policies. Nothing is written to the cluster.
    ///
    /// A target without uid and resource version, such as one from a file, is read from the cluster first.
    ///
    /// # Errors
    /// Fails when planning fails, and when policies deny the plan, which is audited.
    pub async fn plan(&mut self, request: &DebugRequest, target: &Target) -> Result<Draft, DebugError> {
        self.identify(None).await?;
        if target.id().uid.is_some() && target.resource_version().is_some() {
            return self.draft(request, target);
        }
        let live = self.read_again(target.id()).await?;
        self.draft(request, &live)
    }

    /// Plans for a target as it was read. A denial is audited.
    pub(crate) fn draft(&mut self, request: &DebugRequest, target: &Target) -> Result<Draft, DebugError> {
        let auditor = self.auditor();
        let made = Instant::now();
        let judged = self.planner.draft(request, target, &self.context, &self.actor);
        if let Err(error) = &judged {
            audit_denial(&auditor, error)?;
        }
        Ok(Draft {
            judged: judged?,
            request: request.clone(),
            auditor,
            made,
        })
    }

    /// Reads the current state of a target.
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

/// Audits a plan that policies deny.
pub(crate) fn audit_denial(auditor: &Auditor, error: &PlannerError) -> Result<(), AuditError> {
    if let PlannerError::Plan(error) = error
        && let Some(plan) = error.reviewed()
    {
        auditor.write(AuditEvent::Denied, plan, &Value::Null, None)?;
    }
    Ok(())
}
