//! Plans are carried out: written, with whatever they made stamped; then the sessions, and how they ended.

use std::{process::ExitCode, time::Duration};

use futures_util::{StreamExt as _, stream};
use trocar::{
    DebugPlan, Severity, Target,
    audit::{AuditEvent, AuditOutcome},
    cluster::{Applied, DryRun, Stamp, apply},
    plan::{PluginId, Step},
};

use super::{Debug, Planned, is_quiet, note};
use crate::cli::{
    error::CliError,
    exit_code,
    planner::show_warnings,
    session::{self, Company, SessionFlags},
    ui,
};

/// How many sessions are held at the same time.
const MOST_SESSIONS: usize = 10;

/// How often a conflict is met with a new plan.
const MOST_TRIES: usize = 4;

impl Debug<'_> {
    pub(super) async fn carry_out(
        &mut self,
        plans: Vec<Planned>,
        flags: &SessionFlags,
    ) -> Result<ExitCode, CliError> {
        let is_session = self.request.attach.unwrap_or(self.request.options.stdin);
        if is_session {
            for (made, target) in &plans {
                session::check_target(&made.plan, target)?;
            }
        }
        for (made, _) in &plans {
            self.audit.write(AuditEvent::Allowed, &self.actor, &made.plan)?;
        }
        if !is_session {
            let mut plans = plans.into_iter();
            while let Some((made, target)) = plans.next() {
                match self.write(made.plan, target).await {
                    Ok((plan, _)) => self.ended(&plan, AuditOutcome::Created),
                    Err(failed) => return Err(self.not_begun(failed, plans)),
                }
            }
            return Ok(ExitCode::SUCCESS);
        }
        if plans.len() == 1 || session::has_person() {
            self.one_after_the_other(plans, flags).await
        } else {
            self.all_at_once(plans, flags).await
        }
    }

    /// Writes down how a debug ended. What was done is done: that it cannot be written down is only told.
    fn ended(&mut self, plan: &DebugPlan, outcome: AuditOutcome) {
        let written = self.audit.write(AuditEvent::Ended(outcome), &self.actor, plan);
        if let Err(failed) = written {
            failed.report();
        }
    }

    /// What everything that this debug creates carries.
    pub(super) fn stamp(&self, plan: &DebugPlan) -> Stamp {
        let plugin = |plugin: &PluginId| format!("{}@{} {}", plugin.name, plugin.version, plugin.digest);
        let mut annotations = vec![
            ("trocar.dev/strategy".into(), plugin(&plan.strategy)),
            ("trocar.dev/plan".into(), plan.hash()),
            ("trocar.dev/target".into(), plan.target.to_string()),
            ("trocar.dev/time".into(), self.context.time.clone()),
        ];
        let policies: Vec<String> = plan
            .policies
            .iter()
            .map(|review| plugin(&review.plugin))
            .collect();
        for (name, value) in [
            ("policies", Some(policies.join(", "))),
            ("requester", Some(self.actor.user.clone())),
            ("reason", self.actor.reason.clone()),
            ("expires", expiry(plan, &self.context.time)),
        ] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                annotations.push((format!("trocar.dev/{name}"), value));
            }
        }
        Stamp {
            labels: vec![
                ("app.kubernetes.io/managed-by".into(), "trocar".into()),
                ("trocar.dev/session".into(), self.context.suffix.clone()),
            ],
            annotations,
        }
    }

    /// After a failure: the targets whose turn does not come any more.
    fn not_begun(&mut self, failed: CliError, rest: impl Iterator<Item = Planned>) -> CliError {
        let mut names = Vec::new();
        for (made, target) in rest {
            self.ended(&made.plan, AuditOutcome::NotBegun);
            names.push(target.id().to_string());
        }
        if names.is_empty() {
            return failed;
        }
        failed.note(format!("Not begun, and not changed: {}", names.join(", ")))
    }

    /// In front of a person: each session begins when the one before it has ended.
    async fn one_after_the_other(
        &mut self,
        plans: Vec<Planned>,
        flags: &SessionFlags,
    ) -> Result<ExitCode, CliError> {
        let mut worst = 0;
        let mut plans = plans.into_iter();
        while let Some((made, target)) = plans.next() {
            let (plan, applied) = match self.write(made.plan, target).await {
                Ok(written) => written,
                Err(failed) => return Err(self.not_begun(failed, plans)),
            };
            let company = Company {
                cluster: &self.cluster,
                flags,
                is_one_of_many: false,
            };
            let ended = session::run(&company, &plan, &applied.pod).await;
            self.ended(&plan, session_outcome(&ended));
            match ended {
                Ok(code) => worst = if worst == 0 { code } else { worst },
                Err(failed) => return Err(self.not_begun(failed, plans)),
            }
        }
        Ok(ExitCode::from(worst))
    }

    /// For a script: all sessions at the same time, and a table of how they ended.
    async fn all_at_once(&mut self, plans: Vec<Planned>, flags: &SessionFlags) -> Result<ExitCode, CliError> {
        let mut written = Vec::with_capacity(plans.len());
        for (made, target) in plans {
            let name = made.plan.target.to_string();
            written.push((name, self.write(made.plan, target).await));
        }
        let company = &Company {
            cluster: &self.cluster,
            flags,
            is_one_of_many: true,
        };
        let sessions = written.into_iter().map(|(name, written)| async move {
            let ended = match written {
                Ok((plan, applied)) => {
                    let code = session::run(company, &plan, &applied.pod).await;
                    Ok((plan, code))
                }
                Err(failed) => Err(failed),
            };
            (name, ended)
        });
        let sessions: Vec<_> = stream::iter(sessions).buffered(MOST_SESSIONS).collect().await;
        let mut ended = Vec::with_capacity(sessions.len());
        for (name, session) in sessions {
            let session = session.and_then(|(plan, code)| {
                self.ended(&plan, session_outcome(&code));
                code.map(|code| (code, plan.debug_pod().to_owned(), plan.attach.unwrap_or_default()))
            });
            ended.push((name, session));
        }
        Ok(ExitCode::from(report(ended)))
    }

    /// Writes a plan. When something changed meanwhile, the target is read again and planned again.
    async fn write(
        &mut self,
        mut plan: DebugPlan,
        mut target: Target,
    ) -> Result<(DebugPlan, Applied), CliError> {
        let mut tried = 0;
        loop {
            show_warnings(&plan);
            for found in plan
                .diagnostics_of(Severity::Info)
                .filter(|_| tried == 0 && !is_quiet(self.args))
            {
                note(self.args, &found.message)?;
            }
            let unfinished = match apply(&self.cluster, &plan, &self.stamp(&plan), DryRun::Off).await {
                Ok(applied) => return Ok((plan, applied)),
                Err(unfinished) => unfinished,
            };
            tried += 1;
            let made_nothing = unfinished.applied.pod.is_null();
            let is_conflict = unfinished
                .error
                .status()
                .is_some_and(|status| status.reason == "Conflict");
            if !is_conflict || !made_nothing || tried == MOST_TRIES {
                self.ended(&plan, AuditOutcome::Failed);
                let failed = CliError::from(unfinished.error);
                return Err(match session::remains(&plan, &unfinished.applied.pod) {
                    Some(remains) => failed.note(remains),
                    None => failed,
                });
            }
            tokio::time::sleep(Duration::from_millis(20 << tried)).await;
            target = self.read_again(target.id(), "").await?.target;
            plan = self.planned_again(&plan, &target)?;
        }
    }
}

/// When a created pod ends by itself, if it does.
fn expiry(plan: &DebugPlan, time: &str) -> Option<String> {
    let seconds = plan.steps.iter().find_map(|step| match step {
        Step::CreatePod(pod) => pod.spec()?.get("activeDeadlineSeconds")?.as_i64(),
        _ => None,
    })?;
    let time: jiff::Timestamp = time.parse().ok()?;
    let expires = time.checked_add(jiff::SignedDuration::from_secs(seconds)).ok()?;
    Some(expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn session_outcome(ended: &Result<u8, CliError>) -> AuditOutcome {
    match ended {
        Ok(code) => AuditOutcome::Session(Some(*code)),
        Err(_) => AuditOutcome::Failed,
    }
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
        if code == 0 || of_target == exit_code::DEBUG_FAILED {
            code = of_target;
        }
        rows.push(row);
    }
    let table = ui::table(["TARGET", "POD", "CONTAINER", "RESULT"], rows.into_iter());
    ui::error_line(table.trim_end());
    code
}
