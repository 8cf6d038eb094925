//! `--reuse`: back to a container of one's own that runs and is the same, instead of one more that nothing can remove.

use std::process::ExitCode;

use trocar::{Draft, plan::Step, sessions::Session};

use super::{Debug, is_quiet};
use crate::cli::{
    args::DebugArgs,
    error::CliError,
    journal,
    removal::AtEnd,
    session::{self, SessionFlags},
    ui,
};

/// Says whether it was typed.
///
/// # Errors
/// Fails where it makes no sense.
pub(super) fn is_wanted(args: &DebugArgs, is_session: bool) -> Result<bool, CliError> {
    let is_typed = args.end.reuse.is_some_and(|switch| switch.0);
    if is_typed && !is_session {
        return Err(CliError::usage("--reuse needs a session to come back to")
            .hint("-i or --attach holds one; trocar sessions lists what runs"));
    }
    if is_typed && args.debug.container.is_some() {
        return Err(CliError::usage(
            "--reuse looks for a container with a generated name, so --container cannot be used",
        )
        .hint("trocar attach pod/NAME:CONTAINER comes back to a container by its name"));
    }
    Ok(is_typed)
}

/// The session to come back to; none where a container is to be added.
///
/// # Errors
/// Fails where the plan adds no container, and with several targets.
pub(super) fn same_session(drafts: &[Draft]) -> Result<Option<Session>, CliError> {
    let [draft] = drafts else {
        return Err(CliError::usage("--reuse is for one target")
            .hint("trocar sessions lists what runs; trocar attach comes back to it"));
    };
    let adds = |step: &Step| matches!(step, Step::AddEphemeralContainer(_));
    if !draft.plan().steps().iter().any(adds) {
        return Err(CliError::usage(format!(
            "--reuse: {} is not debugged with an ephemeral container",
            draft.plan().target()
        ))
        .hint("trocar attach comes back to a copy or the pod of a node; --rm deletes it in the end"));
    }
    Ok(draft.same_session(&journal::read()))
}

impl Debug<'_> {
    /// Comes back to a session; the policies are asked as for any other.
    pub(super) async fn come_back(
        &mut self,
        session: &Session,
        flags: SessionFlags,
    ) -> Result<ExitCode, CliError> {
        let applied = self.debugger.rejoin(session).await?;
        if !is_quiet(self.args) {
            ui::error_line(&format!(
                "{} still runs, and is as planned: attaching to it.",
                session.name()
            ));
        }
        let at_end = AtEnd::of_attach(&applied, None, None);
        let flags = flags.with_tail(self.args.end.tail);
        Ok(ExitCode::from(
            session::run(&flags, false, applied, at_end).await?,
        ))
    }
}
