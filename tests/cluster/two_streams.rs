//! Programs that write to both streams, and programs that write much: all output is shown once, in whole lines.

use std::sync::atomic::{AtomicUsize, Ordering};

use trocar_test_support::seed;

use crate::{
    Test,
    cluster::{Cluster, Namespace},
    cutter::Cutter,
    many::count,
    random_debugs::Choices,
    written::{Shown, Written, wrong, wrong_after_cuts},
};

pub(crate) const TESTS: &[Test] = &[
    (
        "two_streams::programs_that_wrote_into_each_others_lines",
        programs_that_wrote_into_each_others_lines,
    ),
    (
        "two_streams::what_only_the_log_has_is_on_stdout_and_told_once",
        what_only_the_log_has_is_on_stdout_and_told_once,
    ),
    ("two_streams::random_programs", random_programs),
    ("two_streams::connections_that_are_cut", connections_that_are_cut),
];

/// The number of concurrent sessions of a test.
const AT_ONCE: usize = 3;

/// The number of ephemeral containers per pod.
const PER_POD: usize = 25;

/// Runs a test for each number on several threads, each with its own pods. Fails with all errors.
fn try_each(namespace: &Namespace<'_>, count: usize, attempt: impl Fn(&str, usize) -> Option<String> + Sync) {
    let next = AtomicUsize::new(0);
    let work = |thread: usize| {
        let (mut wrong, mut tried) = (Vec::new(), 0);
        let mut pod = String::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return wrong;
            }
            if tried % PER_POD == 0 {
                if !pod.is_empty() {
                    namespace
                        .cluster
                        .delete(&format!("{}/{pod}", namespace.path("pods")));
                }
                pod = format!("web-{thread}-{}", tried / PER_POD);
                namespace.pod(&pod);
            }
            tried += 1;
            wrong.extend(attempt(&pod, number));
        }
    };
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE)
            .map(|thread| scope.spawn(move || work(thread)))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("an attempt does not panic"))
            .collect()
    });
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
}

/// Runs a program that exits with code 5 in a debug container with this name. Returns what is wrong with the output.
fn attempt(
    namespace: &Namespace<'_>,
    (pod, container): (&str, &str),
    flags: &str,
    written: &Written,
    wrong: fn(&Written, &Shown, &[u8]) -> Option<String>,
) -> Option<String> {
    let script = format!("{}\nexit 5", written.script);
    let flags = format!("{flags} --attach {pod} --image=$IMAGE -c {container}");
    let running = namespace.start(&flags, &["sh", "-c", &script]);
    let (stdout, stderr, code) = running.finish_with_bytes();
    let shown = Shown::new(stdout, &stderr);
    let log = namespace.log(pod, container);
    let what = match code {
        5 => wrong(written, &shown, &log)?,
        code => format!("exit code {code}"),
    };
    let show = |bytes: &[u8]| bytes[..bytes.len().min(4000)].escape_ascii().to_string();
    Some(format!(
        "{what}\nprogram: {}\nstdout: {}\nstderr: {}\ntold: {:?}\nlog: {}",
        written.script,
        show(&shown.bytes[0]),
        show(&shown.bytes[1]),
        shown.told,
        show(&log)
    ))
}

/// Regressions: outputs with progress meters and counters.
fn table() -> Vec<Written> {
    let meter = "  % Total  % Received\n";
    let curl = "printf '  %% Total  %% Received\\n' >&2; printf '\\r  0   0' >&2; sleep 1;";
    vec![
        Written::new(
            &format!(
                "{curl} printf '\\r 50  50' >&2; echo '{{\"items\": ['; sleep 1; echo ' 1,'; echo ' 2'; usleep 500000; \
                 printf '\\r100 100\\n' >&2; echo ' ]}}'"
            ),
            "{\"items\": [\n 1,\n 2\n ]}\n",
            &format!("{meter}\r  0   0\r 50  50\r100 100\n"),
        ),
        Written::new(
            &format!(
                "{curl} printf '\\r  0   0' >&2; sleep 1; echo '{{\"status\":'; echo ' \"ok\"}}'; printf '\\r100 100\\n' >&2"
            ),
            "{\"status\":\n \"ok\"}\n",
            &format!("{meter}\r  0   0\r  0   0\r100 100\n"),
        ),
        Written::new(
            "printf Working... >&2; sleep 1; echo out; sleep 1; echo done >&2",
            "out\n",
            "Working...done\n",
        ),
        Written::new(
            "printf Downloading >&2; for i in 1 2 3 4; do usleep 300000; printf . >&2; done; echo ' ok' >&2; echo result",
            "result\n",
            "Downloading.... ok\n",
        ),
        Written::new(
            "for i in 1 2 3 4 5; do printf \"$i \" >&2; usleep 300000; done; echo; echo out",
            "\nout\n",
            "1 2 3 4 5 ",
        ),
    ]
}

