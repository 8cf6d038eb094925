//! `trocar debug`: find the targets, plan, write, and stay until the program ends.

mod carry_out;
mod end;
mod nodes;
mod reuse;
mod targets;

use std::{process::ExitCode, sync::Arc};

use trocar::{
    Actor, Approved, AuditLog, Context, DebugPlan, Debugger, Draft, Planner, Target, approve_all,
    check_names,
    cluster::LiveReader,
    config::{Config, Defaults},
    plan::Step,
    request::DebugRequest,
};

pub(super) use self::targets::references;
use super::plan::{render, show};
use crate::cli::{
    args::{DebugArgs, DryRunMode, PlanOutput},
    block_on, configuration,
    connect::{self, Connection},
    error::CliError,
    exit_code, journal,
    pflag::Switch,
    planner::{planner, show_differences, show_found, show_given, show_warnings},
    removal::Removal,
    resolve,
    session::{SessionFlags, has_person},
    terminal, ui, words,
};

pub(crate) fn run(args: DebugArgs) -> Result<ExitCode, CliError> {
    debug(args).map_err(CliError::of_debug)
}

fn debug(args: DebugArgs) -> Result<ExitCode, CliError> {
    let config =
        configuration::load_preferred(args.policy.config.as_deref(), args.connection.kuberc.as_deref())?;
    let args = &with_defaults(args, &config.defaults);
    let request = checked_request(args, &config)?;
    block_on(Debug::run(args, &request, &config))
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
fn checked_request(args: &DebugArgs, config: &Config) -> Result<DebugRequest, CliError> {
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
        note(args, &words::targeting(target))?;
    }
    if let Some(notice) = words::deprecation(request.options.profile) {
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
    ui::output_line(message)
}

/// One debug of one or many targets.
struct Debug<'a> {
    args: &'a DebugArgs,
    request: &'a DebugRequest,
    debugger: Debugger,
    /// Deletes created pods at the end of their sessions.
    removal: Option<Removal>,
}

impl<'a> Debug<'a> {
    async fn run(
        args: &'a DebugArgs,
        request: &'a DebugRequest,
        config: &'a Config,
    ) -> Result<ExitCode, CliError> {
        // The order of the steps is binding:
        // 1. All that was typed is read and checked before the first request, so that a mistake costs nothing.
        // 2. All targets are found and planned before the first write: where the second is missing, the first stays as it is.
        // 3. What could refuse a plan (time to live, removal, nodes) comes before consent, and consent before every write.
        // 4. The process that removes pods runs before a pod is created: otherwise a kill in between leaves the pod.
        // First of all, writes beyond `ulimit -f` must fail, or an audit record would end the program by SIGXFSZ.
        terminal::survive_full_files();
        let references = references(&args.targets)?;
        let files = resolve::file_targets(&args.debug.filename, resolve::namespace(&args.namespace))?;
        let flags = SessionFlags::new(args, request.options.stdin, request.options.tty)?;
        let reason = resolve::reason(args.policy.reason.as_deref())?;
        let connection = connect::connect(&args.connection, args.plugin.verbose.0)?;
        let namespace = resolve::namespace(&args.namespace)
            .unwrap_or(&connection.namespace)
            .to_owned();
        let reader = Arc::new(LiveReader::new(connection.config.clone()));
        let planner = planner(&args.plugin, &args.policy, config)?.with_reader(reader);
        let context = resolve::context(Some(&namespace), args.suffix.as_deref())?;
        let mut debugger = debugger(&connection, config, planner, context, reason)?;
        if let Some(file) = journal::file() {
            debugger = debugger.with_journal(file, ui::warning);
        }
        let mut debug = Self {
            args,
            request,
            debugger,
            removal: None,
        };
        let is_session = request.attach.unwrap_or(request.options.stdin);
        let may_create = end::may_create(request, &references, &files);
        let wish = end::Wish::of(args, config, is_session, may_create)?;
        let reuses = reuse::is_wanted(args, is_session)?;
        let namespaces = end::namespaces(&namespace, &files);
        let cluster = &connection.cluster;
        // At the same time, since none needs another's answer: they cost the time of one.
        let (targets, identified, may_delete) = tokio::join!(
            targets::find(cluster, args, &references, files, &namespace),
            debug.debugger.identify(connection.unimpersonated.as_ref()),
            wish.may_be_granted(cluster, &namespaces, request),
        );
        let targets = targets?;
        identified?;
        let is_removed = wish.holds(may_delete?)?;
        // kubectl changes the first target before it looks for the second; here nothing is written before all are planned.
        let (drafts, refused) = debug.drafts(targets).await?;
        if args.dry_run != DryRunMode::None {
            return debug.dry_run(drafts).await;
        }
        if let Some(output) = args.output {
            show(&render(shown(&drafts), output), output)?;
        }
        if args.debug.ttl.is_some() {
            drafts.iter().try_for_each(end::check_ttl)?;
        }
        if wish == end::Wish::Typed {
            drafts.iter().try_for_each(end::check_rm)?;
        }
        // Before consent: coming back to a container writes nothing.
        if reuses {
            let session = reuse::same_session(&drafts)?;
            if let Some(session) = session {
                return debug.come_back(&session, flags).await;
            }
        }
        // The first program would read all of the input.
        if is_session && request.options.stdin && drafts.len() > 1 && !has_person() {
            return Err(several_inputs(&drafts));
        }
        if is_session {
            drafts.iter().try_for_each(crate::cli::session::check_target)?;
            // Before consent and the write: an ephemeral container that cannot start cannot be removed either.
            nodes::check(cluster, &drafts, args.pod_running_timeout.is_none()).await?;
        }
        let approved = debug.approved(drafts)?;
        let hides_output = !is_session && approved.iter().any(|approved| approved.plan().attach().is_some());
        if is_removed && approved.iter().any(|approved| end::creates(approved.plan())) {
            // After consent, since it hands credentials to a process, and before the write that it has to know of.
            let removal = Removal::start(cluster).await?;
            debug.debugger = debug.debugger.with_removal(removal.watcher());
            debug.removal = Some(removal);
        }
        let code = debug.carry_out(approved, is_session.then_some(&flags)).await?;
        if hides_output {
            debug.say_how_to_see_output();
        }
        Ok(if refused {
            exit_code::DEBUG_FAILED.into()
        } else {
            code
        })
    }

