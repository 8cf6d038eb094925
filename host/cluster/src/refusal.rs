//! What a server answers when it refuses: its Status, and which of its reasons that is.

use serde::{Deserialize, Deserializer};

/// A Status of the API, as far as it is read here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The HTTP status code.
    #[serde(deserialize_with = "or_default")]
    pub code: u16,
    /// The reason, in one word: `NotFound`, `Forbidden`, …
    #[serde(deserialize_with = "or_default")]
    pub reason: String,
    /// The reason, in the server's sentence.
    #[serde(deserialize_with = "or_default")]
    pub message: String,
    /// What it is about, where the server says.
    #[serde(deserialize_with = "or_default")]
    pub details: Option<StatusDetails>,
}

/// The object that a Status is about, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct StatusDetails {
    /// The object's name.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// Its kind or resource.
    #[serde(deserialize_with = "or_default")]
    pub kind: String,
    /// What is wrong with it, field by field.
    #[serde(deserialize_with = "or_default")]
    pub causes: Vec<StatusCause>,
}

/// One thing that is wrong with an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct StatusCause {
    /// The field, for example `spec.containers[0].image`; empty where it is about the whole object.
    #[serde(deserialize_with = "or_default")]
    pub field: String,
    /// What is wrong with it.
    #[serde(deserialize_with = "or_default")]
    pub message: String,
}

/// A server writes null for what it has nothing to say of.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(given: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(given)?.unwrap_or_default())
}

impl Status {
    /// A refusal without a Status: the text of a proxy, for example.
    pub(crate) fn of_text(message: String) -> Self {
        Self {
            message,
            ..Self::default()
        }
    }

    /// A Status that the client library read.
    pub(crate) fn from_kube(status: kube::core::Status) -> Self {
        Self {
            code: status.code,
            reason: status.reason,
            message: status.message,
            details: status.details.map(|details| StatusDetails {
                name: details.name,
                kind: details.kind,
                causes: details
                    .causes
                    .into_iter()
                    .map(|cause| StatusCause {
                        field: cause.field,
                        message: cause.message,
                    })
                    .collect(),
            }),
        }
    }
}

/// Why a server refuses, as far as that can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It does not accept the credentials.
    Unauthenticated,
    /// The user may not do it: the rule that the action needs is missing.
    MissingRight,
    /// The namespace enforces a level of Pod Security that the pod breaks.
    PodSecurity {
        /// The level, as the server writes it.
        level: String,
    },
    /// A quota of the namespace is used up.
    QuotaUsedUp {
        /// The quota.
        quota: String,
    },
    /// A quota of the namespace needs resources to be set.
    QuotaNeedsResources {
        /// The quota.
        quota: String,
        /// What has to be set.
        missing: Vec<MissingResource>,
    },
    /// A LimitRange of the namespace does not allow these resources.
    LimitRange,
    /// The namespace is being deleted.
    NamespaceTerminating,
    /// A rule of the server's own admission denies it: priority, service account, RuntimeClass, node restriction and others.
    Admission,
    /// A ValidatingAdmissionPolicy of the cluster denies it.
    AdmissionPolicy {
        /// The policy.
        policy: String,
    },
    /// An admission webhook denies it.
    Webhook {
        /// The webhook's name, where the server says it.
        name: Option<String>,
    },
    /// There is no such namespace.
    NoNamespace,
    /// The server has no ephemeral containers.
    NoEphemeralContainers,
    /// The object is not there.
    NotFound,
    /// An object of that name is there already.
    NameTaken,
    /// The object is not as it was read.
    Conflict,
    /// The object is not valid.
    Invalid,
    /// The server has no time, or does not work right now.
    Busy,
    /// Something else, of which the server's message tells.
    Other,
}

impl Refusal {
    /// Reads a Status. `verb` and `subresource` are of what was asked.
    pub(crate) fn of(status: &Status, verb: &str, subresource: &str) -> Self {
        let message = status.message.as_str();
        let is_ephemeral = subresource == "ephemeralcontainers";
        match status.code {
            401 => Self::Unauthenticated,
            403 => Self::forbidden(message),
            404 if message.starts_with("namespaces ") => Self::NoNamespace,
            404 if is_ephemeral && message.starts_with("the server could not find") => {
                Self::NoEphemeralContainers
            }
            404 => Self::NotFound,
            409 if status.reason == "AlreadyExists" && verb == "create" => Self::NameTaken,
            409 if status.reason == "Conflict" => Self::Conflict,
            // A ValidatingAdmissionPolicy chooses its `reason`, and with it the code.
            400 | 422 if is_of_policy(message) => Self::policy(message),
            422 => Self::Invalid,
            429 | 500..=599 => Self::Busy,
            // A webhook may answer with any code.
            400 if message.contains("denied the request") => Self::webhook(message),
            _ => Self::Other,
        }
    }

