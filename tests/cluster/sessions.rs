//! Listing the sessions of all users, and cleaning up one's own only.

use serde_json::{Value, json};
use trocar_test_support::CommandOutput;

use crate::{
    Test,
    cluster::{Cluster, Namespace},
};

pub(crate) const TESTS: &[Test] = &[
    (
        "sessions::all_are_listed_and_ours_are_known",
        all_are_listed_and_ours_are_known,
    ),
    ("sessions::fifteen_debugs_of_one_pod", fifteen_debugs_of_one_pod),
    ("sessions::without_the_right_to_list", without_the_right_to_list),
    (
        "sessions::back_to_a_shell_that_was_left",
        back_to_a_shell_that_was_left,
    ),
    (
        "sessions::policies_are_asked_before_one_comes_back",
        policies_are_asked_before_one_comes_back,
    ),
    (
        "sessions::the_same_container_is_used_again",
        the_same_container_is_used_again,
    ),
    ("sessions::a_pod_with_a_time_to_live", a_pod_with_a_time_to_live),
    (
        "sessions::clean_spares_what_others_made",
        clean_spares_what_others_made,
    ),
    ("sessions::clean_takes_what_has_ended", clean_takes_what_has_ended),
];

/// Another user, with another home and so another journal. Runs these arguments.
fn of_other(namespace: &Namespace<'_>, arguments: &str) -> CommandOutput {
    let mut command = namespace.env.command(words(namespace, arguments));
    let home = namespace.env.folder().join("other");
    std::fs::create_dir_all(&home).unwrap();
    let output = command.env("HOME", home).output().unwrap();
    CommandOutput {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: output.status.code().unwrap_or(-1),
    }
}

fn ours(namespace: &Namespace<'_>, arguments: &str) -> CommandOutput {
    namespace.env.run_with(words(namespace, arguments))
}

fn words(namespace: &Namespace<'_>, arguments: &str) -> Vec<String> {
    let words = arguments
        .split_whitespace()
        .map(|word| word.replace("$IMAGE", &namespace.cluster.image));
    words.chain([format!("--namespace={}", namespace.name)]).collect()
}

fn listed(output: &CommandOutput) -> Vec<Value> {
    let list: Value =
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert_eq!(list["kind"], "SessionList");
    list["items"].as_array().unwrap().clone()
}

/// Waits until a pod's container has ended.
fn wait_until_ended(namespace: &Namespace<'_>, pod: &str) {
    namespace.wait_for_pod(pod, "over", |pod| {
        matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")).then_some(())
    });
}

fn all_are_listed_and_ours_are_known(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    assert_eq!(
        namespace
            .debug(
                "--attach -q web --image=$IMAGE -c mine --reason=OPS-7",
                &["sh", "-c", "exit 3"]
            )
            .code,
        3
    );
    namespace.debug(
        "web --image=$IMAGE --copy-to=web-copy -c dbg --same-node",
        &["sleep", "3600"],
    );
    let node = cluster.node();
    namespace.debug(
        &format!("node/{node} --image=$IMAGE --suffix=abc12"),
        &["sleep", "3600"],
    );
    assert_eq!(of_other(&namespace, "debug web --image=$IMAGE -c theirs").code, 0);

    let items = listed(&ours(&namespace, "sessions -o json"));
    let seen: Vec<Value> = items
        .iter()
        .map(|item| {
            json!([
                item["pod"],
                item["container"],
                item["kind"],
                item["owner"],
                item["madeBy"]
            ])
        })
        .collect();
    let node_pod = format!("node-debugger-{node}-abc12");
    assert!(
        seen.contains(&json!(["web", "mine", "EphemeralContainer", "you", "trocar"])),
        "{seen:?}"
    );
    assert!(
        seen.contains(&json!(["web", "theirs", "EphemeralContainer", "other", "trocar"])),
        "{seen:?}"
    );
    assert!(
        seen.contains(&json!(["web-copy", "dbg", "PodCopy", "you", "trocar"])),
        "{seen:?}"
    );
    assert!(
        seen.contains(&json!([node_pod, "debugger", "NodePod", "you", "trocar"])),
        "{seen:?}"
    );
    assert_eq!(seen.len(), 4, "{seen:?}");
    let mine = items.iter().find(|item| item["container"] == "mine").unwrap();
    assert_eq!(mine["state"], json!({"phase": "Ended", "exitCode": 3}));
    assert_eq!(mine["reason"], "OPS-7");

    let names = ours(&namespace, "sessions --mine -o name").stdout;
    assert_eq!(
        names,
        format!("pod/{node_pod}:debugger\npod/web:mine\npod/web-copy:dbg\n")
    );
    let table = ours(&namespace, "sessions --mine").stdout;
    assert!(
        table
            .lines()
            .any(|line| line.starts_with("pod/web:mine") && line.ends_with("exited 3")),
        "{table}"
    );
}

