//! What may come next on a line: commands, flags and fixed values are known here; of the rest, where it comes from. Pure.

use clap::{Arg, ArgAction, Command, ValueHint};
use trocar::{Limit, Profile, capability};

use super::line::{Line, Place};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) value: String,
    pub(super) help: String,
    /// Lower ones come first.
    pub(super) rank: usize,
}

impl Candidate {
    pub(super) fn new(value: &str, help: &str) -> Self {
        Self {
            value: value.to_owned(),
            help: help.to_owned(),
            rank: 0,
        }
    }
}

/// Candidates, and what they are for.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) candidates: Vec<Candidate>,
    /// More come from there.
    pub(super) source: Option<Source>,
    /// Files may come next.
    pub(super) files: bool,
    /// What is typed of the candidate.
    pub(super) begun: String,
    /// What stands before it in the same word.
    pub(super) prefix: String,
}

/// Where candidates come from that are not of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Pods, nodes, workloads.
    Targets,
    /// Containers of the target that is typed.
    Containers,
    /// The same, with an image behind them.
    ContainersWithImage,
    Namespaces,
    Contexts,
    Clusters,
    Users,
    /// Images of the last debugs.
    Images,
    Sessions,
    Plugins,
    Strategies,
    Policies,
}

pub(super) fn of_line(line: &Line<'_>) -> Answer {
    match &line.place {
        // A new container has a new name; only in a copy may it be one that is there.
        Place::Value { flag, .. } if flag.get_id() == "container" && line.value("copy_to").is_none() => {
            Answer::default()
        }
        Place::Value { flag, prefix, begun } => Answer {
            begun: begun.clone(),
            prefix: prefix.clone(),
            ..of_value(flag)
        },
        Place::Flag(begun) => Answer {
            candidates: flags(line),
            begun: begun.clone(),
            ..Answer::default()
        },
        Place::Word(begun) => Answer {
            begun: begun.clone(),
            ..of_word(line)
        },
        Place::Program => Answer::default(),
    }
}

fn of_word(line: &Line<'_>) -> Answer {
    let commands = line
        .command
        .get_subcommands()
        .filter(|command| !command.is_hide_set());
    let commands =
        commands.map(|command| Candidate::new(command.get_name(), &first_line(command.get_about())));
    let mut answer = match positional(line.command, line.words.len()) {
        Some(argument) => of_value(argument),
        None => Answer::default(),
    };
    answer.candidates.extend(commands);
    answer
}

/// The argument that comes next: the last one, where it takes several.
fn positional(command: &Command, typed: usize) -> Option<&Arg> {
    let positionals: Vec<&Arg> = command
        .get_positionals()
        .filter(|argument| !argument.is_last_set())
        .collect();
    let last = || {
        positionals
            .last()
            .filter(|last| matches!(last.get_action(), ArgAction::Append))
    };
    positionals.get(typed).or_else(last).copied()
}

/// The flags that may come next: those that are typed only where they can be repeated.
fn flags(line: &Line<'_>) -> Vec<Candidate> {
    let is_typed = |flag: &Arg| {
        line.flags
            .iter()
            .any(|(typed, _)| typed.get_id() == flag.get_id())
    };
    let offered = line.model().get_arguments().filter(|flag| !flag.is_hide_set());
    let offered = offered.filter(|flag| matches!(flag.get_action(), ArgAction::Append) || !is_typed(flag));
    let named = offered.filter_map(|flag| {
        let needs_value = flag.is_require_equals_set() && !flag.get_possible_values().is_empty();
        let end = if needs_value { "=" } else { "" };
        let name = format!("--{}{end}", flag.get_long()?);
        Some(Candidate::new(&name, &first_line(flag.get_help())))
    });
    named.collect()
}

fn first_line(help: Option<&clap::builder::StyledStr>) -> String {
    let help = help.map(ToString::to_string).unwrap_or_default();
    help.lines().next().unwrap_or_default().to_owned()
}

fn of_value(flag: &Arg) -> Answer {
    let possible = flag.get_possible_values();
    let possible = possible.iter().filter(|value| !value.is_hide_set());
    let mut candidates: Vec<Candidate> = possible
        .map(|value| Candidate::new(value.get_name(), &first_line(value.get_help())))
        .collect();
    let id = flag.get_id().as_str();
    candidates.extend(fixed(id));
    let value_name = flag.get_value_names().and_then(|names| names.first());
    if value_name.is_some_and(|name| name == "BOOL") {
        candidates.extend(["true", "false"].map(|value| Candidate::new(value, "")));
    }
    let source = source(id);
    let may_be_file = matches!(
        source,
        Some(Source::Plugins | Source::Strategies | Source::Policies)
    );
    let is_path = matches!(
        flag.get_value_hint(),
        ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath
    );
    Answer {
        candidates,
        source,
        files: is_path || may_be_file || FILES.contains(&id),
        ..Answer::default()
    }
}

