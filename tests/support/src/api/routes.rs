//! From a request to its answer.

use std::{
    io::{self, BufReader, Write as _},
    net::{Shutdown, TcpStream},
    sync::Arc,
};

use serde_json::{Value, json};

use super::{
    Shared, State, discovery,
    fault::{Answer, status},
    http::{self, Request, Response, Stream},
    patch::{json_merge, strategic_merge},
    program, record,
    selector::{fields_match, labels_match},
    store::is_namespaced,
};

/// Group, resource and kind of what is served.
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

/// What a path names.
#[derive(Debug)]
pub(super) struct Route {
    group: String,
    resource: &'static str,
    kind: &'static str,
    pub(super) namespace: String,
    pub(super) name: Option<String>,
    subresource: Option<String>,
}

impl Route {
    fn parse(path: &str) -> Option<Self> {
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

    fn api_version(&self) -> String {
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

/// Answers a request. Says whether the connection goes on.
fn exchange(
    shared: &Arc<Shared>,
    stream: &TcpStream,
    reader: &mut BufReader<TcpStream>,
    request: &Request,
) -> io::Result<bool> {
    let fault = shared.change(|state| {
        record(state, request);
        let fault = state.faults.iter_mut().find_map(|fault| fault.takes(request));
        fault.cloned()
    });
    let mut body_bytes = usize::MAX;
    match fault {
        None => {}
        Some(Answer::Cut) => return Ok(false),
        Some(Answer::After(gate)) => gate.pass(),
        Some(Answer::Half) => body_bytes = 0,
        Some(Answer::Other { code, headers, body }) => {
            let other = Response { code, headers, body };
            return other.write(stream, usize::MAX).map(|()| true);
        }
    }
    if let Some(document) = discovery::document(&request.path) {
        return Response::json(200, &document)
            .write(stream, body_bytes)
            .map(|()| true);
    }
    let Some(route) = Route::parse(&request.path) else {
        return missing().write(stream, body_bytes).map(|()| true);
    };
    let is_read = request.method == "GET";
    match route.subresource.as_deref() {
        Some("log") if is_read => return program::log(shared, stream, &route, request),
        Some("attach") if is_read => return program::attach(shared, stream, reader, &route, request),
        _ => {}
    }
    if is_read && matches!(request.query("watch"), "1" | "true") {
        return watch(shared, stream, &route, request);
    }
    let response = shared.change(|state| answer(state, &route, request));
    if body_bytes == 0 {
        response.write(stream, response.body.len() / 2)?;
        return Ok(false);
    }
    response.write(stream, usize::MAX)?;
    Ok(true)
}

fn answer(state: &mut State, route: &Route, request: &Request) -> Response {
    let Some(name) = route.name.as_deref() else {
        return match request.method.as_str() {
            "GET" => list(state, route, request),
            "POST" => create(state, route, request),
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
        ("DELETE", None) => delete(state, route, &object, request),
        (_, Some("ephemeralcontainers")) if state.lacks_ephemeral_containers => missing(),
        ("PATCH", None | Some("ephemeralcontainers")) => patch(state, object, request),
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
            // A server says once for all items what they are.
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

fn create(state: &mut State, route: &Route, request: &Request) -> Response {
    let mut object = match request.json() {
        Ok(object) if object["metadata"]["name"].is_string() => object,
        _ => return Response::json(400, &status(400, "BadRequest", "that is no object with a name")),
    };
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    if state.store.get(route.kind, &route.namespace, &name).is_some() {
        let mut refusal = status(
            409,
            "AlreadyExists",
            &format!("{} {name:?} already exists", route.resource),
        );
        refusal["details"] = json!({"name": name, "kind": route.resource});
        return Response::json(409, &refusal);
    }
    object["kind"] = json!(route.kind);
    object["apiVersion"] = json!(route.api_version());
    if is_namespaced(route.kind) {
        object["metadata"]["namespace"] = json!(route.namespace);
    }
    stored(state, object, request, 201)
}

fn patch(state: &mut State, mut object: Value, request: &Request) -> Response {
    let Ok(patch) = request.json() else {
        return Response::json(400, &status(400, "BadRequest", "the patch is not JSON"));
    };
    let wanted = &patch["metadata"]["uid"];
    if wanted.is_string() && *wanted != object["metadata"]["uid"] {
        return other_uid(wanted, &object);
    }
    if request.header("content-type").contains("strategic") {
        strategic_merge(&mut object, &patch);
    } else {
        json_merge(&mut object, &patch);
    }
    stored(state, object, request, 200)
}

/// Stores an object, unless that is only tried.
fn stored(state: &mut State, object: Value, request: &Request, code: u16) -> Response {
    if request.query("dryRun") == "All" {
        return Response::json(code, &object);
    }
    let part = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let (namespace, name) = (part("namespace"), part("name"));
    state.store.put(object);
    let stored = state.store.get(&kind, &namespace, &name);
    Response::json(code, stored.expect("it was just put there"))
}

fn delete(state: &mut State, route: &Route, object: &Value, request: &Request) -> Response {
    let options = request.json().unwrap_or_default();
    let wanted = &options["preconditions"]["uid"];
    if wanted.is_string() && *wanted != object["metadata"]["uid"] {
        return other_uid(wanted, object);
    }
    let is_tried = options["dryRun"][0] == "All";
    if let (Some(name), false) = (&route.name, is_tried) {
        state.store.delete(route.kind, &route.namespace, name);
    }
    Response::json(200, object)
}

fn other_uid(wanted: &Value, object: &Value) -> Response {
    let message = format!(
        "Precondition failed: UID in precondition: {wanted}, UID in object meta: {}",
        object["metadata"]["uid"]
    );
    Response::json(409, &status(409, "Conflict", &message))
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

/// Tells of every change of the objects that a watch wants, until the server goes away or the client does.
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
        // The client may have gone, which only the next write would tell.
        let mut raw = stream;
        raw.flush()?;
    }
}
