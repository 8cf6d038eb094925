//! What can go wrong with a request, on demand.

use std::sync::{Arc, Condvar, Mutex};

use serde_json::{Value, json};

use super::http::Request;
use crate::PATIENCE;

/// Requests that go wrong.
pub struct Fault {
    method: String,
    path_part: String,
    query: Option<(String, String)>,
    /// How many requests are still to go wrong.
    times: usize,
    answer: Answer,
}

impl Fault {
    /// Every request of a method whose path holds a text is answered so.
    pub fn new(method: &str, path_part: &str, answer: Answer) -> Self {
        Self {
            method: method.to_owned(),
            path_part: path_part.to_owned(),
            query: None,
            times: usize::MAX,
            answer,
        }
    }

    /// Only the next so many of them.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// Only those with a query parameter of this value; one that is absent counts as empty.
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

/// A change of an object, made by other clients or by a mutating webhook.
#[derive(Clone)]
pub struct Edit(Arc<dyn Fn(&mut Value) + Send + Sync>);

/// What is to happen beside the true answer.
#[derive(Default)]
pub(super) struct Hooks {
    /// Changes of the object before the request is looked at, as by another client.
    pub(super) before: Vec<Edit>,
    /// Changes of what is about to be stored.
    pub(super) mutations: Vec<Edit>,
    /// Texts of `Warning` headers.
    pub(super) warnings: Vec<String>,
}

impl Hooks {
    /// Takes an answer that leaves the true one as it is; gives back any other.
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

/// Counts the faults that a request meets. Returns what happens beside its answer, and the first answer that comes instead.
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

/// What comes instead of the true answer, or beside it.
#[derive(Clone)]
pub enum Answer {
    /// Nothing: the connection is closed.
    Cut,
    /// The true answer up to the middle of its body, then the connection is closed. What was asked for is done.
    Half,
    /// The true answer, once the gate is opened.
    After(Gate),
    /// The true answer, after another client has changed the object that the path names, and its version with it.
    ChangedBefore(Edit),
    /// The true answer to a write whose object a mutating webhook changes.
    StoredAs(Edit),
    /// The true answer to a write, with `Warning` headers of these texts.
    Warned(Vec<String>),
    /// Another one. What was asked for is not done.
    Other {
        /// The status code.
        code: u16,
        /// Headers besides those that every answer has.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
}

impl Answer {
    /// The true answer, after another client has changed the object: a conflict on demand, if the write names a version.
    pub fn changed_before(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        Self::ChangedBefore(Edit(Arc::new(change)))
    }

    /// The true answer to a write whose object a mutating webhook changes before it is checked and stored.
    pub fn stored_as(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        Self::StoredAs(Edit(Arc::new(change)))
    }

    /// The true answer to a write, with a `Warning` header.
    pub fn warned(text: &str) -> Self {
        Self::Warned(vec![text.to_owned()])
    }

    fn is_hook(&self) -> bool {
        matches!(self, Self::ChangedBefore(_) | Self::StoredAs(_) | Self::Warned(_))
    }

    /// A Status that says no.
    pub fn refusal(code: u16, reason: &str, message: &str) -> Self {
        Self::status(code, &status(code, reason, message))
    }

    /// A Status with details, as a JSON object of its own.
    pub fn status(code: u16, status: &Value) -> Self {
        Self::Other {
            code,
            headers: vec![("Content-Type".into(), "application/json".into())],
            body: status.to_string().into_bytes(),
        }
    }

    /// An answer with a body that is not what the API promises.
    pub fn text(code: u16, body: &str) -> Self {
        Self::Other {
            code,
            headers: vec![("Content-Type".into(), "text/plain".into())],
            body: body.into(),
        }
    }

    /// 409: the object was changed meanwhile.
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

    /// 429, with the time after which to come again.
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

    /// 410 as a watch says it: as its only event.
    pub fn expired_event() -> Self {
        let event =
            json!({"type": "ERROR", "object": status(410, "Expired", "too old resource version: 1 (2)")});
        Self::text(200, &format!("{event}\n"))
    }
}

/// A Status that says no.
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

/// Holds requests back until the test lets them through.
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

    /// Lets through what waits and what will come.
    pub fn open(&self) {
        self.change(|state| state.is_open = true);
    }

    /// Waits until a request waits at the gate.
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
