//! The write: an approved plan is carried out step by step, and what the server stored is looked at.

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

/// How often a conflict is met with another try: enough for twenty people who debug one pod at once.
const MAX_TRIES: u32 = 30;

/// The longest pause before another try.
const MAX_PAUSE: Duration = Duration::from_millis(320);

/// How old a plan may be before its target is looked at again: a person may have thought about it for long.
const MAX_AGE: Duration = Duration::from_secs(3);

/// The step that makes the debug container or pod. By the guard rails it is the first, and all others delete.
const MAKES: usize = 0;

/// Why a plan was not carried out, or not as it was judged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The target changed, and the plan for it as it is now gives more than was agreed to. Nothing was changed.
    #[error("{} has changed, and its plan gives more than was agreed to now", .0.plan().target())]
    Stale(Box<Draft>),
    /// The target changed and there is no plan for it as it is now, or it cannot be read any more. Nothing was changed.
    #[error(transparent)]
    Plan(#[from] DebugError),
    /// Another debugger made the plan, for another cluster or by other rules. Nothing was changed.
    #[error("the plan was made by another debugger")]
    OtherDebugger,
    /// A step of the plan was not carried out, or not as it was judged. No session begins.
    #[error("{error}")]
    Write {
        /// What happened.
        error: WriteError,
        /// The plan.
        plan: Box<DebugPlan>,
        /// What the steps that were carried out leave behind.
        left: Vec<LeftBehind>,
    },
}

/// What became of a step that was not carried out as it was judged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The server refused it.
    #[error(transparent)]
    Refused(ClusterError),
    /// The server's answer was lost, and it is not known whether the step was carried out.
    #[error(transparent)]
    Unknown(ClusterError),
    /// The server stores something else than what was judged. Policies that are enforced do not allow that, or there are
    /// such policies and it breaks a guard rail.
    #[error("the server stores something else than what was judged, and {} not allow that", refuser(.0))]
    NotAllowed(Box<StoredOtherwise>),
    /// What the server stored cannot be written down where the configuration requires it.
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
    /// Why the server refused it.
    fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused(error) => error.refusal(),
            _ => None,
        }
    }
}

/// What a server would make of a plan.
#[derive(Debug)]
pub struct DryRun {
    /// What it would store otherwise than it was judged.
    pub stored_otherwise: Option<StoredOtherwise>,
    /// What the debug container was given besides, since quotas of the namespace take no pod without.
    pub given: Vec<GivenForQuota>,
}

