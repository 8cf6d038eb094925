//! Rejoining an existing session, judged by the same policies as a new one.

use serde_json::Value;
use trocar_cluster::{ClusterError, LookupError};
use trocar_core::target::{TargetId, TargetKind};

use crate::{
    applied::Applied,
    audit::{AuditError, LastRecord},
    debugger::{Debugger, audit_denial},
    error::PlannerError,
    present,
    sessions::Session,
};

/// Why a session cannot be rejoined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RejoinError {
    /// The pod or the container is gone, or another one has its name.
    #[error("{session} is gone")]
    Gone {
        /// The session's name.
        session: String,
    },
    /// The pod cannot be read.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The cluster does not return the user's identity.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A policy denies it or failed.
    #[error(transparent)]
    Planner(PlannerError),
    /// A required audit record cannot be written.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

impl Debugger {
    /// Rejoins the container of an existing session, of any user. Policies judge the container as if it were added now, and
    /// the decision is audited. Nothing is written to the cluster.
    ///
    /// # Errors
    /// Fails when the pod or the container is gone or was replaced, when a policy denies it, and when a required audit record
    /// cannot be written.
    pub async fn rejoin(&mut self, session: &Session) -> Result<Applied, RejoinError> {
        self.identify(None).await?;
        let id = TargetId {
            kind: TargetKind::Pod,
            namespace: Some(session.namespace.clone()),
            name: session.pod.clone(),
            uid: None,
        };
        let pod = self.read_again(&id).await?;
        let gone = || RejoinError::Gone {
            session: session.name().to_string(),
        };
        // A StatefulSet gives the next pod the same name.
        if pod.id().uid.as_deref() != Some(&session.pod_uid) {
            return Err(gone());
        }
        let name = session.container.as_deref().ok_or_else(gone)?;
        let (container, target) = present::container_of(&pod, name, &session.namespace).ok_or_else(gone)?;
        let strategy = present::strategy(session.kind);
        let judged = self
            .planner
            .judge_present(strategy, &target, &container, &self.context, &self.actor);
        let auditor = self.auditor();
        if let Err(error) = &judged {
            audit_denial(&auditor, error)?;
        }
        let draft = judged.map_err(RejoinError::Planner)?;
        let mut record = LastRecord::begin(&auditor, draft.plan())?;
        record.pod = Value::Object(pod.object().clone());
        Ok(Applied {
            cluster: self.cluster.clone(),
            record,
            stored_otherwise: None,
            given: Vec::new(),
        })
    }
}
