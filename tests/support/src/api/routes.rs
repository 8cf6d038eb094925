//! Routing of requests.

use std::{
    io::{self, BufReader, Write as _},
    net::{Shutdown, TcpStream},
    sync::Arc,
};

use serde_json::{Value, json};

use super::{
    Shared, State, discovery,
    fault::{self, Answer, Hooks, status},
    http::{self, Request, Response, Stream},
    kubelet, record,
    selector::{fields_match, labels_match},
    write,
};

/// Group, resource and kind of all resources.
pub(super) const RESOURCES: [(&str, &str, &str); 12] = [
    ("", "pods", "Pod"),
    ("", "nodes", "Node"),
    ("", "namespaces", "Namespace"),
    ("", "services", "Service"),
    ("", "replicationcontrollers", "ReplicationController"),
    ("", "events", "Event"),
    ("apps", "deployments", "Deployment"),
    ("apps", "statefulsets", "StatefulSet"),
    ("apps", "daemonsets", "DaemonSet"),
    ("apps", "replicasets", "ReplicaSet"),
    ("batch", "jobs", "Job"),
    ("batch", "cronjobs", "CronJob"),
];

/// A parsed path.
#[derive(Debug)]
pub(super) struct Route {
    group: String,
    pub(super) resource: &'static str,
    pub(super) kind: &'static str,
    pub(super) namespace: String,
    pub(super) name: Option<String>,
    pub(super) subresource: Option<String>,
}

impl Route {
    pub(super) fn parse(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group, rest) = match parts.as_slice() {
            ["api", "v1", rest @ ..] => ("", rest),
            ["apis", group, "v1", rest @ ..] => (*group, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            rest => ("", rest),
        };
        let (resource, rest) = rest.split_first()?;
        let found = RESOURCES
            .iter()
            .find(|(of_group, name, _)| *of_group == group && name == resource)?;
        Some(Self {
            group: group.to_owned(),
            resource: found.1,
            kind: found.2,
            namespace: namespace.to_owned(),
            name: rest.first().map(|name| (*name).to_owned()),
            subresource: rest.get(1).map(|part| (*part).to_owned()),
        })
    }

    pub(super) fn api_version(&self) -> String {
        match self.group.as_str() {
            "" => "v1".into(),
            group => format!("{group}/v1"),
        }
    }
}

/// Serves a connection to its end.
pub(super) fn serve(shared: &Arc<Shared>, stream: &TcpStream) {
    let Ok(reading) = stream.try_clone() else { return };
    let mut reader = BufReader::new(reading);
    loop {
        let goes_on = match http::read(&mut reader) {
            Ok(Some(request)) => exchange(shared, stream, &mut reader, &request),
            Ok(None) => Ok(false),
            Err(error) => {
                let refusal = Response {
                    code: 400,
                    headers: Vec::new(),
                    body: error.to_string().into_bytes(),
                };
                refusal.write(stream, usize::MAX).map(|()| false)
            }
        };
        if !goes_on.unwrap_or(false) {
            stream.shutdown(Shutdown::Both).ok();
            return;
        }
    }
}

/// Answers a request. Returns whether the connection is kept.
fn exchange(
    shared: &Arc<Shared>,
    stream: &TcpStream,
    reader: &mut BufReader<TcpStream>,
    request: &Request,
) -> io::Result<bool> {
    let (hooks, instead) = shared.change(|state| {
        record(state, request);
        fault::met(&mut state.faults, request)
    });
    let mut body_bytes = usize::MAX;
    match instead {
        Some(Answer::Cut) => return Ok(false),
        Some(Answer::After(gate)) => gate.pass(),
        Some(Answer::Half) => body_bytes = 0,
        Some(Answer::Other { code, headers, body }) => {
            let other = Response { code, headers, body };
            return other.write(stream, usize::MAX).map(|()| true);
        }
        _ => {}
    }
    if let Some(document) = discovery::document(&request.path) {
        return Response::json(200, &document)
            .write(stream, body_bytes)
            .map(|()| true);
    }
    if request.method == "POST" && request.path.ends_with("/selfsubjectaccessreviews") {
        // Every user may do everything, unless a test says otherwise.
        let mut review: Value = request.json().unwrap_or_default();
        review["status"] = json!({"allowed": true});
        let review = Response::json(201, &review);
        return review.write(stream, body_bytes).map(|()| true);
    }
    let Some(route) = Route::parse(&request.path) else {
        return missing().write(stream, body_bytes).map(|()| true);
    };
    let is_read = request.method == "GET";
    match route.subresource.as_deref() {
        Some("log") if is_read => return kubelet::log(shared, stream, &route, request),
        Some("attach") if is_read => return kubelet::attach(shared, stream, reader, &route, request),
        _ => {}
    }
    if is_read && matches!(request.query("watch"), "1" | "true") {
        return watch(shared, stream, &route, request);
    }
    let response = shared.change(|state| respond(state, &route, request, &hooks));
    if body_bytes == 0 {
        response.write(stream, response.body.len() / 2)?;
        return Ok(false);
    }
    response.write(stream, usize::MAX)?;
    Ok(true)
}

