//! `trocar attach`: back to a debug container that still runs.

use std::{io::IsTerminal as _, process::ExitCode};

use trocar::{
    RejoinError,
    cluster::{Identity, LookupError},
    reference::{Kind, Reference},
    removal::{CreatedPod, pod_of_session},
    sessions::{Journal, Name, Owner, Session, SessionKind, State},
};

use super::{
    debug::{debugger, references},
    sessions::{Place, found, user},
};
use crate::cli::{
    args::AttachArgs,
    block_on, configuration,
    connect::{Connection, connect},
    error::CliError,
    journal,
    planner::planner_of_policies,
    removal::{AtEnd, Removal},
    resolve,
    session::{self, SessionFlags},
    terminal, ui,
};

pub(crate) fn run(args: &AttachArgs) -> Result<ExitCode, CliError> {
    attach(args).map_err(CliError::of_debug)
}

fn attach(args: &AttachArgs) -> Result<ExitCode, CliError> {
    let config = configuration::load(args.policy.config.as_deref())?;
    let wanted = wanted(args)?;
    block_on(async {
        terminal::survive_full_files();
        let connection = connect(&args.connection, args.verbose.0)?;
        let namespace = resolve::namespace(&args.namespace).unwrap_or(&connection.namespace);
        let journal = journal::read();
        let user = user(&connection).await;
        let session = find(&connection, namespace, &wanted, &journal, user.as_ref()).await?;
        if session.owner != Owner::You && !args.quiet {
            say_whose(&session);
        }
        if session.deleting {
            ui::warning(&format!(
                "pod {} is being deleted: the session ends with it",
                session.pod
            ));
        }
        let planner = planner_of_policies(&args.policy, &config, args.verbose)?;
        let reason = resolve::reason(args.policy.reason.as_deref())?;
        let context = resolve::context(Some(namespace), None)?;
        let mut debugger = debugger(&connection, &config, planner, context, reason)?;
        // The cluster was asked already, for the claims of stamps.
        if let Some(user) = user {
            debugger = debugger.with_identity(user);
        }
        debugger.identify(connection.unimpersonated.as_ref()).await?;
        let applied = debugger.rejoin(&session).await?;
        let stdin = applied.container_flag("stdin") && !args.no_stdin;
        let stdin = stdin && (args.stdin || std::io::stdin().is_terminal());
        let tty = stdin && applied.container_flag("tty") && std::io::stdin().is_terminal();
        let detach_keys = args
            .detach_keys
            .as_deref()
            .or(config.defaults.detach_keys.as_deref());
        let flags = SessionFlags::of_attach(detach_keys, args.quiet, stdin, tty)?.with_tail(args.tail);
        let pod = pod_of_session(&session);
        let removal = removal(&connection, pod.as_ref(), &journal).await?;
        let at_end = AtEnd::of_attach(&applied, pod, removal.as_ref());
        Ok(ExitCode::from(
            session::run(&flags, false, applied, at_end).await?,
        ))
    })
}

/// What deletes the session's pod at its end, where it was made to be deleted then, by oneself.
async fn removal(
    connection: &Connection,
    pod: Option<&CreatedPod>,
    journal: &Journal,
) -> Result<Option<Removal>, CliError> {
    let known = pod.and_then(|pod| Some((pod, journal.pod(pod.uid.as_deref()?)?)));
    let Some((pod, _)) = known.filter(|(_, entry)| entry.removed_at_end) else {
        return Ok(None);
    };
    let removal = Removal::start(&connection.cluster).await?;
    removal.watcher()(pod);
    Ok(Some(removal))
}

enum Wanted {
    /// One's only running session.
    Any,
    Session(Name),
    Target(Reference),
}

fn wanted(args: &AttachArgs) -> Result<Wanted, CliError> {
    let Some(typed) = &args.session else {
        return Ok(Wanted::Any);
    };
    if let Ok(name) = typed.parse() {
        return Ok(Wanted::Session(name));
    }
    let mut references = references(std::slice::from_ref(typed))?;
    let reference = references.remove(0);
    match reference.kind {
        Kind::Pod | Kind::Node => Ok(Wanted::Target(reference)),
        _ => Err(
            CliError::usage(format!("{typed} is neither a session nor a pod or node"))
                .hint("trocar sessions lists the sessions to attach to"),
        ),
    }
}

