//! `trocar debug`: find the targets, plan, write, and stay until the program ends.

mod carry_out;
mod targets;

use std::{process::ExitCode, sync::Arc};

use trocar::{
    Actor, Context, DebugPlan, PlanError, Target,
    audit::AuditEvent,
    capability::ClusterReader,
    cluster::{Cluster, DryRun, LiveReader, apply, who_am_i},
    config::{Config, Defaults},
    plan::Step,
    reference::Reference,
    request::{self, Request, deprecation},
};

use self::targets::references;
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
    session::SessionFlags,
    ui,
};

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
