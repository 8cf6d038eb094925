//! What a pod can do, apart from what single containers of it can.

use serde_json::Value;
use trocar_sdk::{
    Object,
    pod::{flag, list, object, text},
};

use super::{
    RightKind,
    container::resource_powers,
    power::Powers,
    volume::{Volumes, json_text},
};

/// What a pod with this spec can do.
pub(super) fn pod_powers<'a>(spec: &'a Object, volumes: &Volumes<'a>) -> Powers<'a> {
    let mut powers = Powers::default();
    for namespace in ["hostNetwork", "hostPID", "hostIPC"] {
        if flag(spec, namespace) {
            powers.named(RightKind::HostNamespace, namespace);
        }
    }
    if flag(spec, "shareProcessNamespace") {
        powers.add(RightKind::ShareProcessNamespace);
    }
    volumes.all().for_each(|opened| powers.extend(opened));
    identity(spec, &mut powers);
    sandbox(spec, &mut powers);
    names(spec, &mut powers);
    priority(spec, &mut powers);
    for claim in list(spec, "resourceClaims").iter().filter_map(Value::as_object) {
        let name = text(claim, "name").unwrap_or_default();
        powers.detailed(RightKind::ResourceClaim, name, json_text(claim));
    }
    resource_powers(spec, &mut powers);
    powers
}

fn identity<'a>(spec: &'a Object, powers: &mut Powers<'a>) {
    let account = text(spec, "serviceAccountName").or_else(|| text(spec, "serviceAccount"));
    if let Some(account) = account.filter(|account| !matches!(*account, "" | "default")) {
        powers.named(RightKind::ServiceAccount, account);
    }
    // An absent field leaves it to the service account, whose `false` a `true` overrules.
    let token = spec.get("automountServiceAccountToken").and_then(Value::as_bool);
    if token != Some(false) {
        powers.alike(RightKind::ServiceAccountToken, "mounted");
    }
    if token == Some(true) {
        powers.alike(RightKind::ServiceAccountToken, "mounted in any case");
    }
    for secret in list(spec, "imagePullSecrets").iter().filter_map(Value::as_object) {
        powers.named(
            RightKind::ImagePullSecret,
            text(secret, "name").unwrap_or_default(),
        );
    }
}

fn sandbox<'a>(spec: &'a Object, powers: &mut Powers<'a>) {
    match text(spec, "runtimeClassName") {
        Some(class) => powers.named(RightKind::RuntimeClass, class),
        // No class is a power, too: a copy without one leaves the sandbox of its target.
        None => powers.add(RightKind::RuntimeClass),
    }
    if spec.get("hostUsers") != Some(&Value::Bool(false)) {
        powers.add(RightKind::HostUsers);
    }
    let Some(context) = object(spec, "securityContext") else {
        return;
    };
    for sysctl in list(context, "sysctls").iter().filter_map(Value::as_object) {
        let field = |field| text(sysctl, field).unwrap_or_default();
        powers.detailed(RightKind::Sysctl, field("name"), field("value"));
    }
    let groups = list(context, "supplementalGroups")
        .iter()
        .chain(context.get("fsGroup"));
    for group in groups.filter_map(Value::as_i64) {
        powers.named(RightKind::Group, group.to_string());
    }
}

/// How names are resolved.
fn names<'a>(spec: &'a Object, powers: &mut Powers<'a>) {
    for alias in list(spec, "hostAliases").iter().filter_map(Value::as_object) {
        let address = text(alias, "ip").unwrap_or_default();
        for name in list(alias, "hostnames").iter().filter_map(Value::as_str) {
            powers.detailed(RightKind::HostAlias, name, address);
        }
    }
    if let Some(config) = object(spec, "dnsConfig") {
        powers.detailed(RightKind::Dns, "dnsConfig", json_text(config));
    }
    if let Some(policy) = text(spec, "dnsPolicy").filter(|policy| *policy != "ClusterFirst") {
        powers.detailed(RightKind::Dns, "dnsPolicy", policy);
    }
}

/// The API server computes the number from the class where there is one, and refuses another.
fn priority<'a>(spec: &'a Object, powers: &mut Powers<'a>) {
    let number = spec.get("priority").and_then(Value::as_i64);
    match text(spec, "priorityClassName") {
        Some(class) => powers.named(RightKind::PriorityClass, class),
        None => {
            if let Some(number) = number.filter(|number| *number != 0) {
                powers.named(RightKind::PriorityClass, number.to_string());
            }
        }
    }
}
