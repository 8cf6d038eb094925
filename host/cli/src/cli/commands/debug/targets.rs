//! Which pods and nodes are meant: every target is found before the first is touched.

use trocar::{
    Target,
    cluster::{Cluster, Found, LookupError, lookup, select},
    reference::{Kind, Reference, ReferenceError},
    target::{TargetId, TargetKind},
};

use super::is_quiet;
use crate::cli::{args::DebugArgs, error::CliError, ui};

/// Finds every target before the first is touched.
pub(super) async fn find(
    cluster: &Cluster,
    args: &DebugArgs,
    references: &[Reference],
    files: Vec<Target>,
    namespace: &str,
) -> Result<Vec<Target>, CliError> {
    let mut found: Vec<Found> = Vec::new();
    for reference in references {
        found.extend(lookup(cluster, reference, namespace, args.all_pods).await?);
    }
    // A file says which object is meant; what counts is the one in the cluster.
    for file in files {
        found.push(read_again(cluster, file.id(), namespace).await?);
    }
    if let Some(selector) = &args.selector {
        found.extend(select(cluster, selector, namespace).await?);
    }
    for choice in &found {
        if let (Some((workload, count)), false) = (&choice.chosen_from, is_quiet(args)) {
            let of = if *count == 1 {
                "its only pod".to_owned()
            } else {
                format!("the best of its {count} pods")
            };
            ui::error_line(&format!("{workload}: debugging {}, {of}.", choice.target.id()));
        }
    }
    let mut targets: Vec<Target> = Vec::with_capacity(found.len());
    for choice in found {
        // A pod may be named and selected at once, or be the best one of two workloads.
        if targets.iter().all(|known| known.id() != choice.target.id()) {
            targets.push(choice.target);
        }
    }
    Ok(targets)
}

async fn read_again(cluster: &Cluster, target: &TargetId, namespace: &str) -> Result<Found, CliError> {
    let reference = Reference {
        kind: match target.kind {
            TargetKind::Pod => Kind::Pod,
            TargetKind::Node => Kind::Node,
        },
        name: target.name.clone(),
    };
    let namespace = target.namespace.as_deref().unwrap_or(namespace);
    let mut found = lookup(cluster, &reference, namespace, false).await?;
    Ok(found.remove(0))
}

pub(crate) fn references(typed: &[String]) -> Result<Vec<Reference>, CliError> {
    let parsed = typed
        .iter()
        .map(|typed| Reference::parse(typed))
        .collect::<Result<_, _>>();
    parsed.map_err(|error| {
        let failed = CliError::usage(error.to_string()).kubectls();
        match error {
            ReferenceError::Kind {
                nearest: Some(nearest),
                ..
            } => failed.hint(format!("did you mean {nearest}/NAME?")),
            _ => failed.hint("a target is a pod's name, node/NAME, or a workload such as deploy/NAME"),
        }
    })
}

impl From<LookupError> for CliError {
    fn from(error: LookupError) -> Self {
        let message = error.to_string();
        match error {
            LookupError::Cluster(error) => error.into(),
            LookupError::Target(error) => error.into(),
            LookupError::NotFound { error, nearest } => {
                let failed = Self::from(error);
                match nearest.as_slice() {
                    [] => failed,
                    names => failed.hint(format!("did you mean {}?", names.join(" or "))),
                }
            }
            LookupError::NoPods { .. } => {
                Self::new(message).hint("kubectl get pods --show-labels lists the pods")
            }
            _ => Self::new(message),
        }
    }
}