/// Flags that name files, and are texts since an empty one is none.
const FILES: [&str; 3] = ["certificate_authority", "client_certificate", "client_key"];

/// Where the values of a flag or argument come from, by its id.
fn source(id: &str) -> Option<Source> {
    Some(match id {
        "targets" => Source::Targets,
        "container" | "target" => Source::Containers,
        "set_image" => Source::ContainersWithImage,
        "namespace" => Source::Namespaces,
        "context" => Source::Contexts,
        "cluster" => Source::Clusters,
        "user" => Source::Users,
        "image" => Source::Images,
        "session" | "sessions" => Source::Sessions,
        "plugin" => Source::Plugins,
        "strategy" => Source::Strategies,
        "policy" => Source::Policies,
        _ => return None,
    })
}

/// Values that are known here.
fn fixed(id: &str) -> Vec<Candidate> {
    let named = |names: &[&str]| names.iter().map(|name| Candidate::new(name, "")).collect();
    match id {
        "profile" => named(&Profile::ALL.map(Profile::name)),
        "image_pull_policy" => named(&["Always", "IfNotPresent", "Never"]),
        "grant" => named(&[capability::CLUSTER_READ]),
        "limit" => Limit::SETTABLE
            .map(|limit| Candidate::new(&format!("{}=", limit.name()), ""))
            .to_vec(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args;

    fn values(line: &str) -> Vec<String> {
        let mut command = args::command();
        command.build();
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let answer = of_line(&Line::read(&command, &words));
        let fitting = answer
            .candidates
            .iter()
            .filter(|found| found.value.starts_with(&answer.begun));
        fitting
            .map(|found| format!("{}{}", answer.prefix, found.value))
            .collect()
    }

    fn source_of(line: &str) -> Option<Source> {
        let mut command = args::command();
        command.build();
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        of_line(&Line::read(&command, &words)).source
    }

    #[test]
    fn commands_flags_and_fixed_values_need_no_cluster() {
        for (line, wanted) in [
            ("de", vec!["debug"]),
            ("plugin in", vec!["inspect"]),
            ("debug --copy", vec!["--copy-to"]),
            ("debug --copy-to=x --copy", vec![]),
            ("debug --env=A=1 --en", vec!["--env"]),
            ("debug --profile=res", vec!["--profile=restricted"]),
            ("debug --profile sys", vec!["sysadmin"]),
            ("debug --dry-run=s", vec!["--dry-run=server"]),
            ("debug --dry", vec!["--dry-run="]),
            ("debug --attach=f", vec!["--attach=false"]),
            ("debug -o di", vec!["diff"]),
            (
                "debug --limit=comp",
                vec!["--limit=component=", "--limit=compile-time="],
            ),
            ("completion f", vec!["fish"]),
            ("debug web -- -", vec![]),
        ] {
            let mut found = values(line);
            found.sort();
            let mut wanted = wanted;
            wanted.sort_unstable();
            assert_eq!(found, wanted, "{line}");
        }
    }

    #[test]
    fn what_comes_from_elsewhere_has_a_source_and_credentials_have_none() {
        for (line, wanted) in [
            ("debug ", Some(Source::Targets)),
            ("debug web-0 ", Some(Source::Targets)),
            ("debug web-0 --target=", Some(Source::Containers)),
            (
                "debug web-0 --copy-to=x --set-image=",
                Some(Source::ContainersWithImage),
            ),
            ("debug -n ", Some(Source::Namespaces)),
            ("--context ", Some(Source::Contexts)),
            ("sessions -n ", Some(Source::Namespaces)),
            ("debug --image=", Some(Source::Images)),
            ("attach ", Some(Source::Sessions)),
            ("clean a b", Some(Source::Sessions)),
            ("plugin inspect ", Some(Source::Plugins)),
            ("debug --strategy=", Some(Source::Strategies)),
            ("debug --token=", None),
            ("debug --password ", None),
            ("debug --username=", None),
        ] {
            assert_eq!(source_of(line), wanted, "{line}");
        }
    }
}
