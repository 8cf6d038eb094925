//! Writes: creation, patches, updates and deletion, and their refusals.
//!
//! No defaults are applied, so the stored object is what the client sent, except for changes by a test's mutating webhook.

use serde_json::{Map, Value, json};

use super::{
    State,
    fault::{Hooks, status},
    fields::{Decoded, Decoder, decode_pod},
    http::{Request, Response},
    patch::{self, Patched},
    routes::Route,
    store::is_namespaced,
    validate::{self, FieldError},
};

/// An answer, or a refusal.
type Outcome<T> = Result<T, Response>;

/// The treatment of unknown fields.
#[derive(Clone, Copy, PartialEq)]
enum FieldValidation {
    Strict,
    Warn,
    Ignore,
}

impl FieldValidation {
    fn of(request: &Request) -> Self {
        match request.query("fieldValidation") {
            "Strict" => Self::Strict,
            "Ignore" => Self::Ignore,
            _ => Self::Warn,
        }
    }
}

/// Creates an object.
pub(super) fn create(state: &mut State, route: &Route, request: &Request, hooks: &Hooks) -> Response {
    let mut warnings = hooks.warnings.clone();
    let response = try_create(state, route, request, hooks, &mut warnings).unwrap_or_else(|refusal| refusal);
    response.with_warnings(&warnings)
}

fn try_create(
    state: &mut State,
    route: &Route,
    request: &Request,
    hooks: &Hooks,
    warnings: &mut Vec<String>,
) -> Outcome<Response> {
    let mut object = decode_new(route, request, warnings)?;
    if is_namespaced(route.kind) {
        let namespace = object["metadata"]["namespace"].clone();
        if !namespace.is_null() && namespace != route.namespace {
            let message =
                "the namespace of the provided object does not match the namespace sent on the request";
            return Err(bad_request(message));
        }
        object["metadata"]["namespace"] = json!(route.namespace);
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for of_the_server in ["uid", "resourceVersion", "creationTimestamp"] {
            metadata.remove(of_the_server);
        }
        let prefix = metadata
            .get("generateName")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !metadata.contains_key("name") && !prefix.is_empty() {
            let name = format!("{prefix}{}", suffix(state.store.version()));
            metadata.insert("name".into(), name.into());
        }
    }
    hooks.mutate(&mut object);
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    if route.kind == "Pod" {
        if !state.accepts_invalid_pods {
            check("Pod", &name, &validate::new_pod(&object))?;
        }
    } else if name.is_empty() {
        let error = FieldError::invalid("metadata.name", &json!(""), "name or generateName is required");
        check(route.kind, &name, &[error])?;
    }
    if state.store.get(route.kind, &route.namespace, &name).is_some() {
        let mut refusal = status(
            409,
            "AlreadyExists",
            &format!("{} {name:?} already exists", route.resource),
        );
        refusal["details"] = json!({"name": name, "kind": route.resource});
        return Err(Response::json(409, &refusal));
    }
    Ok(stored(state, object, request, 201))
}

/// The object that a client wants to create, as its kind.
fn decode_new(route: &Route, request: &Request, warnings: &mut Vec<String>) -> Outcome<Value> {
    let kind = route.kind;
    let unrecognized = |why: &str| {
        bad_request(&format!(
            "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; {why}"
        ))
    };
    let mut object = request
        .json()
        .map_err(|error| unrecognized(&format!("json parse error: {error}")))?;
    if !object.is_object() {
        return Err(unrecognized(
            "json parse error: json: cannot unmarshal array into Go value",
        ));
    }
    let given = object["kind"].as_str().unwrap_or(kind).to_owned();
    let prefix = format!("{given} in version \"v1\" cannot be handled as a {kind}: ");
    if given != kind {
        let why = format!("converting (v1.{given}) to (core.{kind}): unknown conversion");
        return Err(bad_request(&(prefix + &why)));
    }
    object["kind"] = json!(kind);
    object["apiVersion"] = json!(route.api_version());
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    if kind != "Pod" {
        return Ok(object);
    }
    let decoded =
        decode_pod(&object, Decoder::Json).map_err(|error| bad_request(&format!("{prefix}{error}")))?;
    let strict = strict_errors(&decoded, &[]);
    match FieldValidation::of(request) {
        FieldValidation::Strict if !strict.is_empty() => {
            return Err(bad_request(&format!(
                "{prefix}{}",
                strict_decoding_error(&strict)
            )));
        }
        FieldValidation::Warn => warnings.extend(strict),
        _ => {}
    }
    let mut pod = decoded.object;
    // The status belongs to the kubelet.
    pod.as_object_mut().map(|pod| pod.remove("status"));
    Ok(pod)
}

