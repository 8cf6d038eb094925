//! What comes of one request: allowed or not, with which words, changes and notes.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;
use trocar::{
    Actor, AuditEvent, DebugPlan, Severity,
    plan::{Mode, PolicyReview, ReviewVerdict},
    policy::Outcome,
    text::message,
};

use super::judge::Webhook;

/// The most bytes of one warning: more is cut by clients.
const MAX_WARNING: usize = 256;

/// The most warnings of one answer.
const MAX_WARNINGS: usize = 16;

/// The most bytes of a note for the API server's audit log.
const MAX_NOTE: usize = 2 << 10;

/// The most bytes of the reason for a denial.
const MAX_MESSAGE: usize = 4 << 10;

/// What a verdict comes to, in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Found {
    /// Nothing of the request is judged here.
    #[default]
    Skipped,
    /// It may go on.
    Allowed,
    /// It may go on, changed.
    Amended,
    /// A policy denies it.
    Denied,
    /// It could not be judged.
    NotJudged,
}

impl Found {
    /// The word, as metrics and notes have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Allowed => "allowed",
            Self::Amended => "amended",
            Self::Denied => "denied",
            Self::NotJudged => "not-judged",
        }
    }
}

/// One container or pod that was judged.
#[derive(Debug)]
pub struct Judged {
    /// Who asked, and why.
    pub actor: Actor,
    /// The plan, with what the policies said.
    pub plan: DebugPlan,
    /// What is written down of it.
    pub event: AuditEvent,
}

/// What comes of one request.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What it comes to.
    pub found: Found,
    /// What weighs most of the policies that were asked; none where none was.
    pub mode: Option<Mode>,
    /// Why not. Empty where it may go on.
    pub denials: Vec<String>,
    /// It was not denied by a policy: the server could not judge it in time, or at all.
    pub is_overload: bool,
    /// What the person is told.
    pub warnings: Vec<String>,
    /// Notes for the API server's audit log.
    pub notes: BTreeMap<String, String>,
    /// JSON Patch operations on the object.
    pub patch: Vec<Value>,
    /// All that was judged.
    pub judged: Vec<Judged>,
    /// How long each call of a policy took.
    pub took: Vec<(String, Duration)>,
}

impl Verdict {
    /// Returns true if the request may go on.
    pub fn is_allowed(&self) -> bool {
        self.denials.is_empty()
    }

    /// The reason for a denial, as a person reads it.
    pub fn message(&self) -> String {
        cut(&message(&self.denials.join("; ")), MAX_MESSAGE)
    }

    /// What the person is told: bounded, and each once.
    pub fn told(&self) -> Vec<String> {
        let mut told: Vec<String> = Vec::new();
        for warning in &self.warnings {
            let warning = cut(&message(warning), MAX_WARNING);
            // Several containers of a request often have the same warning.
            if told.len() < MAX_WARNINGS && !told.contains(&warning) {
                told.push(warning);
            }
        }
        told
    }

    pub(super) fn note(&mut self, key: &str, value: &str) {
        let note = self.notes.entry(key.to_owned()).or_default();
        if !note.is_empty() {
            note.push(' ');
        }
        note.push_str(value);
        *note = cut(&message(note), MAX_NOTE);
    }

    pub(super) fn find(&mut self, found: Found) {
        self.found = self.found.max(found);
    }

    /// What holds for all parts of a request: one that is denied denies them all.
    pub(super) fn conclude(&mut self, webhook: Webhook) {
        if !self.is_allowed() {
            // In part, a request cannot be allowed: what one container's policies changed goes with the denial of another.
            self.patch.clear();
            self.warnings.clear();
            for judged in &mut self.judged {
                judged.event = AuditEvent::Denied;
            }
            if webhook == Webhook::Mutate {
                // Denied by the validating webhook, which comes last and writes the record. A denial here would leave none.
                self.denials.clear();
            }
        }
        self.note("verdict", self.found.word());
    }