fn fifteen_debugs_of_one_pod(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    for number in 0..15 {
        assert_eq!(
            namespace
                .debug(&format!("web --image=$IMAGE -c dbg-{number}"), &["true"])
                .code,
            0
        );
    }
    let items = listed(&ours(&namespace, "sessions --mine -o json"));
    assert_eq!(items.len(), 15);
    // The same without a journal: `managedFields` have the writer.
    let items = listed(&of_other(&namespace, "sessions -o json"));
    assert_eq!(
        items.iter().filter(|item| item["madeBy"] == "trocar").count(),
        15,
        "{items:?}"
    );
}

fn without_the_right_to_list(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    namespace.grant(
        "getter",
        &[(&["pods"], &["get"]), (&["pods/ephemeralcontainers"], &["patch"])],
    );
    assert_eq!(
        ours(&namespace, "debug web --image=$IMAGE -c mine --as=getter").code,
        0
    );
    let output = ours(&namespace, "sessions --as=getter -o name");
    assert_eq!(output.stdout, "pod/web:mine\n", "{output:?}");
    assert!(output.stderr.contains("you may not list pods here"), "{output:?}");
    let output = of_other(&namespace, "sessions --as=getter");
    assert_eq!(output.code, 1, "{output:?}");
    assert!(
        output.stderr.contains("cannot list resource \"pods\""),
        "{output:?}"
    );
}

fn clean_spares_what_others_made(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.create_pod("web", &["sleep", "36000"], &json!({"restartPolicy": "Never"}));
    let copy = |name: &str| format!("debug web --image=$IMAGE --copy-to={name} -c dbg --same-node -- true");
    let copied = |name: &str| {
        namespace
            .env
            .run_with(words_before_command(&namespace, &copy(name)))
    };
    assert_eq!(copied("ours").code, 0);
    // Pods of other users, with all stamps of ours.
    let stamp = namespace.read_pod("ours")["metadata"].clone();
    for name in ["forged", "workload"] {
        let mut pod = namespace.read_pod("ours");
        pod["metadata"] =
            json!({"name": name, "labels": stamp["labels"], "annotations": stamp["annotations"]});
        pod["status"] = Value::Null;
        let path = format!("{}?fieldManager=trocar", namespace.path("pods"));
        cluster.create(&path, &pod);
    }
    for name in ["ours", "forged", "workload"] {
        namespace.wait_for_debug_container_to_end(name);
    }
    let output = ours(&namespace, "clean -y");
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stdout.contains("pod/ours in namespace"), "{output:?}");
    let left = namespace.pods();
    assert!(
        left.contains(&"forged".to_owned()) && left.contains(&"workload".to_owned()),
        "{left:?}"
    );

    let refused = ours(&namespace, "clean forged -y");
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.stderr.contains("forged is not known to be yours"),
        "{refused:?}"
    );
    let refused = ours(&namespace, "clean --all-users -y");
    assert_eq!(refused.code, 2, "{refused:?}");
    let refused = ours(&namespace, "clean pod/web:dbg -y");
    assert_eq!(refused.code, 1, "{refused:?}");
    assert_eq!(ours(&namespace, "clean --all-users forged -y").code, 0);
    namespace.wait_for_gone("forged");
    assert!(namespace.pods().contains(&"workload".to_owned()));
}

