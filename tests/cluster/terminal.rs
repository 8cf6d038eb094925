//! All three strategies on a terminal, and the state in which the terminal is left.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use sha2::{Digest as _, Sha256};
use trocar_test_support::Terminal;

use crate::{
    Test,
    cluster::{Cluster, Namespace},
};

pub(crate) const TESTS: &[Test] = &[
    ("terminal::an_ephemeral_container", an_ephemeral_container),
    ("terminal::a_copy", a_copy),
    ("terminal::a_node", a_node),
    ("terminal::detaching", detaching),
    (
        "terminal::what_is_typed_right_before_the_detach_keys_arrives",
        what_is_typed_right_before_the_detach_keys_arrives,
    ),
    (
        "terminal::control_keys_reach_the_program",
        control_keys_reach_the_program,
    ),
    ("terminal::killed_and_run_again", killed_and_run_again),
    ("terminal::signals_leave_it_sane", signals_leave_it_sane),
    (
        "terminal::what_came_first_is_shown_first",
        what_came_first_is_shown_first,
    ),
    ("terminal::the_last_line_stays", the_last_line_stays),
    ("terminal::programs_that_draw", programs_that_draw),
    ("terminal::much_is_pasted", much_is_pasted),
    ("terminal::a_storm_of_sizes", a_storm_of_sizes),
    (
        "terminal::without_a_terminal_in_the_container",
        without_a_terminal_in_the_container,
    ),
];

/// A shell's prompt, its size, changes of it, and its exit code.
fn shell(mut terminal: Terminal) -> String {
    terminal.read_until("# ");
    terminal.write("stty size\r");
    terminal.read_until("24 80\r\n");
    terminal.resize(100, 40);
    terminal.write("until stty size | grep '40 100'; do :; done\r");
    terminal.read_until("40 100\r\n");
    terminal.read_until("# ");
    terminal.write("exit 7\r");
    assert_eq!(terminal.wait(), 7);
    assert!(terminal.is_sane());
    terminal.read_to_end()
}

fn an_ephemeral_container(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let screen = shell(namespace.on_terminal("-it web --image=$IMAGE --target=app -c dbg", &["sh"]));
    assert!(screen.contains("Targeting container \"app\""), "{screen}");
    assert!(
        screen.contains("Container dbg stays listed in pod web of namespace"),
        "{screen}"
    );
    assert_eq!(namespace.ephemeral_containers("web"), ["dbg"]);
}

fn a_copy(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let screen = shell(namespace.on_terminal("-it web --image=$IMAGE --copy-to=copy -c dbg", &["sh"]));
    assert!(screen.contains("kubectl delete pod copy -n "), "{screen}");
    let mut pods = namespace.pods();
    pods.sort();
    assert_eq!(pods, ["copy", "web"]);
}

fn a_node(cluster: &Cluster) {
    let namespace = cluster.namespace();
    let node = cluster.node();
    let mut terminal = namespace.on_terminal(&format!("-it node/{node} --image=$IMAGE"), &["sh"]);
    terminal.read_until("# ");
    terminal.write("ls -d /host/etc\r");
    terminal.read_until("/host/etc\r\n");
    let screen = shell(terminal);
    let pods = namespace.pods();
    assert_eq!(pods.len(), 1);
    assert!(
        screen.contains(&format!(
            "Creating debugging pod {} with container debugger on node",
            pods[0]
        )),
        "{screen}"
    );
    assert!(
        screen.contains(&format!("kubectl delete pod {} -n ", pods[0])),
        "{screen}"
    );
}

/// Waits until the status has the running debug container, which lags by up to a second.
fn runs(namespace: &Namespace<'_>, pod: &str) {
    namespace.wait_for_pod(pod, "with a debug container that runs", |pod| {
        let state = &pod["status"]["ephemeralContainerStatuses"][0]["state"];
        state["running"].is_object().then_some(())
    });
}

