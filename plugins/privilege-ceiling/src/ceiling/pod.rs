//! The rights of a created pod: host namespaces, folders of the node, Windows host processes, sysctls, the service account.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use trocar_sdk::{
    Object,
    pod::{flag, list, object, text},
};

use super::{
    Ceiling, HOST_NAMESPACES, confinement,
    privileges::{context, host_path, host_paths, present},
    remove_volumes,
};
use crate::{
    finding::{Finding, listed},
    planned::Planned,
};

/// The rights of a created pod that are above the ceiling and that its original does not have.
pub(super) fn above(ceiling: &Ceiling, planned: &Planned<'_>, found: &mut Vec<Finding>) {
    let (Some(spec), original) = (planned.spec(), planned.original_spec()) else {
        return;
    };
    let root = format!("{}/spec", planned.root());
    let mut tell = |code: &'static str, what: String, field: &str| {
        found.push(Finding {
            code,
            container: None,
            what,
            at: format!("{root}/{field}"),
        });
    };
    let namespaces = namespaces_above(ceiling, spec, original);
    if let Some(first) = namespaces.first() {
        let what = format!("would use {} of the node", listed(&namespaces));
        tell("host-namespace", what, first);
    }
    let paths = paths_above(ceiling, spec, original);
    if !paths.is_empty() {
        tell(
            "host-path",
            format!("would mount {} of the node", listed(paths)),
            "volumes",
        );
    }
    if is_host_process(spec) && !ceiling.privileged && !original.is_some_and(is_host_process) {
        let what = "would be a host process of a Windows node".to_owned();
        tell("privileged", what, "securityContext/windowsOptions");
    }
    if let Some(account) = account_above(ceiling, spec, original) {
        let what = format!("would use the service account {account:?}");
        tell("service-account", what, "serviceAccountName");
    }
    if ceiling.confined.is_none() {
        return;
    }
    if leaves_user_namespace(spec, original) {
        let what = "would not have a user namespace of its own, as its original has".to_owned();
        tell("host-namespace", what, "hostUsers");
    }
    let sysctls = sysctls_above(spec, original);
    if !sysctls.is_empty() {
        let names = sysctls
            .iter()
            .map(|sysctl| sysctl["name"].as_str().unwrap_or_default());
        let what = format!("would set the sysctls {}", listed(names));
        tell("sysctl", what, "securityContext/sysctls");
    }
}

/// Removes the rights of a created pod that are above the ceiling.
pub(super) fn lower(ceiling: &Ceiling, planned: &Planned<'_>, spec: &mut Object) {
    let (Some(asked), original) = (planned.spec(), planned.original_spec()) else {
        return;
    };
    for namespace in namespaces_above(ceiling, asked, original) {
        spec.remove(namespace);
    }
    let gone = paths_above(ceiling, asked, original);
    remove_volumes(spec, |volume| {
        host_path(volume).is_some_and(|path| gone.contains(path))
    });
    if is_host_process(asked) && !ceiling.privileged && !original.is_some_and(is_host_process) {
        forget(spec, "windowsOptions");
    }
    if account_above(ceiling, asked, original).is_some() {
        let own = original.map_or("default", account);
        spec.remove("serviceAccount");
        spec.insert("serviceAccountName".into(), json!(own));
    }
    if let Some(given) = confinement::given(ceiling, planned) {
        confinement::lower_pod(&given, planned, spec);
        if leaves_user_namespace(asked, original) {
            spec.insert("hostUsers".into(), json!(false));
        }
        if !sysctls_above(asked, original).is_empty() {
            forget(spec, "sysctls");
            let had = original
                .and_then(context)
                .and_then(|context| context.get("sysctls"));
            if let (Some(had), Some(context)) = (had, spec.get_mut("securityContext")) {
                context["sysctls"] = had.clone();
            }
        }
    }
}

fn forget(spec: &mut Object, field: &str) {
    if let Some(context) = spec.get_mut("securityContext").and_then(Value::as_object_mut) {
        context.remove(field);
    }
}

fn namespaces_above(ceiling: &Ceiling, spec: &Object, original: Option<&Object>) -> Vec<&'static str> {
    let is_above = |namespace: &&str| {
        let was = original.is_some_and(|spec| flag(spec, namespace));
        flag(spec, namespace) && !ceiling.gives_namespace(namespace) && !was
    };
    HOST_NAMESPACES.into_iter().filter(is_above).collect()
}

fn paths_above<'a>(ceiling: &Ceiling, spec: &'a Object, original: Option<&Object>) -> BTreeSet<&'a str> {
    let had: BTreeSet<&str> = original.into_iter().flat_map(host_paths).collect();
    host_paths(spec)
        .filter(|path| !ceiling.gives_path(path) && !had.contains(path))
        .collect()
}

fn is_host_process(spec: &Object) -> bool {
    let windows = context(spec).and_then(|context| object(context, "windowsOptions"));
    windows.is_some_and(|windows| flag(windows, "hostProcess"))
}

fn account(spec: &Object) -> &str {
    let named = text(spec, "serviceAccountName").filter(|name| !name.is_empty());
    let named = named.or_else(|| text(spec, "serviceAccount"));
    named.filter(|name| !name.is_empty()).unwrap_or("default")
}

fn account_above<'a>(ceiling: &Ceiling, spec: &'a Object, original: Option<&Object>) -> Option<&'a str> {
    let used = account(spec);
    let is_given = original.map(account) == Some(used) || used == "default" || ceiling.gives_account(used);
    (!is_given).then_some(used)
}

/// With a user namespace, root in the pod is not root on the node.
fn leaves_user_namespace(spec: &Object, original: Option<&Object>) -> bool {
    let has_one = |spec: &Object| present(spec, "hostUsers") == Some(&Value::Bool(false));
    original.is_some_and(has_one) && !has_one(spec)
}

fn sysctls_above<'a>(spec: &'a Object, original: Option<&Object>) -> Vec<&'a Value> {
    fn sysctls(spec: &Object) -> &[Value] {
        context(spec).map_or(&[][..], |context| list(context, "sysctls"))
    }
    let had = original.map_or(&[][..], sysctls);
    sysctls(spec)
        .iter()
        .filter(|sysctl| !had.contains(sysctl))
        .collect()
}