fn words_before_command(namespace: &Namespace<'_>, arguments: &str) -> Vec<String> {
    let (flags, command) = arguments.split_once(" -- ").unwrap();
    let mut all = words(namespace, flags);
    all.push("--".into());
    all.extend(command.split_whitespace().map(str::to_owned));
    all
}

fn clean_takes_what_has_ended(cluster: &Cluster) {
    let namespace = cluster.namespace();
    let node = format!("node/{}", cluster.node());
    for (suffix, command) in [("ended", "true"), ("runs", "sleep 3600")] {
        let typed = format!("debug {node} --image=$IMAGE --suffix={suffix} -- {command}");
        assert_eq!(
            namespace
                .env
                .run_with(words_before_command(&namespace, &typed))
                .code,
            0
        );
    }
    let pod = |suffix: &str| format!("node-debugger-{}-{suffix}", cluster.node());
    wait_until_ended(&namespace, &pod("ended"));
    let shown = ours(&namespace, "clean --dry-run");
    assert!(
        shown.stdout.contains(&pod("ended")) && !shown.stdout.contains(&pod("runs")),
        "{shown:?}"
    );
    assert!(shown.stderr.contains("1 pod would be deleted"), "{shown:?}");
    assert!(namespace.pods().contains(&pod("ended")));
    let unasked = ours(&namespace, "clean");
    assert_eq!(unasked.code, 1, "{unasked:?}");
    assert_eq!(of_other(&namespace, "clean -y").code, 0);
    assert!(namespace.pods().contains(&pod("ended")));
    assert_eq!(ours(&namespace, "clean -y").code, 0);
    namespace.wait_for_gone(&pod("ended"));
    assert!(namespace.pods().contains(&pod("runs")));
    // By name, running pods are removed as well.
    assert_eq!(ours(&namespace, &format!("clean {} -y", pod("runs"))).code, 0);
    namespace.wait_for_gone(&pod("runs"));
    assert_eq!(ours(&namespace, "clean -y").stderr, "Nothing to delete.\n");
}

fn attach(namespace: &Namespace<'_>, arguments: &str) -> trocar_test_support::Terminal {
    let command = namespace
        .env
        .command(words(namespace, &format!("attach {arguments}")));
    trocar_test_support::Terminal::start(command, 80, 24)
}

fn back_to_a_shell_that_was_left(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    for number in 0..cluster.repeat {
        let mut terminal = namespace.on_terminal(&format!("-it web --image=$IMAGE -c dbg-{number}"), &["sh"]);
        terminal.read_until("# ");
        terminal.write("echo before-$((40 + 2))\r");
        terminal.read_until("before-42\r\n");
        terminal.read_until("# ");
        terminal.write("(sleep 1; echo between-$((40 + 3))) &\r");
        // A shell prints its prompt again when its terminal is resized, so that prompt is not an answer yet.
        terminal.read_until("3))) &\r\n");
        terminal.read_until("# ");
        terminal.write("\x10\x11");
        terminal.read_until(&format!("come back with: trocar attach pod/web:dbg-{number} -n "));
        assert_eq!(terminal.wait(), 0);

        // By its name, by its target, and as the only running one.
        let way = [format!("pod/web:dbg-{number}"), "web".into(), String::new()][number % 3].clone();
        let mut terminal = attach(&namespace, &way);
        terminal.read_until("before-42");
        terminal.read_until("between-43");
        terminal.write("exit 7\r");
        assert_eq!(terminal.wait(), 7, "{}", terminal.screen());
        assert!(terminal.is_sane());
    }
    let output = ours(&namespace, "attach pod/web:dbg-0");
    assert_eq!(output.code, 125, "{output:?}");
    assert!(output.stderr.contains("pod/web:dbg-0 has exited 7"), "{output:?}");
    let output = ours(&namespace, "attach web-1");
    assert!(
        output.stderr.contains("no session debugs pod/web-1 in namespace"),
        "{output:?}"
    );
}

