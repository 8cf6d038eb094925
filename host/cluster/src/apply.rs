//! The only writes to a cluster: those of plans that were approved, and the deletion of what a session made.

use serde_json::{Value, json};
use trocar_core::{
    plan::{DebugPlan, Deletion, Step},
    planning::{Approved, Draft},
    stamp::Stamp,
    target::Target,
};
use trocar_sdk::Object;

use super::{
    client::Cluster,
    error::{Action, ClusterError},
};

/// The manager of the fields that we write: one constant name, since a server keeps few of them apart.
// A server keeps ten `Update` managers of an object and merges the oldest into `ancient-changes`: a manager for each debug
// would lose its marks.
const FIELD_MANAGER: (&str, &str) = ("fieldManager", "trocar");

/// A field that the server does not know is refused, and never dropped: what was judged is what is stored.
const STRICT: (&str, &str) = ("fieldValidation", "Strict");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    Real,
    /// The server checks it with everything that it has (admission, quotas, webhooks), and stores nothing.
    Dry,
}

/// Carries out a step of an approved plan, by its place in the plan. Steps are carried out in order, each once.
///
/// Gives the pod with the debug container as the server stored it; null where the step makes none.
///
/// # Errors
/// Fails when the server refuses, and when its answer is lost: the step may have been carried out then, which
/// [`find_written`] can tell.
pub async fn apply_step(
    cluster: &Cluster,
    approved: &Approved,
    step: usize,
    stamp: &Stamp,
) -> Result<Value, ClusterError> {
    write_step(cluster, approved.draft(), step, stamp, Run::Real).await
}

/// Lets the server check a step of a plan, and store nothing.
///
/// # Errors
/// Fails when the server would refuse it.
pub async fn dry_run_step(
    cluster: &Cluster,
    draft: &Draft,
    step: usize,
    stamp: &Stamp,
) -> Result<Value, ClusterError> {
    write_step(cluster, draft, step, stamp, Run::Dry).await
}

async fn write_step(
    cluster: &Cluster,
    draft: &Draft,
    step: usize,
    stamp: &Stamp,
    run: Run,
) -> Result<Value, ClusterError> {
    let plan = draft.plan();
    let mut query = vec![FIELD_MANAGER, STRICT];
    query.extend((run == Run::Dry).then_some(("dryRun", "All")));
    match &plan.steps()[step] {
        Step::AddEphemeralContainer(container) => {
            let patch = added_container(draft.target(), &json!(container), run);
            let action = pod_action("patch", "ephemeralcontainers", plan, &plan.target().name);
            let content_type = "application/json-patch+json";
            cluster.write(&action, &query, content_type, &patch).await
        }
        Step::CreatePod(pod) => {
            let action = pod_action("create", "", plan, pod.name());
            // Only created pods carry the stamp: the subresource `ephemeralcontainers` takes no change of the metadata.
            let pod = stamp.on(json!(pod));
            cluster.write(&action, &query, "application/json", &pod).await
        }
        Step::DeletePod(deletion) => {
            let action = pod_action("delete", "", plan, &deletion.name);
            // A deletion with a body takes its options, `dryRun` included, from the body and not from the query.
            let options = delete_options(draft.target(), deletion, run);
            let deleted = cluster.write(&action, &[], "application/json", &options).await;
            deleted.map(|_| Value::Null)
        }
    }
}

/// Deletes a pod that a session made, where it still is as it was looked at.
///
/// # Errors
/// Fails with 409 where it is another by now or has changed, with 404 where it is gone, and when the server refuses.
pub async fn delete_pod(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    uid: &str,
    resource_version: Option<&str>,
) -> Result<(), ClusterError> {
    let action = Action::of_pod("delete", "", Some(namespace), name);
    let mut options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}});
    if let Some(version) = resource_version {
        options["preconditions"]["resourceVersion"] = json!(version);
    }
    let deleted = cluster.write(&action, &[], "application/json", &options).await;
    deleted.map(drop)
}

