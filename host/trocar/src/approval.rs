//! Drafts and approvals. Each decision is audited when it is made.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use serde_json::Value;
use trocar_core::{
    audit::AuditEvent,
    plan::{DebugPlan, Right, Step},
    planning,
    request::DebugRequest,
    sessions::{Owner, Session, State, journal::Journal, of_pod},
    target::Target,
};
use trocar_sdk::pod::flag;

use crate::audit::{AuditError, Auditor, LastRecord};

/// A plan for one target that the policies allow. Only [`Debugger::plan`](crate::Debugger::plan) creates one.
///
/// ```compile_fail,E0451
/// // Only planning creates a draft.
/// fn forged(draft: trocar::Draft) -> trocar::Draft {
///     trocar::Draft { ..draft }
/// }
/// ```
///
/// ```compile_fail,E0451
/// // Nothing else creates the plan in it, either.
/// fn forged(plan: trocar::DebugPlan) -> trocar::DebugPlan {
///     trocar::DebugPlan { ..plan }
/// }
/// ```
///
/// ```compile_fail,E0382
/// // A draft can be approved once.
/// fn twice(draft: trocar::Draft) {
///     let _ = draft.approve(|_| false);
///     let _ = draft.approve(|_| true);
/// }
/// ```
///
/// ```compile_fail,E0425
/// // The writes of the inner crates are not public.
/// use trocar::cluster;
/// fn write() {
///     cluster::apply_step();
/// }
/// ```
pub struct Draft {
    pub(crate) judged: planning::Draft,
    pub(crate) request: DebugRequest,
    pub(crate) auditor: Arc<Auditor>,
    pub(crate) made: Instant,
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.judged.fmt(out)
    }
}

/// A plan that may be applied.
///
/// ```compile_fail,E0451
/// // Only the approval of a draft creates one.
/// fn forged(approved: trocar::Approved) -> trocar::Approved {
///     trocar::Approved { ..approved }
/// }
/// ```
///
/// ```compile_fail,E0308
/// // A draft cannot be applied without an approval.
/// async fn unapproved(debugger: &mut trocar::Debugger, draft: trocar::Draft) {
///     debugger.apply(draft).await;
/// }
/// ```
///
/// ```compile_fail,E0382
/// // An approval can be applied once.
/// async fn twice(debugger: &mut trocar::Debugger, approved: trocar::Approved) {
///     debugger.apply(approved).await;
///     debugger.apply(approved).await;
/// }
/// ```
pub struct Approved {
    pub(crate) judged: planning::Approved,
    pub(crate) request: DebugRequest,
    pub(crate) record: LastRecord,
    pub(crate) made: Instant,
}

/// Why a draft is not approved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotAgreed {
    /// The user did not consent to its rights. The drafts are returned.
    #[error("the plan grants more than was asked for, and consent was not given")]
    Rights(Vec<Draft>),
    /// A required audit record cannot be written.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

impl Draft {
    /// The plan.
    pub fn plan(&self) -> &DebugPlan {
        self.judged.plan()
    }

    /// The target that it was made for.
    pub fn target(&self) -> &Target {
        self.judged.target()
    }

    /// The rights that need consent; empty if none do.
    pub fn rights(&self) -> &[Right] {
        self.judged.rights()
    }

    /// Finds one of the user's own sessions with a running container of the target that is what this plan would add, except for its
    /// name: planned by the same strategy, and stored as planned. `journal` decides which sessions are the user's own.
    ///
    /// Containers with `stdinOnce` are left out: their standard input is closed after the first attach.
    pub fn same_session(&self, journal: &Journal) -> Option<Session> {
        let recipe = self.plan().recipe()?;
        let pod = serde_json::from_value(Value::Object(self.target().object().clone())).ok()?;
        let is_same = |session: &Session| {
            let name = session.container.as_deref().unwrap_or_default();
            let entry = journal.container(&session.pod_uid, name);
            session.owner == Owner::You
                && session.state == State::Running
                && entry.and_then(|entry| entry.recipe.as_deref()) == Some(&recipe)
                && planning::is_stored(&self.judged, name)
        };
        let reads_once = self.plan().steps().iter().any(|step| match step {
            Step::AddEphemeralContainer(container) => flag(container, "stdinOnce"),
            _ => false,
        });
        let mut sessions = of_pod(&pod, journal, None).into_iter();
        // The newest one: containers are appended.
        sessions.rfind(|session| is_same(session) && !reads_once)
    }

    /// Approves the draft. `agree` is called with the rights if they need consent.
    ///
    /// # Errors
    /// Fails when consent is refused, and when a required audit record cannot be written.
    pub fn approve(self, agree: impl FnOnce(&[Right]) -> bool) -> Result<Approved, NotAgreed> {
        let mut approved = approve_all(vec![self], |drafts| agree(drafts[0].rights()))?;
        Ok(approved.remove(0))
    }
}

/// Approves several drafts. `agree` is called once, if any of them needs consent.
///
/// # Errors
/// Fails when consent is refused, and when a required audit record cannot be written. No draft is approved then.
pub fn approve_all(
    drafts: Vec<Draft>,
    agree: impl FnOnce(&[Draft]) -> bool,
) -> Result<Vec<Approved>, NotAgreed> {
    let needs_consent = drafts.iter().any(|draft| !draft.rights().is_empty());
    // One question for all: a refusal after the first target was changed would come too late.
    if needs_consent && !agree(&drafts) {
        for draft in drafts.iter().filter(|draft| !draft.rights().is_empty()) {
            draft
                .auditor
                .write(AuditEvent::Refused, draft.plan(), &Value::Null, None)?;
        }
        return Err(NotAgreed::Rights(drafts));
    }
    let mut approved = Vec::with_capacity(drafts.len());
    for draft in drafts {
        approved.push(Approved {
            record: LastRecord::begin(&draft.auditor, draft.plan())?,
            request: draft.request,
            made: draft.made,
            // `agree` has answered for all of them.
            judged: draft.judged.approve(|_| true).expect("consent was given"),
        });
    }
    Ok(approved)
}

impl Approved {
    /// The plan.
    pub fn plan(&self) -> &DebugPlan {
        self.judged.plan()
    }

    /// The target that it was made for.
    pub fn target(&self) -> &Target {
        self.judged.target()
    }
}

/// Two plans that would create the same pod.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} and {} would both become pod {pod:?}", targets[0], targets[1])]
pub struct SamePod {
    /// The targets of the two plans.
    pub targets: [String; 2],
    /// The pod's name.
    pub pod: String,
}

/// Checks that no two plans create a pod of the same name and namespace.
///
/// # Errors
/// Fails with the first two that do.
pub fn check_names<'a>(plans: impl IntoIterator<Item = &'a DebugPlan>) -> Result<(), SamePod> {
    let mut created: BTreeMap<(Option<&str>, &str), &DebugPlan> = BTreeMap::new();
    for plan in plans {
        if !plan.steps().iter().any(|step| matches!(step, Step::CreatePod(_))) {
            continue;
        }
        if let Some(other) = created.insert((plan.debug_namespace(), plan.debug_pod()), plan) {
            return Err(SamePod {
                targets: [other.target().to_string(), plan.target().to_string()],
                pod: plan.debug_pod().to_owned(),
            });
        }
    }
    Ok(())
}
