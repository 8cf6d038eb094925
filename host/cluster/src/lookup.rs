//! Finding what to debug: the object that was named, or the best pod of a workload. Reads only.

use serde_json::Value;

use super::{
    client::Cluster,
    error::{Action, ClusterError},
};
use trocar_core::{
    reference::{Kind, Reference},
    target::{Target, TargetError},
};

/// A target, and how it was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// What is debugged.
    pub target: Target,
    /// What was chosen from, where there was a choice: for example `deployment/web`, 3 pods.
    pub chosen_from: Option<(Reference, usize)>,
}

/// Why there is no target.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// The cluster says so.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// What it sent cannot be debugged.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The workload is there, its pods are not.
    #[error("{workload} has no pods{why}")]
    NoPods {
        /// The workload.
        workload: Reference,
        /// Why, as far as it can be told.
        why: String,
    },
    /// No pod has these labels.
    #[error("no pod in namespace {namespace:?} matches {selector:?}")]
    NoMatch {
        /// The selector.
        selector: String,
        /// The namespace.
        namespace: String,
    },
    /// The object does not exist, and others have similar names.
    #[error("{error}")]
    NotFound {
        /// What the server says.
        error: ClusterError,
        /// Names that are there, the nearest first.
        nearest: Vec<String>,
    },
}

/// Finds what a reference names: a pod or node itself, or of a workload the best pod or every one.
///
/// # Errors
/// Fails when it is not there, may not be read, or has no pods.
pub async fn lookup(
    cluster: &Cluster,
    reference: &Reference,
    namespace: &str,
    all_pods: bool,
) -> Result<Vec<Found>, LookupError> {
    let object = match cluster
        .get(&action("get", reference.kind, namespace, &reference.name))
        .await
    {
        Ok(object) => object,
        Err(error) if error.code() == Some(404) => {
            if let Some(error) = missing_namespace(cluster, reference.kind, namespace).await {
                return Err(error.into());
            }
            let nearest = nearest(cluster, reference, namespace).await;
            return Err(LookupError::NotFound { error, nearest });
        }
        Err(error) => return Err(error.into()),
    };
    if matches!(reference.kind, Kind::Pod | Kind::Node) {
        let target = Target::new(object, namespace)?;
        return Ok(vec![Found {
            target,
            chosen_from: None,
        }]);
    }
    let pods = pods_of(cluster, reference, &object, namespace).await?;
    let none = || LookupError::NoPods {
        workload: reference.clone(),
        why: why_no_pods(reference.kind, &object),
    };
    let ranked = ranked(pods);
    if ranked.is_empty() {
        return Err(none());
    }
    let count = ranked.len();
    let wanted = if all_pods { count } else { 1 };
    let chosen_from = (!all_pods).then(|| (reference.clone(), count));
    let found = ranked.into_iter().take(wanted).map(|pod| {
        Ok(Found {
            target: Target::new(pod, namespace)?,
            chosen_from: chosen_from.clone(),
        })
    });
    found.collect()
}

/// Finds all pods with certain labels.
///
/// # Errors
/// Fails when there are none, and when they may not be listed.
pub async fn select(cluster: &Cluster, selector: &str, namespace: &str) -> Result<Vec<Found>, LookupError> {
    let pods = list_pods(cluster, selector, namespace).await?;
    if pods.is_empty() {
        return Err(LookupError::NoMatch {
            selector: selector.to_owned(),
            namespace: namespace.to_owned(),
        });
    }
    let found = pods.into_iter().map(|pod| {
        Ok(Found {
            target: Target::new(pod, namespace)?,
            chosen_from: None,
        })
    });
    found.collect()
}

/// Where nothing is found it may be the namespace that is not there, which is the better thing to say.
async fn missing_namespace(cluster: &Cluster, kind: Kind, namespace: &str) -> Option<ClusterError> {
    // `default` cannot be deleted, so the request would be in vain.
    if !kind.is_namespaced() || namespace == "default" {
        return None;
    }
    let answer = cluster
        .get(&action("get", Kind::Namespace, namespace, namespace))
        .await;
    answer.err().filter(|error| error.code() == Some(404))
}

fn action(verb: &'static str, kind: Kind, namespace: &str, name: &str) -> Action {
    Action {
        verb,
        kind,
        subresource: "",
        namespace: kind.is_namespaced().then(|| namespace.to_owned()),
        name: name.to_owned(),
    }
}

async fn list_pods(cluster: &Cluster, selector: &str, namespace: &str) -> Result<Vec<Value>, ClusterError> {
    let action = action("list", Kind::Pod, namespace, "");
    cluster.list(&action, &[("labelSelector", selector)]).await
}

async fn pods_of(
    cluster: &Cluster,
    workload: &Reference,
    object: &Value,
    namespace: &str,
) -> Result<Vec<Value>, ClusterError> {
    if workload.kind == Kind::CronJob {
        return pods_of_cron_job(cluster, object, namespace).await;
    }
    let Some(selector) = selector(workload.kind, object) else {
        return Ok(Vec::new());
    };
    list_pods(cluster, &selector, namespace).await
}

