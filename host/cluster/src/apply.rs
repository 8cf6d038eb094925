//! The only writes to a cluster, and only of plans that were approved.

use serde_json::{Value, json};
use trocar_core::{
    plan::{DebugPlan, Step},
    planning::{Approved, Draft},
    reference::Kind,
    stamp::Stamp,
    target::Target,
};

use super::{
    client::Cluster,
    error::{Action, ClusterError},
};

/// The manager of the fields that we write: one constant name, since a server keeps few of them apart.
const FIELD_MANAGER: (&str, &str) = ("fieldManager", "trocar");

/// A field that the server does not know is refused, and never dropped: what was judged is what is stored.
const STRICT: (&str, &str) = ("fieldValidation", "Strict");

/// A plan of which a step was refused.
#[derive(Debug)]
pub struct Unfinished {
    /// Why.
    pub error: ClusterError,
    /// What was made before, and stays.
    pub written: Written,
}

/// What a plan came to.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// The pod with the debug container, as the server returned it; null before it is there.
    pub pod: Value,
    /// The pod that was deleted, by name.
    pub deleted: Option<String>,
}

/// Carries out an approved plan.
///
/// # Errors
/// Fails at the first write that the server refuses. The steps before it stay: the error's action names the step.
pub async fn apply(cluster: &Cluster, approved: &Approved, stamp: &Stamp) -> Result<Written, Unfinished> {
    write(cluster, approved.plan(), approved.target(), stamp, false).await
}

/// Lets the server check a plan with everything that it has (admission, quotas, webhooks), and store nothing.
///
/// # Errors
/// Fails at the first write that the server would refuse.
pub async fn dry_run(cluster: &Cluster, draft: &Draft, stamp: &Stamp) -> Result<Written, ClusterError> {
    let written = write(cluster, draft.plan(), draft.target(), stamp, true).await;
    written.map_err(|unfinished| unfinished.error)
}

async fn write(
    cluster: &Cluster,
    plan: &DebugPlan,
    target: &Target,
    stamp: &Stamp,
    dry_run: bool,
) -> Result<Written, Unfinished> {
    let mut written = Written::default();
    for step in plan.steps() {
        if let Err(error) = write_step(cluster, plan, target, step, stamp, dry_run, &mut written).await {
            return Err(Unfinished { error, written });
        }
    }
    Ok(written)
}

async fn write_step(
    cluster: &Cluster,
    plan: &DebugPlan,
    target: &Target,
    step: &Step,
    stamp: &Stamp,
    dry_run: bool,
    written: &mut Written,
) -> Result<(), ClusterError> {
    let mut query = vec![FIELD_MANAGER, STRICT];
    query.extend(dry_run.then_some(("dryRun", "All")));
    match step {
        Step::AddEphemeralContainer(container) => {
            let patch = added_container(target, &json!(container));
            let action = pod_action("patch", "ephemeralcontainers", plan, &plan.target().name);
            let content_type = "application/json-patch+json";
            written.pod = cluster.write(&action, &query, content_type, &patch).await?;
        }
        Step::CreatePod(pod) => {
            let action = pod_action("create", "", plan, pod.name());
            let pod = stamp.on(json!(pod));
            written.pod = cluster.write(&action, &query, "application/json", &pod).await?;
        }
        Step::DeletePod(deletion) => {
            let action = pod_action("delete", "", plan, &deletion.name);
            let mut options = json!({"apiVersion": "v1", "kind": "DeleteOptions"});
            if let Some(seconds) = deletion.grace_period_seconds {
                options["gracePeriodSeconds"] = json!(seconds);
            }
            if let Some(uid) = &plan.target().uid {
                options["preconditions"] = json!({"uid": uid});
            }
            if dry_run {
                options["dryRun"] = json!(["All"]);
            }
            cluster.write(&action, &[], "application/json", &options).await?;
            written.deleted = Some(deletion.name.clone());
        }
    }
    Ok(())
}

/// The JSON Patch that appends an ephemeral container to the pod that was looked at, and to no other version of it.
///
/// Of the patch formats this is the one in which no content is a directive: a strategic merge patch obeys `$patch` at any
/// depth, and puts a new container before those that are there.
fn added_container(target: &Target, container: &Value) -> Value {
    let mut operations = Vec::new();
    if let Some(uid) = &target.id().uid {
        operations.push(json!({"op": "test", "path": "/metadata/uid", "value": uid}));
    }
    if let Some(version) = target.resource_version() {
        // A stale version is a conflict. A failed `test` of it would be a mistake of the request.
        operations.push(json!({"op": "replace", "path": "/metadata/resourceVersion", "value": version}));
    }
    let spec = trocar_sdk::pod::object(target.object(), "spec");
    let has_list = spec.is_some_and(|spec| spec.get("ephemeralContainers").is_some_and(Value::is_array));
    operations.push(match has_list {
        true => json!({"op": "add", "path": "/spec/ephemeralContainers/-", "value": container}),
        false => json!({"op": "add", "path": "/spec/ephemeralContainers", "value": [container]}),
    });
    Value::Array(operations)
}

fn pod_action(verb: &'static str, subresource: &'static str, plan: &DebugPlan, name: &str) -> Action {
    Action {
        verb,
        kind: Kind::Pod,
        subresource,
        namespace: plan.debug_namespace().map(str::to_owned),
        name: name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(ephemeral: &Value) -> Target {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web", "namespace": "shop", "uid": "u-1", "resourceVersion": "7"},
            "spec": {"containers": [{"name": "app"}], "ephemeralContainers": ephemeral},
        });
        Target::new(pod, "shop").unwrap()
    }

    #[test]
    fn a_container_is_appended_to_the_version_that_was_looked_at() {
        let patch = added_container(
            &target(&json!([{"name": "old"}])),
            &json!({"name": "dbg", "$patch": "delete"}),
        );
        let wanted = json!([
            {"op": "test", "path": "/metadata/uid", "value": "u-1"},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"},
            {"op": "add", "path": "/spec/ephemeralContainers/-", "value": {"name": "dbg", "$patch": "delete"}},
        ]);
        assert_eq!(patch, wanted);
    }

    #[test]
    fn the_first_container_brings_its_list() {
        let patch = added_container(&target(&Value::Null), &json!({"name": "dbg"}));
        assert_eq!(
            patch[2],
            json!({"op": "add", "path": "/spec/ephemeralContainers", "value": [{"name": "dbg"}]})
        );
    }
}
