//! Flags before the command: `trocar -n ns debug …`, as kubectl takes them. They are moved behind it, where the parser knows
//! them.

use std::ffi::OsString;

use clap::{Arg, Command};

use super::connection::CONNECTION;
use crate::cli::error::CliError;

/// The command whose flags may stand before any command: it has all that are for every one.
const MODEL: &str = "debug";

/// A command line in its parts.
pub(super) struct Line {
    program: Option<OsString>,
    /// Flags before the command.
    flags: Vec<Vec<OsString>>,
    pub(super) verb: Option<OsString>,
    pub(super) rest: Vec<OsString>,
}

impl Line {
    /// Finds the command behind the flags that stand before it.
    pub(super) fn split(command: &Command, typed: Vec<OsString>) -> Result<Self, CliError> {
        let mut words = typed.into_iter();
        let program = words.next();
        let mut flags = Vec::new();
        let verb = loop {
            let Some(word) = words.next() else { break None };
            let text = word.to_str().unwrap_or_default();
            if !text.starts_with('-') || text == "-" || text == "--" {
                break Some(word);
            }
            // kubectl has two flags of this name: its profiler's before the command, and the debug's after it.
            if text == "--profile" || text.starts_with("--profile=") || text.starts_with("--profile-output") {
                let message =
                    "--profile before the command is kubectl's profiler, which trocar does not have";
                return Err(CliError::usage(message)
                    .hint("the profile of a debug goes after the command: trocar debug --profile=NAME"));
            }
            let wants_value = known(command, text).is_some_and(|(_, wants_value)| wants_value);
            let mut flag = vec![word];
            if wants_value {
                flag.extend(words.next());
            }
            flags.push(flag);
        };
        Ok(Self {
            program,
            flags,
            verb,
            rest: words.collect(),
        })
    }

    /// Joins the parts again, the flags and some defaults behind the command. Flags for the cluster are left out where the
    /// command has no cluster.
    pub(super) fn joined(&self, command: &Command, defaults: Vec<OsString>) -> Vec<OsString> {
        let behind = self.verb.as_ref().and_then(|verb| command.find_subcommand(verb));
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for flag in &self.flags {
            let found = flag.first().and_then(|word| known(command, word.to_str()?));
            match (found, behind) {
                (Some((found, _)), Some(verb)) if has(verb, found) => after.extend(flag.iter().cloned()),
                (Some((found, _)), Some(_)) if is_for_every_command(found) => {}
                // Without a command, and of what is not known, the parser says what is wrong.
                _ => before.extend(flag.iter().cloned()),
            }
        }
        let parts = self
            .program
            .iter()
            .cloned()
            .chain(before)
            .chain(self.verb.clone());
        parts
            .chain(defaults)
            .chain(after)
            .chain(self.rest.iter().cloned())
            .collect()
    }
}

/// Says whether a flag is one that every command of kubectl takes.
fn is_for_every_command(flag: &Arg) -> bool {
    flag.get_help_heading() == Some(CONNECTION) || matches!(flag.get_long(), Some("namespace" | "v"))
}

fn has(command: &Command, wanted: &Arg) -> bool {
    command
        .get_arguments()
        .any(|argument| argument.get_id() == wanted.get_id())
}

/// The flag that a word means, and whether the next word is its value.
fn known<'a>(command: &'a Command, word: &str) -> Option<(&'a Arg, bool)> {
    let model = command.find_subcommand(MODEL)?;
    let (found, has_value) = if let Some(long) = word.strip_prefix("--") {
        let (name, value) = long
            .split_once('=')
            .map_or((long, None), |(name, value)| (name, Some(value)));
        let mut arguments = model.get_arguments();
        let found = arguments.find(|argument| {
            let aliases = argument.get_all_aliases().unwrap_or_default();
            argument.get_long() == Some(name) || aliases.contains(&name)
        });
        (found?, value.is_some())
    } else {
        let letter = word.chars().nth(1)?;
        let mut arguments = model.get_arguments();
        let found = arguments.find(|argument| argument.get_short() == Some(letter));
        (found?, word.chars().count() > 2)
    };
    let takes_value = found.get_action().takes_values() && !found.is_require_equals_set();
    Some((found, takes_value && !has_value))
}
