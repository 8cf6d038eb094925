//! Cases of policies at the door: the same policies are to come to the same verdict as on a person's own machine, or there
//! is a reason with a name why not.

use std::sync::Arc;

use serde_json::Value;
use trocar::{
    Engine,
    capability::{ClusterReader, WrittenDown},
    policy_cases::DOOR_KIND,
};

use crate::{
    review::{Found, ReadError, Request, Webhook},
    rules::{Rules, RulesError},
};

/// Why the source of a copy makes a difference.
const UNKNOWN_SOURCE: &str = "the source of a copy is not known at the door, so that all of a copy is judged as new, and no label protects it";

/// How the verdict at the door compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compared {
    /// It is the same.
    Same,
    /// It is another one, for a reason that has a name.
    Named(&'static str),
    /// It is another one.
    Other(String),
    /// The case does not get to a cluster: there is not a plan.
    Unreachable,
}

/// Why a case cannot be judged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaseError {
    /// It is another document.
    #[error("it is not a case as it reaches the door")]
    NotACase,
    /// Its review is not one.
    #[error(transparent)]
    Review(#[from] ReadError),
    /// Its policies cannot be loaded.
    #[error(transparent)]
    Rules(#[from] RulesError),
}

/// Judges a case, as the mutating webhook and then the validating one do, and compares the verdict.
///
/// # Errors
/// Fails where the document is not one of a case, or its policies cannot be loaded.
pub fn compare(engine: &Arc<Engine>, document: &Value) -> Result<Compared, CaseError> {
    if document["kind"] != DOOR_KIND {
        return Err(CaseError::NotACase);
    }
    if !document["unreachable"].is_null() {
        return Ok(Compared::Unreachable);
    }
    let rules = Rules::of_document(engine, &document["config"])?;
    let objects = document["objects"].as_array().cloned().unwrap_or_default();
    let reader: Arc<dyn ClusterReader> = Arc::new(WrittenDown(objects));
    let time = document["time"].as_str().unwrap_or_default();
    let mut review = document["review"].clone();
    let judge = |review: &Value, webhook| -> Result<_, CaseError> {
        let request = Request::read(review.to_string().as_bytes())?;
        Ok(rules.judge(&request, webhook, Some(&reader), time, None))
    };
    // As an API server does it: all mutating webhooks first, then the validating ones, which see what will be stored.
    let mutated = judge(&review, Webhook::Mutate)?;
    for operation in &mutated.patch {
        apply(&mut review["request"]["object"], operation);
    }
    let validated = judge(&review, Webhook::Validate)?;
    // Once changed, the object is only allowed by the second, so that a change shows in the first alone.
    let verdict = match (mutated.found.max(validated.found), mutated.found) {
        (Found::Denied | Found::NotJudged, _) => "deny",
        (_, Found::Amended) => "amend",
        _ => "allow",
    };
    let wanted = document["verdict"].as_str().unwrap_or_default();
    Ok(match (verdict == wanted, document["sourceIsKnown"] == true) {
        (true, _) => Compared::Same,
        (false, false) => Compared::Named(UNKNOWN_SOURCE),
        (false, true) => Compared::Other(format!(
            "{verdict} instead of {wanted}: {} {}",
            mutated.message(),
            validated.message()
        )),
    })
}

/// Applies an operation of one of our own patches: a value that replaces another.
fn apply(object: &mut Value, operation: &Value) {
    let path = operation["path"].as_str().unwrap_or_default();
    let Some((parent, last)) = path.rsplit_once('/') else {
        return;
    };
    match object.pointer_mut(parent) {
        Some(Value::Object(fields)) => {
            fields.insert(last.to_owned(), operation["value"].clone());
        }
        Some(Value::Array(items)) => {
            if let Some(item) = last.parse::<usize>().ok().and_then(|index| items.get_mut(index)) {
                *item = operation["value"].clone();
            }
        }
        _ => {}
    }
}
