//! The groups in which the help of a debug shows its flags, and their order: the usual ones first.

use clap::Command;

/// The commands whose flags are grouped.
const VERBS: [&str; 2] = ["debug", "plan"];

/// The groups: their headings, and their flags in order. What is in none is among clap's own options, at the end of them.
const GROUPS: [(Option<&str>, &[&str]); 5] = [
    (
        None,
        &[
            "namespace",
            "selector",
            "all_pods",
            "filename",
            "output",
            "dry_run",
            "yes",
            "keep_going",
            "quiet",
            "suffix",
        ],
    ),
    (
        Some("Container"),
        &[
            "image",
            "container",
            "target",
            "profile",
            "custom",
            "env",
            "image_pull_policy",
            "arguments_only",
            "inherit",
            "as_root",
        ],
    ),
    (
        Some("Session"),
        &[
            "stdin",
            "tty",
            "attach",
            "pod_running_timeout",
            "detach_keys",
            "reuse",
            "tail",
            "rm",
            "ttl",
        ],
    ),
    (
        Some("Copy"),
        &[
            "copy_to",
            "set_image",
            "same_node",
            "replace",
            "share_processes",
            "keep_labels",
            "keep_annotations",
            "keep_liveness",
            "keep_readiness",
            "keep_startup",
            "keep_init_containers",
            "pull_secret",
            "priority_class",
            "tolerate_all",
        ],
    ),
    (Some("Plugins"), &["strategy", "set", "grant", "limit", "verbose"]),
];

/// Puts the flags into their groups. clap shows groups in the order in which their first flags are defined.
pub(super) fn grouped(command: Command) -> Command {
    VERBS.into_iter().fold(command, |command, verb| {
        command.mut_subcommand(verb, |verb| {
            verb.mut_args(|argument| match place(argument.get_id().as_str()) {
                Some((heading, order)) => argument.help_heading(heading).display_order(order),
                None => argument,
            })
        })
    })
}

/// The heading of a flag, and its place below it.
fn place(flag: &str) -> Option<(Option<&'static str>, usize)> {
    GROUPS.into_iter().find_map(|(heading, flags)| {
        let order = flags.iter().position(|known| *known == flag)?;
        Some((heading, order))
    })
}
