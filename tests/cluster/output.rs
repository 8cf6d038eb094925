//! A program's output arrives completely, once, and with its exit code.

use std::{
    fmt::Write as _,
    io::Read as _,
    process::{Child, Command, Stdio},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use sha2::{Digest as _, Sha256};

use crate::{
    Test,
    cluster::{Cluster, Namespace},
};

pub(crate) const TESTS: &[Test] = &[
    ("output::complete_with_stdin_open", complete_with_stdin_open),
    (
        "output::complete_with_stdin_at_its_end",
        complete_with_stdin_at_its_end,
    ),
    ("output::complete_with_attach_alone", complete_with_attach_alone),
    ("output::exit_codes_come_back", exit_codes_come_back),
    ("output::two_lines_and_exit", two_lines_and_exit),
    ("output::text_that_repeats_itself", text_that_repeats_itself),
    ("output::lines_that_end_late", lines_that_end_late),
    ("output::streams_stay_apart", streams_stay_apart),
    ("output::bytes_stay_as_they_are", bytes_stay_as_they_are),
    ("output::more_than_a_log_keeps", more_than_a_log_keeps),
    (
        "output::a_container_that_is_restarted_is_shown_once",
        a_container_that_is_restarted_is_shown_once,
    ),
    (
        "output::twenty_sessions_with_one_pod",
        twenty_sessions_with_one_pod,
    ),
    ("output::closed_pipe", closed_pipe),
    (
        "output::signals_end_it_in_good_order",
        signals_end_it_in_good_order,
    ),
];

/// Prints much at once, and more when all clients are attached.
const BURST: &str = "seq 1 2000; sleep 1; echo end";

fn burst() -> String {
    let mut text = String::new();
    for number in 1..=2000 {
        writeln!(text, "{number}").unwrap();
    }
    text + "end\n"
}

/// The number of ephemeral containers per pod.
const PER_POD: usize = 25;

/// Repeats a test, with a new pod now and then.
fn repeated(cluster: &Cluster, mut attempt: impl FnMut(&Namespace<'_>, &str)) {
    let namespace = cluster.namespace();
    for number in 0..cluster.repeat {
        let pod = format!("web-{}", number / PER_POD);
        if number % PER_POD == 0 {
            namespace.pod(&pod);
        }
        attempt(&namespace, &pod);
        if number % PER_POD == PER_POD - 1 {
            cluster.delete(&format!("{}/{pod}", namespace.path("pods")));
        }
    }
}

fn complete_with_stdin_open(cluster: &Cluster) {
    repeated(cluster, |namespace, pod| {
        let running = namespace.start(&format!("-q -i {pod} --image=$IMAGE"), &["sh", "-c", BURST]);
        let output = running.finish_with_open_stdin();
        assert!(output.stdout == burst() && output.code == 0, "{output}");
    });
}

fn complete_with_stdin_at_its_end(cluster: &Cluster) {
    repeated(cluster, |namespace, pod| {
        let output = namespace.debug(&format!("-q -i {pod} --image=$IMAGE"), &["sh", "-c", BURST]);
        assert!(output.stdout == burst() && output.code == 0, "{output}");
    });
}

fn complete_with_attach_alone(cluster: &Cluster) {
    repeated(cluster, |namespace, pod| {
        let output = namespace.debug(&format!("-q --attach {pod} --image=$IMAGE"), &["sh", "-c", BURST]);
        assert!(output.stdout == burst() && output.code == 0, "{output}");
    });
}

fn exit_codes_come_back(cluster: &Cluster) {
    repeated(cluster, |namespace, pod| {
        for code in [3, 0, 137, 143] {
            let exit = format!("exit {code}");
            let output = namespace.debug(&format!("-q -i {pod} --image=$IMAGE"), &["sh", "-c", &exit]);
            assert_eq!(output.code, code, "{output}");
            assert_eq!(output.stdout, "", "{output}");
        }
    });
}

fn two_lines_and_exit(cluster: &Cluster) {
    repeated(cluster, |namespace, pod| {
        let output = namespace.debug(
            &format!("-q -i {pod} --image=$IMAGE"),
            &["sh", "-c", "echo one; echo two"],
        );
        assert_eq!(
            (output.stdout.as_str(), output.code),
            ("one\ntwo\n", 0),
            "{output}"
        );
    });
}

fn text_that_repeats_itself(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    for (program, wanted) in [
        (
            "yes x | head -5000; sleep 1; echo end; yes y | head -200",
            format!("{}end\n{}", "x\n".repeat(5000), "y\n".repeat(200)),
        ),
        (
            "for i in $(seq 50); do echo tick; usleep 30000; done; echo end",
            "tick\n".repeat(50) + "end\n",
        ),
        (
            "for i in $(seq 3); do printf 'a\n\n\na\n'; sleep 1; done",
            "a\n\n\na\n".repeat(3),
        ),
    ] {
        let output = namespace.debug("-q --attach web --image=$IMAGE", &["sh", "-c", program]);
        assert!(
            output.stdout == wanted && output.code == 0,
            "{program}:\n{output}"
        );
    }
}

fn lines_that_end_late(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let program = "printf Working; for i in $(seq 8); do usleep 250000; printf .; done; echo done; echo next; printf last";
    let output = namespace.debug("-q --attach web --image=$IMAGE", &["sh", "-c", program]);
    // If the attach was late, the shown part of the line is followed by the whole line.
    assert!(
        output.stdout.ends_with("Working........done\nnext\nlast"),
        "{output}"
    );
    assert_eq!(output.code, 0, "{output}");
}

fn streams_stay_apart(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let program = "sleep 1; for i in $(seq 60); do echo out $i; echo err $i >&2; usleep 20000; done; exit 3";
    let output = namespace.debug("-q --attach web --image=$IMAGE", &["sh", "-c", program]);
    let lines = |word: &str| {
        (1..=60)
            .map(|number| format!("{word} {number}\n"))
            .collect::<String>()
    };
    assert_eq!(
        (output.stdout, output.stderr, output.code),
        (lines("out"), lines("err"), 3)
    );
}

/// Starts a program that reads nothing and whose output is read.
pub(crate) fn piped(command: &mut Command) -> Child {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started")
}

/// Reads the program's standard error while its output is read.
pub(crate) fn told(child: &mut Child) -> JoinHandle<String> {
    let mut stderr = child.stderr.take().expect("stderr is a pipe");
    std::thread::spawn(move || {
        let mut text = String::new();
        drop(stderr.read_to_string(&mut text));
        text
    })
}

/// The program's output is compared by its digest, which is printed at the end.
fn digest(command: &mut Command) -> (String, usize, i32, String) {
    let mut child = piped(command);
    let told = told(&mut child);
    let mut stdout = Vec::new();
    child
        .stdout
        .take()
        .expect("stdout is a pipe")
        .read_to_end(&mut stdout)
        .expect("a pipe can be read");
    let code = child
        .wait()
        .expect("a child can be waited for")
        .code()
        .unwrap_or(-1);
    let digest = Sha256::digest(&stdout);
    let digest = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    (digest, stdout.len(), code, told.join().unwrap())
}

/// Runs a program twice: as it is, and through `sha256sum` in the container, for the expected digest.
fn compared(namespace: &Namespace<'_>, program: &str) -> (bool, usize, String) {
    let wanted = namespace.debug(
        "-q --attach web --image=$IMAGE",
        &["sh", "-c", &format!("({program}) | sha256sum")],
    );
    let program = format!("{program}; sleep 1; exit 4");
    let mut command = namespace.command("-q --attach web --image=$IMAGE", &["sh", "-c", &program]);
    let (digest, length, code, told) = digest(&mut command);
    assert_eq!(code, 4, "{told}");
    (wanted.stdout.starts_with(&digest), length, told)
}

fn bytes_stay_as_they_are(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    // Compressed text: all byte values, few line ends.
    let (is_same, length, told) = compared(&namespace, "seq 1 300000 | gzip");
    assert!(is_same, "{length} bytes, another text: {told}");
}

/// A log is rotated at 10 MiB, including what it adds to each line.
fn more_than_a_log_keeps(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let program = format!("seq 100000 400000 | sed 's/$/{}/'", " and more".repeat(10));
    let (is_same, length, told) = compared(&namespace, &program);
    // Of 300,001 lines.
    let wanted = 300_001 * "100000 and more and more and more and more and more and more and more and more and more and more\n".len();
    if is_same {
        assert_eq!(length, wanted, "the test knows how much there is");
    } else {
        let is_told =
            told.contains("the container's log was rotated") || told.contains("the container's log lacks");
        assert!(
            length < wanted && is_told,
            "{length} bytes instead of {wanted}, another text: {told:?}"
        );
        // The beginning of the output is not in the log any more.
        let containers = namespace.ephemeral_containers("web");
        let log = namespace.log("web", containers.last().expect("there was a debug"));
        assert!(!log.starts_with(b"100000 "), "the log was not rotated: {told:?}");
    }
    assert!(length > 1 << 20, "only {length} bytes came: {told:?}");
}

/// A kubelet deletes an instance's log about a second after its end, when the next one has ended as well: nothing else may delay
/// this test.
fn a_container_that_is_restarted_is_shown_once(cluster: &Cluster) {
    cluster.alone(restarted_and_shown_once);
}

fn restarted_and_shown_once(namespace: &Namespace<'_>) {
    namespace.pod("web");
    let program = "echo begin; sleep 1; echo end; exit 6";
    let flags = "-q --attach web --copy-to=copy --container=dbg --image=$IMAGE";
    let output = namespace.debug(flags, &["sh", "-c", program]);
    assert_eq!(
        (output.stdout.as_str(), output.code),
        ("begin\nend\n", 6),
        "{output}"
    );
    let output = namespace.debug(
        &flags.replace("=copy", "=short"),
        &["sh", "-c", "echo once; exit 7"],
    );
    assert_eq!((output.stdout.as_str(), output.code), ("once\n", 7), "{output}");
}

fn twenty_sessions_with_one_pod(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let programs: Vec<String> = (0..20)
        .map(|number| format!("echo begin {number}; sleep 2; echo end {number}; exit {number}"))
        .collect();
    let sessions: Vec<_> = programs
        .iter()
        .map(|program| namespace.start("-q -i web --image=$IMAGE", &["sh", "-c", program]))
        .collect();
    for (number, session) in sessions.into_iter().enumerate() {
        let output = session.finish();
        let wanted = format!("begin {number}\nend {number}\n");
        assert_eq!(
            (output.stdout.as_str(), output.code),
            (wanted.as_str(), number as i32),
            "{output}"
        );
    }
    assert_eq!(namespace.ephemeral_containers("web").len(), 20);
}

/// A reader that closes the pipe ends the session without an error, and with a note about what is left behind.
fn closed_pipe(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let mut command = namespace.command(
        "--attach web --image=$IMAGE -c endless",
        &["sh", "-c", "seq 1 100000000"],
    );
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    let mut some = [0; 1000];
    child
        .stdout
        .take()
        .expect("stdout is a pipe")
        .read_exact(&mut some)
        .expect("something comes");
    let output = child.wait_with_output().expect("a child can be waited for");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(141), "{stderr}");
    assert!(
        stderr.contains("Container endless stays listed in pod web"),
        "{stderr}"
    );
    assert!(!stderr.contains("rror"), "{stderr}");
}

fn signals_end_it_in_good_order(cluster: &Cluster) {
    use rustix::process::Signal;
    let namespace = cluster.namespace();
    namespace.pod("web");
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        let mut running = namespace.start(
            "--attach web --image=$IMAGE",
            &["sh", "-c", "echo here; sleep 600"],
        );
        running.stdout_until("here");
        let began = Instant::now();
        running.signal(signal);
        let output = running.finish_with_open_stdin();
        assert_eq!(output.code, code, "{output}");
        assert!(
            output
                .stderr
                .contains("come back with: trocar attach pod/web:debugger-"),
            "{output}"
        );
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}
