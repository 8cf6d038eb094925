//! Reading an `AdmissionReview` of `admission.k8s.io/v1`, as far as anything in it is judged.

use serde_json::{Map, Value};
use trocar::{
    Actor, Target,
    bounded::{self, Kept, Limits},
    plan::ConnectionKind,
    target::TargetError,
};

/// The largest review that is read, in bytes: two pods of the largest size that a cluster takes, and what goes with them.
pub const MAX_REVIEW: usize = 8 << 20;

const LIMITS: Limits = Limits {
    bytes: MAX_REVIEW,
    // Twice what two pods of the largest size have. One value takes up to 600 bytes of memory.
    nodes: 500_000,
    depth: 100,
};

/// What is kept of a review of debug containers: of the pod as it is to be no more than those, and of the pod as it is stored
/// not who wrote which of its fields. They are most of a review.
const OF_CONTAINERS: Kept = Kept {
    members: &[(
        "request",
        Kept {
            members: &[("object", ONLY_CONTAINERS), ("oldObject", UNMANAGED)],
            others: true,
        },
    )],
    others: true,
};

const ONLY_CONTAINERS: Kept = Kept {
    members: &[(
        "spec",
        Kept {
            members: &[("ephemeralContainers", Kept::ALL)],
            others: false,
        },
    )],
    others: false,
};

const UNMANAGED: Kept = Kept {
    members: &[(
        "metadata",
        Kept {
            members: &[("managedFields", Kept::NONE)],
            others: true,
        },
    )],
    others: true,
};

/// The longest identity of a review, in bytes: an API server's has 36.
const MAX_UID: usize = 128;

/// How far into a review its identity is looked for, where the rest cannot be read.
const BEGINNING: usize = 4 << 10;

/// What cannot be answered by a verdict, because it is not a review.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It is not JSON, or more than is read.
    #[error("the body {0}")]
    Json(#[from] bounded::ReadError),
    /// It is another document.
    #[error("the body is not an AdmissionReview of admission.k8s.io/v1: {0}")]
    NotAReview(&'static str),
}

/// A request that an API server asks about.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its identity, which the answer repeats.
    pub uid: String,
    /// What was requested.
    pub requested: Requested,
    /// Where.
    pub namespace: String,
    /// Who did. Why is said by what was requested.
    pub actor: Actor,
    /// Nothing will be stored.
    pub is_dry_run: bool,
}

/// What was requested.
#[derive(Clone, Debug)]
pub enum Requested {
    /// The ephemeral containers of a pod are to be others.
    EphemeralContainers {
        /// The pod as it is stored.
        before: Result<Target, TargetError>,
        /// The list as it is to be. The rest of the pod is not believed: a client can write anything there.
        containers: Vec<Value>,
    },
    /// A pod is to be created.
    Pod(Map<String, Value>),
    /// A session with a container that runs already is to begin.
    Connection {
        /// What kind of session.
        kind: ConnectionKind,
        /// The pod's name.
        pod: String,
        /// The container, the command and the streams.
        options: Map<String, Value>,
    },
    /// Something that no policy knows.
    Other(String),
}

impl Request {
    /// Reads a review.
    ///
    /// # Errors
    /// Fails where it is not a review of this version.
    pub fn read(body: &[u8]) -> Result<Self, ReadError> {
        // Only a guess, for speed: a review that was read in part is read again as a whole where the guess was wrong.
        let seems_of_containers = begins_as_of_containers(body);
        let mut review = match seems_of_containers {
            true => bounded::parse_some(body, LIMITS, OF_CONTAINERS)?,
            false => bounded::parse_bytes(body, LIMITS)?,
        };
        if seems_of_containers && !is_of_containers(&review) {
            review = bounded::parse_bytes(body, LIMITS)?;
        }
        let is = |field: &str, wanted: &str| review[field] == wanted;
        if !is("kind", "AdmissionReview") {
            return Err(ReadError::NotAReview("it has another kind"));
        }
        if !is("apiVersion", "admission.k8s.io/v1") {
            return Err(ReadError::NotAReview("it has another version"));
        }
        let request = &mut review["request"];
        if !request.is_object() {
            return Err(ReadError::NotAReview("it has no request"));
        }
        let uid = text(request, "uid");
        if uid.is_empty() || uid.len() > MAX_UID {
            return Err(ReadError::NotAReview("its request has no uid"));
        }
        Ok(Self {
            uid,
            namespace: text(request, "namespace"),
            actor: actor(&request["userInfo"]),
            is_dry_run: request["dryRun"] == true,
            requested: requested(request),
        })
    }
}

/// Says whether a review seems to be of debug containers: an API server writes the subresource before the pods.
fn begins_as_of_containers(body: &[u8]) -> bool {
    const SUBRESOURCE: &[u8] = b"\"subResource\":\"ephemeralcontainers\"";
    let beginning = &body[..body.len().min(BEGINNING)];
    beginning
        .windows(SUBRESOURCE.len())
        .any(|part| part == SUBRESOURCE)
}

