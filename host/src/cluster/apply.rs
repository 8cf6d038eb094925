//! The only writes to a cluster, and only of plans that were checked.

use serde_json::{Value, json};

use super::{
    client::Cluster,
    error::{Action, ClusterError},
};
use crate::{
    plan::{DebugPlan, Step, ephemeral_patch},
    reference::Kind,
};

/// Who we are among those that write to an object.
const FIELD_MANAGER: (&str, &str) = ("fieldManager", "trocar");

/// Whether the server only checks and does not store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DryRun {
    /// It stores.
    Off,
    /// It checks, with everything that it has: admission, quotas, webhooks.
    Server,
}

/// What everything that we create carries: who made it, when and by which rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Labels, added where the plan sets none of that name.
    pub labels: Vec<(String, String)>,
    /// Annotations, likewise.
    pub annotations: Vec<(String, String)>,
}

/// A plan of which a step was refused.
#[derive(Debug)]
pub struct Unfinished {
    /// Why.
    pub error: ClusterError,
    /// What was made before, and stays.
    pub applied: Applied,
}

/// What a plan came to.
#[derive(Debug)]
pub struct Applied {
    /// The pod with the debug container, as the server returned it.
    pub pod: Value,
    /// The pod that was deleted, by name.
    pub deleted: Option<String>,
}

/// Carries out a plan.
///
/// # Errors
/// Fails at the first write that the server refuses. The steps before it stay: the error's action says which one it was.
pub async fn apply(
    cluster: &Cluster,
    plan: &DebugPlan,
    stamp: &Stamp,
    dry_run: DryRun,
) -> Result<Applied, Unfinished> {
    let mut applied = Applied {
        pod: Value::Null,
        deleted: None,
    };
    for step in &plan.steps {
        if let Err(error) = apply_step(cluster, plan, step, stamp, dry_run, &mut applied).await {
            return Err(Unfinished { error, applied });
        }
    }
    Ok(applied)
}

async fn apply_step(
    cluster: &Cluster,
    plan: &DebugPlan,
    step: &Step,
    stamp: &Stamp,
    dry_run: DryRun,
    applied: &mut Applied,
) -> Result<(), ClusterError> {
    match step {
        Step::AddEphemeralContainer(container) => {
            let mut patch = ephemeral_patch(&plan.target, container);
            if let Some(uid) = &plan.target.uid {
                // Another pod of the same name is not the one that was looked at.
                patch["metadata"]["uid"] = json!(uid);
            }
            let action = pod_action("patch", "ephemeralcontainers", plan, &plan.target.name);
            let content_type = "application/strategic-merge-patch+json";
            applied.pod = cluster
                .write(&action, &query(dry_run), content_type, &patch)
                .await?;
        }
        Step::CreatePod(pod) => {
            let action = pod_action("create", "", plan, pod.name());
            let pod = stamped(json!(pod), stamp);
            applied.pod = cluster
                .write(&action, &query(dry_run), "application/json", &pod)
                .await?;
        }
        Step::DeletePod(deletion) => {
            let action = pod_action("delete", "", plan, &deletion.name);
            let mut options = json!({"apiVersion": "v1", "kind": "DeleteOptions"});
            if let Some(seconds) = deletion.grace_period_seconds {
                options["gracePeriodSeconds"] = json!(seconds);
            }
            if let Some(uid) = &plan.target.uid {
                options["preconditions"] = json!({"uid": uid});
            }
            if dry_run == DryRun::Server {
                options["dryRun"] = json!(["All"]);
            }
            cluster.write(&action, &[], "application/json", &options).await?;
            applied.deleted = Some(deletion.name.clone());
        }
    }
    Ok(())
}

/// A pod as it is created: with its stamp.
pub fn stamped(mut pod: Value, stamp: &Stamp) -> Value {
    for (field, marks) in [("labels", &stamp.labels), ("annotations", &stamp.annotations)] {
        for (name, value) in marks {
            let there = &mut pod["metadata"][field];
            if there[name].is_null() {
                there[name] = json!(value);
            }
        }
    }
    pod
}

fn query(dry_run: DryRun) -> Vec<(&'static str, &'static str)> {
    match dry_run {
        DryRun::Off => vec![FIELD_MANAGER],
        DryRun::Server => vec![FIELD_MANAGER, ("dryRun", "All")],
    }
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

    #[test]
    fn a_stamp_never_replaces_what_a_plan_sets() {
        let stamp = Stamp {
            labels: vec![("app.kubernetes.io/managed-by".into(), "trocar".into())],
            annotations: vec![("trocar.dev/plan".into(), "sha256:0".into())],
        };
        let pod = json!({"metadata": {"name": "p", "labels": {"app.kubernetes.io/managed-by": "me"}}});
        let stamped = stamped(pod, &stamp);
        assert_eq!(
            stamped["metadata"]["labels"]["app.kubernetes.io/managed-by"],
            "me"
        );
        assert_eq!(stamped["metadata"]["annotations"]["trocar.dev/plan"], "sha256:0");
    }
}
