//! Endless lines from several targets at once: they are shown once, in marked pieces, without waiting for their end.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _},
    process::Command,
};

use crate::{
    Test,
    cluster::{Cluster, Namespace},
    output::{piped, told},
};

pub(crate) const TESTS: &[Test] = &[(
    "long_lines::a_line_of_64_megabytes_from_each_of_three_targets",
    a_line_of_64_megabytes_from_each_of_three_targets,
)];

const LENGTH: usize = 64_000_000;

/// The limit on address space. An instance of a plugin reserves a little more than 4 GiB, which leaves a quarter of a GB: not
/// enough to buffer a whole line of each target.
const LIMIT: &str = "ulimit -v 4600000";

/// Longer lines are cut.
const MAX_LINE: usize = (64 << 10) + 100;

/// It keeps the kubelet busy, which delays other tests.
fn a_line_of_64_megabytes_from_each_of_three_targets(cluster: &Cluster) {
    cluster.alone(lines_of_64_megabytes);
}

fn lines_of_64_megabytes(namespace: &Namespace<'_>) {
    let targets = ["web-0", "web-1", "web-2"];
    for target in targets {
        namespace.pod(target);
    }
    let program = format!("sleep 1; head -c {LENGTH} /dev/zero | tr '\\0' x; echo; sleep 1; exit 5");
    let flags = format!("-q --attach {} --image=$IMAGE", targets.join(" "));
    let shown = run(&mut limited(&namespace.command(&flags, &["sh", "-c", &program])));
    assert_eq!(shown.code, 5, "{}", shown.stderr);
    for target in targets {
        let prefix = format!("pod/{target}");
        let letters = *shown.letters.get(&prefix).unwrap_or(&0);
        assert!(letters <= LENGTH, "{prefix} is shown twice: {letters}");
        // A log that is rotated while it is opened for the last time may be gone, and the attach has brought too little to decide.
        let told = format!(
            "[{prefix}] some of the program's output may be missing: the container's log was rotated"
        );
        assert!(
            letters == LENGTH || shown.stderr.contains(&told),
            "{letters} of {prefix}: {}",
            shown.stderr
        );
        if letters < LENGTH {
            let containers = namespace.ephemeral_containers(target);
            let log = namespace.log(target, containers.last().expect("there was a debug"));
            assert!(
                log.len() < LENGTH,
                "the log of {prefix} was not rotated: {}",
                shown.stderr
            );
        }
    }
    assert!(shown.longest <= MAX_LINE, "a line of {} bytes", shown.longest);
}

/// The same command, with a limit on memory.
fn limited(command: &Command) -> Command {
    let mut limited = Command::new("/bin/sh");
    let script = format!("{LIMIT}; exec \"$@\"");
    limited.args(["-c", &script, "sh"]).arg(command.get_program());
    limited.args(command.get_args()).env_clear();
    for (name, value) in command.get_envs() {
        limited.env(name, value.unwrap_or_default());
    }
    limited
}

/// The output.
struct Shown {
    /// The number of letters of each target.
    letters: BTreeMap<String, usize>,
    longest: usize,
    stderr: String,
    code: i32,
}

/// Reads the output line by line, without storing it.
fn run(command: &mut Command) -> Shown {
    let mut child = piped(command);
    let told = told(&mut child);
    let (mut letters, mut longest) = (BTreeMap::new(), 0);
    let mut lines = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
    let mut line = Vec::new();
    // A line that is far too long is not buffered here, either.
    let most = 2 * MAX_LINE as u64;
    while lines
        .by_ref()
        .take(most)
        .read_until(b'\n', &mut line)
        .expect("a pipe can be read")
        > 0
    {
        longest = longest.max(line.len());
        let text = String::from_utf8_lossy(&line);
        let (prefix, rest) = text.split_once("] ").unwrap_or(("[", &text));
        let target = prefix.trim_start_matches('[').trim_end_matches(", continued");
        *letters.entry(target.to_owned()).or_default() += rest.trim_end_matches('\n').len();
        line.clear();
    }
    Shown {
        letters,
        longest,
        stderr: told.join().expect("the reader does not panic"),
        code: child
            .wait()
            .expect("a child can be waited for")
            .code()
            .unwrap_or(-1),
    }
}
