//! `trocar debug`: find the targets, plan, write, and stay until the program ends.

use std::{process::ExitCode, time::Duration};

use futures_util::{StreamExt as _, stream};
use trocar::{
    Context, DebugPlan, Severity, Target,
    cluster::{Applied, Cluster, DryRun, Found, LookupError, Stamp, apply, lookup, select},
    plan::Step,
    plugin::PluginSource,
    reference::{Kind, Reference, ReferenceError},
    request::{self, Request, deprecation},
    target::{TargetId, TargetKind},
};

use super::plan::render;
use crate::cli::{
    args::{DebugArgs, DryRunMode},
    connect::{self, Connection},
    error::CliError,
    exit_code,
    planner::{Planner, check_names, show_warnings},
    resolve,
    session::{self, Company, SessionFlags},
    ui,
};

/// How many sessions are held at the same time.
const MOST_SESSIONS: usize = 10;

/// How often a conflict is met with a new plan.
const MOST_TRIES: usize = 4;

pub(crate) fn run(args: &DebugArgs) -> Result<ExitCode, CliError> {
    debug(args).map_err(|failed| failed.code(exit_code::DEBUG_FAILED))
}

fn debug(args: &DebugArgs) -> Result<ExitCode, CliError> {
    let request = checked_request(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::new(format!("the system gives no event queue: {error}")))?;
    let code = runtime.block_on(Debug::run(args, &request));
    // Reading standard input cannot be called off; it ends with the program.
    runtime.shutdown_background();
    code
}

/// Checks all that can be checked without a cluster, and says what kubectl says about it.
fn checked_request(args: &DebugArgs) -> Result<Request, CliError> {
    if !args.debug.filename.is_empty() && !args.targets.is_empty() {
        return Err(
            CliError::usage("resource/name arguments cannot be provided when a path is specified").kubectls(),
        );
    }
    if args.selector.is_some() && (!args.targets.is_empty() || !args.debug.filename.is_empty()) {
        return Err(CliError::usage("name cannot be provided when a selector is specified").kubectls());
    }
    let targets = args.targets.len() + args.debug.filename.len() + usize::from(args.selector.is_some());
    let request = resolve::request(&args.debug, targets, args.plugin.strategy.is_some())?;
    if let (Some(target), false) = (&request.options.target_container, is_quiet(args)) {
        note(args, &request::targeting(target))?;
    }
    if let Some(notice) = deprecation(request.options.profile) {
        ui::error_line(notice);
    }
    Ok(request)
}

fn is_quiet(args: &DebugArgs) -> bool {
    args.debug.quiet.is_some_and(|switch| switch.0)
}

/// Notes go where kubectl writes them, unless the output is a document.
fn note(args: &DebugArgs, message: &str) -> Result<(), CliError> {
    if args.output.is_some() {
        ui::error_line(message);
        return Ok(());
    }
    ui::output(&format!("{message}\n"))
}

/// One debug of one or many targets.
struct Debug<'a> {
    args: &'a DebugArgs,
    request: &'a Request,
    cluster: Cluster,
    context: Context,
    planner: Planner<'a>,
}

