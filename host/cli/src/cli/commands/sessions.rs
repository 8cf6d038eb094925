//! `trocar sessions`: what debug containers and pods there are, and whose.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;
use trocar::{
    cluster::{Identity, who_am_i},
    documents::{harmless_json, to_json, to_yaml},
    sessions::{
        FoundSessions, Journal, Maker, Owner, PodChange, Session, SessionList, Shown, find_sessions, of_pod,
        watch_pods,
    },
    text::plain,
};

use crate::cli::{
    args::{SessionsArgs, SessionsOutput, Where},
    block_on,
    connect::{self, Connection},
    error::CliError,
    journal, resolve, ui,
};

pub(crate) fn run(args: &SessionsArgs) -> Result<(), CliError> {
    block_on(async {
        let connection = connect::connect(&args.connection, args.verbose.0)?;
        let journal = journal::read();
        let user = user(&connection).await;
        let place = Place {
            connection: &connection,
            namespace: namespace(&connection, &args.place),
            journal: &journal,
            user: user.as_ref().map(|identity| identity.user.as_str()),
        };
        let found = find(&place).await?;
        let shown = |session: &Session| !args.mine || session.owner == Owner::You;
        let mut sessions = found.sessions;
        sessions.retain(shown);
        if args.watch {
            show_some(args, &sessions, true)?;
            return watch(args, &place, found.resource_version, sessions).await;
        }
        show(args, &sessions)
    })
}

/// Where sessions are looked for, and by what they are known.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) connection: &'a Connection,
    /// None for all namespaces.
    pub(super) namespace: Option<&'a str>,
    pub(super) journal: &'a Journal,
    /// Whose stamps count as claims, where the cluster says who asks.
    pub(super) user: Option<&'a str>,
}

/// Finds the sessions of a place, and says what that is worth.
async fn find(place: &Place<'_>) -> Result<FoundSessions, CliError> {
    let found = found(place).await?;
    if found.is_journal_only {
        ui::warning("you may not list pods here, so only the sessions in your journal are shown");
    }
    Ok(found)
}

/// The current user's name in the cluster. Without an answer no stamp counts as the user's, which is not an error.
pub(super) async fn user(connection: &Connection) -> Option<Identity> {
    let identity = who_am_i(&connection.cluster).await.ok();
    identity.filter(|identity| !identity.user.is_empty())
}

pub(super) async fn found(place: &Place<'_>) -> Result<FoundSessions, CliError> {
    let cluster = &place.connection.cluster;
    Ok(find_sessions(cluster, place.namespace, place.journal, place.user).await?)
}

/// The namespace that is looked at; none for all.
pub(super) fn namespace<'a>(connection: &'a Connection, place: &'a Where) -> Option<&'a str> {
    let typed = resolve::namespace(&place.namespace);
    (!place.all_namespaces).then(|| typed.unwrap_or(&connection.namespace))
}

fn show(args: &SessionsArgs, sessions: &[Session]) -> Result<(), CliError> {
    match args.output {
        SessionsOutput::Json => ui::output(&to_json(&json!(SessionList::new(sessions)))),
        SessionsOutput::Yaml => ui::output(&to_yaml(&[json!(SessionList::new(sessions))])),
        SessionsOutput::Name => show_some(args, sessions, false),
        _ if sessions.is_empty() => {
            ui::error_line(match args.mine {
                true => "No sessions of yours found.",
                false => "No sessions found.",
            });
            Ok(())
        }
        _ => show_some(args, sessions, true),
    }
}

/// Shows sessions in a form that can go on line by line.
fn show_some(args: &SessionsArgs, sessions: &[Session], with_header: bool) -> Result<(), CliError> {
    match args.output {
        SessionsOutput::Json | SessionsOutput::Yaml => {
            let line = |session: &Session| harmless_json(&json!(session).to_string()) + "\n";
            ui::output(&sessions.iter().map(line).collect::<String>())
        }
        SessionsOutput::Name => {
            // A container's name may be of a stamp, which others can write.
            let line = |session: &Session| plain(&session.name().to_string()) + "\n";
            ui::output(&sessions.iter().map(line).collect::<String>())
        }
        SessionsOutput::Table | SessionsOutput::Wide => {
            let text = table(
                sessions,
                args.output == SessionsOutput::Wide,
                args.place.all_namespaces,
            );
            let text = match with_header {
                true => text.as_str(),
                false => text.split_once('\n').map_or("", |(_, rows)| rows),
            };
            ui::output(text)
        }
    }
}