    /// Something cannot be judged: it weighs as the heaviest of the policies that would have judged it.
    pub(super) fn not_judged(&mut self, weight: Option<Mode>, problem: &str) {
        self.mode = heavier(self.mode, weight);
        let Some(weight) = weight else {
            return self.find(Found::Allowed);
        };
        self.find(Found::NotJudged);
        self.note("not-judged", problem);
        match weight {
            Mode::Enforce => self.denials.push(format!(
                "this cannot be judged, and so it is not allowed: {problem}"
            )),
            Mode::Warn => self.warnings.push(format!("this cannot be judged: {problem}")),
            Mode::Audit => {}
        }
    }

    /// Takes what the policies said of one container or pod. `may_change` is false where changes are a denial.
    pub(super) fn take(&mut self, plan: DebugPlan, outcome: &Outcome, actor: Actor, may_change: bool) {
        for review in plan.policies() {
            self.mode = heavier(self.mode, Some(review.mode));
            self.note("policies", &summary(review));
        }
        self.note("plan", &plan.hash());
        let before = self.denials.len();
        match outcome {
            Outcome::Denied => self.denials.extend(plan.denials().map(denial)),
            Outcome::Undecided(policies) => self.denials.push(format!(
                "the policies do not agree on a plan: {}",
                policies.join(", ")
            )),
            // After the mutating webhook nothing is left to change, unless another webhook undid it.
            Outcome::Allowed if !may_change => {
                let obeyed = plan
                    .policies()
                    .iter()
                    .filter(|review| review.mode == Mode::Enforce);
                self.denials
                    .extend(obeyed.filter(|review| !review.changes.is_empty()).map(unchanged));
            }
            Outcome::Allowed => {}
        }
        let is_denied = self.denials.len() > before;
        if !is_denied {
            let warnings = plan.diagnostics_of(Severity::Warning);
            self.warnings
                .extend(warnings.map(|found| with_help(&found.message, found.help.as_deref())));
        }
        self.find(match (is_denied, plan.changers().is_empty()) {
            (true, _) => Found::Denied,
            (false, false) => Found::Amended,
            (false, true) => Found::Allowed,
        });
        let event = if is_denied {
            AuditEvent::Denied
        } else {
            AuditEvent::Admitted
        };
        self.judged.push(Judged { actor, plan, event });
    }
}

/// The mode that weighs more.
pub(super) fn heavier(one: Option<Mode>, other: Option<Mode>) -> Option<Mode> {
    let weight = |mode: &Mode| match mode {
        Mode::Audit => 0,
        Mode::Warn => 1,
        Mode::Enforce => 2,
    };
    one.into_iter().chain(other).max_by_key(weight)
}

/// `NAME=VERDICT@sha256:…`, with the mode where it is not to be obeyed.
fn summary(review: &PolicyReview) -> String {
    let verdict = match review.verdict {
        ReviewVerdict::Allow => "allow",
        ReviewVerdict::Amend => "amend",
        ReviewVerdict::Deny => "deny",
        ReviewVerdict::Failed => "failed",
    };
    let mode = match review.mode {
        Mode::Enforce => "",
        Mode::Warn => "(warn)",
        Mode::Audit => "(audit)",
    };
    format!("{}={verdict}{mode}@{}", review.policy, review.plugin.digest)
}

fn denial(review: &PolicyReview) -> String {
    let errors = review
        .diagnostics
        .iter()
        .filter(|found| found.severity == Severity::Error);
    let told: Vec<String> = errors
        .map(|found| with_help(&found.message, found.help.as_deref()))
        .collect();
    match told.is_empty() {
        true => format!("policy {} denies this, and does not say why", review.policy),
        false => format!("policy {}: {}", review.policy, told.join("; ")),
    }
}

fn unchanged(review: &PolicyReview) -> String {
    let changes: Vec<String> = review.changes.iter().map(ToString::to_string).collect();
    format!(
        "policy {} allows this only with a change that was not made: {}",
        review.policy,
        changes.join("; ")
    )
}

fn with_help(message: &str, help: Option<&str>) -> String {
    match help {
        Some(help) => format!("{message} ({help})"),
        None => message.to_owned(),
    }
}

fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(most - " …".len());
    format!("{} …", &text[..end])
}