fn is_of_containers(review: &Value) -> bool {
    let request = &review["request"];
    request["subResource"] == "ephemeralcontainers" && request["operation"] == "UPDATE"
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

fn actor(user: &Value) -> Actor {
    let groups = user["groups"].as_array().into_iter().flatten();
    Actor {
        user: text(user, "username"),
        groups: groups.filter_map(Value::as_str).map(str::to_owned).collect(),
        ..Actor::default()
    }
}

/// What is judged is known by the resource, never by the object's own word.
fn requested(request: &mut Value) -> Requested {
    let resource = &request["resource"];
    let is_core = resource["group"] == "" && resource["version"] == "v1";
    let resource = text(resource, "resource");
    let (subresource, operation) = (text(request, "subResource"), text(request, "operation"));
    match (resource.as_str(), subresource.as_str(), operation.as_str()) {
        ("pods", "ephemeralcontainers", "UPDATE") if is_core => {
            let spec = request.pointer_mut("/object/spec").and_then(Value::as_object_mut);
            let Some(spec) = spec else {
                return Requested::Other("a pod that is not an object".to_owned());
            };
            // Only this list: for a patch of this subresource, an API server ignores all other changes of the pod.
            let containers = match spec.remove("ephemeralContainers") {
                None | Some(Value::Null) => Vec::new(),
                Some(Value::Array(containers)) => containers,
                Some(_) => return Requested::Other("ephemeral containers that are not a list".to_owned()),
            };
            let namespace = text(request, "namespace");
            Requested::EphemeralContainers {
                before: Target::new(request["oldObject"].take(), &namespace),
                containers,
            }
        }
        ("pods", "", "CREATE") if is_core => match request["object"].take() {
            Value::Object(pod) => Requested::Pod(pod),
            _ => Requested::Other("a pod that is not an object".to_owned()),
        },
        ("pods", "exec", "CONNECT") if is_core => connection(ConnectionKind::Exec, request),
        ("pods", "attach", "CONNECT") if is_core => connection(ConnectionKind::Attach, request),
        _ => {
            let slash = if subresource.is_empty() { "" } else { "/" };
            Requested::Other(format!("{operation} of {resource}{slash}{subresource}"))
        }
    }
}

fn connection(kind: ConnectionKind, request: &mut Value) -> Requested {
    match request["object"].take() {
        Value::Object(options) => Requested::Connection {
            kind,
            pod: text(request, "name"),
            options,
        },
        _ => Requested::Other("a session without options".to_owned()),
    }
}

/// The identity of a review of which only the beginning is there, or which is too large to be read: so that it is answered
/// all the same. An API server writes it first.
pub fn uid_of_beginning(body: &[u8]) -> Option<String> {
    const BEFORE: &[u8] = b"\"request\":{\"uid\":\"";
    // Bounded, since the body may be 8 MiB and not a review at all.
    let body = &body[..body.len().min(BEGINNING)];
    let start = body.windows(BEFORE.len()).position(|part| part == BEFORE)? + BEFORE.len();
    let length = body[start..].iter().position(|byte| *byte == b'"')?;
    let uid = std::str::from_utf8(&body[start..start + length]).ok()?;
    // The answer repeats it, so nothing that JSON or a log would have to escape.
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    (1..=MAX_UID)
        .contains(&uid.len())
        .then_some(uid)
        .filter(|uid| uid.chars().all(is_plain))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn review(changes: &[(&str, Value)]) -> Vec<u8> {
        let mut review = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "705ab4f5", "resource": {"group": "", "version": "v1", "resource": "pods"}, "operation": "CREATE",
                "namespace": "shop", "userInfo": {"username": "jane", "groups": ["dev"]}, "object": {"kind": "Pod"},
            },
        });
        for (at, value) in changes {
            let (parent, field) = at.rsplit_once('/').unwrap();
            review.pointer_mut(parent).unwrap()[field] = value.clone();
        }
        review.to_string().into_bytes()
    }

    #[test]
    fn who_asks_is_taken_from_the_servers_word() {
        let request = Request::read(&review(&[("/request/dryRun", json!(true))])).unwrap();
        assert_eq!(
            (request.uid.as_str(), request.namespace.as_str()),
            ("705ab4f5", "shop")
        );
        assert_eq!(
            (request.actor.user.as_str(), &request.actor.groups[..]),
            ("jane", &["dev".to_owned()][..])
        );
        assert!(request.is_dry_run && matches!(request.requested, Requested::Pod(_)));
    }

    #[test]
    fn what_is_not_a_review_of_this_version_is_refused() {
        for (body, wanted) in [
            (review(&[("/kind", json!("Pod"))]), "another kind"),
            (
                review(&[("/apiVersion", json!("admission.k8s.io/v1beta1"))]),
                "another version",
            ),
            (review(&[("/request", json!([]))]), "no request"),
            (review(&[("/request/uid", json!(7))]), "no uid"),
            (review(&[("/request/uid", json!("x".repeat(129)))]), "no uid"),
            (b"[]".to_vec(), "another kind"),
            (b"{".to_vec(), "not valid JSON"),
            (b"\"\xff\"".to_vec(), "not UTF-8"),
            (b"{\"a\":1,\"a\":2}".to_vec(), "twice"),
            (b"[".repeat(200), "levels deep"),
            (vec![b' '; MAX_REVIEW + 1], "larger than"),
        ] {
            let message = Request::read(&body).unwrap_err().to_string();
            assert!(message.contains(wanted), "{message}");
        }
    }

    /// What an API server could write besides is left unread.
    #[test]
    fn of_debug_containers_only_what_is_judged_is_kept() {
        let pod = |more: Value| {
            let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "managedFields": [{"manager": "a"}]},
                "spec": {"containers": [{"name": "app"}]}});
            pod["spec"]["ephemeralContainers"] = more;
            pod
        };
        let changes = [
            ("/request/subResource", json!("ephemeralcontainers")),
            ("/request/operation", json!("UPDATE")),
            ("/request/object", pod(json!([{"name": "dbg"}]))),
            ("/request/oldObject", pod(json!([]))),
        ];
        let body = review(&changes);
        // The subresource is last here, and first as an API server writes it.
        let whole: Value = serde_json::from_slice(&body).unwrap();
        let mut request = whole["request"].as_object().unwrap().clone();
        request.remove("subResource");
        let rest = serde_json::to_string(&request).unwrap();
        let first = format!(
            "{{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"request\":{{\"subResource\":\"ephemeralcontainers\",{}}}",
            &rest[1..]
        );
        assert!(begins_as_of_containers(first.as_bytes()));
        for body in [&body, first.as_bytes()] {
            match Request::read(body).unwrap().requested {
                Requested::EphemeralContainers { before, containers } => {
                    assert_eq!(containers, [json!({"name": "dbg"})]);
                    let before = before.unwrap();
                    assert_eq!(
                        (before.id().namespace.as_deref(), &before.object()["spec"]),
                        (Some("shop"), &pod(json!([]))["spec"])
                    );
                }
                other => panic!("{other:?}"),
            }
        }
        // A review that only says so in its beginning is read as what it is.
        let forged = first.replace(
            "\"request\":{\"subResource\":\"ephemeralcontainers\"",
            "\"request\":{\"options\":{\"subResource\":\"ephemeralcontainers\"}",
        );
        let forged = forged.replace("\"UPDATE\"", "\"CREATE\"");
        match Request::read(forged.as_bytes()).unwrap().requested {
            Requested::Pod(found) => assert_eq!(Value::Object(found), pod(json!([{"name": "dbg"}]))),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_no_policy_knows_is_named() {
        for (changes, wanted) in [
            (vec![("/request/operation", json!("DELETE"))], "DELETE of pods"),
            (vec![("/request/resource/group", json!("apps"))], "CREATE of pods"),
            (
                vec![("/request/object", json!(null))],
                "a pod that is not an object",
            ),
            (
                vec![
                    ("/request/subResource", json!("ephemeralcontainers")),
                    ("/request/operation", json!("CREATE")),
                ],
                "CREATE of pods/ephemeralcontainers",
            ),
            (
                vec![
                    ("/request/subResource", json!("ephemeralcontainers")),
                    ("/request/operation", json!("UPDATE")),
                    ("/request/object/spec", json!({"ephemeralContainers": {}})),
                ],
                "ephemeral containers that are not a list",
            ),
            (
                vec![
                    ("/request/subResource", json!("ephemeralcontainers")),
                    ("/request/operation", json!("UPDATE")),
                    ("/request/object", json!(7)),
                ],
                "a pod that is not an object",
            ),
        ] {
            let request = Request::read(&review(&changes)).unwrap();
            match request.requested {
                Requested::Other(found) => assert_eq!(found, wanted),
                other => panic!("{other:?} is not {wanted}"),
            }
        }
    }

    #[test]
    fn a_review_that_cannot_be_read_has_an_identity_all_the_same() {
        let body = br#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"705ab4f5-6393","kind":{"#;
        assert_eq!(uid_of_beginning(body).as_deref(), Some("705ab4f5-6393"));
        for body in [
            &b"{}"[..],
            b"\"request\":{\"uid\":\"",
            b"\"request\":{\"uid\":\"\"",
            b"\"request\":{\"uid\":\"<a>\"",
        ] {
            assert_eq!(uid_of_beginning(body), None);
        }
    }
}