impl Debugger {
    /// Lets the server check a plan with everything that it has, and store nothing. Needs no consent.
    ///
    /// Where a quota takes the pod only with resources, the draft becomes the one that has them.
    ///
    /// # Errors
    /// Fails when the server would refuse it, and when what would be stored is not what the policies allow.
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
            if step == MAKES {
                let stored = self.judge_stored(&draft.request, &draft.judged, &answer);
                otherwise = stored.map(allowed).transpose()?;
            }
        }
        Ok(otherwise)
    }

    /// Carries out an approved plan, with its stamps, and writes down how it ends.
    ///
    /// Where the target changed meanwhile it is read and judged again; it is written to when the policies allow it and its
    /// rights are among those agreed to. The same is done where a quota takes the pod only with resources for its debug
    /// container. What the server stored is looked at: where it has more rights or fewer restrictions
    /// than what was judged, or breaks a guard rail, that is written down, and policies that are enforced are asked about it.
    ///
    /// # Errors
    /// Fails when the server refuses, with a new draft when more would be given than was agreed to, and when what was stored
    /// is not what the policies allowed.
    pub async fn apply(&mut self, mut approved: Approved) -> Result<Applied, ApplyError> {
        if !self.is_own(approved.record.auditor()) {
            return Err(ApplyError::OtherDebugger);
        }
        approved.record.outcome = AuditOutcome::Failed;
        if approved.made.elapsed() > MAX_AGE {
            let now = self.read_again(approved.plan().target()).await;
            self.judge_again(&mut approved, now.map_err(DebugError::Lookup)?)?;
        }
        let mut given = Vec::new();
        approved.record.pod = self.make(&mut approved, &mut given).await?;
        let stored_otherwise = self.look(&approved)?;
        self.delete(&approved).await?;
        approved.record.outcome = AuditOutcome::Created;
        Ok(Applied {
            cluster: self.cluster.clone(),
            record: approved.record,
            stored_otherwise,
            given,
        })
    }

    /// Makes the debug container or pod. Returns the pod as the server stored it.
    async fn make(
        &mut self,
        approved: &mut Approved,
        given: &mut Vec<GivenForQuota>,
    ) -> Result<Value, ApplyError> {
        let mut tried = 1;
        loop {
            self.note(approved.plan(), None);
            self.tell_created(approved, &Value::Null);
            let error = match self.write(&approved.judged, MAKES).await {
                Ok(pod) => {
                    if matches!(approved.plan().steps()[MAKES], Step::CreatePod(_)) {
                        self.note(approved.plan(), pod["metadata"]["uid"].as_str());
                        self.tell_created(approved, &pod);
                    }
                    return Ok(pod);
                }
                Err(error) => error,
            };
            let refusal = error.refusal();
            let fitted = refusal.and_then(|refusal| fitted(&approved.request, approved.plan(), &refusal));
            if let Some((request, now)) = fitted {
                approved.request = request;
                let target = approved.target().clone();
                self.judge_newly(approved, &target)?;
                given.push(now);
                continue;
            }
            // The test of the target's identity fails like any other invalid request. Only another look tells.
            let is_invalid = error.refusal() == Some(Refusal::Invalid);
            let is_conflict = error.refusal() == Some(Refusal::Conflict);
            if !(is_invalid || is_conflict) || tried == MAX_TRIES {
                return Err(stopped(approved, MAKES, error));
            }
            tokio::time::sleep(pause(tried, &self.context.suffix)).await;
            tried += 1;
            match self.read_again(approved.plan().target()).await {
                Ok(now) if is_invalid && now.id() == approved.target().id() => {
                    return Err(stopped(approved, MAKES, error));
                }
                Ok(now) => self.judge_again(approved, now)?,
                Err(_) if is_invalid => return Err(stopped(approved, MAKES, error)),
                Err(error) => return Err(DebugError::Lookup(error).into()),
            }
        }
    }

    /// Writes into the journal what is about to be made, and once more what it became: `uid` is the pod's.
    fn note(&self, plan: &DebugPlan, uid: Option<&str>) {
        let Some((journal, warn)) = &self.journal else {
            return;
        };
        let reason = self.actor.reason.as_deref();
        let (time, is_removed) = (&self.context.time, self.removal.is_some());
        let entry = sessions::begun(&self.cluster, plan, uid, time, reason, is_removed);
        if let Some(Err(error)) = entry.map(|entry| journal.append(&entry)) {
            warn(&format!(
                "{} cannot be written, so this session will not be known as yours: {error}",
                journal.path().display()
            ));
        }
    }

    /// Tells of a pod that is about to be created, or was: then `stored` is what the server answered.
    fn tell_created(&self, approved: &Approved, stored: &Value) {
        if let (Some(tell), Some(pod)) = (&self.removal, created_pod(approved.plan(), stored)) {
            let stamp = self.stamp(approved.judged.draft());
            tell(&CreatedPod { stamp, ..pod });
        }
    }

    /// Writes a step. Where its answer is lost it is not written again, but looked for.
    async fn write(&self, judged: &planning::Approved, step: usize) -> Result<Value, WriteError> {
        let stamp = self.stamp(judged.draft());
        let error = match apply_step(&self.cluster, judged, step, &stamp).await {
            Ok(pod) => return Ok(pod),
            Err(error) if !error.may_have_been_carried_out() => return Err(WriteError::Refused(error)),
            Err(error) => error,
        };
        match find_written(&self.cluster, judged, step, &stamp).await {
            Ok(Some(pod)) => Ok(pod),
            Ok(None) if error.is_final() => Err(WriteError::Refused(error)),
            _ => Err(WriteError::Unknown(error)),
        }
    }

    /// Looks at what was stored. Where it is not what was judged that is written down, with what the policies say of it.
    fn look(&self, approved: &Approved) -> Result<Option<StoredOtherwise>, ApplyError> {
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
            .map_err(|error| stopped(approved, MAKES + 1, error))
    }

    /// Deletes what the debug pod takes the place of.
    async fn delete(&self, approved: &Approved) -> Result<(), ApplyError> {
        for step in MAKES + 1..approved.plan().steps().len() {
            let deleted = self.write(&approved.judged, step).await;
            deleted.map_err(|error| stopped(approved, step, error))?;
        }
        Ok(())
    }

    /// Takes the plan for the target as it is now: the same where nothing changed that it is made of, else a new one.
    fn judge_again(&mut self, approved: &mut Approved, now: Target) -> Result<(), ApplyError> {
        if let Some(same) = approved.judged.for_target(&now) {
            approved.judged = same;
            return Ok(());
        }
        self.judge_newly(approved, &now)
    }

    /// Takes a new plan, for the request as it is now.
    fn judge_newly(&mut self, approved: &mut Approved, now: &Target) -> Result<(), ApplyError> {
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

    /// What is stored otherwise than it was judged, and what the policies say of it.
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

/// How long to wait before another try: longer each time, and differently long for each session, by its name.
fn pause(tried: u32, session: &str) -> Duration {
    let spread = session.bytes().fold(tried, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(byte))
    }) % 100;
    let pause = Duration::from_millis(10 << tried.min(5)).min(MAX_PAUSE);
    pause * (50 + spread) / 100
}

/// What was stored otherwise, where the policies allow it.
fn allowed(stored: StoredOtherwise) -> Result<StoredOtherwise, WriteError> {
    match stored.is_allowed {
        true => Ok(stored),
        false => Err(WriteError::NotAllowed(Box::new(stored))),
    }
}

/// A plan that was not carried out from a step on.
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