impl Wanted {
    fn fits(&self, session: &Session) -> bool {
        match self {
            Self::Any => session.owner == Owner::You && !session.deleting,
            Self::Session(name) => session.name() == *name,
            Self::Target(Reference {
                kind: Kind::Node,
                name,
            }) => {
                session.kind == SessionKind::NodePod
                    && session.target.as_deref() == Some(&format!("node/{name}"))
            }
            Self::Target(Reference { name, .. }) => {
                session.pod == *name || session.target.as_deref() == Some(&format!("pod/{name}"))
            }
        }
    }
}

async fn find(
    connection: &Connection,
    namespace: &str,
    wanted: &Wanted,
    journal: &Journal,
    user: Option<&Identity>,
) -> Result<Session, CliError> {
    let found = found(&Place {
        connection,
        namespace: Some(namespace),
        journal,
        user: user.map(|identity| identity.user.as_str()),
    })
    .await?;
    let fitting: Vec<Session> = found
        .sessions
        .into_iter()
        .filter(|session| wanted.fits(session))
        .collect();
    // A container that is about to start is waited for; of what is being deleted only its name may be meant.
    let is_named = matches!(wanted, Wanted::Session(_));
    let may_run = |session: &&Session| {
        matches!(session.state, State::Running | State::Waiting { .. }) && (is_named || !session.deleting)
    };
    let running = fitting.iter().filter(may_run);
    let running: Vec<&Session> = running.collect();
    let own: Vec<&Session> = running
        .iter()
        .copied()
        .filter(|session| session.owner == Owner::You)
        .collect();
    match (own.as_slice(), running.as_slice(), fitting.as_slice()) {
        ([only], ..) | ([], [only], _) => Ok((*only).clone()),
        ([], [], []) => Err(nothing(wanted, namespace)),
        // Dozens may have ended.
        ([], [], _) if matches!(wanted, Wanted::Any) => Err(nothing(wanted, namespace)),
        ([], [], [before @ .., last]) => Err(ended(before.len(), last)),
        (several, running, _) => {
            let several = if several.is_empty() { running } else { several };
            let names: Vec<String> = several.iter().map(|session| session.name().to_string()).collect();
            Err(
                CliError::usage(format!("several sessions run: {}", names.join(", ")))
                    .hint("name one of them"),
            )
        }
    }
}

fn nothing(wanted: &Wanted, namespace: &str) -> CliError {
    CliError::new(match wanted {
        Wanted::Any => format!("no session of yours runs in namespace {namespace}"),
        Wanted::Session(name) => format!("there is no session {name} in namespace {namespace}"),
        Wanted::Target(target) => format!("no session debugs {target} in namespace {namespace}"),
    })
    .hint("trocar sessions -A lists all of them; -n chooses the namespace")
}

/// The sessions that are meant have ended, `before` of them before the last.
fn ended(before: usize, last: &Session) -> CliError {
    let and_others = match before {
        0 => String::new(),
        before => format!(" (ended before it: {before})"),
    };
    let failed = CliError::new(format!("{} {}{and_others}", last.name(), past(last)));
    match shows_output(last) {
        Some(command) => failed.hint(format!(
            "{command} shows its output; trocar debug begins another session"
        )),
        None => failed.hint("trocar debug begins another session"),
    }
}

fn past(session: &Session) -> String {
    match &session.state {
        _ if session.deleting => "is being deleted".into(),
        State::Unknown => "has an unknown state".into(),
        ended => format!("has {ended}"),
    }
}

/// The command that shows what a session that has ended wrote.
fn shows_output(session: &Session) -> Option<String> {
    let container = session.container.as_deref().filter(|_| !session.deleting)?;
    let (pod, namespace) = (&session.pod, &session.namespace);
    Some(format!("kubectl logs {pod} -c {container} -n {namespace}"))
}

fn say_whose(session: &Session) {
    let whose = match (&session.requester, session.owner) {
        (_, Owner::Claimed) => {
            "its stamp claims that it is yours, but your journal does not list it".to_owned()
        }
        (Some(requester), _) => format!("its stamp claims that it belongs to {requester}"),
        (None, _) => "its owner is unknown".to_owned(),
    };
    ui::warning(&format!("{}: {whose}", session.name()));
}

impl From<RejoinError> for CliError {
    fn from(error: RejoinError) -> Self {
        match error {
            RejoinError::Lookup(LookupError::Cluster(error)) | RejoinError::Cluster(error) => error.into(),
            RejoinError::Lookup(error) => error.into(),
            RejoinError::Planner(error) => error.into(),
            RejoinError::Audit(error) => error.into(),
            other => Self::new(other.to_string()).hint("trocar sessions lists the sessions to attach to"),
        }
    }
}
