//! A node on which nothing starts is told of before anything is written for it.

use std::collections::BTreeMap;

use serde_json::Value;
use trocar::{
    Draft,
    cluster::{Cluster, NodeTrouble, may_have_node_trouble, node_trouble, read_node},
    plan::Step,
    target::TargetKind,
};

use crate::cli::{error::CliError, ui};

/// How many nodes are looked at: of more targets most run somewhere.
const MAX_NODES: usize = 16;

/// Looks at the nodes on which the debug containers will be, as far as the targets' states give reason to.
///
/// A node that is not ready is warned of. With `refuses` one that is not heard of is an error: a session there would only
/// wait.
pub(super) async fn check(cluster: &Cluster, drafts: &[Draft], refuses: bool) -> Result<(), CliError> {
    let mut known: BTreeMap<String, Option<NodeTrouble>> = BTreeMap::new();
    for draft in drafts {
        let Some(name) = node_in_doubt(draft) else {
            continue;
        };
        if known.contains_key(&name) || known.len() == MAX_NODES {
            continue;
        }
        let trouble = trouble(cluster, draft, &name).await;
        if let Some(trouble) = &trouble {
            if refuses && trouble.is_lost {
                return Err(refusal(draft, trouble));
            }
            ui::warning(&trouble.reason);
        }
        known.insert(name, trouble);
    }
    Ok(())
}

/// The node on which a debug container will be, where that may start nothing.
fn node_in_doubt(draft: &Draft) -> Option<String> {
    let target = draft.target();
    let is_node = target.id().kind == TargetKind::Node;
    let pod = Value::Object(target.object().clone());
    let step = draft.plan().steps().first()?;
    let node = match step {
        Step::AddEphemeralContainer(_) => &pod["spec"]["nodeName"],
        Step::CreatePod(created) => created.spec().and_then(|spec| spec.get("nodeName"))?,
        Step::DeletePod(_) => return None,
    };
    let node = node.as_str()?.to_owned();
    (is_node || may_have_node_trouble(&pod)).then_some(node)
}

/// Who may not read nodes does without.
async fn trouble(cluster: &Cluster, draft: &Draft, name: &str) -> Option<NodeTrouble> {
    let target = draft.target();
    if target.id().kind == TargetKind::Node {
        return node_trouble(&Value::Object(target.object().clone()));
    }
    node_trouble(&read_node(cluster, name).await.ok()?)
}

fn refusal(draft: &Draft, trouble: &NodeTrouble) -> CliError {
    let target = draft.target().id();
    let failed = CliError::new(format!("{target}: {}", trouble.reason)).note("nothing was changed");
    let failed = match target.kind {
        TargetKind::Node => failed,
        TargetKind::Pod => failed.hint("--copy-to=NAME debugs a copy of the pod on another node"),
    };
    failed.hint("--pod-running-timeout=TIME waits for it")
}
