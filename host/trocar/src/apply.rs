//! Applying approved plans: writes their steps, and compares what the server stored with what was judged.

use std::time::Duration;

use serde_json::Value;
use trocar_cluster::{ClusterError, CreatedPod, Refusal, apply_step, dry_run_step, find_written};
use trocar_core::{
    audit::{AuditEvent, AuditOutcome},
    plan::{DebugPlan, Step},
    planning::{self, StoredOtherwise},
    request::DebugRequest,
    target::Target,
};

use crate::{
    applied::{Applied, LeftBehind, left_by},
    approval::{Approved, Draft},
    audit::AuditError,
    debugger::Debugger,
    error::DebugError,
    quota::{GivenForQuota, fitted},
    removal::created_pod,
    sessions,
};

/// The most attempts after conflicts: enough for twenty users who debug one pod at once.
const MAX_TRIES: u32 = 30;

/// The longest pause between attempts.
const MAX_PAUSE: Duration = Duration::from_millis(320);

/// The age from which on a plan's target is read again: its user may have taken long to consent.
const MAX_AGE: Duration = Duration::from_secs(3);

/// The index of the step that creates the debug container or pod. The guard rails require it to be the first; all others delete.
const CREATING_STEP: usize = 0;

/// Why a plan was not applied, or not as it was judged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The target changed, and its new plan grants more than was consented to. Nothing was written.
    #[error("{} has changed, and its new plan grants more than was consented to", .0.plan().target())]
    Stale(Box<Draft>),
    /// The target changed and planning failed for its current state, or it cannot be read. Nothing was written.
    #[error(transparent)]
    Plan(#[from] DebugError),
    /// Another debugger made the plan, for another cluster or by other rules. Nothing was written.
    #[error("the plan was made by another debugger")]
    OtherDebugger,
    /// A step was not written, or not stored as it was judged. There is no session.
    #[error("{error}")]
    Write {
        /// The error of the step.
        error: WriteError,
        /// The plan.
        plan: Box<DebugPlan>,
        /// What the completed steps leave behind.
        left: Vec<LeftBehind>,
    },
}

/// Why a step was not written as it was judged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The server refused the step.
    #[error(transparent)]
    Refused(ClusterError),
    /// The server's answer was lost, and it is unknown whether the step was carried out.
    #[error(transparent)]
    Unknown(ClusterError),
    /// The server stores something other than what was judged. An enforced policy denies that, or there are enforced policies and
    /// it breaks a guard rail.
    #[error("the server stores something other than what was judged, and {} not allow that", refuser(.0))]
    NotAllowed(Box<StoredOtherwise>),
    /// A required audit record cannot be written.
    #[error(transparent)]
    Audit(AuditError),
}

fn refuser(stored: &StoredOtherwise) -> &'static str {
    match stored.guard_rail {
        Some(_) => "a guard rail does",
        None => "the policies do",
    }
}

impl WriteError {
    /// The server's reason, if it refused the step.
    fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused(error) => error.refusal(),
            _ => None,
        }
    }
}

/// The result of a dry run.
#[derive(Debug)]
pub struct DryRun {
    /// Differences between what was judged and what the server would store.
    pub stored_otherwise: Option<StoredOtherwise>,
    /// Resources that were added to the debug container, since quotas of the namespace require them.
    pub given: Vec<GivenForQuota>,
}

impl Debugger {
    /// Runs a plan through the server's checks and admission without storing anything. Needs no consent.
    ///
    /// If a quota requires resources, the draft is replaced by one that has them.
    ///
    /// # Errors
    /// Fails when the server would refuse the plan, and when policies deny what would be stored.
    pub async fn dry_run(&mut self, draft: &mut Draft) -> Result<DryRun, ApplyError> {
        if !self.is_own(&draft.auditor) {
            return Err(ApplyError::OtherDebugger);
        }
        let mut given = Vec::new();
        loop {
            let error = match self.dry_run_once(draft).await {
                Ok(stored_otherwise) => {
                    return Ok(DryRun {
                        stored_otherwise,
                        given,
                    });
                }
                Err(error) => error,
            };
            let refusal = error.refusal();
            let fitted = refusal.and_then(|refusal| fitted(&draft.request, draft.plan(), &refusal));
            let Some((request, now)) = fitted else {
                return Err(failed(draft.plan(), error, Vec::new()));
            };
            *draft = self.draft(&request, &draft.target().clone())?;
            given.push(now);
        }
    }

