//! `--rm` and `--ttl`: what can end, and whether it may be deleted, before anything is made.

use trocar::{
    DebugPlan, Draft, Target,
    cluster::{Cluster, ClusterError},
    config::Config,
    plan::Step,
    reference::{Kind, Reference},
    removal::may_delete_pod,
    request::DebugRequest,
    target::TargetKind,
};

use crate::cli::{args::DebugArgs, error::CliError, ui};

/// Whether created pods are to be deleted at the end of their sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    No,
    /// The configuration says so: where it cannot be, the debug goes on.
    Default,
    Typed,
}

impl Wish {
    /// Reads the flag and the default for it. `may_create` says whether a pod may come of the debug at all.
    ///
    /// # Errors
    /// Fails where what was typed makes no sense.
    pub(super) fn of(
        args: &DebugArgs,
        config: &Config,
        is_session: bool,
        may_create: bool,
    ) -> Result<Self, CliError> {
        let is_replaced = args.debug.replace.is_some_and(|switch| switch.0);
        let is_usual = config.defaults.rm == Some(true) && is_session && may_create && !is_replaced;
        match args.end.rm.map(|switch| switch.0) {
            Some(false) => Ok(Self::No),
            None if is_usual => Ok(Self::Default),
            None => Ok(Self::No),
            Some(true) if is_replaced => Err(CliError::usage(
                "--rm cannot be used with --replace: the copy takes the workload's place",
            )
            .hint("delete the copy when you no longer need it: trocar clean pod/NAME")),
            Some(true) if !is_session => Err(CliError::usage(
                "--rm needs a session: it deletes the pod when the session ends",
            )
            .hint("--attach waits until the program ends; --ttl=30m ends a pod without a session")),
            Some(true) => Ok(Self::Typed),
        }
    }

    /// Asks the cluster whether it lets the pods be deleted, where that is wanted.
    pub(super) async fn may_be_granted(
        self,
        cluster: &Cluster,
        namespaces: &[String],
        request: &DebugRequest,
    ) -> Result<Result<(), String>, ClusterError> {
        if self == Self::No {
            return Ok(Ok(()));
        }
        // A Role may name the one pod that may be deleted. The names of others are not known yet.
        let name = request.options.copy_to.as_deref().unwrap_or_default();
        for namespace in namespaces {
            if !may_delete_pod(cluster, namespace, name).await? {
                return Ok(Err(namespace.clone()));
            }
        }
        Ok(Ok(()))
    }

    /// Says whether pods are deleted; `granted` is the cluster's answer, with the namespace where it says no.
    ///
    /// # Errors
    /// Fails where it was typed and may not be.
    pub(super) fn holds(self, granted: Result<(), String>) -> Result<bool, CliError> {
        let Err(namespace) = granted else {
            return Ok(self != Self::No);
        };
        let refusal = format!("you may not delete pods in namespace {namespace}");
        if self == Self::Default {
            ui::warning(&format!("{refusal}, so what is created stays"));
            return Ok(false);
        }
        Err(CliError::new(format!("--rm: {refusal}"))
            .note("nothing was changed")
            .hint("ask for {apiGroups: [\"\"], resources: [\"pods\"], verbs: [\"delete\"]}, or let the pod end by itself: --ttl=30m"))
    }
}

/// The namespaces in which pods may be created, each once.
pub(super) fn namespaces(namespace: &str, files: &[Target]) -> Vec<String> {
    let of_files = files.iter().filter_map(|file| file.id().namespace.clone());
    let mut all: Vec<String> = of_files.chain([namespace.to_owned()]).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Whether a pod may come of a debug: of a copy, on a node, and of a strategy that decides itself.
pub(super) fn may_create(request: &DebugRequest, references: &[Reference], files: &[Target]) -> bool {
    let is_node = |file: &Target| file.id().kind == TargetKind::Node;
    request.own_strategy
        || request.options.copy_to.is_some()
        || references.iter().any(|reference| reference.kind == Kind::Node)
        || files.iter().any(is_node)
}

pub(super) fn creates(plan: &DebugPlan) -> bool {
    plan.steps().iter().any(|step| matches!(step, Step::CreatePod(_)))
}

/// Refuses a time for what cannot have one.
pub(super) fn check_ttl(draft: &Draft) -> Result<(), CliError> {
    check(draft, "--ttl").map_err(|failed| {
        failed.hint(
            "--copy-to debugs a copy, which can end by itself; a command can as well: -- timeout 1800 sh",
        )
    })
}

/// Refuses a deletion of what cannot be deleted.
pub(super) fn check_rm(draft: &Draft) -> Result<(), CliError> {
    check(draft, "--rm").map_err(|failed| {
        failed.hint(
            "--copy-to debugs a copy, which can be deleted; the program of an ephemeral container ends with its session \
             when you exit it",
        )
    })?;
    if draft.plan().attach().is_some() {
        return Ok(());
    }
    Err(CliError::usage(format!(
        "--rm: the plan for {} has no session, at whose end the pod could be deleted",
        draft.plan().target()
    ))
    .hint("--ttl=30m ends a pod without a session"))
}

fn check(draft: &Draft, flag: &str) -> Result<(), CliError> {
    if creates(draft.plan()) {
        return Ok(());
    }
    Err(CliError::usage(format!(
        "{flag}: {} is debugged with an ephemeral container, which stays until its pod ends",
        draft.plan().target()
    )))
}