impl<'a> Debug<'a> {
    async fn run(args: &'a DebugArgs, request: &'a Request) -> Result<ExitCode, CliError> {
        let references = references(&args.targets)?;
        let files = resolve::file_targets(&args.debug.filename, resolve::namespace(&args.namespace))?;
        let options = &request.options;
        let flags = SessionFlags::new(args, options.stdin, options.tty)?;
        let Connection { cluster, namespace } =
            connect::connect(&args.connection, args.plugin.verbose.0).await?;
        let namespace = resolve::namespace(&args.namespace).map_or(namespace, str::to_owned);
        let mut debug = Self {
            args,
            request,
            context: resolve::context(Some(&namespace), args.suffix.as_deref())?,
            planner: Planner::new(&args.plugin, None)?,
            cluster,
        };
        let plans = debug.plans(&references, files, &namespace).await?;
        debug.consent(&plans)?;
        if args.dry_run != DryRunMode::None {
            return debug.dry_run(&plans).await;
        }
        if let Some(output) = args.output {
            ui::output(&render(&plans, output))?;
        }
        if !request.attach.unwrap_or(options.stdin) {
            for (plan, target) in plans {
                debug.write(plan, target).await?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        for (plan, target) in &plans {
            session::check_target(plan, target)?;
        }
        if plans.len() == 1 || session::has_person() {
            debug.one_after_the_other(plans, &flags).await
        } else {
            debug.all_at_once(plans, &flags).await
        }
    }

    async fn plans(
        &mut self,
        references: &[Reference],
        files: Vec<Target>,
        namespace: &str,
    ) -> Result<Vec<(DebugPlan, Target)>, CliError> {
        let targets = self.targets(references, files, namespace).await?;
        let is_one = targets.len() == 1;
        let mut plans = Vec::with_capacity(targets.len());
        for target in targets {
            let plan = self.plan(&target).map_err(|failed| match is_one {
                true => failed,
                false => failed.of(&target.id().to_string()),
            })?;
            plans.push((plan, target));
        }
        check_names(plans.iter().map(|(plan, _)| plan))?;
        Ok(plans)
    }

    /// Finds every target before the first is touched.
    async fn targets(
        &self,
        references: &[Reference],
        files: Vec<Target>,
        namespace: &str,
    ) -> Result<Vec<Target>, CliError> {
        let mut found: Vec<Found> = Vec::new();
        for reference in references {
            found.extend(lookup(&self.cluster, reference, namespace, self.args.all_pods).await?);
        }
        // A file says which object is meant; what counts is the one in the cluster.
        for file in files {
            found.push(self.read_again(file.id(), namespace).await?);
        }
        if let Some(selector) = &self.args.selector {
            found.extend(select(&self.cluster, selector, namespace).await?);
        }
        for choice in &found {
            if let (Some((workload, count)), false) = (&choice.chosen_from, is_quiet(self.args)) {
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
            if targets.iter().all(|known| known.id() != choice.target.id()) {
                targets.push(choice.target);
            }
        }
        Ok(targets)
    }

    async fn read_again(&self, target: &TargetId, namespace: &str) -> Result<Found, CliError> {
        let reference = Reference {
            kind: match target.kind {
                TargetKind::Pod => Kind::Pod,
                TargetKind::Node => Kind::Node,
            },
            name: target.name.clone(),
        };
        let namespace = target.namespace.as_deref().unwrap_or(namespace);
        let mut found = lookup(&self.cluster, &reference, namespace, false).await?;
        Ok(found.remove(0))
    }

    fn plan(&mut self, target: &Target) -> Result<DebugPlan, CliError> {
        self.planner.plan(target, &self.request.options, &self.context)
    }

    /// A plugin of somebody's own gives more than was asked for only when a person agrees.
    fn consent(&self, plans: &[(DebugPlan, Target)]) -> Result<(), CliError> {
        let is_own = self
            .args
            .plugin
            .strategy
            .as_deref()
            .is_some_and(|typed| !matches!(PluginSource::typed(typed), PluginSource::Default(_)));
        let exceeds = plans.iter().any(|(plan, _)| !plan.beyond_options.is_empty());
        if !is_own || !exceeds || self.args.yes || self.args.dry_run != DryRunMode::None {
            return Ok(());
        }
        for (plan, _) in plans {
            show_warnings(plan);
        }
        if ui::confirm("Go on?") {
            return Ok(());
        }
        Err(
            CliError::new("the plan gives more than the flags ask for, and nobody agreed to it")
                .hint("--yes agrees; --dry-run -o diff shows the whole plan"),
        )
    }

    async fn dry_run(&self, plans: &[(DebugPlan, Target)]) -> Result<ExitCode, CliError> {
        let is_server = self.args.dry_run == DryRunMode::Server;
        for (plan, _) in plans {
            show_warnings(plan);
            if is_server {
                let checked = apply(&self.cluster, plan, &self.stamp(plan), DryRun::Server).await;
                checked.map_err(|unfinished| CliError::from(unfinished.error))?;
            }
        }
        let text = match self.args.output {
            Some(output) => render(plans, output),
            None => plans.iter().map(|(plan, _)| summary(plan, is_server)).collect(),
        };
        ui::output(&text)?;
        Ok(ExitCode::SUCCESS)
    }

    /// What everything that this debug creates carries.
    fn stamp(&self, plan: &DebugPlan) -> Stamp {
        let strategy = format!(
            "{}@{} {}",
            plan.strategy.name, plan.strategy.version, plan.strategy.digest
        );
        Stamp {
            labels: vec![
                ("app.kubernetes.io/managed-by".into(), "trocar".into()),
                ("trocar.dev/session".into(), self.context.suffix.clone()),
            ],
            annotations: vec![
                ("trocar.dev/strategy".into(), strategy),
                ("trocar.dev/plan".into(), plan.hash()),
                ("trocar.dev/target".into(), plan.target.to_string()),
                ("trocar.dev/time".into(), self.context.time.clone()),
            ],
        }
    }

    /// In front of a person: each session begins when the one before it has ended.
    async fn one_after_the_other(
        &mut self,
        plans: Vec<(DebugPlan, Target)>,
        flags: &SessionFlags,
    ) -> Result<ExitCode, CliError> {
        let mut worst = 0;
        for (plan, target) in plans {
            let (plan, applied) = self.write(plan, target).await?;
            let company = Company {
                cluster: &self.cluster,
                flags,
                is_one_of_many: false,
            };
            let code = session::run(&company, &plan, &applied.pod).await?;
            worst = if worst == 0 { code } else { worst };
        }
        Ok(ExitCode::from(worst))
    }

    /// For a script: all sessions at the same time, and a table of how they ended.
    async fn all_at_once(
        &mut self,
        plans: Vec<(DebugPlan, Target)>,
        flags: &SessionFlags,
    ) -> Result<ExitCode, CliError> {
        let mut written = Vec::with_capacity(plans.len());
        for (plan, target) in plans {
            let name = plan.target.to_string();
            written.push((name, self.write(plan, target).await));
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
                    code.map(|code| (code, plan.debug_pod().to_owned(), plan.attach.unwrap_or_default()))
                }
                Err(failed) => Err(failed),
            };
            (name, ended)
        });
        let ended: Vec<_> = stream::iter(sessions).buffered(MOST_SESSIONS).collect().await;
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
                let failed = CliError::from(unfinished.error);
                return Err(match session::remains(&plan, &unfinished.applied.pod) {
                    Some(remains) => failed.note(remains),
                    None => failed,
                });
            }
            tokio::time::sleep(Duration::from_millis(20 << tried)).await;
            target = self.read_again(target.id(), "").await?.target;
            plan = self.plan(&target)?;
        }
    }
}