    /// The server uses one code for missing rights, Pod Security, quotas, limits and webhooks; only the text tells.
    fn forbidden(message: &str) -> Self {
        if let Some(level) = between(message, "violates PodSecurity \"", ":") {
            return Self::PodSecurity { level: level.into() };
        }
        // Before the authorizer's form: a webhook's and a policy's texts are free, and may have that form.
        if message.contains("denied the request") {
            return Self::webhook(message);
        }
        if let Some(quota) = between(message, "exceeded quota: ", ",") {
            return Self::QuotaUsedUp { quota: quota.into() };
        }
        if let Some((_, failed)) = message.split_once("failed quota: ") {
            return Self::quota_needs(failed);
        }
        if message.contains("usage per Container") || message.contains("usage per Pod") {
            return Self::LimitRange;
        }
        if message.contains("is being terminated") {
            return Self::NamespaceTerminating;
        }
        if is_of_policy(message) {
            return Self::policy(message);
        }
        match is_of_authorizer(message) {
            true => Self::MissingRight,
            false => Self::Admission,
        }
    }

    /// Reads `small: must specify limits.cpu for: debugger; requests.cpu for: debugger,proxy`.
    ///
    /// Source: `Constraints` of the pods' quota evaluator of Kubernetes.
    fn quota_needs(failed: &str) -> Self {
        let (quota, wanted) = failed.split_once(": must specify ").unwrap_or((failed, ""));
        let missing = wanted.split("; ").filter_map(|wanted| {
            let (resource, containers) = wanted.split_once(" for: ")?;
            Some(MissingResource {
                resource: resource.to_owned(),
                containers: containers.split(',').map(str::to_owned).collect(),
            })
        });
        Self::QuotaNeedsResources {
            quota: quota.to_owned(),
            missing: missing.collect(),
        }
    }

    fn policy(message: &str) -> Self {
        let policy = between(message, POLICY, "'").unwrap_or_default();
        Self::AdmissionPolicy {
            policy: policy.to_owned(),
        }
    }

    fn webhook(message: &str) -> Self {
        let name = between(message, "admission webhook \"", "\"");
        Self::Webhook {
            name: name.map(str::to_owned),
        }
    }
}

/// A resource that a quota wants to be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingResource {
    /// As quotas name it: `limits.cpu`.
    pub resource: String,
    /// The containers that have to set it.
    pub containers: Vec<String>,
}

/// How a ValidatingAdmissionPolicy begins what it says.
const POLICY: &str = "ValidatingAdmissionPolicy '";

fn is_of_policy(message: &str) -> bool {
    message.contains(POLICY) && message.contains("denied request")
}

