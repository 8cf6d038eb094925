//! `--rm`: no pod is left behind, whatever ends trocar or the program, and whatever the API server does meanwhile.

use rustix::process::Signal;
use serde_json::json;
use trocar_test_support::Running;

use crate::{
    Test,
    apiserver::restarter,
    cluster::{Cluster, Namespace},
    connecting::{runs, with_plugin},
};

pub(crate) const TESTS: &[Test] = &[
    ("removal::no_pod_is_left", no_pod_is_left),
    (
        "removal::no_pod_is_left_by_a_server_that_is_away",
        no_pod_is_left_by_a_server_that_is_away,
    ),
    ("removal::left_and_come_back_to", left_and_come_back_to),
    ("removal::a_plugin_is_not_run_for_it", a_plugin_is_not_run_for_it),
    (
        "removal::without_the_right_to_delete",
        without_the_right_to_delete,
    ),
];

/// Ways to end a session with `--rm`, and the exit codes.
const WAYS: [(Option<Signal>, i32); 5] = [
    (None, 7),
    (Some(Signal::INT), 130),
    (Some(Signal::TERM), 143),
    (Some(Signal::HUP), 129),
    (Some(Signal::KILL), 137),
];

/// Starts a session with a copy of the pod `web`. Its program writes a line, and then ends at a line of input.
fn start(namespace: &Namespace<'_>, name: &str) -> Running {
    let flags = format!("-i web --image=$IMAGE --copy-to={name} -c dbg --same-node --rm");
    namespace.start(&flags, &["sh", "-c", "echo here; read line; exit 7"])
}

fn no_pod_is_left(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    for round in 0..cluster.repeat {
        let name = |way: usize| format!("copy-{round}-{way}");
        let begun = WAYS
            .iter()
            .enumerate()
            .map(|(way, _)| start(&namespace, &name(way)));
        let begun: Vec<Running> = begun.collect();
        for (way, (mut running, (signal, code))) in begun.into_iter().zip(WAYS).enumerate() {
            match signal {
                // In every other round as soon as the pod exists: trocar may not know that yet.
                Some(_) if round % 2 == 1 => {
                    namespace.wait_for_pod(&name(way), "there", |_| Some(()));
                }
                _ => {
                    running.stdout_until("here\n");
                }
            }
            match signal {
                Some(signal) => running.signal(signal),
                None => running.write("end\n"),
            }
            let output = running.finish_with_open_stdin();
            assert_eq!(output.code, code, "{signal:?}: {output}");
            namespace.wait_for_gone(&name(way));
        }
    }
    let web = namespace.read_pod("web");
    assert_eq!(
        web["metadata"]["deletionTimestamp"],
        json!(null),
        "the target stays"
    );
}

fn no_pod_is_left_by_a_server_that_is_away(cluster: &Cluster) {
    let Some(restart) = restarter() else {
        return;
    };
    cluster.alone(|namespace| {
        namespace.pod("web");
        let name = |round: usize, way: usize| format!("copy-{round}-{way}");
        // All begin before the first restart, since the kubelet needs some time to reconnect.
        let rounds = (0..cluster.repeat.div_ceil(10)).map(|round| {
            let ways = (0..WAYS.len()).map(|way| start(namespace, &name(round, way)));
            let begun: Vec<Running> = ways.collect();
            for running in &begun {
                running.stdout_until("here\n");
            }
            begun
        });
        let rounds: Vec<_> = rounds.collect();
        for (round, mut begun) in rounds.into_iter().enumerate() {
            std::thread::scope(|scope| {
                scope.spawn(&restart);
                cluster.wait_until_away();
                for (running, (signal, _)) in begun.iter_mut().zip(WAYS) {
                    match signal {
                        Some(signal) => running.signal(signal),
                        None => running.write("end\n"),
                    }
                }
            });
            for (way, running) in begun.into_iter().enumerate() {
                // The program may have ended meanwhile with its standard input, which is then reported.
                let output = running.finish_with_open_stdin();
                assert!(!output.stderr.contains("stays in namespace"), "{output}");
                namespace.wait_for_gone(&name(round, way));
            }
        }
    });
}

fn left_and_come_back_to(cluster: &Cluster) {
    let namespace = cluster.namespace();
    let node = format!("node/{}", cluster.node());
    let flags = format!("-it {node} --image=$IMAGE --suffix=abc12 --rm");
    let mut terminal = namespace.on_terminal(&flags, &["sh"]);
    let pod = format!("node-debugger-{}-abc12", cluster.node());
    terminal.read_until("# ");
    terminal.write("\x10\x11");
    terminal.read_until("is deleted at the end of a session with it");
    assert_eq!(terminal.wait(), 0);
    terminal.read_to_end();
    let there = namespace.read_pod(&pod);
    assert_eq!(there["metadata"]["deletionTimestamp"], json!(null));

    let words = ["attach", &node, "--namespace", &namespace.name];
    let command = namespace.env.command(words);
    let mut terminal = trocar_test_support::Terminal::start(command, 80, 24);
    terminal.read_until("# ");
    terminal.write("exit 7\r");
    terminal.read_until("was deleted.");
    assert_eq!(terminal.wait(), 7);
    namespace.wait_for_gone(&pod);
}

fn a_plugin_is_not_run_for_it(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    for (number, seconds) in [None, Some(900)].into_iter().enumerate() {
        let name = format!("copy-{number}");
        let before = runs(namespace.env.folder()).len();
        with_plugin(&namespace, cluster, seconds);
        let flags = format!(
            "--kubeconfig=plugin.kubeconfig --attach web --image=$IMAGE --copy-to={name} -c dbg --same-node --rm"
        );
        let mut running = namespace.start(&flags, &["sh", "-c", "echo here; sleep 3600"]);
        running.stdout_until("here\n");
        running.signal(Signal::KILL);
        namespace.wait_for_gone(&name);
        running.finish_with_open_stdin();
        assert_eq!(runs(namespace.env.folder()).len(), before + 1);
    }
}

fn without_the_right_to_delete(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    namespace.grant("maker", &[(&["pods"], &["get", "list", "create"])]);
    let refused = namespace.debug(
        "--attach web --image=$IMAGE --copy-to=copy -c dbg --rm --as=maker",
        &["true"],
    );
    assert_eq!(refused.code, 125, "{refused}");
    assert!(
        refused
            .stderr
            .contains("--rm: you may not delete pods in namespace"),
        "{refused}"
    );
    assert_eq!(namespace.pods(), ["web"]);
}
