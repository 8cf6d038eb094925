//! `trocar debug`: find the targets, plan, write, and stay until the program ends.

use std::{process::ExitCode, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use trocar::{
    Actor, Context, DebugPlan, PlanError, Severity, Target,
    audit::{AuditEvent, AuditOutcome},
    capability::ClusterReader,
    cluster::{
        Applied, Cluster, DryRun, Found, LiveReader, LookupError, Stamp, apply, lookup, select, who_am_i,
    },
    config::{Config, Defaults},
    plan::{PluginId, Step},
    reference::{Kind, Reference, ReferenceError},
    request::{self, Request, deprecation},
    target::{TargetId, TargetKind},
};

use super::plan::render;
use crate::cli::{
    args::{DebugArgs, DryRunMode},
    audit::AuditLog,
    configuration,
    connect::{self, Connection},
    error::CliError,
    exit_code,
    pflag::Switch,
    planner::{Made, NoPlan, Planner, check_names, show_warnings},
    resolve,
    session::{self, Company, SessionFlags},
    ui,
};

/// How many sessions are held at the same time.
const MOST_SESSIONS: usize = 10;

/// How often a conflict is met with a new plan.
const MOST_TRIES: usize = 4;

pub(crate) fn run(args: DebugArgs) -> Result<ExitCode, CliError> {
    debug(args).map_err(|failed| failed.code(exit_code::DEBUG_FAILED))
}

fn debug(args: DebugArgs) -> Result<ExitCode, CliError> {
    let config = configuration::load(args.policy.config.as_deref())?;
    let args = &with_defaults(args, &config.defaults);
    let request = checked_request(args, &config)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::new(format!("the system gives no event queue: {error}")))?;
    let code = runtime.block_on(Debug::run(args, &request, &config));
    // Reading standard input cannot be called off; it ends with the program.
    runtime.shutdown_background();
    code
}

/// What was not typed is as the configuration says.
fn with_defaults(mut args: DebugArgs, defaults: &Defaults) -> DebugArgs {
    args.pod_running_timeout = args
        .pod_running_timeout
        .or_else(|| defaults.pod_running_timeout.clone());
    args.detach_keys = args.detach_keys.or_else(|| defaults.detach_keys.clone());
    args.debug.quiet = args.debug.quiet.or(defaults.quiet.map(Switch));
    args
}

/// Checks all that can be checked without a cluster, and says what kubectl says about it.
fn checked_request(args: &DebugArgs, config: &Config) -> Result<Request, CliError> {
    if !args.debug.filename.is_empty() && !args.targets.is_empty() {
        return Err(
            CliError::usage("resource/name arguments cannot be provided when a path is specified").kubectls(),
        );
    }
    if args.selector.is_some() && (!args.targets.is_empty() || !args.debug.filename.is_empty()) {
        return Err(CliError::usage("name cannot be provided when a selector is specified").kubectls());
    }
    let targets = args.targets.len() + args.debug.filename.len() + usize::from(args.selector.is_some());
    let own_strategy = args.plugin.strategy.is_some() || config.defaults.strategy.is_some();
    let request = resolve::request(&args.debug, &config.defaults, targets, own_strategy)?;
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
    actor: Actor,
    planner: Planner<'a>,
    audit: AuditLog,
}

/// A plan, and the target that it was made for.
type Planned = (Made, Target);

impl<'a> Debug<'a> {
    async fn run(
        args: &'a DebugArgs,
        request: &'a Request,
        config: &'a Config,
    ) -> Result<ExitCode, CliError> {
        let references = references(&args.targets)?;
        let files = resolve::file_targets(&args.debug.filename, resolve::namespace(&args.namespace))?;
        let options = &request.options;
        let flags = SessionFlags::new(args, options.stdin, options.tty)?;
        let reason = resolve::reason(args.policy.reason.as_deref())?;
        let connection = connect::connect(&args.connection, args.plugin.verbose.0).await?;
        let namespace = resolve::namespace(&args.namespace)
            .unwrap_or(&connection.namespace)
            .to_owned();
        let reader: Arc<dyn ClusterReader> = Arc::new(LiveReader::new(connection.config.clone()));
        let planner = Planner::new(&args.plugin, &args.policy, config, Some(reader))?;
        let asks_who = planner.has_policies() || !config.audit.is_empty();
        let context = resolve::context(Some(&namespace), args.suffix.as_deref())?;
        let mut debug = Self {
            args,
            request,
            planner,
            audit: AuditLog::open(config, &context.suffix)?,
            context,
            actor: actor(&connection, reason, asks_who).await?,
            cluster: connection.cluster,
        };
        let (plans, refused) = debug.plans(&references, files, &namespace).await?;
        debug.consent(&plans)?;
        if args.dry_run != DryRunMode::None {
            return debug.dry_run(&plans).await;
        }
        if let Some(output) = args.output {
            ui::output(&render(
                plans.iter().map(|(made, target)| (&made.plan, target)),
                output,
            ))?;
        }
        let code = debug.carry_out(plans, &flags).await?;
        Ok(if refused {
            exit_code::DEBUG_FAILED.into()
        } else {
            code
        })
    }