/// A CronJob has no selector: its pods are those of the newest job that it owns.
async fn pods_of_cron_job(
    cluster: &Cluster,
    cron_job: &Value,
    namespace: &str,
) -> Result<Vec<Value>, ClusterError> {
    let uid = &cron_job["metadata"]["uid"];
    let jobs = cluster
        .list(&action("list", Kind::Job, namespace, ""), &[])
        .await?;
    let owned = jobs.into_iter().filter(|job| {
        let owners = job["metadata"]["ownerReferences"].as_array();
        owners.into_iter().flatten().any(|owner| owner["uid"] == *uid)
    });
    let mut owned: Vec<Value> = owned.collect();
    // RFC 3339 in UTC sorts as text.
    owned.sort_by(|one, other| created(other).cmp(created(one)));
    // By default a CronJob keeps three succeeded jobs and a failed one, beside the one that runs.
    for job in owned.iter().take(5) {
        let Some(selector) = selector(Kind::Job, job) else {
            continue;
        };
        let pods = list_pods(cluster, &selector, namespace).await?;
        if !pods.is_empty() {
            return Ok(pods);
        }
    }
    Ok(Vec::new())
}

/// The label selector of a workload, as text. None where it selects nothing.
fn selector(kind: Kind, object: &Value) -> Option<String> {
    let selector = &object["spec"]["selector"];
    let labels = match kind {
        // These two are older than `LabelSelector`, and have a plain map.
        Kind::Service | Kind::ReplicationController => selector.as_object(),
        _ => selector["matchLabels"].as_object(),
    };
    let equal = labels
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()));
    let expressions = selector["matchExpressions"].as_array();
    let expressions = expressions.into_iter().flatten().filter_map(|expression| {
        let key = expression["key"].as_str()?;
        let values = expression["values"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
        match expression["operator"].as_str()? {
            "In" => Some(format!("{key} in ({})", values.join(","))),
            "NotIn" => Some(format!("{key} notin ({})", values.join(","))),
            "Exists" => Some(key.to_owned()),
            "DoesNotExist" => Some(format!("!{key}")),
            _ => None,
        }
    });
    let terms: Vec<String> = equal.chain(expressions).collect();
    (!terms.is_empty()).then(|| terms.join(","))
}

fn why_no_pods(kind: Kind, object: &Value) -> String {
    match kind {
        Kind::Service if selector(kind, object).is_none() => ": the service selects none".into(),
        Kind::Deployment | Kind::StatefulSet | Kind::ReplicaSet | Kind::ReplicationController
            if object["spec"]["replicas"] == 0 =>
        {
            ": it is scaled to 0".into()
        }
        Kind::CronJob if object["spec"]["suspend"] == true => ": it is suspended".into(),
        Kind::CronJob => ": none of its jobs has one".into(),
        _ => String::new(),
    }
}

/// The best pod first: running before ready before newest; those that are going away last.
fn ranked(mut pods: Vec<Value>) -> Vec<Value> {
    let rank = |pod: &Value| {
        let is_leaving = pod["metadata"]["deletionTimestamp"].is_string();
        let is_running = pod["status"]["phase"] == "Running";
        let conditions = pod["status"]["conditions"].as_array();
        let is_ready = conditions
            .into_iter()
            .flatten()
            .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
        (is_leaving, !is_running, !is_ready)
    };
    let name = |pod: &Value| pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    pods.sort_by(|one, other| {
        let by_rank = rank(one).cmp(&rank(other));
        let newest_first = || created(other).cmp(created(one));
        by_rank
            .then_with(newest_first)
            .then_with(|| name(one).cmp(&name(other)))
    });
    pods
}

fn created(object: &Value) -> &str {
    object["metadata"]["creationTimestamp"]
        .as_str()
        .unwrap_or_default()
}

/// Names similar to the one that was not found. Errors are ignored: a suggestion is optional.
async fn nearest(cluster: &Cluster, reference: &Reference, namespace: &str) -> Vec<String> {
    let action = action("list", reference.kind, namespace, "");
    let Ok(objects) = cluster.list(&action, &[("limit", "500")]).await else {
        return Vec::new();
    };
    let names: Vec<&str> = objects
        .iter()
        .filter_map(|object| object["metadata"]["name"].as_str())
        .collect();
    let mut near: Vec<(bool, &str)> = names
        .iter()
        .filter(|name| {
            name.starts_with(&reference.name)
                || trocar_sdk::names::nearest(&reference.name, [**name]).is_some()
        })
        .map(|name| (!name.starts_with(&reference.name), *name))
        .collect();
    near.sort_unstable();
    near.into_iter()
        .take(3)
        .map(|(_, name)| name.to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_best_pod_is_running_ready_and_new() {
        let pod = |name: &str, phase: &str, ready: &str, created: &str| {
            json!({"metadata": {"name": name, "creationTimestamp": created},
                "status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]}})
        };
        let mut leaving = pod("leaving", "Running", "True", "2026-01-09");
        leaving["metadata"]["deletionTimestamp"] = "2026-01-10".into();
        let pods = vec![
            pod("pending", "Pending", "False", "2026-01-05"),
            leaving,
            pod("unready", "Running", "False", "2026-01-04"),
            pod("old", "Running", "True", "2026-01-01"),
            pod("new", "Running", "True", "2026-01-03"),
        ];
        let names: Vec<String> = ranked(pods)
            .iter()
            .map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["new", "old", "unready", "pending", "leaving"]);
    }

    #[test]
    fn a_selector_becomes_text() {
        let deployment = json!({"spec": {"selector": {"matchLabels": {"app": "web"},
            "matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}, {"key": "old", "operator": "DoesNotExist"}]}}});
        assert_eq!(
            selector(Kind::Deployment, &deployment).unwrap(),
            "app=web,tier in (a,b),!old"
        );
        assert_eq!(
            selector(Kind::Service, &json!({"spec": {"selector": {"app": "web"}}})).unwrap(),
            "app=web"
        );
        assert_eq!(selector(Kind::Service, &json!({"spec": {}})), None);
    }
}
