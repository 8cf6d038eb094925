//! A command line as far as it is typed: which command, which flags, and what the cursor is in. Pure.

use clap::{Arg, ArgAction, Command};

/// The command whose flags may stand before any command.
const MODEL: &str = "debug";

/// A command line up to the cursor.
pub(super) struct Line<'a> {
    pub(super) command: &'a Command,
    /// The command's names, without the program's.
    pub(super) path: Vec<&'a str>,
    /// The flags that were typed, with their values.
    pub(super) flags: Vec<(&'a Arg, String)>,
    /// The other words behind the command.
    pub(super) words: Vec<String>,
    pub(super) place: Place<'a>,
}

pub(super) enum Place<'a> {
    /// A flag's value: what of it is typed, and what stands before it in the same word.
    Value {
        flag: &'a Arg,
        prefix: String,
        begun: String,
    },
    /// A flag's name.
    Flag(String),
    /// A command, or what a command is for.
    Word(String),
    /// The command line of the debug container.
    Program,
}

impl<'a> Line<'a> {
    /// Reads the words behind the program's name, of which the last one is not complete. `command` is built.
    pub(super) fn read(command: &'a Command, words: &[String]) -> Self {
        let mut line = Self {
            command,
            path: Vec::new(),
            flags: Vec::new(),
            words: Vec::new(),
            place: Place::Word(String::new()),
        };
        let Some((last, before)) = words.split_last() else {
            return line;
        };
        let mut waiting: Option<&'a Arg> = None;
        for word in before {
            if let Some(flag) = waiting.take() {
                line.flags.push((flag, word.clone()));
            } else if word == "--" {
                line.place = Place::Program;
                return line;
            } else if word.starts_with('-') && word.len() > 1 {
                waiting = line.flag(word);
            } else {
                line.word(word);
            }
        }
        line.place = line.place_of(last, waiting);
        line
    }

    /// Takes a flag. Gives it back where the next word is its value.
    fn flag(&mut self, word: &str) -> Option<&'a Arg> {
        if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            let flag = self.long(name)?;
            if value.is_none() && wants_word(flag) {
                return Some(flag);
            }
            self.flags.push((flag, value.unwrap_or_default().to_owned()));
            return None;
        }
        // `-itn shop`: letters, of which the first that wants a value takes the rest.
        let letters = word.strip_prefix('-')?;
        for (at, letter) in letters.char_indices() {
            let flag = self.short(letter)?;
            let rest = &letters[at + letter.len_utf8()..];
            if !takes_value(flag) {
                self.flags.push((flag, String::new()));
            } else if rest.is_empty() && wants_word(flag) {
                return Some(flag);
            } else if flag.is_require_equals_set() && !rest.starts_with('=') {
                self.flags.push((flag, String::new()));
            } else {
                self.flags.push((flag, rest.trim_start_matches('=').to_owned()));
                return None;
            }
        }
        None
    }

    fn word(&mut self, word: &str) {
        match self.command.find_subcommand(word) {
            Some(command) if self.words.is_empty() => {
                self.command = command;
                self.path.push(command.get_name());
            }
            _ => self.words.push(word.to_owned()),
        }
    }

    fn place_of(&self, last: &str, waiting: Option<&'a Arg>) -> Place<'a> {
        if let Some(flag) = waiting {
            return Place::Value {
                flag,
                prefix: String::new(),
                begun: last.to_owned(),
            };
        }
        let joined = last.strip_prefix("--").and_then(|long| long.split_once('='));
        if let Some((name, value)) = joined {
            return match self.long(name) {
                Some(flag) => Place::Value {
                    flag,
                    prefix: format!("--{name}="),
                    begun: value.to_owned(),
                },
                None => Place::Program,
            };
        }
        match last.starts_with('-') {
            true => Place::Flag(last.to_owned()),
            false => Place::Word(last.to_owned()),
        }
    }

    /// The command whose flags may stand here.
    pub(super) fn model(&self) -> &'a Command {
        match self.path.is_empty() {
            true => self.command.find_subcommand(MODEL).unwrap_or(self.command),
            false => self.command,
        }
    }

    fn long(&self, name: &str) -> Option<&'a Arg> {
        self.model().get_arguments().find(|flag| {
            flag.get_long() == Some(name) || flag.get_all_aliases().unwrap_or_default().contains(&name)
        })
    }

    fn short(&self, letter: char) -> Option<&'a Arg> {
        self.model()
            .get_arguments()
            .find(|flag| flag.get_short() == Some(letter))
    }

    /// The last value that was typed for a flag.
    pub(super) fn value(&self, id: &str) -> Option<&str> {
        let mut typed = self.flags.iter().rev();
        let (_, value) = typed.find(|(flag, _)| flag.get_id() == id)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }
}

fn takes_value(flag: &Arg) -> bool {
    matches!(flag.get_action(), ArgAction::Set | ArgAction::Append)
}

/// Says whether the value of a flag may be the next word.
fn wants_word(flag: &Arg) -> bool {
    takes_value(flag) && !flag.is_require_equals_set()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args;

    fn read<T>(line: &str, then: impl Fn(&Line<'_>) -> T) -> T {
        let mut command = args::command();
        command.build();
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        then(&Line::read(&command, &words))
    }

    fn place(line: &str) -> String {
        read(line, |line| match &line.place {
            Place::Value { flag, prefix, begun } => format!("{}: {prefix}|{begun}", flag.get_id()),
            Place::Flag(begun) => format!("flag {begun}"),
            Place::Word(begun) => format!("{}: {begun}", line.path.join(" ")),
            Place::Program => "program".into(),
        })
    }

    #[test]
    fn what_the_cursor_is_in() {
        for (line, wanted) in [
            ("", ": "),
            ("de", ": de"),
            ("debug ", "debug: "),
            ("debug web", "debug: web"),
            ("debug -n ", "namespace: |"),
            ("debug -n sh", "namespace: |sh"),
            ("-n shop debug -it ", "debug: "),
            ("debug -itc d", "container: |d"),
            ("debug --image=bus", "image: --image=|bus"),
            ("debug --image bus", "image: |bus"),
            ("debug --im", "flag --im"),
            ("debug -", "flag -"),
            ("debug web -it -- s", "program"),
            ("debug --attach web", "debug: web"),
            ("debug --dry-run=", "dry_run: --dry-run=|"),
            ("debug --no-such=x", "program"),
            ("plugin ins", "plugin: ins"),
            ("plugin inspect e", "plugin inspect: e"),
            ("debug debug p", "debug: p"),
        ] {
            assert_eq!(place(line), wanted, "{line}");
        }
    }

    #[test]
    fn the_flags_before_and_behind_the_command_are_known() {
        let of = |line: &str, id: &str| read(line, |line| line.value(id).map(str::to_owned));
        assert_eq!(
            of("-n shop debug -it web-0 --target=", "namespace").as_deref(),
            Some("shop")
        );
        assert_eq!(
            of("--context=a debug --context=b x", "context").as_deref(),
            Some("b")
        );
        assert_eq!(of("debug -nshop x", "namespace").as_deref(), Some("shop"));
        assert_eq!(of("debug -v=6 x", "namespace"), None);
    }
}
