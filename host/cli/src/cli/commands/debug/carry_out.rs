//! Approved plans are carried out; then the sessions, and how they ended.

use std::process::ExitCode;

use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use trocar::{
    Applied, ApplyError, Approved, LeftBehind, Severity, WriteError,
    removal::{CreatedPod, created_pod},
};

use super::{Debug, is_quiet, note};
use crate::cli::{
    error::CliError,
    exit_code,
    planner::{show_differences, show_given, show_warnings},
    removal::AtEnd,
    session::{self, SessionFlags},
    ui,
};

/// How many sessions are held at the same time.
const MAX_SESSIONS: usize = 10;

/// How often a person is asked again because the target changed meanwhile.
const MAX_QUESTIONS: usize = 4;

impl Debug<'_> {
    /// `flags` are those of the session, where there is one.
    pub(super) async fn carry_out(
        &mut self,
        plans: Vec<Approved>,
        flags: Option<&SessionFlags>,
    ) -> Result<ExitCode, CliError> {
        let Some(flags) = flags else {
            let mut plans = plans.into_iter();
            while let Some(approved) = plans.next() {
                if let Err(failed) = self.write(approved).await {
                    return Err(not_begun(failed, plans));
                }
            }
            return Ok(ExitCode::SUCCESS);
        };
        // A terminal shows one program at a time, and takes its keys for one.
        if plans.len() == 1 || session::has_person() {
            self.one_after_the_other(plans, flags).await
        } else {
            self.all_at_once(plans, flags).await
        }
    }

    /// In front of a person: each session begins when the one before it has ended.
    async fn one_after_the_other(
        &mut self,
        plans: Vec<Approved>,
        flags: &SessionFlags,
    ) -> Result<ExitCode, CliError> {
        let mut worst = 0;
        let count = plans.len();
        let mut plans = plans.into_iter();
        while let Some(approved) = plans.next() {
            if count > 1 && !is_quiet(self.args) {
                let turn = count - plans.len();
                ui::error_line(&format!("[{turn}/{count}] {}", approved.plan().target()));
            }
            let ended = match self.write(approved).await {
                Ok(applied) => {
                    let at_end = AtEnd::of_debug(&applied, self.removal.as_ref());
                    session::run(flags, false, applied, at_end).await
                }
                Err(failed) => Err(failed),
            };
            match ended {
                Ok(code) => worst = if worst == 0 { code } else { worst },
                Err(failed) => return Err(not_begun(failed, plans)),
            }
        }
        Ok(ExitCode::from(worst))
    }

    /// For a script: all sessions at the same time, and a table of how they ended.
    async fn all_at_once(
        &mut self,
        plans: Vec<Approved>,
        flags: &SessionFlags,
    ) -> Result<ExitCode, CliError> {
        let mut written = Vec::with_capacity(plans.len());
        for approved in plans {
            let name = approved.plan().target().to_string();
            written.push((name, self.write(approved).await));
        }
        let removal = self.removal.as_ref();
        let sessions = written.into_iter().map(|(name, written)| async move {
            let ended = match written {
                Ok(applied) => {
                    let pod = applied.plan().debug_pod().to_owned();
                    let container = applied.plan().attach().unwrap_or_default().to_owned();
                    let at_end = AtEnd::of_debug(&applied, removal);
                    let code = session::run(flags, true, applied, at_end).await;
                    code.map(|code| (code, pod, container))
                }
                Err(failed) => Err(failed),
            };
            (name, ended)
        });
        // `buffered` and not `buffer_unordered`: the table has the order of the targets.
        let sessions: Vec<_> = stream::iter(sessions).buffered(MAX_SESSIONS).collect().await;
        Ok(ExitCode::from(report(sessions)))
    }

    /// What is to be said of a plan that was not carried out as it was judged: a pod that was to be deleted at the end is gone.
    async fn undone(&self, mut failed: ApplyError, pod: Option<CreatedPod>) -> ApplyError {
        let Some((removal, pod)) = self.removal.as_ref().zip(pod) else {
            return failed;
        };
        match &mut failed {
            // Whether it is there only the other process may find out.
            ApplyError::Write {
                error: WriteError::Unknown(_),
                ..
            } => {}
            ApplyError::Write { left, .. } if left.contains(&LeftBehind::Pod) => {
                if removal.undo(&pod).await {
                    left.retain(|left| *left != LeftBehind::Pod);
                }
            }
            _ => removal.forget(&pod),
        }
        failed
    }

    /// Writes a plan. A person is asked again where the target changed so that the plan gives more than was agreed to.
    async fn write(&mut self, mut approved: Approved) -> Result<Applied, CliError> {
        show_warnings(approved.plan());
        for found in approved.plan().diagnostics_of(Severity::Info) {
            if !is_quiet(self.args) {
                note(self.args, &found.message)?;
            }
        }
        for _ in 0..MAX_QUESTIONS {
            let planned = created_pod(approved.plan(), &Value::Null);
            let draft = match self.debugger.apply(approved).await {
                Ok(applied) => {
                    show_given(applied.given_for_quota());
                    show_differences(applied.plan(), applied.stored_otherwise(), "the server stored");
                    return Ok(applied);
                }
                Err(failed) => match self.undone(failed, planned).await {
                    ApplyError::Stale(draft) => draft,
                    failed => return Err(failed.into()),
                },
            };
            ui::warning(&format!("{} has changed meanwhile", draft.plan().target()));
            let mut again = self.approved(vec![*draft])?;
            approved = again.remove(0);
        }
        Err(CliError::new(format!(
            "{} changes faster than its plan can be approved",
            approved.plan().target()
        )))
    }
}

/// After a failure: the targets whose turn does not come any more.
fn not_begun(failed: CliError, rest: impl Iterator<Item = Approved>) -> CliError {
    let names: Vec<String> = rest.map(|approved| approved.target().id().to_string()).collect();
    if names.is_empty() {
        return failed;
    }
    failed.note(format!("Not started, and not changed: {}", names.join(", ")))
}

/// A target, and how its session ended: exit code, pod and container.
type EndedTarget = (String, Result<(u8, String, String), CliError>);

/// How the sessions with many targets ended, as a table on stderr. Gives the exit code that stands for all.
fn report(ended: Vec<EndedTarget>) -> u8 {
    let mut code = 0;
    let mut rows = Vec::with_capacity(ended.len());
    for (target, ended) in ended {
        let (of_target, row) = match ended {
            Ok((of_target, pod, container)) => (
                of_target,
                [target, pod, container, format!("exit code {of_target}")],
            ),
            Err(failed) => {
                let row = [target.clone(), String::new(), String::new(), "failed".to_owned()];
                failed.of(&target).report();
                (exit_code::DEBUG_FAILED, row)
            }
        };
        // A target that was not debugged outweighs any exit code of a program.
        if code == 0 || of_target == exit_code::DEBUG_FAILED {
            code = of_target;
        }
        rows.push(row);
    }
    let table = ui::table(["TARGET", "POD", "CONTAINER", "RESULT"], rows.into_iter());
    ui::error_lines(&table);
    code
}
