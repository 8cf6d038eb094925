//! Converts the contract's generated types into ours. Everything from a guest is bounded and escaped here.

use trocar_core::{
    planning::{Decision, Proposal},
    text::message,
};
use trocar_sdk::{
    Diagnostic, Failure, FailureKind, Severity,
    policy::{Operation, Verdict},
};

use super::{
    bindings::{
        policy::exports::trocar::plugin::policy,
        strategy::{exports::trocar::plugin::strategy as abi, trocar::plugin::types},
    },
    error::WasmError,
    limits::{Limit, Limits},
};

/// The most diagnostics that are kept per answer.
const MAX_DIAGNOSTICS: usize = 100;

pub(crate) fn plan(plan: abi::Plan, limits: &Limits) -> Result<Proposal, WasmError> {
    let steps: Vec<(String, String)> = plan
        .steps
        .into_iter()
        .map(|step| (step.action, step.object))
        .collect();
    let size: u64 = steps
        .iter()
        .map(|(action, object)| (action.len() + object.len()) as u64)
        .sum();
    check_result_size(size, limits)?;
    Ok(Proposal {
        steps,
        attach: plan.attach.map(|name| message(&name)),
        diagnostics: diagnostics(plan.diagnostics),
    })
}

pub(crate) fn decision(decision: policy::Decision, limits: &Limits) -> Result<Decision, WasmError> {
    let (verdict, amendments) = match decision.verdict {
        policy::Verdict::Allow => (Verdict::Allow, Vec::new()),
        policy::Verdict::Amend(amendments) => (Verdict::Amend, amendments),
        policy::Verdict::Deny => (Verdict::Deny, Vec::new()),
    };
    let size = amendments.iter().map(|amendment| {
        let value = amendment.value.as_deref().unwrap_or_default();
        (amendment.at.len() + value.len()) as u64
    });
    check_result_size(size.sum(), limits)?;
    let changes = amendments.into_iter().map(|amendment| {
        // Escaping would change which field the pointer names, so one that needs it is refused.
        let at = message(&amendment.at);
        if at != amendment.at {
            return Err(WasmError::Answer(format!(
                "the pointer of an amendment is too long or has control characters: {at}"
            )));
        }
        let operation = match amendment.operation {
            policy::Operation::Add => Operation::Add,
            policy::Operation::Remove => Operation::Remove,
            policy::Operation::Replace => Operation::Replace,
        };
        Ok((operation, at, amendment.value))
    });
    Ok(Decision {
        verdict,
        changes: changes.collect::<Result<_, _>>()?,
        diagnostics: diagnostics(decision.diagnostics),
    })
}

pub(crate) fn check_result_size(size: u64, limits: &Limits) -> Result<(), WasmError> {
    limits.allow(Limit::Result, size)
}

pub(crate) fn failure(failure: types::Failure) -> Failure {
    Failure {
        kind: match failure.kind {
            types::FailureKind::InvalidSettings => FailureKind::InvalidSettings,
            types::FailureKind::InvalidRequest => FailureKind::InvalidRequest,
            types::FailureKind::UnsupportedTarget => FailureKind::UnsupportedTarget,
            types::FailureKind::Unavailable => FailureKind::Unavailable,
            types::FailureKind::Internal => FailureKind::Internal,
        },
        code: message(&failure.code),
        message: message(&failure.message),
        diagnostics: diagnostics(failure.diagnostics),
    }
}

pub(crate) fn diagnostics(found: Vec<types::Diagnostic>) -> Vec<Diagnostic> {
    let more = found.len().saturating_sub(MAX_DIAGNOSTICS);
    let mut kept: Vec<Diagnostic> = found.into_iter().take(MAX_DIAGNOSTICS).map(diagnostic).collect();
    if more > 0 {
        kept.push(Diagnostic::warning(
            "diagnostics-dropped",
            format!("{more} more diagnostics of the plugin were dropped"),
        ));
    }
    kept
}

fn diagnostic(found: types::Diagnostic) -> Diagnostic {
    Diagnostic {
        severity: match found.severity {
            types::Severity::Error => Severity::Error,
            types::Severity::Warning => Severity::Warning,
            types::Severity::Info => Severity::Info,
        },
        code: message(&found.code),
        at: found.at.map(|at| message(&at)),
        message: message(&found.message),
        help: found.help.map(|help| message(&help)),
    }
}
