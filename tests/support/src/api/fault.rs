//! Faults of requests, on demand.

use std::sync::{Arc, Condvar, Mutex};

use serde_json::{Value, json};

use super::http::Request;
use crate::PATIENCE;

/// A fault, and the requests that it applies to.
pub struct Fault {
    method: String,
    path_part: String,
    query: Option<(String, String)>,
    /// The number of requests that it still applies to; none for all.
    times: usize,
    answer: Answer,
}

impl Fault {
    /// Creates a fault for every request of a method whose path contains a text.
    pub fn new(method: &str, path_part: &str, answer: Answer) -> Self {
        Self {
            method: method.to_owned(),
            path_part: path_part.to_owned(),
            query: None,
            times: usize::MAX,
            answer,
        }
    }

    /// Limits it to a number of requests.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// Limits it to requests with this value of a query parameter. A missing one counts as empty.
    #[must_use]
    pub fn with_query(mut self, name: &str, value: &str) -> Self {
        self.query = Some((name.to_owned(), value.to_owned()));
        self
    }

    fn fits(&self, request: &Request) -> bool {
        let query = self.query.as_ref();
        self.times > 0
            && request.method == self.method
            && request.path.contains(&self.path_part)
            && query.is_none_or(|(name, value)| request.query(name) == value)
    }
}

/// A change of an object by another client or a mutating webhook.
#[derive(Clone)]
pub struct Edit(Arc<dyn Fn(&mut Value) + Send + Sync>);

/// Effects in addition to the regular answer.
#[derive(Default)]
pub(super) struct Hooks {
    /// Changes of the object before the request is processed, as by another client.
    pub(super) before: Vec<Edit>,
    /// Changes of the object that is about to be stored.
    pub(super) mutations: Vec<Edit>,
    /// The texts of `Warning` headers.
    pub(super) warnings: Vec<String>,
}

impl Hooks {
    /// Adds an effect that keeps the regular answer. Returns any other answer.
    fn take(&mut self, answer: &Answer) -> Option<Answer> {
        match answer {
            Answer::ChangedBefore(edit) => self.before.push(edit.clone()),
            Answer::StoredAs(edit) => self.mutations.push(edit.clone()),
            Answer::Warned(texts) => self.warnings.extend_from_slice(texts),
            other => return Some(other.clone()),
        }
        None
    }

    pub(super) fn mutate(&self, object: &mut Value) {
        self.mutations.iter().for_each(|edit| edit.apply(object));
    }
}

impl Edit {
    pub(super) fn apply(&self, object: &mut Value) {
        (self.0)(object);
    }
}

/// Finds the faults for a request, and counts them. Returns effects, and the first answer that replaces the regular one.
pub(super) fn met(faults: &mut [Fault], request: &Request) -> (Hooks, Option<Answer>) {
    let mut hooks = Hooks::default();
    let mut instead = None;
    for fault in faults.iter_mut().filter(|fault| fault.fits(request)) {
        if instead.is_some() && !fault.answer.is_hook() {
            continue;
        }
        fault.times -= 1;
        instead = instead.or(hooks.take(&fault.answer));
    }
    (hooks, instead)
}

/// What happens instead of the regular answer, or in addition.
#[derive(Clone)]
pub enum Answer {
    /// The connection is closed without an answer. The request is not processed.
    Cut,
    /// The connection is closed in the middle of the answer's body. The request is processed.
    Half,
    /// The regular answer, once the gate is open.
    After(Gate),
    /// The regular answer, after another client has changed the object and so its version.
    ChangedBefore(Edit),
    /// The regular answer to a write whose object a mutating webhook changes.
    StoredAs(Edit),
    /// The regular answer to a write, with `Warning` headers.
    Warned(Vec<String>),
    /// Another answer. The request is not processed.
    Other {
        /// The status code.
        code: u16,
        /// Additional headers.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
}

impl Answer {
    /// The regular answer, after another client has changed the object: a conflict if the write has a version.
    pub fn changed_before(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        Self::ChangedBefore(Edit(Arc::new(change)))
    }