/// Patches an object, or its ephemeral containers.
pub(super) fn update(
    state: &mut State,
    route: &Route,
    old: &Value,
    request: &Request,
    hooks: &Hooks,
) -> Response {
    let mut warnings = hooks.warnings.clone();
    let updated = try_update(state, route, old, request, hooks, &mut warnings);
    let response = match updated {
        // A write that changes nothing is not a write.
        Ok(new) if new == *old => Response::json(200, old),
        Ok(new) => stored(state, new, request, 200),
        Err(refusal) => refusal,
    };
    response.with_warnings(&warnings)
}

fn try_update(
    state: &State,
    route: &Route,
    old: &Value,
    request: &Request,
    hooks: &Hooks,
    warnings: &mut Vec<String>,
) -> Outcome<Value> {
    let content_type = request.header("content-type");
    let patched =
        patch::apply(old, route.kind, content_type, &request.body).map_err(|refused| refused.response())?;
    let mut new = if route.kind == "Pod" {
        decode_patched(patched, old, FieldValidation::of(request), warnings)?
    } else {
        patched.object
    };
    hooks.mutate(&mut new);
    check_version(&new, old, route)?;
    let name = route.name.as_deref().unwrap_or_default();
    new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
    // Decoded as by the server; a test may have stored an object that the server would not.
    let before = decode_pod(old, Decoder::Json).map_or_else(|_| old.clone(), |decoded| decoded.object);
    if route.subresource.is_some() {
        check("Pod", name, &validate::metadata_update(&new, old))?;
        // Other changes are silently dropped.
        let containers = new["spec"]["ephemeralContainers"].take();
        new = old.clone();
        set_or_remove(&mut new["spec"], "ephemeralContainers", containers);
        check("Pod", name, &validate::kept_ephemeral_containers(&new, &before))?;
        if !state.accepts_invalid_pods {
            check("Pod", name, &validate::ephemeral_containers(&new))?;
        }
        return Ok(new);
    }
    if route.kind == "Pod" {
        set_or_remove(&mut new, "status", old["status"].clone());
        check("Pod", name, &validate::pod_update(&new, &before))?;
    } else {
        check(route.kind, name, &validate::metadata_update(&new, old))?;
    }
    Ok(new)
}

/// Decodes a patched pod. Unknown fields of the stored pod are not reported.
fn decode_patched(
    patched: Patched,
    old: &Value,
    validation: FieldValidation,
    warnings: &mut Vec<String>,
) -> Outcome<Value> {
    let refusal = |error: &str| {
        let error = FieldError::invalid("patch", &json!(patched.shown), error);
        validate::refusal("", "", &[error])
    };
    let decoded = decode_pod(&patched.object, patched.decoder).map_err(|error| refusal(&error))?;
    let known = decode_pod(old, patched.decoder).unwrap_or_default().unknown;
    let mut strict = patched.strict_errors;
    strict.extend(strict_errors(&decoded, &known));
    match validation {
        FieldValidation::Strict if !strict.is_empty() => {
            return Err(refusal(&strict_decoding_error(&strict)));
        }
        FieldValidation::Warn => warnings.extend(strict),
        _ => {}
    }
    Ok(decoded.object)
}

