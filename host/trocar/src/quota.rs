//! Adds small resource requests and limits to a debug container where a quota of the namespace requires them. Pure.

use serde_json::{Map, Value, json};
use trocar_cluster::Refusal;
use trocar_core::{
    plan::{DebugPlan, Step},
    request::DebugRequest,
};

/// The amounts to add. Requests are small, since the node may be full; limits are enough for common tools.
const AMOUNTS: [(&str, &str, &str); 4] = [
    ("requests", "cpu", "10m"),
    ("requests", "memory", "32Mi"),
    ("limits", "cpu", "500m"),
    ("limits", "memory", "256Mi"),
];

/// Resources that were added to the debug container of a created pod, since a quota of the namespace requires them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenForQuota {
    /// The quota's name.
    pub quota: String,
    /// Resources as quotas name them, with amounts: `limits.cpu`, `500m`.
    pub resources: Vec<(String, String)>,
}

/// Adds to a request the resources that a quota requires of its debug container.
///
/// None if the refusal has another cause, if the quota misses resources of another container, and if the missing resources
/// were added already or are none of [`AMOUNTS`].
pub(crate) fn fitted(
    request: &DebugRequest,
    plan: &DebugPlan,
    refusal: &Refusal,
) -> Option<(DebugRequest, GivenForQuota)> {
    let Refusal::QuotaNeedsResources { quota, missing } = refusal else {
        return None;
    };
    let creates_pod = matches!(plan.steps().first(), Some(Step::CreatePod(_)));
    let container = plan.attach().filter(|_| creates_pod)?;
    if missing.is_empty() || missing.iter().any(|missing| missing.containers != [container]) {
        return None;
    }
    let mut request = request.clone();
    let custom = request.options.custom.get_or_insert_default();
    let resources = object(custom, "resources")?;
    let mut given = Vec::new();
    for (list, name, amount) in AMOUNTS {
        if !missing
            .iter()
            .any(|missing| is_for(&missing.resource, list, name))
        {
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

/// Returns whether an amount is for a missing resource. In quotas, `cpu` means `requests.cpu`.
fn is_for(missing: &str, list: &str, name: &str) -> bool {
    match missing.split_once('.') {
        // Both lists: a limit alone makes the request as large as the limit, for which the node may have no room.
        Some(("limits", of)) => of == name,
        Some(("requests", of)) => of == name && list == "requests",
        _ => missing == name && list == "requests",
    }
}

fn object<'a>(parent: &'a mut Map<String, Value>, field: &str) -> Option<&'a mut Map<String, Value>> {
    parent.entry(field).or_insert_with(|| json!({})).as_object_mut()
}
