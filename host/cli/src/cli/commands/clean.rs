//! `trocar clean`: debug pods that are left behind are shown, asked about and deleted. Nothing else ever is.

use futures_util::{StreamExt as _, stream};
use trocar::sessions::{Maker, Name, Owner, Removal, Session, SessionKind, remove};

use super::sessions::{Place, found, namespace, table, user};
use crate::cli::{
    args::CleanArgs,
    block_on,
    connect::{Connection, connect, duration},
    error::CliError,
    journal, ui,
};

/// How many pods are deleted at the same time.
// Measured: 500 pods in 3 s.
const MAX_AT_ONCE: usize = 16;

pub(crate) fn run(args: &CleanArgs) -> Result<(), CliError> {
    let older_than = args
        .older_than
        .as_deref()
        .map(|typed| duration("older-than", typed))
        .transpose()?;
    check_flags(args)?;
    block_on(async {
        let connection = connect(&args.connection, 0)?;
        let user = user(&connection).await;
        let found = found(&Place {
            connection: &connection,
            namespace: namespace(&connection, &args.place),
            journal: &journal::read(),
            user: user.as_ref().map(|identity| identity.user.as_str()),
        })
        .await?;
        if found.is_journal_only {
            ui::warning("you may not list pods here, so only the sessions in your journal are considered");
        }
        let ours = || jiff::Timestamp::now().to_string();
        let choice = Choice {
            args,
            // Ages are counted from times that the server's clock gave; that of this machine may be wrong.
            now: &found.server_time.unwrap_or_else(ours),
            older_than: older_than.and_then(|age| jiff::SignedDuration::try_from(age).ok()),
        };
        let chosen = choice.of(&found.sessions)?;
        choice.say_what_stays(&found.sessions);
        if chosen.is_empty() {
            ui::error_line(&choice.nothing(&found.sessions));
            return Ok(());
        }
        let names = chosen
            .iter()
            .map(|session| (*session).clone())
            .collect::<Vec<_>>();
        ui::output(&table(&names, true, args.place.all_namespaces))?;
        if args.dry_run {
            ui::error_line(&format!("{} would be deleted (dry run).", pods(chosen.len())));
            return Ok(());
        }
        confirm(args, chosen.len())?;
        delete(&connection, &chosen).await
    })
}

/// Fails for flags that would delete the sessions of others, of any age, without asking.
fn check_flags(args: &CleanArgs) -> Result<(), CliError> {
    let takes_others = args.claimed || args.all_users;
    let asks = !args.yes || args.dry_run;
    let is_narrow = args.older_than.is_some() || args.expired || !args.sessions.is_empty();
    if !takes_others || asks || is_narrow {
        return Ok(());
    }
    Err(
        CliError::usage("--claimed and --all-users with -y need --older-than or --expired")
            .hint("without -y, trocar shows the list and asks"),
    )
}

fn confirm(args: &CleanArgs, count: usize) -> Result<(), CliError> {
    if args.yes || ui::confirm(&format!("Delete {}?", pods(count))) {
        return Ok(());
    }
    Err(
        CliError::new("nothing was deleted: the deletion was not confirmed")
            .hint("-y deletes without asking"),
    )
}

struct Choice<'a> {
    args: &'a CleanArgs,
    /// The server's clock.
    now: &'a str,
    older_than: Option<jiff::SignedDuration>,
}