fn policies_are_asked_before_one_comes_back(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let program = ["sh", "-c", "sleep 5; echo over; exit 5"];
    assert_eq!(namespace.debug("web --image=$IMAGE -c dbg", &program).code, 0);
    let rules =
        "apiVersion: trocar.dev/v1alpha1\nkind: Config\npolicies:\n- name: why\n  plugin: require-reason\n";
    let config = namespace.env.write("rules.yaml", rules);
    let config = config.display();
    let output = ours(&namespace, &format!("attach web --config={config}"));
    assert_eq!(output.code, 125, "{output:?}");
    assert!(output.stderr.contains("why"), "{output:?}");
    let output = ours(
        &namespace,
        &format!("attach web --config={config} --reason=OPS-7"),
    );
    assert_eq!((output.code, output.stdout.as_str()), (5, "over\n"), "{output:?}");
}

fn the_same_container_is_used_again(cluster: &Cluster) {
    let namespace = cluster.namespace();
    // One container ends another by a signal.
    namespace.create_pod(
        "web",
        &["sleep", "36000"],
        &json!({"shareProcessNamespace": true}),
    );
    namespace.wait_for_pod("web", "running", |pod| {
        (pod["status"]["phase"] == "Running").then_some(())
    });
    let waits = "trap 'exit 5' TERM; echo one; echo two; while true; do sleep 0.1; done";
    let program = ["sh", "-c", waits, "waiting"];
    let ends = "for file in /proc/[0-9]*/cmdline; do if tr '\\0' ' ' <$file | grep -q 'done waitin[g]'; then \
        file=${file%/cmdline}; kill -TERM ${file#/proc/}; fi; done";
    for profile in ["general", "baseline", "sysadmin"] {
        let flags = format!("web --image=$IMAGE --attach --reuse --tail=1 --profile={profile} -q");
        let before = namespace.ephemeral_containers("web").len();
        let mut first = namespace.start(&flags, &program);
        first.stdout_until("two\n");
        first.signal(rustix::process::Signal::TERM);
        assert_eq!(first.finish_with_open_stdin().code, 143);
        let names = namespace.ephemeral_containers("web");
        assert_eq!(names.len(), before + 1);
        namespace.wait_for_log("web", &names[before], "two\n");
        // Only a container that its pod reports as running is come back to, and a busy kubelet reports late.
        namespace.wait_for_pod("web", "reported", |pod| {
            let reported = pod["status"]["ephemeralContainerStatuses"].as_array()?;
            let own = reported
                .iter()
                .find(|status| status["name"] == names[before].as_str())?;
            own["state"]["running"].is_object().then_some(())
        });

        let second = namespace.start(&flags, &program);
        second.stdout_until("two\n");
        // Another one is another container.
        let other = namespace.debug(&format!("{flags} --env=A=1"), &["sh", "-c", ends]);
        assert_eq!(other.code, 0, "{other}");
        let output = second.finish();
        assert_eq!(
            (output.stdout.as_str(), output.code),
            ("two\n", 5),
            "{profile}: {output}"
        );
        assert_eq!(namespace.ephemeral_containers("web").len(), before + 2);
    }
}

fn a_pod_with_a_time_to_live(cluster: &Cluster) {
    let namespace = cluster.namespace();
    let node = format!("node/{}", cluster.node());
    let typed = format!("debug {node} --image=$IMAGE --suffix=abc12 --ttl=4s -- sleep 3600");
    assert_eq!(
        namespace
            .env
            .run_with(words_before_command(&namespace, &typed))
            .code,
        0
    );
    let pod = format!("node-debugger-{}-abc12", cluster.node());
    let reason = namespace.wait_for_pod(&pod, "over", |pod| {
        (pod["status"]["phase"] == "Failed").then(|| pod["status"]["reason"].clone())
    });
    assert_eq!(reason, "DeadlineExceeded");
    assert_eq!(ours(&namespace, "clean --expired -y").code, 0);
    namespace.wait_for_gone(&pod);
    namespace.pod("web");
    let refused = namespace.debug("web --image=$IMAGE --ttl=1h", &[]);
    assert_eq!(
        (refused.code, namespace.ephemeral_containers("web").len()),
        (2, 0),
        "{refused:?}"
    );
    assert!(refused.stderr.contains("stays until its pod ends"), "{refused:?}");
    let refused = namespace.debug("web --image=$IMAGE --ttl=1h --copy-to=c --replace", &[]);
    assert_eq!(refused.code, 2, "{refused:?}");
}