    async fn dry_run_once(&self, draft: &Draft) -> Result<Option<StoredOtherwise>, WriteError> {
        let stamp = self.stamp(&draft.judged);
        let mut otherwise = None;
        for step in 0..draft.plan().steps().len() {
            let answer = dry_run_step(&self.cluster, &draft.judged, step, &stamp).await;
            let answer = answer.map_err(WriteError::Refused)?;
            // All other steps delete, and nothing is stored by them.
            if step == CREATING_STEP {
                let stored = self.judge_stored(&draft.request, &draft.judged, &answer);
                otherwise = stored.map(allowed).transpose()?;
            }
        }
        Ok(otherwise)
    }

    /// Applies an approved plan, with stamps. Its end is audited.
    ///
    /// If the target changed meanwhile, it is read and planned for again, and written if policies allow the new plan and its rights
    /// were consented to. The same is done if a quota requires resources of the debug container. What the server stored is
    /// compared with what was judged: if it has more rights or fewer restrictions, or breaks a guard rail, that is audited and
    /// reviewed by the enforced policies.
    ///
    /// # Errors
    /// Fails when the server refuses, when more would be granted than was consented to (with the new draft), and when policies deny
    /// what was stored.
    pub async fn apply(&mut self, mut approved: Approved) -> Result<Applied, ApplyError> {
        if !self.is_own(approved.record.auditor()) {
            return Err(ApplyError::OtherDebugger);
        }
        // Every way out of here but the last one is a failure, and the record is written on drop.
        approved.record.outcome = AuditOutcome::Failed;
        if approved.made.elapsed() > MAX_AGE {
            let now = self.read_again(approved.plan().target()).await;
            self.judge_again(&mut approved, now.map_err(DebugError::Lookup)?)?;
        }
        let mut given = Vec::new();
        approved.record.pod = self.create(&mut approved, &mut given).await?;
        // Before the deletion: a copy that is not what was judged must not cost its original.
        let stored_otherwise = self.check_stored(&approved)?;
        self.delete(&approved).await?;
        approved.record.outcome = AuditOutcome::Created;
        Ok(Applied {
            cluster: self.cluster.clone(),
            record: approved.record,
            stored_otherwise,
            given,
        })
    }

    /// Creates the debug container or pod. Returns the pod as the server stored it.
    async fn create(
        &mut self,
        approved: &mut Approved,
        given: &mut Vec<GivenForQuota>,
    ) -> Result<Value, ApplyError> {
        let mut tried = 1;
        loop {
            // Before the write: were this process killed after it, the pod would belong to no known session.
            self.write_journal(approved.plan(), None);
            self.report_created(approved, &Value::Null);
            let error = match self.write(&approved.judged, CREATING_STEP).await {
                Ok(pod) => {
                    if matches!(approved.plan().steps()[CREATING_STEP], Step::CreatePod(_)) {
                        self.write_journal(approved.plan(), pod["metadata"]["uid"].as_str());
                        self.report_created(approved, &pod);
                    }
                    return Ok(pod);
                }
                Err(error) => error,
            };
            let refusal = error.refusal();
            // A quota is asked about only once it has refused: reading all quotas would be a request of every debug.
            let fitted = refusal.and_then(|refusal| fitted(&approved.request, approved.plan(), &refusal));
            if let Some((request, now)) = fitted {
                approved.request = request;
                let target = approved.target().clone();
                self.plan_again(approved, &target)?;
                given.push(now);
                continue;
            }
            // A failed test of the target's identity looks like any other invalid request. Reading the target again decides.
            let is_invalid = error.refusal() == Some(Refusal::Invalid);
            let is_conflict = error.refusal() == Some(Refusal::Conflict);
            if !(is_invalid || is_conflict) || tried == MAX_TRIES {
                return Err(stopped(approved, CREATING_STEP, error));
            }
            tokio::time::sleep(pause(tried, &self.context.suffix)).await;
            tried += 1;
            match self.read_again(approved.plan().target()).await {
                Ok(now) if is_invalid && now.id() == approved.target().id() => {
                    return Err(stopped(approved, CREATING_STEP, error));
                }
                Ok(now) => self.judge_again(approved, now)?,
                Err(_) if is_invalid => return Err(stopped(approved, CREATING_STEP, error)),
                Err(error) => return Err(DebugError::Lookup(error).into()),
            }
        }
    }

    /// Writes a debug to the journal: before it is created, and with the pod's `uid` afterwards.
    fn write_journal(&self, plan: &DebugPlan, uid: Option<&str>) {
        let Some((journal, warn)) = &self.journal else {
            return;
        };
        let reason = self.actor.reason.as_deref();
        let (time, is_removed) = (&self.context.time, self.removal.is_some());
        let entry = sessions::begun(&self.cluster, plan, uid, time, reason, is_removed);
        if let Some(Err(error)) = entry.map(|entry| journal.append(&entry)) {
            warn(&format!(
                "cannot write {}, so this session will not be listed as yours: {error}",
                journal.path().display()
            ));
        }
    }