fn delete_options(target: &Target, deletion: &Deletion, run: Run) -> Value {
    let mut options = json!({"apiVersion": "v1", "kind": "DeleteOptions"});
    if let Some(seconds) = deletion.grace_period_seconds {
        options["gracePeriodSeconds"] = json!(seconds);
    }
    if let Some(uid) = &target.id().uid {
        // Another pod may have the name by now.
        options["preconditions"] = json!({"uid": uid});
    }
    if run == Run::Dry {
        options["dryRun"] = json!(["All"]);
    }
    options
}

/// Looks for what a step did whose answer was lost. Returns what [`apply_step`] would have, and None where nothing is to be
/// seen of it.
///
/// # Errors
/// Fails when the pod cannot be read.
pub async fn find_written(
    cluster: &Cluster,
    approved: &Approved,
    step: usize,
    stamp: &Stamp,
) -> Result<Option<Value>, ClusterError> {
    let plan = approved.plan();
    let target = plan.target();
    let step = &plan.steps()[step];
    let name = match step {
        Step::AddEphemeralContainer(_) => &target.name,
        Step::CreatePod(pod) => pod.name(),
        Step::DeletePod(deletion) => &deletion.name,
    };
    let pod = match cluster.get(&pod_action("get", "", plan, name)).await {
        Ok(pod) => pod,
        Err(error) if error.code() == Some(404) => Value::Null,
        Err(error) => return Err(error),
    };
    let is_target = pod["metadata"]["uid"].as_str() == target.uid.as_deref();
    Ok(match step {
        Step::AddEphemeralContainer(added) => (is_target && has_container(&pod, added)).then_some(pod),
        Step::CreatePod(_) => stamp.is_on(&pod).then_some(pod),
        Step::DeletePod(_) => {
            // With a grace period a deleted pod stays until its containers have ended.
            let is_terminating = !pod["metadata"]["deletionTimestamp"].is_null();
            (!is_target || is_terminating).then_some(Value::Null)
        }
    })
}

fn has_container(pod: &Value, added: &Object) -> bool {
    let containers = pod["spec"]["ephemeralContainers"].as_array();
    let mut containers = containers.into_iter().flatten();
    containers.any(|container| Some(&container["name"]) == added.get("name"))
}

/// The JSON Patch that appends an ephemeral container to the pod that was looked at, and to no other version of it.
///
/// Of the patch formats this is the one in which no content is a directive: a strategic merge patch obeys `$patch` at any
/// depth, and puts a new container before those that are there. A dry run is for any version: that only the status has
/// changed meanwhile does not make it fail.
fn added_container(target: &Target, container: &Value, run: Run) -> Value {
    let mut operations = Vec::new();
    if let Some(uid) = &target.id().uid {
        // Another uid is a 422 whose message does not say why, so the caller of the write looks at the pod again.
        operations.push(json!({"op": "test", "path": "/metadata/uid", "value": uid}));
    }
    if let (Some(version), Run::Real) = (target.resource_version(), run) {
        // A stale version is a conflict. A failed `test` of it would be a mistake of the request.
        operations.push(json!({"op": "replace", "path": "/metadata/resourceVersion", "value": version}));
    }
    let spec = trocar_sdk::pod::object(target.object(), "spec");
    let has_list = spec.is_some_and(|spec| spec.get("ephemeralContainers").is_some_and(Value::is_array));
    // `/-` appends only to a list that is there.
    operations.push(match has_list {
        true => json!({"op": "add", "path": "/spec/ephemeralContainers/-", "value": container}),
        false => json!({"op": "add", "path": "/spec/ephemeralContainers", "value": [container]}),
    });
    Value::Array(operations)
}

fn pod_action(verb: &'static str, subresource: &'static str, plan: &DebugPlan, name: &str) -> Action {
    Action::of_pod(verb, subresource, plan.debug_namespace(), name)
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
            Run::Real,
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
        let patch = added_container(&target(&Value::Null), &json!({"name": "dbg"}), Run::Dry);
        assert_eq!(
            patch[1],
            json!({"op": "add", "path": "/spec/ephemeralContainers", "value": [{"name": "dbg"}]})
        );
    }
}