/// How long a server has peace before it is asked for another watch.
const PAUSE: Duration = Duration::from_millis(500);

/// Shows each session that is new or has changed, and each that is gone once more, until the person leaves.
async fn watch(
    args: &SessionsArgs,
    place: &Place<'_>,
    mut version: String,
    sessions: Vec<Session>,
) -> Result<(), CliError> {
    if version.is_empty() {
        return Err(CliError::new("pods that may not be listed cannot be watched").hint("leave --watch out"));
    }
    let of_interest = |session: &Session| !args.mine || session.owner == Owner::You;
    let mut shown = Shown::new(sessions);
    loop {
        match watch_pods(&place.connection.cluster, place.namespace, &version).await {
            Ok(mut changes) => {
                while let Some(change) = changes.next().await? {
                    let news = match change {
                        PodChange::Is(pod) => {
                            let mut now = of_pod(&pod, place.journal, place.user);
                            now.retain(of_interest);
                            shown.pod_is(pod.uid(), now)
                        }
                        PodChange::Gone(pod) => shown.pod_is_gone(pod.uid()),
                    };
                    show_some(args, &news, false)?;
                }
            }
            // Too much has happened since the list.
            Err(error) if error.code() == Some(410) => {}
            Err(error) => return Err(error.into()),
        }
        sleep(PAUSE).await;
        // A list first: what happened between two watches is in neither of them.
        let found = find(place).await?;
        version = found.resource_version;
        let now = found.sessions.into_iter().filter(of_interest);
        show_some(args, &shown.all_are(now), false)?;
    }
}

pub(super) fn table(sessions: &[Session], is_wide: bool, with_namespace: bool) -> String {
    let now = jiff::Timestamp::now();
    let mut header = vec!["NAME", "KIND", "OWNER", "AGE", "STATE"];
    if with_namespace {
        header.insert(0, "NAMESPACE");
    }
    if is_wide {
        header.extend(["TARGET", "IMAGE", "BY", "REQUESTER", "EXPIRES", "REASON"]);
    }
    let row = |session: &Session| {
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
        let mut row = vec![
            session.name().to_string(),
            kind(session).to_owned(),
            owner(session).to_owned(),
            age(session.since.as_deref(), now),
            session.state_in_words(),
        ];
        if with_namespace {
            row.insert(0, session.namespace.clone());
        }
        if is_wide {
            row.extend([
                text(&session.target),
                session.image.clone(),
                maker(session).to_owned(),
                text(&session.requester),
                text(&session.expires),
                text(&session.reason),
            ]);
        }
        row
    };
    ui::rows(&header, sessions.iter().map(row))
}

fn kind(session: &Session) -> &'static str {
    use trocar::sessions::SessionKind;
    match session.kind {
        SessionKind::EphemeralContainer => "container",
        SessionKind::PodCopy => "copy",
        SessionKind::NodePod => "node",
    }
}

fn owner(session: &Session) -> &'static str {
    match session.owner {
        Owner::You => "you",
        Owner::Claimed => "you?",
        Owner::Other => "-",
    }
}

fn maker(session: &Session) -> &'static str {
    match session.made_by {
        Maker::Trocar => "trocar",
        Maker::Kubectl => "kubectl",
        Maker::Unknown => "-",
    }
}

/// How long ago something was, in the one or two units that matter, as kubectl shows ages.
fn age(since: Option<&str>, now: jiff::Timestamp) -> String {
    let Some(since) = since.and_then(|since| since.parse::<jiff::Timestamp>().ok()) else {
        return "-".into();
    };
    let seconds = now.duration_since(since).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_in_the_unit_that_matters() {
        let now: jiff::Timestamp = "2026-01-10T12:00:00Z".parse().unwrap();
        for (since, wanted) in [
            ("2026-01-10T11:59:01Z", "59s"),
            ("2026-01-10T11:00:00Z", "60m"),
            ("2026-01-09T12:00:00Z", "24h"),
            ("2026-01-01T12:00:00Z", "9d"),
            ("2026-01-10T12:00:05Z", "0s"),
            ("nonsense", "-"),
        ] {
            assert_eq!(age(Some(since), now), wanted, "{since}");
        }
        assert_eq!(age(None, now), "-");
    }
}
