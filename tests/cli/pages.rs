//! The documentation agrees with the program: its help, and transcripts.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{TROCAR, offline};

/// The line of docs/cli.md above which the page is written by hand; what is below is generated.
const GENERATED: &str =
    "<!-- from here on written by: TROCAR_UPDATE_PAGES=1 cargo test -p trocar-cli --test cli pages -->\n";

/// The commands, each with its own help.
const COMMANDS: [&str; 30] = [
    "",
    "debug",
    "plan",
    "attach",
    "sessions",
    "clean",
    "policy",
    "policy list",
    "policy eval",
    "policy test",
    "config",
    "config view",
    "config check",
    "plugin",
    "plugin list",
    "plugin inspect",
    "plugin new",
    "plugin build",
    "plugin test",
    "plugin dev",
    "plugin pack",
    "plugin compile",
    "plugin push",
    "plugin pull",
    "plugin lock",
    "plugin update",
    "plugin verify",
    "plugin bundle",
    "plugin prune",
    "completion",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(page: &str) -> String {
    let path = root().join(page);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_command_line_page_has_every_help() {
    let env = offline();
    let mut generated = String::new();
    for command in COMMANDS {
        let help = env.run(&format!("{command} --help"));
        assert_eq!(help.code, 0, "{help}");
        let title = format!("trocar {command}");
        generated += &format!(
            "\n## {}\n\n```text\n{}\n```\n",
            title.trim_end(),
            help.stdout.trim_end()
        );
    }
    let page = read("docs/cli.md");
    let (by_hand, found) = page
        .split_once(GENERATED)
        .expect("docs/cli.md has the line that divides it");
    if std::env::var_os("TROCAR_UPDATE_PAGES").is_some() {
        let page = format!("{by_hand}{GENERATED}{generated}");
        fs::write(root().join("docs/cli.md"), page).expect("the page can be written");
    } else {
        assert!(
            found == generated,
            "docs/cli.md is not what the program says: TROCAR_UPDATE_PAGES=1 cargo test -p trocar-cli --test cli pages"
        );
    }
}

/// Every command of the program's help is on the page.
#[test]
fn no_command_is_forgotten() {
    let env = offline();
    for command in ["", "policy", "config", "plugin"] {
        let help = env.run(&format!("{command} --help")).stdout;
        let commands = help.split("Commands:\n").nth(1).unwrap_or_default();
        let names = commands.lines().take_while(|line| !line.is_empty());
        for name in names.filter_map(|line| line.split_whitespace().next()) {
            let full = format!("{command} {name}");
            let is_known = COMMANDS.contains(&full.trim()) || name == "help";
            assert!(is_known, "{full:?} is not on docs/cli.md");
        }
    }
}

/// Runs each `$ cargo run -- …` of a page's transcripts and compares what follows.
#[test]
fn the_readme_shows_what_the_program_prints() {
    let mut tried = 0;
    for block in read("README.md").split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        let Some((command, wanted)) = block.split_once('\n') else {
            continue;
        };
        let Some(arguments) = command.strip_prefix("$ cargo run -- ") else {
            continue;
        };
        let output = Command::new(TROCAR)
            .args(arguments.split_whitespace())
            .current_dir(root())
            .output()
            .expect("the program can be run");
        assert_eq!(String::from_utf8_lossy(&output.stdout), wanted, "{command}");
        assert!(output.status.success(), "{command}");
        tried += 1;
    }
    assert!(tried > 0, "the README has no transcript");
}
