//! Completion: what may come next on a command line, for the shells' scripts and for `kubectl trocar`.
//!
//! A script calls `trocar __complete WORD…` with the words behind the program's name, the last one as far as it is typed. The
//! answer is kubectl's own format: a candidate a line, a tab before what it means, and at the end a line `:NUMBER`.
//!
//! What stands on the line is read in `line.rs` and means something in `candidates.rs`, both pure; `sources.rs` asks the
//! cluster and the files. All that runs in a process of its own, without a terminal, a display and an error output: whatever a
//! credential plugin does there, nothing is asked of a person, and after a second it is over.

mod candidates;
mod line;
mod sources;

use std::{
    ffi::OsString,
    io::{self, Read as _},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group, setsid};
use trocar::text::plain;

use self::{
    candidates::{Answer, Candidate},
    line::Line,
};
use super::{args, plugin_flags, ui};

/// What a shell's script calls.
pub(crate) const COMPLETE: &str = "__complete";

/// The process that looks for candidates.
pub(crate) const WORKER: &str = "__completing";

/// How long all of it may take.
const MAX_TIME: Duration = Duration::from_millis(1000);

/// How long the cluster may take: what is known without it is shown all the same.
const MAX_CLUSTER_TIME: Duration = Duration::from_millis(800);

/// How many candidates are shown.
const MAX_CANDIDATES: usize = 2000;

/// The longest explanation of a candidate, in letters.
const MAX_HELP: usize = 60;

/// Answers a shell. Says nothing where there is nothing to say, or it takes too long.
pub(crate) fn complete(words: impl Iterator<Item = OsString>) {
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    let worker = Command::new(program)
        .arg(WORKER)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // Errors would be shown within the line that is typed.
        .stderr(Stdio::null())
        // A plugin that would show a page to a person finds no way to.
        .env("BROWSER", "true")
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .spawn();
    let Ok(mut worker) = worker else { return };
    let answer = within(&mut worker, MAX_TIME);
    // What it has started goes with it.
    if let Some(group) = i32::try_from(worker.id()).ok().and_then(Pid::from_raw) {
        kill_process_group(group, Signal::KILL).ok();
    }
    drop(worker.kill());
    drop(worker.wait());
    // 4 as in cobra: no files. Without it a shell would offer files where nothing is known.
    drop(ui::output(&answer.unwrap_or_else(|| ":4\n".to_owned())));
}

/// What a process writes until it ends, where it does so in time.
fn within(worker: &mut Child, time: Duration) -> Option<String> {
    let mut stdout = worker.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        let read = stdout.read_to_string(&mut text).map(|_| text);
        drop(sender.send(read));
    });
    let text: io::Result<String> = receiver.recv_timeout(time).ok()?;
    text.ok().filter(|text| !text.is_empty())
}

/// Looks for candidates, and prints them.
pub(crate) fn work(words: impl Iterator<Item = OsString>) {
    // Without a terminal of its own nothing can ask for a password.
    if setsid().is_err() {
        return;
    }
    let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    drop(ui::output(&text(&answer(&words))));
}

fn answer(words: &[String]) -> Answer {
    let mut command = args::command();
    // Of a strategy that is chosen the flags are known as well, where its file can be read.
    let typed: Vec<OsString> = ["trocar".to_owned()]
        .iter()
        .chain(words)
        .map(OsString::from)
        .collect();
    let flags = plugin_flags::typed(&typed).and_then(|flags| match flags.is_empty() {
        true => plugin_flags::configured(&typed),
        false => Ok(flags),
    });
    if let Ok(Ok(offered)) = flags.map(|flags| plugin_flags::offer(command.clone(), &flags)) {
        command = offered;
    }
    command.build();
    let line = Line::read(&command, words);
    let mut answer = candidates::of_line(&line);
    if let Some(wanted) = answer.source {
        answer
            .candidates
            .extend(sources::find(wanted, &line, MAX_CLUSTER_TIME));
    }
    answer
}

/// The answer as shells read it: candidates that are safe on a command line, in order, each once.
fn text(answer: &Answer) -> String {
    let fits = |found: &&Candidate| found.value.starts_with(&answer.begun) && is_safe(&found.value);
    let mut found: Vec<&Candidate> = answer.candidates.iter().filter(fits).collect();
    found.sort_by(|one, other| {
        one.rank
            .cmp(&other.rank)
            .then_with(|| one.value.cmp(&other.value))
    });
    found.dedup_by(|one, other| one.value == other.value);
    found.truncate(MAX_CANDIDATES);
    let mut text = String::new();
    for candidate in &found {
        text += &format!("{}{}", answer.prefix, candidate.value);
        let help: String = plain(&candidate.help)
            .chars()
            .filter(|letter| *letter != '\t')
            .take(MAX_HELP)
            .collect();
        if !help.is_empty() {
            text += &format!("\t{help}");
        }
        text.push('\n');
    }
    let goes_on = !found.is_empty() && found.iter().all(|found| found.value.ends_with(['=', '/']));
    // As in cobra: 2 adds no space, 4 completes no files.
    let directive = if goes_on { 2 } else { 0 } + if answer.files && found.is_empty() { 0 } else { 4 };
    format!("{text}:{directive}\n")
}

/// Names come from clusters and files of others, and stand on a command line next: a shell must see nothing in them.
fn is_safe(value: &str) -> bool {
    let is_plain = |letter: char| letter.is_alphanumeric() || "._/:@%+=,-*".contains(letter);
    !value.is_empty() && value.len() <= 512 && value.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(values: &[&str], begun: &str) -> String {
        text(&Answer {
            candidates: values.iter().map(|value| Candidate::new(value, "")).collect(),
            begun: begun.into(),
            ..Answer::default()
        })
    }

    #[test]
    fn a_name_that_a_shell_would_run_is_no_candidate() {
        let names = [
            "$(reboot)",
            "a b",
            "`x`",
            "a;b",
            "a\nb",
            "\u{1b}[2K",
            "'",
            "web-0",
            "arn:aws:eks:x/y",
            "me@host",
        ];
        assert_eq!(shown(&names, ""), "arn:aws:eks:x/y\nme@host\nweb-0\n:4\n");
    }

    #[test]
    fn what_goes_on_gets_no_space_and_what_is_twice_is_there_once() {
        assert_eq!(shown(&["node/", "node/"], "no"), "node/\n:6\n");
        assert_eq!(shown(&["node/", "nod"], "no"), "nod\nnode/\n:4\n");
        assert_eq!(shown(&["web"], "x"), ":4\n");
    }
}
