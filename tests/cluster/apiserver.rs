//! The API server is stopped and started while a session waits, and while it runs.

use std::process::Command;

use crate::{
    Test,
    cluster::{Cluster, Namespace},
};

pub(crate) const TESTS: &[Test] = &[
    ("apiserver::restarted_while_waiting", restarted_while_waiting),
    ("apiserver::restarted_while_attached", restarted_while_attached),
];

/// Restarts the API server, where it is known how. An ordinary cluster cannot be asked to.
#[expect(clippy::print_stderr, reason = "what is not tested must be said")]
fn restart(cluster: &Cluster, test: impl FnOnce(&Namespace<'_>, &dyn Fn())) {
    let Some(command) = std::env::var_os("TROCAR_TEST_RESTART_APISERVER") else {
        eprintln!("SKIPPED: TROCAR_TEST_RESTART_APISERVER names no command that restarts the API server");
        return;
    };
    cluster.alone(|namespace| {
        test(namespace, &|| {
            let status = Command::new("sh").arg("-c").arg(&command).status();
            assert!(status.is_ok_and(|status| status.success()), "{command:?} failed");
        });
    });
}

fn restarted_while_waiting(cluster: &Cluster) {
    restart(cluster, |namespace, restart| {
        namespace.pod("web");
        let running = namespace.start(
            "-i web --image=busybox:no-such-tag --pod-running-timeout=5m -c dbg",
            &[],
        );
        namespace.wait_for_pod("web", "with a debug container", |pod| {
            pod["spec"]["ephemeralContainers"].is_array().then_some(())
        });
        restart();
        let output = running.finish_with_open_stdin();
        assert_eq!(output.code, 125, "{output}");
        assert!(
            output
                .stderr
                .contains("container \"dbg\" of pod \"web\" does not start"),
            "{output}"
        );
    });
}

/// The session goes on where it was: nothing is lost and nothing comes twice.
fn restarted_while_attached(cluster: &Cluster) {
    restart(cluster, |namespace, restart| {
        namespace.pod("web");
        let program = "for i in $(seq 60); do echo $i; sleep 1; done";
        let running = namespace.start("--attach web --image=$IMAGE -c dbg", &["sh", "-c", program]);
        running.stdout_until("\n3\n");
        restart();
        running.stdout_until("\n20\n");
        restart();
        let output = running.finish_with_open_stdin();
        let lines: Vec<&str> = output.stdout.lines().collect();
        let wanted: Vec<String> = (1..=60).map(|number| number.to_string()).collect();
        assert!(lines == wanted && output.code == 0, "{output}");

        // With a terminal: the shell is there again.
        let mut terminal = namespace.on_terminal("-it web --image=$IMAGE", &["sh"]);
        terminal.read_until("# ");
        restart();
        terminal.read_until("connection is there again");
        terminal.write("echo still $((40+2))\r");
        terminal.read_until("still 42");
        terminal.write("exit 6\r");
        assert_eq!(terminal.wait(), 6);
        assert!(terminal.is_sane());

        // Input that was cut is not taken for its end.
        let mut running = namespace.start("-i web --image=$IMAGE", &["cat"]);
        running.write("some\n");
        running.stdout_until("some\n");
        restart();
        let output = running.finish_with_open_stdin();
        assert_eq!(output.code, 125, "{output}");
        assert!(
            output.stderr.contains("before all of standard input was sent"),
            "{output}"
        );
    });
}
