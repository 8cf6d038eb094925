//! Writing the answer to a review: an `AdmissionReview` of `admission.k8s.io/v1` with a response.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};
use trocar::plan::Mode;

use super::{judge::Webhook, verdict::Verdict};

/// Writes the answer to a request.
pub fn answer(uid: &str, verdict: &Verdict) -> Value {
    let mut response = json!({"uid": uid, "allowed": verdict.is_allowed()});
    if !verdict.is_allowed() {
        let (code, reason) = match verdict.is_overload {
            // Another status than that of a denial: the same request may be allowed a moment later.
            true => (503, "ServiceUnavailable"),
            false => (403, "Forbidden"),
        };
        response["status"] = json!({"code": code, "reason": reason, "message": verdict.message()});
    }
    let warnings = verdict.told();
    if !warnings.is_empty() {
        response["warnings"] = json!(warnings);
    }
    if !verdict.notes.is_empty() {
        response["auditAnnotations"] = json!(verdict.notes);
    }
    // The API server takes a patch with its type only, and JSON Patch is the only type of v1.
    if verdict.is_allowed() && !verdict.patch.is_empty() {
        response["patchType"] = json!("JSONPatch");
        response["patch"] = json!(BASE64.encode(json!(verdict.patch).to_string()));
    }
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})
}

/// The verdict on a request that was not read, or not judged in time: it weighs as the heaviest of all policies. The mutating
/// webhook lets it pass to the validating one.
pub fn unheard(webhook: Webhook, modes: impl Iterator<Item = Mode>, problem: &str) -> Verdict {
    let mut verdict = Verdict {
        is_overload: true,
        ..Verdict::default()
    };
    let weight = modes.fold(None, |heaviest, mode| {
        super::verdict::heavier(heaviest, Some(mode))
    });
    verdict.not_judged(weight, problem);
    verdict.conclude(webhook);
    verdict
}
