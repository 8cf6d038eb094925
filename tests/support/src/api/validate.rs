//! Validation of pods, as far as a debug command can violate it, with the messages of the API server.

use serde_json::{Value, json};

use super::{fault::status, http::Response};

/// An invalid field.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FieldError {
    field: String,
    reason: &'static str,
    message: String,
}

impl FieldError {
    fn new(field: impl Into<String>, reason: &'static str, message: String) -> Self {
        Self {
            field: field.into(),
            reason,
            message,
        }
    }

    fn required(field: impl Into<String>, detail: &str) -> Self {
        let detail = if detail.is_empty() {
            String::new()
        } else {
            format!(": {detail}")
        };
        Self::new(field, "FieldValueRequired", format!("Required value{detail}"))
    }

    pub(super) fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self::new(
            field,
            "FieldValueInvalid",
            format!("Invalid value: {value}: {detail}"),
        )
    }

    fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self::new(field, "FieldValueForbidden", format!("Forbidden: {detail}"))
    }

    fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self::new(field, "FieldValueDuplicate", format!("Duplicate value: {value}"))
    }

    fn not_found(field: impl Into<String>, value: &Value) -> Self {
        Self::new(field, "FieldValueNotFound", format!("Not found: {value}"))
    }
}

/// The answer to an invalid object. The kind is empty if the server does not know it yet.
pub(super) fn refusal(kind: &str, name: &str, errors: &[FieldError]) -> Response {
    let texts: Vec<String> = errors
        .iter()
        .map(|error| format!("{}: {}", error.field, error.message))
        .collect();
    let text = match texts.as_slice() {
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    };
    let mut refusal = status(422, "Invalid", &format!("{kind} {name:?} is invalid: {text}"));
    let causes: Vec<Value> = errors
        .iter()
        .map(|error| json!({"reason": error.reason, "message": error.message, "field": error.field}))
        .collect();
    refusal["details"] = json!({"causes": causes});
    if !kind.is_empty() {
        refusal["details"]["kind"] = json!(kind);
        refusal["details"]["name"] = json!(name);
    }
    Response::json(422, &refusal)
}

/// Checks a new pod.
pub(super) fn new_pod(pod: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let name = &pod["metadata"]["name"];
    if text(name).is_empty() {
        errors.push(FieldError::required(
            "metadata.name",
            "name or generateName is required",
        ));
    } else if !is_subdomain(text(name)) {
        errors.push(FieldError::invalid("metadata.name", name, SUBDOMAIN));
    }
    let spec = &pod["spec"];
    if items(&spec["containers"]).is_empty() {
        errors.push(FieldError::required("spec.containers", ""));
    }
    let mut names = Vec::new();
    for list in ["containers", "initContainers"] {
        for (index, container) in items(&spec[list]).iter().enumerate() {
            let place = format!("spec.{list}[{index}]");
            check_container(container, &place, spec, &mut errors);
            check_unique(container, &place, &mut names, &mut errors);
        }
    }
    if !items(&spec["ephemeralContainers"]).is_empty() {
        errors.push(FieldError::forbidden(
            "spec.ephemeralContainers",
            "cannot be set on create",
        ));
    }
    errors
}

/// Checks the metadata of an update.
pub(super) fn metadata_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let unchanged = ["name", "namespace", "uid"].into_iter();
    let changed = unchanged.filter(|field| new["metadata"][field] != old["metadata"][field]);
    changed
        .map(|field| {
            FieldError::invalid(
                format!("metadata.{field}"),
                &new["metadata"][field],
                "field is immutable",
            )
        })
        .collect()
}

const EPHEMERAL: &str = "spec.ephemeralContainers";

/// Checks the ephemeral containers of a pod.
pub(super) fn ephemeral_containers(pod: &Value) -> Vec<FieldError> {
    let spec = &pod["spec"];
    let mut errors = Vec::new();
    let others = [items(&spec["containers"]), items(&spec["initContainers"])].concat();
    let others: Vec<&str> = others.iter().map(|container| text(&container["name"])).collect();
    let mut names: Vec<String> = others.iter().map(|name| (*name).to_owned()).collect();
    for (index, container) in items(&spec["ephemeralContainers"]).iter().enumerate() {
        let place = format!("{EPHEMERAL}[{index}]");
        check_container(container, &place, spec, &mut errors);
        check_unique(container, &place, &mut names, &mut errors);
        check_ephemeral(container, &place, &others, &mut errors);
    }
    errors
}

/// Checks that a pod may have ephemeral containers, and that existing ones are unchanged.
pub(super) fn kept_ephemeral_containers(new: &Value, old: &Value) -> Vec<FieldError> {
    if !old["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_null() {
        let detail = "static pods do not support ephemeral containers";
        return vec![FieldError::forbidden("[]", detail)];
    }
    let mut errors = Vec::new();
    let kept = items(&new["spec"]["ephemeralContainers"]);
    for known in items(&old["spec"]["ephemeralContainers"]) {
        let name = text(&known["name"]);
        let what = match kept.iter().find(|container| container["name"] == known["name"]) {
            None => "removed",
            // The real server appends a diff.
            Some(kept) if kept != known => "changed",
            Some(_) => continue,
        };
        let detail = format!("existing ephemeral containers {name:?} may not be {what}\n");
        errors.push(FieldError::forbidden(EPHEMERAL, &detail));
    }
    errors
}