fn strict_errors(decoded: &Decoded, known: &[String]) -> Vec<String> {
    let unknown = decoded.unknown.iter().filter(|place| !known.contains(place));
    unknown.map(|place| format!("unknown field {place:?}")).collect()
}

fn strict_decoding_error(errors: &[String]) -> String {
    format!("strict decoding error: {}", errors.join(", "))
}

/// Refuses a write with an outdated resource version. An empty one matches any.
fn check_version(new: &Value, old: &Value, route: &Route) -> Outcome<()> {
    let wanted = new["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    if wanted.is_empty() || wanted == "0" || old["metadata"]["resourceVersion"] == wanted {
        return Ok(());
    }
    if wanted.parse::<u64>().is_err() {
        let message = format!("strconv.ParseUint: parsing {wanted:?}: invalid syntax");
        let mut refusal = status(500, "", &message);
        refusal.as_object_mut().map(|refusal| refusal.remove("reason"));
        return Err(Response::json(500, &refusal));
    }
    let name = route.name.as_deref().unwrap_or_default();
    Err(conflict(
        route.resource,
        name,
        "the object has been modified; please apply your changes to the latest version and try again",
    ))
}

fn set_or_remove(object: &mut Value, field: &str, value: Value) {
    let Some(object) = object.as_object_mut() else {
        return;
    };
    if value.is_null() {
        object.remove(field);
    } else {
        object.insert(field.to_owned(), value);
    }
}

/// Stores an object, unless it is a dry run.
fn stored(state: &mut State, mut object: Value, request: &Request, code: u16) -> Response {
    if request.query("dryRun") == "All" {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            state.store.identify(metadata);
        }
        return Response::json(code, &object);
    }
    Response::json(code, state.store.put(object))
}

/// Deletes an object.
pub(super) fn delete(state: &mut State, route: &Route, object: &Value, request: &Request) -> Response {
    let options = request.json().unwrap_or_else(|_| Value::Object(Map::new()));
    let metadata = &object["metadata"];
    let name = metadata["name"].as_str().unwrap_or_default();
    for (field, called, what) in [
        ("uid", "UID", "deleted and then recreated"),
        ("resourceVersion", "ResourceVersion", "modified"),
    ] {
        let Some(wanted) = options["preconditions"][field].as_str() else {
            continue;
        };
        let found = metadata[field].as_str().unwrap_or_default();
        if wanted != found {
            let why = format!(
                "the {called} in the precondition ({wanted}) does not match the {called} in record ({found}). The object \
                 might have been {what}"
            );
            return conflict(route.kind, name, &why);
        }
    }
    let is_tried = options["dryRun"][0] == "All" || request.query("dryRun") == "All";
    if !is_tried {
        state.store.delete(route.kind, &route.namespace, name);
    }
    Response::json(200, object)
}

fn conflict(kind: &str, name: &str, why: &str) -> Response {
    let message = format!("Operation cannot be fulfilled on {kind} {name:?}: {why}");
    let mut refusal = status(409, "Conflict", &message);
    refusal["details"] = json!({"name": name, "kind": kind});
    Response::json(409, &refusal)
}

fn bad_request(message: &str) -> Response {
    Response::json(400, &status(400, "BadRequest", message))
}

fn check(kind: &str, name: &str, errors: &[FieldError]) -> Outcome<()> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(validate::refusal(kind, name, errors))
}

/// The suffix of a generated name: five of the characters that a server uses, different for each version.
fn suffix(version: u64) -> String {
    const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut rest = version;
    let letters = (0..5).map(|_| {
        let letter = LETTERS[usize::try_from(rest % 27).expect("it is less than 27")];
        rest /= 27;
        char::from(letter)
    });
    letters.collect()
}

#[cfg(test)]
mod tests;