/// How the sessions with many targets ended, as a table on stderr. Gives the exit code that stands for all.
fn report(ended: Vec<(String, Result<(u8, String, String), CliError>)>) -> u8 {
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
        code = if code == exit_code::DEBUG_FAILED || of_target == 0 {
            code
        } else {
            of_target
        };
        rows.push(row);
    }
    let table = ui::table(["TARGET", "POD", "CONTAINER", "RESULT"], rows.into_iter());
    ui::error_line(table.trim_end());
    code
}

fn references(typed: &[String]) -> Result<Vec<Reference>, CliError> {
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

/// What a plan would do, in one line, as kubectl words a dry run.
fn summary(plan: &DebugPlan, is_server: bool) -> String {
    let who = if is_server { "server dry run" } else { "dry run" };
    let steps = plan.steps.iter().map(|step| match step {
        Step::AddEphemeralContainer(_) => format!("pod/{} patched ({who})\n", plan.target.name),
        Step::CreatePod(pod) => format!("pod/{} created ({who})\n", pod.name()),
        Step::DeletePod(deletion) => format!("pod/{} deleted ({who})\n", deletion.name),
    });
    steps.collect()
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
                Self::new(message).hint("kubectl get pods --show-labels shows what there is")
            }
            _ => Self::new(message),
        }
    }
}