    /// A script that runs a command and does not attach waits for output in vain.
    fn say_how_to_see_output(&self) {
        let has_command = !self.args.debug.command.is_empty();
        if has_command && self.request.attach.is_none() && !is_quiet(self.args) {
            ui::error_line("The command's output and exit code are not shown: add --attach for them.");
        }
    }

    /// Drafts for all targets. The first that cannot be planned ends it, before anything is written; with `--keep-going` it
    /// is told, and the others go on: then the second value is true.
    async fn drafts(&mut self, targets: Vec<Target>) -> Result<(Vec<Draft>, bool), CliError> {
        let is_one = targets.len() == 1;
        let mut drafts: Vec<Draft> = Vec::with_capacity(targets.len());
        let mut refused = false;
        for target in targets {
            let draft = self.debugger.plan(self.request, &target).await;
            match draft.map_err(CliError::from) {
                Ok(draft) => drafts.push(draft),
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
        check_names(drafts.iter().map(Draft::plan))?;
        Ok((drafts, refused))
    }

    /// Approves all drafts with one question, where one of them needs consent.
    fn approved(&self, drafts: Vec<Draft>) -> Result<Vec<Approved>, CliError> {
        Ok(approve_all(drafts, |drafts| {
            self.args.yes || {
                drafts.iter().map(Draft::plan).for_each(show_warnings);
                ui::confirm("Go on?")
            }
        })?)
    }

    async fn dry_run(&mut self, mut drafts: Vec<Draft>) -> Result<ExitCode, CliError> {
        let is_server = self.args.dry_run == DryRunMode::Server;
        for draft in &mut drafts {
            match self.args.output {
                Some(PlanOutput::Diff) => show_found(draft.plan()),
                _ => show_warnings(draft.plan()),
            }
            if is_server {
                let found = self.debugger.dry_run(draft).await?;
                show_given(&found.given);
                show_differences(
                    draft.plan(),
                    found.stored_otherwise.as_ref(),
                    "the server would store",
                );
            }
        }
        match self.args.output {
            Some(output) => show(&render(shown(&drafts), output), output)?,
            None => {
                let summaries = drafts.iter().map(|draft| summary(draft.plan(), is_server));
                ui::output(&summaries.collect::<String>())?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// One standard input cannot be read by several programs at once.
fn several_inputs(drafts: &[Draft]) -> CliError {
    let count = drafts.len();
    CliError::usage(format!(
        "-i takes one target, not {count}: the programs would share one input"
    ))
    .note("nothing was changed")
    .hint("without -i, --attach shows the output of all; at a terminal -it takes them one after the other")
}

fn shown(drafts: &[Draft]) -> impl Iterator<Item = (&DebugPlan, &Target)> {
    drafts.iter().map(|draft| (draft.plan(), draft.target()))
}

/// A debugger with the audit of the configuration, and what is known of who asks before the cluster says who it is.
pub(super) fn debugger(
    connection: &Connection,
    config: &Config,
    planner: Planner,
    context: Context,
    reason: Option<String>,
) -> Result<Debugger, CliError> {
    let (name, cluster) = connection.names.clone().unzip();
    let actor = Actor {
        context: name,
        cluster,
        reason,
        ..Actor::default()
    };
    Ok(
        Debugger::with_planner(connection.cluster.clone(), planner, context)
            .with_audit(AuditLog::open(config, ui::error_line, ui::warning)?)
            .with_actor(actor),
    )
}

/// What a plan would do, in one line, as kubectl words a dry run.
fn summary(plan: &DebugPlan, is_server: bool) -> String {
    let who = if is_server { "server dry run" } else { "dry run" };
    let steps = plan.steps().iter().map(|step| match step {
        Step::AddEphemeralContainer(_) => format!("pod/{} patched ({who})\n", plan.target().name),
        Step::CreatePod(pod) => format!("pod/{} created ({who})\n", pod.name()),
        Step::DeletePod(deletion) => format!("pod/{} deleted ({who})\n", deletion.name),
    });
    steps.collect()
}