    async fn carry_out(&mut self, plans: Vec<Planned>, flags: &SessionFlags) -> Result<ExitCode, CliError> {
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
            for (made, target) in plans {
                let (plan, _) = self.write(made.plan, target).await?;
                self.ended(&plan, AuditOutcome::Created);
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

    /// Plans for all targets. The first that cannot be planned ends it, before anything is written; with `--keep-going` it
    /// is told, and the others go on: then the second value is true.
    async fn plans(
        &mut self,
        references: &[Reference],
        files: Vec<Target>,
        namespace: &str,
    ) -> Result<(Vec<Planned>, bool), CliError> {
        let targets = self.targets(references, files, namespace).await?;
        let is_one = targets.len() == 1;
        let mut plans: Vec<Planned> = Vec::with_capacity(targets.len());
        let mut refused = false;
        for target in targets {
            match self.plan(&target) {
                Ok(made) => plans.push((made, target)),
                Err(failed) if is_one => return Err(failed),
                Err(failed) => {
                    let failed = failed.of(&target.id().to_string());
                    if !self.args.keep_going {
                        return Err(failed.note("nothing was changed, for no target"));
                    }
                    failed.report();
                    refused = true;
                }
            }
        }
        check_names(plans.iter().map(|(made, _)| &made.plan))?;
        Ok((plans, refused))
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

    fn plan(&mut self, target: &Target) -> Result<Made, CliError> {
        let planned = self
            .planner
            .plan(target, &self.request.options, &self.context, &self.actor);
        if let Err(NoPlan::Denied(error)) = &planned {
            self.denied(error)?;
        }
        Ok(planned?)
    }

    fn denied(&mut self, error: &PlanError) -> Result<(), CliError> {
        match error.reviewed() {
            Some(plan) => self.audit.write(AuditEvent::Denied, &self.actor, plan),
            None => Ok(()),
        }
    }

    /// A plugin of somebody's own gives more than was asked for only when a person agrees.
    fn consent(&self, plans: &[Planned]) -> Result<(), CliError> {
        let needs_consent = |made: &Made| made.is_foreign && !made.plan.beyond_options.is_empty();
        let asks = plans.iter().any(|(made, _)| needs_consent(made));
        if !asks || self.args.yes || self.args.dry_run != DryRunMode::None {
            return Ok(());
        }
        for (made, _) in plans {
            show_warnings(&made.plan);
        }
        if ui::confirm("Go on?") {
            return Ok(());
        }
        Err(
            CliError::new("the plan gives more than the flags ask for, and nobody agreed to it")
                .hint("--yes agrees; --dry-run -o diff shows the whole plan"),
        )
    }

    async fn dry_run(&self, plans: &[Planned]) -> Result<ExitCode, CliError> {
        let is_server = self.args.dry_run == DryRunMode::Server;
        for plan in plans.iter().map(|(made, _)| &made.plan) {
            show_warnings(plan);
            if is_server {
                let checked = apply(&self.cluster, plan, &self.stamp(plan), DryRun::Server).await;
                checked.map_err(|unfinished| CliError::from(unfinished.error))?;
            }
        }
        let text = match self.args.output {
            Some(output) => render(plans.iter().map(|(made, target)| (&made.plan, target)), output),
            None => plans
                .iter()
                .map(|(made, _)| summary(&made.plan, is_server))
                .collect(),
        };
        ui::output(&text)?;
        Ok(ExitCode::SUCCESS)
    }

    /// What everything that this debug creates carries.
    fn stamp(&self, plan: &DebugPlan) -> Stamp {
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

    /// In front of a person: each session begins when the one before it has ended.
    async fn one_after_the_other(
        &mut self,
        plans: Vec<Planned>,
        flags: &SessionFlags,
    ) -> Result<ExitCode, CliError> {
        let mut worst = 0;
        for (made, target) in plans {
            let (plan, applied) = self.write(made.plan, target).await?;
            let company = Company {
                cluster: &self.cluster,
                flags,
                is_one_of_many: false,
            };
            let ended = session::run(&company, &plan, &applied.pod).await;
            self.ended(&plan, session_outcome(&ended));
            let code = ended?;
            worst = if worst == 0 { code } else { worst };
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

    /// The plan for a target that changed meanwhile: judged, agreed to and written down as the first one was.
    fn planned_again(&mut self, before: &DebugPlan, target: &Target) -> Result<DebugPlan, CliError> {
        let made = self.plan(target)?;
        let planned = [(made, target.clone())];
        if planned[0].0.plan.beyond_options != before.beyond_options {
            self.consent(&planned)?;
        }
        let [(made, _)] = planned;
        self.audit.write(AuditEvent::Allowed, &self.actor, &made.plan)?;
        Ok(made.plan)
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

/// Who asks: as the cluster knows them, where somebody wants to know.
async fn actor(connection: &Connection, reason: Option<String>, asks_who: bool) -> Result<Actor, CliError> {
    let identity = match asks_who {
        true => who_am_i(&connection.cluster).await?,
        false => Default::default(),
    };
    let (context, cluster) = connection.names.clone().unzip();
    Ok(Actor {
        user: identity.user,
        groups: identity.groups,
        context,
        cluster,
        reason,
    })
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
