//! Restarts of the API server while a session waits, and while it runs.

use std::process::Command;

use trocar_test_support::skipped;

use crate::{Test, cluster::Cluster};

pub(crate) const TESTS: &[Test] = &[("apiserver::restarted", restarted)];

/// The command that restarts the API server, if the cluster has one.
pub(crate) fn restarter() -> Option<impl Fn()> {
    let Some(command) = std::env::var_os("TROCAR_TEST_RESTART_APISERVER") else {
        skipped("TROCAR_TEST_RESTART_APISERVER names no command that restarts the API server");
        return None;
    };
    Some(move || {
        let status = Command::new("sh").arg("-c").arg(&command).status();
        assert!(status.is_ok_and(|status| status.success()), "{command:?} failed");
    })
}

/// Sessions continue where they were: no output is lost or duplicated. All begin before the first restart, since kubelet and
/// controllers need some time to reconnect.
fn restarted(cluster: &Cluster) {
    let Some(restart) = restarter() else {
        return;
    };
    cluster.alone(|namespace| {
        namespace.pod("web");
        let program = "for i in $(seq 60); do echo $i; sleep 1; done";
        let counting = namespace.start("--attach web --image=$IMAGE -c counting", &["sh", "-c", program]);
        let mut terminal = namespace.on_terminal("-it web --image=$IMAGE", &["sh"]);
        let mut fed = namespace.start("-i web --image=$IMAGE", &["cat"]);
        counting.stdout_until("\n3\n");
        terminal.read_until("# ");
        fed.write("some\n");
        fed.stdout_until("some\n");
        let hopeless = "-i web --image=busybox:no-such-tag --pod-running-timeout=5m -c hopeless";
        let waiting = namespace.start(hopeless, &[]);
        namespace.wait_for_pod("web", "with a container that cannot start", |pod| {
            let containers = pod["spec"]["ephemeralContainers"].as_array();
            containers.filter(|containers| containers.len() == 4).map(|_| ())
        });
        restart();

        // A waiting client keeps waiting, and is told why it waits in vain.
        let output = waiting.finish_with_open_stdin();
        let told = "container \"hopeless\" of pod \"web\" does not start";
        assert!(output.code == 125 && output.stderr.contains(told), "{output}");

        // With a terminal: the same shell is attached again.
        terminal.read_until("connection is there again");
        terminal.write("echo still $((40+2))\r");
        terminal.read_until("still 42");
        terminal.write("exit 6\r");
        assert_eq!(terminal.wait(), 6);
        assert!(terminal.is_sane());

        // Interrupted input does not count as its end.
        let output = fed.finish_with_open_stdin();
        let told = "before all of standard input was sent";
        assert!(output.code == 125 && output.stderr.contains(told), "{output}");

        restart();
        let output = counting.finish_with_open_stdin();
        let lines: Vec<&str> = output.stdout.lines().collect();
        let wanted: Vec<String> = (1..=60).map(|number| number.to_string()).collect();
        assert!(lines == wanted && output.code == 0, "{output}");
    });
}