fn programs_that_wrote_into_each_others_lines(cluster: &Cluster) {
    let namespace = cluster.namespace();
    let table = table();
    try_each(&namespace, cluster.repeat * table.len(), |pod, number| {
        let container = format!("table-{number}");
        attempt(
            &namespace,
            (pod, &container),
            "",
            &table[number % table.len()],
            wrong,
        )
    });
}

fn what_only_the_log_has_is_on_stdout_and_told_once(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let script = "echo early; echo early error >&2; sleep 1; echo late; echo late error >&2; exit 5";
    let running = namespace.start("--attach web --image=$IMAGE -c early", &["sh", "-c", script]);
    let (stdout, stderr, code) = running.finish_with_bytes();
    let shown = Shown::new(stdout, &stderr);
    let [stdout, stderr] = shown
        .bytes
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert_eq!(code, 5, "{stderr}");
    let told = shown.told.iter().filter(|told| told.starts_with("Note: "));
    match told.count() {
        1 => {
            let mut missed: Vec<&str> = stdout.lines().collect();
            missed.sort_unstable();
            // On a busy machine the attach may succeed only after all output was written.
            let (some, all) = (
                ["early", "early error", "late"],
                ["early", "early error", "late", "late error"],
            );
            let is_some = missed == some && stderr.ends_with("late error\n");
            let is_all = missed == all && !stderr.contains("late error");
            assert!(is_some || is_all, "{stdout}\n{stderr}");
        }
        // The attach succeeded before the program wrote.
        told => assert!(
            told == 0 && stdout == "early\nlate\n" && stderr.ends_with("early error\nlate error\n"),
            "{stdout}\n{stderr}\n{:?}",
            shown.told
        ),
    }
}

fn random_programs(cluster: &Cluster) {
    let namespace = cluster.namespace();
    let (seed, count) = (seed(), count("TROCAR_TEST_STREAMS", 50));
    try_each(&namespace, count, |pod, number| {
        let written = Written::random(seed.wrapping_add(number as u64), false);
        attempt(
            &namespace,
            (pod, &format!("random-{number}")),
            "",
            &written,
            wrong,
        )
    });
}

/// Cuts all connections to the API server after a number of bytes.
fn connections_that_are_cut(cluster: &Cluster) {
    let namespace = cluster.namespace();
    let (seed, count) = (seed(), count("TROCAR_TEST_CUTS", 20));
    try_each(&namespace, count, |pod, number| {
        let seed = seed.wrapping_add(number as u64);
        let mut choices = Choices(seed);
        let cuts = (0..1 + choices.below(3)).map(|_| choices.below(12_000)).collect();
        let cutter = Cutter::start(cluster, &namespace.env, &format!("cut-{number}"), cuts);
        let container = format!("cut-{number}");
        let flags = format!("--kubeconfig={}", cutter.kubeconfig());
        let written = Written::random(seed, true);
        std::thread::scope(|scope| {
            let session =
                scope.spawn(|| attempt(&namespace, (pod, &container), &flags, &written, wrong_after_cuts));
            namespace.wait_for_pod(pod, "with its debug container", |pod| {
                let statuses = pod["status"]["ephemeralContainerStatuses"].as_array()?;
                // The write was answered before the program runs, so the session is cut.
                let has_begun = |status: &serde_json::Value| {
                    status["name"] == *container && status["state"]["waiting"].is_null()
                };
                statuses.iter().any(has_begun).then_some(())
            });
            cutter.begin();
            session.join().expect("an attempt does not panic")
        })
        .map(|wrong| format!("after {} cuts: {wrong}", cutter.count()))
    });
}