impl Choice<'_> {
    fn of<'s>(&self, sessions: &'s [Session]) -> Result<Vec<&'s Session>, CliError> {
        if self.args.sessions.is_empty() {
            return Ok(sessions.iter().filter(|session| self.is_meant(session)).collect());
        }
        let mut chosen = Vec::new();
        for typed in &self.args.sessions {
            chosen.push(self.named(sessions, typed)?);
        }
        chosen.dedup_by_key(|session| session.pod_uid.clone());
        Ok(chosen)
    }

    fn named<'s>(&self, sessions: &'s [Session], typed: &str) -> Result<&'s Session, CliError> {
        let pod = match typed.parse::<Name>() {
            Ok(name) => name.pod,
            Err(()) => typed.rsplit('/').next().unwrap_or(typed).to_owned(),
        };
        let of_pod = || sessions.iter().filter(|session| session.pod == pod);
        let Some(session) = of_pod().find(|session| session.kind.is_pod()) else {
            return Err(match of_pod().next() {
                Some(_) => CliError::new(format!(
                    "{typed}: an ephemeral container cannot be removed; it is deleted with its pod"
                )),
                None => CliError::new(format!("{typed}: no such session here"))
                    .hint("trocar sessions lists them; -n chooses another namespace"),
            });
        };
        let is_allowed = match session.owner {
            Owner::You => true,
            Owner::Claimed => self.args.claimed || self.args.all_users,
            Owner::Other => self.args.all_users || self.args.kubectl && session.made_by == Maker::Kubectl,
        };
        if !is_allowed {
            let flag = if session.owner == Owner::Claimed {
                "--claimed"
            } else {
                "--all-users"
            };
            return Err(CliError::new(format!("{typed} is not known to be yours"))
                .hint(format!("{flag} deletes it anyway")));
        }
        Ok(session)
    }

    fn is_meant(&self, session: &Session) -> bool {
        let is_ours = match session.owner {
            Owner::You => true,
            Owner::Claimed => self.args.claimed || self.args.all_users,
            Owner::Other => match session.made_by {
                Maker::Kubectl => self.args.kubectl,
                _ => self.args.all_users,
            },
        };
        // A copy that took its target's place is the workload now.
        session.kind.is_pod()
            && !session.replaces_target
            && !session.deleting
            && is_ours
            && self.is_over(session)
    }

    fn is_over(&self, session: &Session) -> bool {
        let is_old = self.older_than.map(|age| {
            let time = |text: &str| text.parse::<jiff::Timestamp>().ok();
            let (since, now) = (session.since.as_deref().and_then(time), time(self.now));
            since
                .zip(now)
                .is_some_and(|(since, now)| now.duration_since(since) >= age)
        });
        match (is_old, self.args.expired) {
            (None, false) => session.has_ended(self.now),
            (is_old, expired) => is_old.unwrap_or(true) && (!expired || session.has_expired(self.now)),
        }
    }

    /// That nothing is deleted, with what a person may have meant: ephemeral containers of theirs that have ended.
    fn nothing(&self, sessions: &[Session]) -> String {
        let ended = sessions.iter().filter(|session| {
            session.kind == SessionKind::EphemeralContainer
                && session.owner == Owner::You
                && session.has_ended(self.now)
        });
        match ended.count() {
            0 => "Nothing to delete.".into(),
            1 => "Nothing to delete: an ephemeral container that has ended is deleted with its pod.".into(),
            count => {
                format!(
                    "Nothing to delete: {count} ephemeral containers that have ended are deleted with their pods."
                )
            }
        }
    }

    /// What a person may have expected to be deleted.
    fn say_what_stays(&self, sessions: &[Session]) {
        if !self.args.sessions.is_empty() {
            return;
        }
        let running = sessions.iter().filter(|session| {
            session.kind == SessionKind::EphemeralContainer
                && session.owner == Owner::You
                && !session.has_ended(self.now)
        });
        for session in running {
            ui::error_line(&format!(
                "{} of namespace {} is {} since {}: an ephemeral container cannot be removed, it is deleted with its pod.",
                session.name(),
                session.namespace,
                session.state,
                session.since.as_deref().unwrap_or("an unknown time"),
            ));
        }
    }
}

async fn delete(connection: &Connection, chosen: &[&Session]) -> Result<(), CliError> {
    let (cluster, file) = (&connection.cluster, journal::file());
    let time = jiff::Timestamp::now().to_string();
    let removals = chosen.iter().map(|session| {
        let (file, time) = (&file, &time);
        async move { (*session, remove(cluster, session, file.as_ref(), time).await) }
    });
    let mut removals = stream::iter(removals).buffer_unordered(MAX_AT_ONCE);
    let mut failed = 0;
    while let Some((session, removal)) = removals.next().await {
        let name = format!("pod/{} in namespace {}", session.pod, session.namespace);
        match removal {
            Ok(Removal::Removed) => ui::output(&format!("{name} deleted\n"))?,
            Ok(Removal::WasGone) => ui::output(&format!("{name} was gone already\n"))?,
            Ok(Removal::Changed) => {
                failed += 1;
                ui::warning(&format!(
                    "{name} has changed since it was listed, so it was not deleted"
                ));
            }
            Err(error) => {
                failed += 1;
                CliError::from(error).of(&name).report();
            }
        }
    }
    match failed {
        0 => Ok(()),
        failed => Err(
            CliError::new(format!("{} of {} not deleted", failed, pods(chosen.len())))
                .hint("run the command again to delete what has changed"),
        ),
    }
}

fn pods(count: usize) -> String {
    match count {
        1 => "1 pod".into(),
        count => format!("{count} pods"),
    }
}