/// The answer to a request that is neither a watch nor for a kubelet.
pub(super) fn respond(state: &mut State, route: &Route, request: &Request, hooks: &Hooks) -> Response {
    change_before(state, route, hooks);
    answer(state, route, request, hooks)
}

/// Changes the object, as by another client.
fn change_before(state: &mut State, route: &Route, hooks: &Hooks) {
    let name = route.name.as_deref().unwrap_or_default();
    for edit in &hooks.before {
        if let Some(mut object) = state.store.get(route.kind, &route.namespace, name).cloned() {
            edit.apply(&mut object);
            state.store.put(object);
        }
    }
}

fn answer(state: &mut State, route: &Route, request: &Request, hooks: &Hooks) -> Response {
    let Some(name) = route.name.as_deref() else {
        return match request.method.as_str() {
            "GET" => list(state, route, request),
            "POST" => write::create(state, route, request, hooks),
            _ => not_allowed(),
        };
    };
    let Some(object) = state.store.get(route.kind, &route.namespace, name).cloned() else {
        let mut refusal = status(404, "NotFound", &format!("{} {name:?} not found", route.resource));
        refusal["details"] = json!({"name": name, "kind": route.resource});
        return Response::json(404, &refusal);
    };
    match (request.method.as_str(), route.subresource.as_deref()) {
        ("GET", None) => Response::json(200, &object),
        ("DELETE", None) => write::delete(state, route, &object, request),
        (_, Some("ephemeralcontainers")) if state.lacks_ephemeral_containers => missing(),
        ("GET", Some("ephemeralcontainers")) => Response::json(200, &object),
        ("PATCH", None | Some("ephemeralcontainers")) => write::update(state, route, &object, request, hooks),
        _ => not_allowed(),
    }
}

fn list(state: &State, route: &Route, request: &Request) -> Response {
    let items: Vec<Value> = state
        .store
        .objects()
        .filter(|object| is_of(object, route))
        .filter(|object| labels_match(object, request.query("labelSelector")))
        .filter(|object| fields_match(object, request.query("fieldSelector")))
        .map(|object| {
            // Items of a list have no kind and apiVersion.
            let mut item = object.clone();
            if let Some(item) = item.as_object_mut() {
                item.remove("kind");
                item.remove("apiVersion");
            }
            item
        })
        .collect();
    let list = json!({
        "kind": format!("{}List", route.kind),
        "apiVersion": route.api_version(),
        "metadata": {"resourceVersion": state.store.version().to_string()},
        "items": items,
    });
    Response::json(200, &list)
}

fn is_of(object: &Value, route: &Route) -> bool {
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    object["kind"] == route.kind && (route.namespace.is_empty() || route.namespace == namespace)
}

fn missing() -> Response {
    let mut refusal = status(
        404,
        "NotFound",
        "the server could not find the requested resource",
    );
    refusal["details"] = json!({});
    Response::json(404, &refusal)
}

fn not_allowed() -> Response {
    let message = "the server does not allow this method on the requested resource";
    Response::json(405, &status(405, "MethodNotAllowed", message))
}

/// Sends the changes of watched objects, until the server is stopped or the client disconnects.
fn watch(shared: &Arc<Shared>, stream: &TcpStream, route: &Route, request: &Request) -> io::Result<bool> {
    let mut answer = Stream::begin(stream, "application/json")?;
    let mut known = request.query("resourceVersion").parse::<u64>().unwrap_or(0);
    let selector = request.query("fieldSelector");
    loop {
        let events = shared.wait_while_up(|state| {
            let events: Vec<_> = state.store.since(known).cloned().collect();
            (!events.is_empty()).then_some(events)
        });
        let Some(events) = events else {
            return Ok(false);
        };
        for event in events {
            known = event.version;
            if is_of(&event.object, route) && fields_match(&event.object, selector) {
                let line = json!({"type": event.change, "object": event.object});
                answer.write(format!("{line}\n").as_bytes())?;
            }
        }
        // The client may have disconnected, which only the next write would show.
        let mut raw = stream;
        raw.flush()?;
    }
}