/// Checks the update of a pod itself, not of a subresource.
pub(super) fn pod_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let without_changeable = |pod: &Value| {
        let mut spec = pod["spec"].clone();
        if let Some(spec) = spec.as_object_mut() {
            for field in [
                "activeDeadlineSeconds",
                "tolerations",
                "terminationGracePeriodSeconds",
            ] {
                spec.remove(field);
            }
            for list in ["containers", "initContainers"] {
                let containers = spec.get_mut(list).and_then(Value::as_array_mut);
                for container in containers.into_iter().flatten() {
                    container["image"] = Value::Null;
                }
            }
        }
        spec
    };
    let mut errors = metadata_update(new, old);
    if without_changeable(new) != without_changeable(old) {
        let detail = "pod updates may not change fields other than `spec.containers[*].image`,\
                      `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to \
                      existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was \
                      previously negative)\n";
        errors.push(FieldError::forbidden("spec", detail));
    }
    errors
}

fn check_container(container: &Value, place: &str, spec: &Value, errors: &mut Vec<FieldError>) {
    let name = &container["name"];
    if text(name).is_empty() {
        errors.push(FieldError::required(format!("{place}.name"), ""));
    } else if !is_label(text(name)) {
        errors.push(FieldError::invalid(format!("{place}.name"), name, LABEL));
    }
    if text(&container["image"]).is_empty() {
        errors.push(FieldError::required(format!("{place}.image"), ""));
    }
    for (index, variable) in items(&container["env"]).iter().enumerate() {
        if text(&variable["name"]).is_empty() {
            errors.push(FieldError::required(format!("{place}.env[{index}].name"), ""));
        }
    }
    let volumes = items(&spec["volumes"]);
    for (index, mount) in items(&container["volumeMounts"]).iter().enumerate() {
        let place = format!("{place}.volumeMounts[{index}]");
        if text(&mount["name"]).is_empty() {
            errors.push(FieldError::required(format!("{place}.name"), ""));
        } else if !volumes.iter().any(|volume| volume["name"] == mount["name"]) {
            errors.push(FieldError::not_found(format!("{place}.name"), &mount["name"]));
        }
        if text(&mount["mountPath"]).is_empty() {
            errors.push(FieldError::required(format!("{place}.mountPath"), ""));
        }
    }
    let policy = &container["imagePullPolicy"];
    if !policy.is_null() && !["Always", "IfNotPresent", "Never"].contains(&text(policy)) {
        let message =
            format!("Unsupported value: {policy}: supported values: \"Always\", \"IfNotPresent\", \"Never\"");
        errors.push(FieldError::new(
            format!("{place}.imagePullPolicy"),
            "FieldValueNotSupported",
            message,
        ));
    }
    let context = &container["securityContext"];
    if context["privileged"] == true && context["allowPrivilegeEscalation"] == false {
        let detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
        errors.push(FieldError::invalid(
            format!("{place}.securityContext"),
            context,
            detail,
        ));
    }
}

fn check_unique(container: &Value, place: &str, names: &mut Vec<String>, errors: &mut Vec<FieldError>) {
    let name = text(&container["name"]);
    if names.iter().any(|known| known == name) {
        errors.push(FieldError::duplicate(format!("{place}.name"), &container["name"]));
    } else {
        names.push(name.to_owned());
    }
}

/// Fields that ephemeral containers must not have.
fn check_ephemeral(container: &Value, place: &str, others: &[&str], errors: &mut Vec<FieldError>) {
    const FORBIDDEN: [&str; 9] = [
        "ports",
        "resources",
        "resizePolicy",
        "restartPolicy",
        "restartPolicyRules",
        "livenessProbe",
        "readinessProbe",
        "startupProbe",
        "lifecycle",
    ];
    const DETAIL: &str = "cannot be set for an Ephemeral Container";
    let target = &container["targetContainerName"];
    if !text(target).is_empty() && !others.contains(&text(target)) {
        errors.push(FieldError::not_found(
            format!("{place}.targetContainerName"),
            target,
        ));
    }
    let is_set = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    };
    for field in FORBIDDEN {
        // A struct that is not a pointer in Go counts only if it is not empty.
        let is_empty = field == "resources" && container[field] == json!({});
        if is_set(&container[field]) && !is_empty {
            errors.push(FieldError::forbidden(format!("{place}.{field}"), DETAIL));
        }
    }
    for (index, mount) in items(&container["volumeMounts"]).iter().enumerate() {
        for field in ["subPath", "subPathExpr"] {
            if is_set(&mount[field]) {
                let place = format!("{place}.volumeMounts[{index}].{field}");
                errors.push(FieldError::forbidden(place, DETAIL));
            }
        }
    }
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and \
                     end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
                     '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and \
                         must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation \
                         is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

fn is_label(name: &str) -> bool {
    name.len() <= 63 && is_labelled(name)
}

fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_labelled)
}

fn is_labelled(part: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !part.is_empty() && part.bytes().all(is_inner) && !part.starts_with('-') && !part.ends_with('-')
}

#[cfg(test)]
mod tests;