    /// The regular answer to a write whose object a mutating webhook changes before validation and storage.
    pub fn stored_as(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        Self::StoredAs(Edit(Arc::new(change)))
    }

    /// The regular answer to a write, with a `Warning` header.
    pub fn warned(text: &str) -> Self {
        Self::Warned(vec![text.to_owned()])
    }

    fn is_hook(&self) -> bool {
        matches!(self, Self::ChangedBefore(_) | Self::StoredAs(_) | Self::Warned(_))
    }

    /// A failure Status.
    pub fn refusal(code: u16, reason: &str, message: &str) -> Self {
        Self::status(code, &status(code, reason, message))
    }

    /// A failure Status with details, as JSON.
    pub fn status(code: u16, status: &Value) -> Self {
        Self::Other {
            code,
            headers: vec![("Content-Type".into(), "application/json".into())],
            body: status.to_string().into_bytes(),
        }
    }

    /// An answer with a body that violates the API.
    pub fn text(code: u16, body: &str) -> Self {
        Self::Other {
            code,
            headers: vec![("Content-Type".into(), "text/plain".into())],
            body: body.into(),
        }
    }

    /// 409, a conflict.
    pub fn conflict() -> Self {
        Self::refusal(
            409,
            "Conflict",
            "Operation cannot be fulfilled on pods \"web-0\": the object has been modified; please apply your changes to \
             the latest version and try again",
        )
    }

    /// 401.
    pub fn unauthorized() -> Self {
        Self::refusal(401, "Unauthorized", "Unauthorized")
    }

    /// 403.
    pub fn forbidden(message: &str) -> Self {
        Self::refusal(403, "Forbidden", message)
    }

    /// 429, with `Retry-After`.
    pub fn too_many_requests(retry_after: u32) -> Self {
        let mut answer = Self::refusal(
            429,
            "TooManyRequests",
            "too many requests, please try again later",
        );
        if let Self::Other { headers, .. } = &mut answer {
            headers.push(("Retry-After".into(), retry_after.to_string()));
        }
        answer
    }

    /// 503.
    pub fn unavailable() -> Self {
        Self::refusal(503, "ServiceUnavailable", "apiserver is shutting down")
    }

    /// 422, with its causes: field and message.
    pub fn invalid(name: &str, causes: &[(&str, &str)]) -> Self {
        let causes: Vec<Value> = causes
            .iter()
            .map(
                |(field, message)| json!({"reason": "FieldValueInvalid", "field": field, "message": message}),
            )
            .collect();
        let mut refusal = status(422, "Invalid", &format!("Pod \"{name}\" is invalid"));
        refusal["details"] = json!({"name": name, "kind": "Pod", "causes": causes});
        Self::status(422, &refusal)
    }

    /// 410 in a watch: as its only event.
    pub fn expired_event() -> Self {
        let event =
            json!({"type": "ERROR", "object": status(410, "Expired", "too old resource version: 1 (2)")});
        Self::text(200, &format!("{event}\n"))
    }
}

/// A failure Status.
pub(super) fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    })
}

/// Delays requests until the test opens it.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Default)]
struct GateState {
    waiting: usize,
    is_open: bool,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens the gate for waiting and later requests.
    pub fn open(&self) {
        self.change(|state| state.is_open = true);
    }

    /// Waits for a request to reach the gate.
    pub fn is_reached(&self) {
        self.wait(|state| state.waiting > 0);
    }

    pub(super) fn pass(&self) {
        self.change(|state| state.waiting += 1);
        self.wait(|state| state.is_open);
    }

    fn change(&self, change: impl FnOnce(&mut GateState)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    fn wait(&self, wanted: impl Fn(&GateState) -> bool) {
        let state = self.0.0.lock().unwrap();
        let waited = self
            .0
            .1
            .wait_timeout_while(state, PATIENCE, |state| !wanted(state));
        assert!(!waited.unwrap().1.timed_out(), "nothing came through the gate");
    }
}