    /// Reports a pod that is about to be created, or was. `stored` is the server's answer, else null.
    fn report_created(&self, approved: &Approved, stored: &Value) {
        if let (Some(report), Some(pod)) = (&self.removal, created_pod(approved.plan(), stored)) {
            let stamp = self.stamp(approved.judged.draft());
            report(&CreatedPod { stamp, ..pod });
        }
    }

    /// Writes a step. If the answer is lost, its result is looked up; it is never written twice.
    async fn write(&self, judged: &planning::Approved, step: usize) -> Result<Value, WriteError> {
        let stamp = self.stamp(judged.draft());
        let error = match apply_step(&self.cluster, judged, step, &stamp).await {
            Ok(pod) => return Ok(pod),
            Err(error) if !error.may_have_been_carried_out() => return Err(WriteError::Refused(error)),
            Err(error) => error,
        };
        match find_written(&self.cluster, judged, step, &stamp).await {
            Ok(Some(pod)) => Ok(pod),
            // Not there, and the server is done with the request. After 408, 502 and 504 it may still carry it out.
            Ok(None) if error.is_final() => Err(WriteError::Refused(error)),
            _ => Err(WriteError::Unknown(error)),
        }
    }

    /// Compares what was stored with what was judged. Differences are audited, with the policies' verdicts.
    fn check_stored(&self, approved: &Approved) -> Result<Option<StoredOtherwise>, ApplyError> {
        let record = &approved.record;
        let stored = self.judge_stored(&approved.request, approved.judged.draft(), &record.pod);
        let Some(stored) = stored else {
            return Ok(None);
        };
        let auditor = record.auditor();
        let written = auditor.write(AuditEvent::Stored, &record.plan, &record.pod, Some(&stored));
        let allowed = written.map_err(WriteError::Audit).and_then(|()| allowed(stored));
        allowed
            .map(Some)
            .map_err(|error| stopped(approved, CREATING_STEP + 1, error))
    }

    /// Deletes the target that a copy replaces.
    async fn delete(&self, approved: &Approved) -> Result<(), ApplyError> {
        for step in CREATING_STEP + 1..approved.plan().steps().len() {
            let deleted = self.write(&approved.judged, step).await;
            deleted.map_err(|error| stopped(approved, step, error))?;
        }
        Ok(())
    }

    /// Renews the plan for the target's current state: keeps it if nothing that it depends on has changed, else plans again.
    fn judge_again(&mut self, approved: &mut Approved, now: Target) -> Result<(), ApplyError> {
        if let Some(same) = approved.judged.for_target(&now) {
            approved.judged = same;
            return Ok(());
        }
        self.plan_again(approved, &now)
    }

    /// Plans again, and replaces the approved plan if the new one grants nothing more.
    fn plan_again(&mut self, approved: &mut Approved, now: &Target) -> Result<(), ApplyError> {
        let newer = self.draft(&approved.request, now)?;
        match approved.judged.renew(newer.judged) {
            Ok(renewed) => {
                let written = newer
                    .auditor
                    .write(AuditEvent::Allowed, renewed.plan(), &Value::Null, None);
                written.map_err(DebugError::Audit)?;
                approved.record.plan = renewed.plan().clone();
                approved.judged = renewed;
                Ok(())
            }
            Err(stale) => Err(ApplyError::Stale(Box::new(Draft {
                judged: *stale,
                ..newer
            }))),
        }
    }

    /// Differences between what was judged and stored, with the policies' verdicts.
    fn judge_stored(
        &self,
        request: &DebugRequest,
        draft: &planning::Draft,
        stored: &Value,
    ) -> Option<StoredOtherwise> {
        self.planner
            .judge_stored(request, draft, stored, &self.context, &self.actor)
    }
}

/// The pause before another attempt: exponential, and spread by the session's name so that concurrent sessions do not collide
/// again.
fn pause(tried: u32, session: &str) -> Duration {
    let spread = session.bytes().fold(tried, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(byte))
    }) % 100;
    let pause = Duration::from_millis(10 << tried.min(5)).min(MAX_PAUSE);
    pause * (50 + spread) / 100
}

/// Fails if the policies deny the differences.
fn allowed(stored: StoredOtherwise) -> Result<StoredOtherwise, WriteError> {
    match stored.is_allowed {
        true => Ok(stored),
        false => Err(WriteError::NotAllowed(Box::new(stored))),
    }
}

/// The error of a plan that stopped at a step.
fn stopped(approved: &Approved, step: usize, error: WriteError) -> ApplyError {
    let plan = approved.plan();
    failed(plan, error, left_by(&plan.steps()[..step]))
}

fn failed(plan: &DebugPlan, error: WriteError, left: Vec<LeftBehind>) -> ApplyError {
    ApplyError::Write {
        error,
        plan: Box::new(plan.clone()),
        left,
    }
}