/// Every authorizer's refusal has one form: `User "jane" cannot patch resource "pods" in …`, or `cannot get path "/x"`.
///
/// Source: `ForbiddenReason` of the API server's response writers.
fn is_of_authorizer(message: &str) -> bool {
    let Some((_, refused)) = message.split_once("User \"") else {
        return false;
    };
    refused.contains("\" cannot ") && (refused.contains(" resource") || refused.contains(" path \""))
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let rest = &text[text.find(start)? + start.len()..];
    rest.find(end).map(|end| &rest[..end])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(code: u16, reason: &str, message: &str) -> Refusal {
        let status = json!({"code": code, "reason": reason, "message": message, "details": null});
        let status = serde_json::from_value(status).unwrap();
        Refusal::of(&status, "create", "ephemeralcontainers")
    }

    #[test]
    fn refusals_are_told_apart_by_code_reason_and_text() {
        let webhook = |name: &str| Refusal::Webhook {
            name: Some(name.into()),
        };
        let level = |level: &str| Refusal::PodSecurity { level: level.into() };
        let policy = |policy: &str| Refusal::AdmissionPolicy {
            policy: policy.into(),
        };
        let needs = |missing: &[(&str, &[&str])]| Refusal::QuotaNeedsResources {
            quota: "small".into(),
            missing: missing
                .iter()
                .map(|(resource, containers)| MissingResource {
                    resource: (*resource).into(),
                    containers: containers.iter().map(|name| (*name).into()).collect(),
                })
                .collect(),
        };
        let used_up = Refusal::QuotaUsedUp {
            quota: "small".into(),
        };
        for (code, reason, message, wanted) in [
            (401, "Unauthorized", "Unauthorized", Refusal::Unauthenticated),
            (
                403,
                "Forbidden",
                "pods \"web-0\" is forbidden: User \"jane\" cannot patch resource",
                Refusal::MissingRight,
            ),
            (
                403,
                "Forbidden",
                "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\": privileged",
                level("restricted"),
            ),
            (
                403,
                "Forbidden",
                "pods \"x\" is forbidden: exceeded quota: small, requested: pods=1",
                used_up,
            ),
            (
                403,
                "Forbidden",
                "pods \"x\" is forbidden: failed quota: small: must specify limits.cpu for: dbg; memory for: dbg,proxy",
                needs(&[("limits.cpu", &["dbg"]), ("memory", &["dbg", "proxy"])]),
            ),
            (
                403,
                "Forbidden",
                "pods \"x\" is forbidden: failed quota: small: must specify limits.cpu",
                needs(&[]),
            ),
            (
                403,
                "Forbidden",
                "pods \"x\" is forbidden: maximum cpu usage per Container is 1",
                Refusal::LimitRange,
            ),
            (
                403,
                "Forbidden",
                "unable to create new content in namespace a because it is being terminated",
                Refusal::NamespaceTerminating,
            ),
            (
                403,
                "Forbidden",
                "User \"jane\" cannot get path \"/metrics\"",
                Refusal::MissingRight,
            ),
            (
                403,
                "Forbidden",
                "pods \"x\" is forbidden: no PriorityClass with name shop was found",
                Refusal::Admission,
            ),
            (
                403,
                "Forbidden",
                "pods \"x\" is forbidden: error looking up service account shop/ci: serviceaccount \"ci\" not found",
                Refusal::Admission,
            ),
            (
                403,
                "Forbidden",
                "pods \"x\" is forbidden: pod rejected: RuntimeClass \"kata\" not found",
                Refusal::Admission,
            ),
            (
                422,
                "Invalid",
                "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'no-debug' with binding 'all' denied request: no",
                policy("no-debug"),
            ),
            (
                403,
                "Forbidden",
                "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'no-debug' with binding 'all' denied request: User \"x\" cannot",
                policy("no-debug"),
            ),
            (
                403,
                "Forbidden",
                "admission webhook \"guard.example.com\" denied the request: no",
                webhook("guard.example.com"),
            ),
            (
                400,
                "BadRequest",
                "admission webhook \"a.example.com\" denied the request: no",
                webhook("a.example.com"),
            ),
            (
                400,
                "BadRequest",
                "it denied the request",
                Refusal::Webhook { name: None },
            ),
            (
                404,
                "NotFound",
                "namespaces \"shop\" not found",
                Refusal::NoNamespace,
            ),
            (
                404,
                "NotFound",
                "the server could not find the requested resource",
                Refusal::NoEphemeralContainers,
            ),
            (404, "NotFound", "pods \"web-0\" not found", Refusal::NotFound),
            (
                409,
                "AlreadyExists",
                "pods \"x\" already exists",
                Refusal::NameTaken,
            ),
            (409, "Conflict", "the object has been modified", Refusal::Conflict),
            (422, "Invalid", "Pod \"x\" is invalid", Refusal::Invalid),
            (429, "TooManyRequests", "too many requests", Refusal::Busy),
            (503, "ServiceUnavailable", "shutting down", Refusal::Busy),
            (418, "", "teapot", Refusal::Other),
        ] {
            assert_eq!(refusal(code, reason, message), wanted, "{message}");
        }
    }

    #[test]
    fn a_status_with_nulls_and_without_fields_is_read() {
        let status: Status = serde_json::from_value(json!({
            "kind": "Status", "code": 422, "message": null,
            "details": {"name": "web-0", "causes": [{"message": "no"}, {"field": null}]},
        }))
        .unwrap();
        let details = status.details.unwrap();
        assert_eq!((status.code, status.message.as_str()), (422, ""));
        assert_eq!(details.causes[0].message, "no");
        assert_eq!(details.causes[1], StatusCause::default());
    }
}
