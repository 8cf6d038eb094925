//! What is written down of a debug: one line of JSON a decision, and one for how it ended. No I/O.
//!
//! A line says who did what to which object, by which plugins, with which verdicts and rights. It holds nothing of the
//! objects themselves: no environment, no commands, no values of changes.

use serde_json::{Map, Value, json};
use trocar_sdk::{Actor, options::API_VERSION, pod::text};

use crate::{
    documents::harmless_json,
    plan::{DebugPlan, Step},
    planning::StoredOtherwise,
};

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditEvent {
    /// The policies let the plan pass, and its rights were agreed to; it will be carried out next.
    Allowed,
    /// A policy did not let it pass; nothing is changed.
    Denied,
    /// The policies let it pass, and its rights were not agreed to; nothing is changed.
    Refused,
    /// The server stored something else than what was judged.
    Stored,
    /// What another program planned may go on, as far as these policies decide; whether it was made then is not known.
    Admitted,
    /// The plan was carried out, and how it ended.
    Ended(AuditOutcome),
}

/// How a debug ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditOutcome {
    /// The debug container or pod was made, and nothing attached to it.
    Created,
    /// There was a session; its exit code where the program has ended.
    Session(Option<u8>),
    /// It failed.
    Failed,
    /// It failed for another target before, and this one was not touched.
    NotBegun,
}

/// The facts of one line.
#[derive(Clone, Copy, Debug)]
pub struct AuditRecord<'a> {
    /// What it is about.
    pub event: AuditEvent,
    /// When: RFC 3339, in UTC.
    pub time: &'a str,
    /// The session's name.
    pub session: &'a str,
    /// Who asks, and why.
    pub actor: &'a Actor,
    /// The user whose credentials were used, if they impersonate another user.
    pub impersonator: Option<&'a str>,
    /// The plan.
    pub plan: &'a DebugPlan,
    /// The pod with the debug container, as the server returned it; null before it is there.
    pub pod: &'a Value,
    /// What was stored otherwise than judged, where the line is about that.
    pub stored: Option<&'a StoredOtherwise>,
}

impl AuditRecord<'_> {
    /// One line, without its end.
    pub fn line(&self) -> String {
        let plan = self.plan;
        // If the stored object differs, the policies' verdicts on it are written, not those on the plan.
        let reviews = match self.stored {
            Some(stored) if !stored.reviews.is_empty() => &stored.reviews,
            _ => plan.policies(),
        };
        let policies: Vec<Value> = reviews
            .iter()
            .map(|review| {
                json!({
                    "policy": review.policy,
                    "plugin": review.plugin,
                    "mode": review.mode,
                    "verdict": review.verdict,
                    // The places only: a value may be a secret.
                    "changed": review.changes.iter().map(|change| &change.at).collect::<Vec<_>>(),
                })
            })
            .collect();
        let mut line = json!({
            "apiVersion": API_VERSION,
            "kind": "AuditRecord",
            "time": self.time,
            "session": self.session,
            "actor": self.actor,
            "target": plan.target(),
            "strategy": plan.strategy(),
            "policies": policies,
            "plan": plan.hash(),
            "object": object(plan, self.pod),
        });
        if let Some(impersonator) = self.impersonator {
            line["impersonator"] = json!(impersonator);
        }
        if !plan.beyond_options().is_empty() {
            line["rights"] = json!(plan.beyond_options());
        }
        if let Some(stored) = self.stored {
            let places = stored.differences.iter().map(|difference| &difference.place);
            line["differences"] = json!(places.collect::<Vec<_>>());
            if let Some(violation) = &stored.guard_rail {
                line["guardRail"] = json!(violation.to_string());
            }
            line["allowed"] = json!(stored.is_allowed);
        }
        let (event, outcome, code) = match self.event {
            AuditEvent::Allowed => ("allowed", None, None),
            AuditEvent::Denied => ("denied", None, None),
            AuditEvent::Refused => ("refused", None, None),
            AuditEvent::Stored => ("stored", None, None),
            AuditEvent::Admitted => ("admitted", None, None),
            AuditEvent::Ended(AuditOutcome::Created) => ("ended", Some("created"), None),
            AuditEvent::Ended(AuditOutcome::Session(code)) => ("ended", Some("session"), code),
            AuditEvent::Ended(AuditOutcome::Failed) => ("ended", Some("failed"), None),
            AuditEvent::Ended(AuditOutcome::NotBegun) => ("ended", Some("notBegun"), None),
        };
        line["event"] = json!(event);
        if let Some(outcome) = outcome {
            line["outcome"] = json!(outcome);
        }
        if let Some(code) = code {
            line["exitCode"] = json!(code);
        }
        // Standard error may be a terminal.
        harmless_json(&line.to_string())
    }
}

/// The object that a plan makes or changes: which one, the containers that are new, and their images.
fn object(plan: &DebugPlan, pod: &Value) -> Value {
    let mut object = Map::new();
    object.insert("kind".into(), json!("Pod"));
    object.insert("namespace".into(), json!(plan.debug_namespace()));
    object.insert("name".into(), json!(plan.debug_pod()));
    // The name may be used again, the uid is of this pod alone.
    if let Some(uid) = pod["metadata"]["uid"].as_str() {
        object.insert("uid".into(), json!(uid));
    }
    let container = |container: &Map<String, Value>| json!({"name": text(container, "name"), "image": text(container, "image")});
    let containers: Vec<Value> = plan
        .steps()
        .iter()
        .flat_map(|step| match step {
            Step::AddEphemeralContainer(added) => vec![container(added)],
            Step::CreatePod(pod) => pod.containers().map(|found| container(found.container)).collect(),
            Step::DeletePod(_) => Vec::new(),
        })
        .collect();
    object.insert("containers".into(), Value::Array(containers));
    Value::Object(object)
}
