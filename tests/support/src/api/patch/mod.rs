//! The patch types of the Kubernetes API.
//!
//! Refusals and their messages are those of an API server of Kubernetes 1.37.

mod json;
mod strategic;

use serde_json::{Map, Value};

use super::{
    fault::status,
    fields::{Decoder, fields_of, json_type},
    http::Response,
};

/// A patch that was applied.
#[derive(Debug)]
pub(super) struct Patched {
    /// The object, not yet decoded.
    pub(super) object: Value,
    /// The decoder to use.
    pub(super) decoder: Decoder,
    /// Errors of strict validation besides unknown fields.
    pub(super) strict_errors: Vec<String>,
    /// The value in the message of a refusal.
    pub(super) shown: String,
}

/// A patch that cannot be applied.
#[derive(Debug, PartialEq)]
pub(super) struct Refused {
    code: u16,
    reason: &'static str,
    message: String,
}

impl Refused {
    fn bad_request(message: impl Into<String>) -> Self {
        Self {
            code: 400,
            reason: "BadRequest",
            message: message.into(),
        }
    }

    /// An internal error, which the server reports without a reason.
    fn internal(message: String) -> Self {
        Self {
            code: 500,
            reason: "",
            message,
        }
    }

    /// The server's answer to a JSON Patch with a failing operation. It does not report which.
    fn unprocessable() -> Self {
        Self {
            code: 422,
            reason: "Invalid",
            message: "the server rejected our request due to an error in our request".into(),
        }
    }

    pub(super) fn response(&self) -> Response {
        let mut refusal = status(self.code, self.reason, &self.message);
        if self.reason.is_empty() {
            refusal.as_object_mut().map(|refusal| refusal.remove("reason"));
        }
        if self.code >= 415 && self.code < 500 {
            refusal["details"] = Value::Object(Map::new());
        }
        Response::json(self.code, &refusal)
    }
}

/// Applies a patch to an object of a kind.
pub(super) fn apply(
    object: &Value,
    kind: &str,
    content_type: &str,
    patch: &[u8],
) -> Result<Patched, Refused> {
    let content_type = content_type.split(';').next().unwrap_or_default().trim();
    let parsed = || -> Result<Value, Refused> {
        serde_json::from_slice(patch).map_err(|_| Refused::bad_request("invalid JSON patch"))
    };
    match content_type {
        "application/json-patch+json" => json_patch(object, &parsed()?),
        "application/merge-patch+json" => {
            let mut merged = object.clone();
            json_merge(&mut merged, &parsed()?);
            Ok(of_json(merged, Vec::new()))
        }
        "application/strategic-merge-patch+json" => {
            let patch = parsed()?;
            let (Value::Object(original), Value::Object(members)) = (object, &patch) else {
                return Err(Refused::bad_request("invalid JSON document"));
            };
            let merged = strategic::merge(original.clone(), members.clone(), fields_of(kind))?;
            Ok(Patched {
                object: Value::Object(merged),
                decoder: Decoder::Unstructured,
                strict_errors: Vec::new(),
                shown: strategic::go_text(&patch),
            })
        }
        _ => Err(Refused {
            code: 415,
            reason: "UnsupportedMediaType",
            message: "415: Unsupported Media Type".into(),
        }),
    }
}

fn of_json(object: Value, strict_errors: Vec<String>) -> Patched {
    Patched {
        shown: object.to_string(),
        object,
        decoder: Decoder::Json,
        strict_errors,
    }
}

fn json_patch(object: &Value, patch: &Value) -> Result<Patched, Refused> {
    let Value::Array(operations) = patch else {
        let found = json_type(patch);
        return Err(Refused::bad_request(format!(
            "error decoding patch: json: cannot unmarshal {found} into Go value of type []handlers.jsonPatchOp"
        )));
    };
    let patched = json::apply(object, operations).ok_or_else(Refused::unprocessable)?;
    Ok(of_json(patched, json::unknown_members(operations)))
}

/// JSON Merge Patch (RFC 7386).
fn json_merge(base: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *base = patch.clone();
        return;
    };
    if !base.is_object() {
        *base = Value::Object(Map::new());
    }
    for (field, value) in patch {
        if !value.is_null() {
            json_merge(&mut base[field.as_str()], value);
        } else if let Some(base) = base.as_object_mut() {
            base.remove(field);
        }
    }
}

#[cfg(test)]
mod tests;
