//! A quota that takes no pod without amounts of resources: the debug container of a created pod is given small ones. Pure.

use serde_json::{Map, Value, json};
use trocar_cluster::Refusal;
use trocar_core::{
    plan::{DebugPlan, Step},
    request::DebugRequest,
};

/// What a debug container is given. The requests are small, since a node may be full; the limits leave room for tools.
const AMOUNTS: [(&str, &str, &str); 4] = [
    ("requests", "cpu", "10m"),
    ("requests", "memory", "32Mi"),
    ("limits", "cpu", "500m"),
    ("limits", "memory", "256Mi"),
];

/// Resources that the debug container of a created pod was given, since a quota of its namespace takes no pod without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenForQuota {
    /// The quota.
    pub quota: String,
    /// Resource, as a quota names it, and amount: `limits.cpu`, `500m`.
    pub resources: Vec<(String, String)>,
}

/// The request with the resources for its debug container that a quota wants.
///
/// None where something else was refused, where the quota wants something of another container, and where the container was
/// given all that there is to give.
pub(crate) fn fitted(
    request: &DebugRequest,
    plan: &DebugPlan,
    refusal: &Refusal,
) -> Option<(DebugRequest, GivenForQuota)> {
    let Refusal::QuotaNeedsResources { quota, missing } = refusal else {
        return None;
    };
    let creates = matches!(plan.steps().first(), Some(Step::CreatePod(_)));
    let container = plan.attach().filter(|_| creates)?;
    if missing.is_empty() || missing.iter().any(|missing| missing.containers != [container]) {
        return None;
    }
    let mut request = request.clone();
    let custom = request.options.custom.get_or_insert_default();
    let resources = object(custom, "resources")?;
    let mut given = Vec::new();
    for (list, name, amount) in AMOUNTS {
        if !missing.iter().any(|missing| wants(&missing.resource, list, name)) {
            continue;
        }
        let amounts = object(resources, list)?;
        if !amounts.contains_key(name) {
            amounts.insert(name.to_owned(), amount.into());
            given.push((format!("{list}.{name}"), amount.to_owned()));
        }
    }
    let quota = quota.clone();
    (!given.is_empty()).then_some((
        request,
        GivenForQuota {
            quota,
            resources: given,
        },
    ))
}

/// Whether a missing resource is met by an amount. `cpu` stands for its request; a limit without a request would be both.
fn wants(missing: &str, list: &str, name: &str) -> bool {
    match missing.split_once('.') {
        Some(("limits", of)) => of == name,
        Some(("requests", of)) => of == name && list == "requests",
        _ => missing == name && list == "requests",
    }
}

fn object<'a>(parent: &'a mut Map<String, Value>, field: &str) -> Option<&'a mut Map<String, Value>> {
    parent.entry(field).or_insert_with(|| json!({})).as_object_mut()
}
