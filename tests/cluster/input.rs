//! Standard input: piped, ended, and unread.

use std::{fs::File, process::Stdio};

use crate::{
    Test,
    cluster::{Cluster, Namespace},
};

pub(crate) const TESTS: &[Test] = &[
    ("input::a_pipe_ends_by_itself", a_pipe_ends_by_itself),
    ("input::much_input_arrives_as_it_is", much_input_arrives_as_it_is),
    (
        "input::a_program_that_does_not_read_its_input",
        a_program_that_does_not_read_its_input,
    ),
    ("input::answers_reach_questions", answers_reach_questions),
    ("input::a_terminal_without_one", a_terminal_without_one),
];

fn a_pipe_ends_by_itself(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    for _ in 0..cluster.repeat.min(20) {
        let mut running = namespace.start("-q -i web --image=$IMAGE", &["cat"]);
        running.write("hi\nthere");
        let output = running.finish();
        assert_eq!(
            (output.stdout.as_str(), output.code),
            ("hi\nthere", 0),
            "{output}"
        );
    }
}

fn much_input_arrives_as_it_is(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let bytes: Vec<u8> = (0..3_000_000_u32)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let file = namespace.env.write_bytes("input", &bytes);
    for (command, wanted) in [
        (&["sh", "-c", "wc -c; exit 5"][..], b"3000000\n".as_slice()),
        (&["cat"][..], bytes.as_slice()),
    ] {
        let mut command = namespace.command("-q -i web --image=$IMAGE", command);
        let output = command
            .stdin(File::open(&file).expect("the file was written"))
            .stderr(Stdio::inherit())
            .output()
            .expect("the program can be started");
        assert!(output.stdout == wanted, "{} bytes came back", output.stdout.len());
    }
}

/// The connection is reset when the program has ended, perhaps before its end was told: that not all input was sent is reported, and
/// the exit code stays the program's.
fn a_program_that_does_not_read_its_input(cluster: &Cluster) {
    cluster.alone(input_that_is_not_read);
}

fn input_that_is_not_read(namespace: &Namespace<'_>) {
    namespace.pod("web");
    let mut running = namespace.start("-q -i web --image=$IMAGE", &["sh", "-c", "head -n 1; exit 4"]);
    running.write("first\n");
    running.write(&"more\n".repeat(200_000));
    let output = running.finish_with_open_stdin();
    assert_eq!((output.stdout.as_str(), output.code), ("first\n", 4), "{output}");
}

/// A script talks with a program that asks without ending its line.
fn answers_reach_questions(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let program = "sleep 1; printf 'Name? '; read name; printf 'Age? '; read age; echo $name is $age; cat";
    let mut running = namespace.start("-q -i web --image=$IMAGE", &["sh", "-c", program]);
    running.stdout_until("Name? ");
    running.write("Ann\n");
    running.stdout_until("Age? ");
    running.write("42\n");
    running.stdout_until("Ann is 42\n");
    running.write("the end\n");
    let output = running.finish();
    assert_eq!(output.stdout, "Name? Age? Ann is 42\nthe end\n", "{output}");
}

/// A container with a terminal, fed by a script: its shell ends where the script does.
fn a_terminal_without_one(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let mut running = namespace.start("-it web --image=$IMAGE", &["sh"]);
    running.write("echo $((6*7))\nexit_code=9; (exit $exit_code)\n");
    let output = running.finish();
    assert!(output.stdout.contains("\n42"), "{output}");
    assert_eq!(output.code, 9, "{output}");
    assert!(output.stderr.contains("Unable to use a TTY"), "{output}");
}