fn detaching(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    for (keys, flag) in [("\x10\x11", ""), ("\x18d", "--detach-keys=ctrl-x,d")] {
        let mut terminal = namespace.on_terminal(&format!("-it web --image=$IMAGE {flag}"), &["sh"]);
        terminal.read_until("# ");
        terminal.write("vi /tmp/a\r");
        terminal.read_until("/tmp/a");
        terminal.write(keys);
        assert_eq!(terminal.wait(), 0);
        assert!(terminal.is_sane());
        let screen = terminal.read_to_end();
        assert!(
            screen.contains("come back with: trocar attach pod/web:debugger-"),
            "{screen}"
        );
        // Nothing of the alternate screen is left.
        let other = screen.rfind("\x1b[?1049h");
        assert!(
            other.is_none_or(|at| screen[at..].contains("\x1b[?1049l")),
            "{screen:?}"
        );
        runs(&namespace, "web");
    }
}

/// The program gets what was typed before the detach keys, also if both arrive at once.
fn what_is_typed_right_before_the_detach_keys_arrives(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    for number in 0..cluster.repeat.min(20) {
        let flags = format!("-it web --image=$IMAGE -c leaving-{number}");
        let program = "echo ready; read line; echo got $line; exec sleep 600";
        let mut terminal = namespace.on_terminal(&flags, &["sh", "-c", program]);
        terminal.read_until("ready");
        terminal.write("all of it\r\x10\x11");
        assert_eq!(terminal.wait(), 0);
        namespace.wait_for_log("web", &format!("leaving-{number}"), "got all of it\n");
    }
}

fn control_keys_reach_the_program(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    // Nothing is written before the attach, so nothing is redrawn while keys are pressed.
    let mut terminal = namespace.on_terminal("-it web --image=$IMAGE", &["sh", "-c", "read go; exec sh"]);
    terminal.read_until("try pressing enter");
    terminal.write("\r");
    terminal.read_until("# ");
    terminal.write("(trap 'echo interrupted' INT; echo re''ady; sleep 600)\r");
    terminal.read_until("ready\r\n");
    terminal.write("\x03");
    terminal.read_until("interrupted");
    terminal.read_until("# ");
    terminal.write("echo re''ady; cat\r");
    terminal.read_until("ready\r\n");
    terminal.write("some text\r");
    terminal.read_until("some text\r\nsome text\r\n");
    terminal.write("\x04");
    terminal.read_until("# ");
    terminal.write("\x04");
    terminal.wait();
    assert!(terminal.is_sane());
}

/// The guard process restores the terminal, and everything about created objects was printed before.
fn killed_and_run_again(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    for round in 1..=2 {
        let mut terminal = namespace.on_terminal("-it web --image=$IMAGE", &["sh"]);
        terminal.read_until("# ");
        assert!(!terminal.is_sane());
        terminal.signal(Signal::KILL);
        assert_eq!(terminal.wait(), 137);
        // The guard process holds the terminal until it is restored.
        let screen = terminal.read_to_end();
        assert!(terminal.is_sane(), "after {round} times");
        let containers = namespace.ephemeral_containers("web");
        assert_eq!(containers.len(), round);
        let named = |name: &String| screen.contains(&format!("Defaulting debug container name to {name}."));
        assert!(containers.iter().any(named), "{containers:?} {screen}");
    }
    assert_eq!(namespace.pods(), ["web"]);
    let screen = shell(namespace.on_terminal("-it web --image=$IMAGE", &["sh"]));
    assert!(screen.contains("stays listed"), "{screen}");
}

fn signals_leave_it_sane(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        let mut terminal = namespace.on_terminal("-it web --image=$IMAGE", &["sh"]);
        terminal.read_until("# ");
        terminal.signal(signal);
        assert_eq!(terminal.wait(), code);
        assert!(terminal.is_sane(), "{code}");
        assert!(terminal.read_to_end().contains("come back with"));
    }
}

/// Output from before the attach is on the screen as well, before the rest.
fn what_came_first_is_shown_first(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    for _ in 0..cluster.repeat.min(20) {
        let program = "echo first; echo second; sleep 1; echo third; exec sh";
        let mut terminal = namespace.on_terminal("-it web --image=$IMAGE", &["sh", "-c", program]);
        terminal.read_until("third\r\n");
        terminal.read_until("# ");
        terminal.write("exit\r");
        terminal.wait();
        let screen = visible(&terminal.read_to_end());
        // Notes about the session may be in between.
        let rows = screen.iter().map(String::as_str);
        let lines: Vec<&str> = rows
            .filter(|row| ["first", "second", "third"].contains(row))
            .collect();
        assert_eq!(lines, ["first", "second", "third"], "{screen:?}");
    }
}

