//! What is written down of a debug: one line of JSON a decision, and one for how it ended. No I/O.
//!
//! A line says who did what to which object, by which plugins and with which verdicts. It holds nothing of the objects
//! themselves: no environment, no commands, no values of changes.

use serde_json::{Value, json};
use trocar_sdk::{Actor, options::API_VERSION};

use crate::plan::DebugPlan;

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditEvent {
    /// The policies let the plan pass; it will be carried out next.
    Allowed,
    /// A policy did not let it pass; nothing is changed.
    Denied,
    /// The plan was carried out, and how it ended.
    Ended(AuditOutcome),
}

/// How a debug ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditOutcome {
    /// The debug container or pod was made, and nobody attached to it.
    Created,
    /// There was a session; its exit code where the program has ended.
    Session(Option<u8>),
    /// It failed.
    Failed,
    /// It failed for another target before, and this one was not touched.
    NotBegun,
}

/// One line, without its end.
pub fn line(event: AuditEvent, time: &str, session: &str, actor: &Actor, plan: &DebugPlan) -> String {
    let policies: Vec<Value> = plan
        .policies
        .iter()
        .map(|review| {
            json!({
                "policy": review.policy,
                "plugin": review.plugin,
                "mode": review.mode,
                "verdict": review.verdict,
                "changed": review.changes.iter().map(|change| &change.at).collect::<Vec<_>>(),
            })
        })
        .collect();
    let mut line = json!({
        "apiVersion": API_VERSION,
        "kind": "AuditRecord",
        "time": time,
        "session": session,
        "actor": actor,
        "target": plan.target,
        "strategy": plan.strategy,
        "policies": policies,
        "plan": plan.hash(),
    });
    match event {
        AuditEvent::Allowed => line["event"] = json!("allowed"),
        AuditEvent::Denied => line["event"] = json!("denied"),
        AuditEvent::Ended(outcome) => {
            line["event"] = json!("ended");
            let (name, code) = match outcome {
                AuditOutcome::Created => ("created", None),
                AuditOutcome::Session(code) => ("session", code),
                AuditOutcome::Failed => ("failed", None),
                AuditOutcome::NotBegun => ("notBegun", None),
            };
            line["outcome"] = json!(name);
            if let Some(code) = code {
                line["exitCode"] = json!(code);
            }
        }
    }
    line.to_string()
}
