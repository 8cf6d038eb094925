//! The transcripts on the start page of the site: each command is run, and its output compared.
//!
//! `TROCAR_UPDATE_PAGES=1` updates the page. Commands run in `docs/examples`; those that need a cluster have a fake server with the
//! pod of that folder, and a kubelet that the test simulates.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use trocar_test_support::{FakeApiServer, Program, TestEnv};

use crate::{TROCAR, offline, online};

const PAGE: &str = "docs/README.md";

const PROMPT: &str = "$ ";

/// A command, and what the container does.
type Play = (&'static str, fn(&Program));

/// What the container of a command does, for commands that need one.
const PLAYS: [Play; 2] = [
    ("seq 3", |program| {
        program.starts();
        program.is_attached(1);
        program.writes("1\n2\n3\n");
        program.exits(3);
    }),
    ("busybox:typo", |program| {
        program.waits(
            "ErrImagePull",
            "failed to resolve reference \"docker.io/library/busybox:typo\": not found",
        );
    }),
];

#[test]
fn the_start_page_shows_what_the_program_prints() {
    let path = root().join(PAGE);
    let page = fs::read_to_string(&path).expect("the page is there");
    let (recorded, commands) = record(&page);
    assert!(commands >= 5, "the page has {commands} commands");
    if std::env::var_os("TROCAR_UPDATE_PAGES").is_some() {
        fs::write(&path, recorded).expect("the page can be written");
        return;
    }
    let differs = page.lines().zip(recorded.lines()).find(|(old, new)| old != new);
    assert!(
        page == recorded,
        "{PAGE} differs from what is printed at {differs:?}: TROCAR_UPDATE_PAGES=1 cargo test --test cli start_page"
    );
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The page with current output, and the number of commands.
fn record(page: &str) -> (String, usize) {
    let mut recorded = String::new();
    let mut commands = 0;
    let mut is_in_block = false;
    for line in page.split_inclusive('\n') {
        match line.trim_end() {
            "```console" => is_in_block = true,
            "```" => is_in_block = false,
            _ if !is_in_block => {}
            line if line.starts_with(PROMPT) => {
                recorded += &format!("{line}\n{}", output_of(&line[PROMPT.len()..]));
                commands += 1;
                continue;
            }
            // What the last recording printed.
            _ => continue,
        }
        recorded += line;
    }
    (recorded, commands)
}

fn output_of(typed: &str) -> String {
    if !typed.starts_with("trocar debug ") {
        return finish(shell(&offline(), typed));
    }
    let (env, server) = cluster();
    let program = server.program("web-0", "dbg");
    let child = shell(&env, typed).spawn().expect("a shell can be started");
    let (_, play) = PLAYS
        .iter()
        .find(|(part, _)| typed.contains(part))
        .unwrap_or_else(|| panic!("what does the container of {typed} do?"));
    play(&program);
    text(
        &child
            .wait_with_output()
            .expect("a shell can be waited for")
            .stdout,
    )
}

/// A server with the running pod of the examples.
fn cluster() -> (TestEnv, FakeApiServer) {
    let file = fs::read(root().join("docs/examples/pod.yaml")).expect("the example is there");
    let mut pod: Value = trocar::documents::read(&file)
        .expect("the example is YAML")
        .remove(0);
    // The namespace of the simulated kubelet's pods.
    pod["metadata"]["namespace"] = json!("default");
    pod["spec"]["nodeName"] = json!("n1");
    pod["status"] = json!({"phase": "Running"});
    online([pod])
}

/// Runs a line in a shell in the folder of the examples, with both streams merged.
fn shell(env: &TestEnv, typed: &str) -> Command {
    let alone = env.command([""; 0]);
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", &format!("exec 2>&1; {typed}")])
        .current_dir(root().join("docs/examples"))
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    for (name, value) in alone.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let programs = Path::new(TROCAR).parent().expect("a program is in a folder");
    command.env("PATH", format!("{}:/usr/bin:/bin", programs.display()));
    command
}

fn finish(mut command: Command) -> String {
    text(&command.output().expect("a shell can be started").stdout)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("trocar writes UTF-8")
}