/// The rows of a screen after some output, as far as sessions use control sequences: lines, and erasing lines.
fn visible(written: &str) -> Vec<String> {
    let mut rows: Vec<Vec<char>> = vec![Vec::new()];
    let (mut row, mut column) = (0, 0);
    let mut letters = written.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\r' => column = 0,
            '\n' => {
                row += 1;
                if row == rows.len() {
                    rows.push(Vec::new());
                }
            }
            '\u{1b}' if letters.peek() == Some(&'[') => {
                letters.next();
                let mut number = String::new();
                let end = loop {
                    match letters.next() {
                        Some(letter) if letter.is_ascii_alphabetic() => break letter,
                        Some(letter) => number.push(letter),
                        None => return Vec::new(),
                    }
                };
                match end {
                    'A' => row = row.saturating_sub(number.parse().unwrap_or(1)),
                    'K' => rows[row].truncate(column),
                    'J' => {
                        rows[row].truncate(column);
                        rows.truncate(row + 1);
                    }
                    _ => {}
                }
            }
            letter if letter.is_control() => {}
            letter => {
                let length = rows[row].len().max(column + 1);
                rows[row].resize(length, ' ');
                rows[row][column] = letter;
                column += 1;
            }
        }
    }
    rows.into_iter()
        .map(|row| row.into_iter().collect::<String>().trim_end().to_owned())
        .collect()
}

/// An unfinished line on the screen is not erased at the end.
fn the_last_line_stays(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let mut terminal = namespace.on_terminal(
        "-it web --image=$IMAGE",
        &["sh", "-c", "sleep 1; printf 'the last words'"],
    );
    assert_eq!(terminal.wait(), 0);
    let rows = visible(&terminal.read_to_end());
    assert!(rows.iter().any(|row| row == "the last words"), "{rows:?}");
    assert!(!rows.iter().any(|row| row.contains("waiting:")), "{rows:?}");
}

fn programs_that_draw(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let mut terminal = namespace.on_terminal("-it web --image=$IMAGE", &["top", "-d", "1"]);
    terminal.read_until("Load average");
    terminal.read_until("Load average");
    terminal.write("q");
    assert_eq!(terminal.wait(), 0);
    assert!(terminal.is_sane());
    let mut terminal = namespace.on_terminal("-it web --image=$IMAGE", &["vi", "/tmp/a"]);
    terminal.read_until("/tmp/a");
    terminal.write("ihello");
    terminal.read_until("hello");
    terminal.write("\x1b");
    terminal.read_until("- /tmp/a");
    terminal.write(":wq\r");
    assert_eq!(terminal.wait(), 0);
    assert!(terminal.is_sane());
}

/// Pasted text arrives in full: the shell counts it.
fn much_is_pasted(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let mut terminal = namespace.on_terminal("-it web --image=$IMAGE", &["sh"]);
    terminal.read_until("# ");
    terminal.write("stty -echo raw; echo re''ady; head -c 200000 | sha256sum; stty sane\r");
    terminal.read_until("ready");
    let text = "0123456789abcdef".repeat(200_000 / 16);
    let digest: String = Sha256::digest(&text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    terminal.write(&text);
    terminal.read_until(&digest);
    terminal.read_until("# ");
    terminal.write("exit\r");
    terminal.wait();
}

fn a_storm_of_sizes(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let mut terminal = namespace.on_terminal("-it web --image=$IMAGE", &["sh"]);
    terminal.read_until("# ");
    for number in 0..500 {
        terminal.resize(60 + number % 90, 20 + number % 30);
    }
    terminal.resize(123, 45);
    terminal.write("until stty size | grep '45 123'; do :; done\r");
    terminal.read_until("45 123\r\n");
    terminal.write("exit 5\r");
    assert_eq!(terminal.wait(), 5);
}

/// `-i` without `-t` on a terminal: lines are sent, and end of file ends the program.
fn without_a_terminal_in_the_container(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let mut terminal =
        namespace.on_terminal("-i web --image=$IMAGE", &["sh", "-c", "cat; echo over; exit 3"]);
    terminal.read_until("pressing enter.");
    terminal.write("some text\r");
    terminal.read_until("some text\r\nsome text\r\n");
    terminal.write("\x04");
    terminal.read_until("over");
    let began = Instant::now();
    assert_eq!(terminal.wait(), 3);
    assert!(began.elapsed() < Duration::from_secs(20));
}
