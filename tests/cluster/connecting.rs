//! How the cluster is reached: credential plugins and flags, against a real API server.

use std::{fs, path::Path};

use serde_json::{Value, json};
use trocar_test_support::kubeconfig;

use crate::{
    Test,
    cluster::{Cluster, Namespace},
};

pub(crate) const TESTS: &[Test] = &[
    (
        "connecting::a_plugin_runs_once_and_eats_no_input",
        a_plugin_runs_once_and_eats_no_input,
    ),
    (
        "connecting::a_session_outlives_its_credentials",
        a_session_outlives_its_credentials,
    ),
    (
        "connecting::flags_alone_reach_a_cluster",
        flags_alone_reach_a_cluster,
    ),
    (
        "connecting::a_token_without_tls_is_not_sent",
        a_token_without_tls_is_not_sent,
    ),
];

/// A credential plugin that logs its runs, reads a line if it has a terminal, and prints the answer in a file.
const PLUGIN: &str = "cd \"$1\"; echo \"$KUBERNETES_EXEC_INFO\" >>runs\n\
    case \"$KUBERNETES_EXEC_INFO\" in *'\"interactive\":true'*) read -r line;; esac\ncat answer\n";

/// The token and the server of the cluster under test.
fn reached(cluster: &Cluster) -> (String, Value) {
    let config = cluster.kubeconfig();
    let token = config["users"][0]["user"]["token"].as_str();
    let token = token.expect("the kubeconfig under test has a token").to_owned();
    (token, config["clusters"][0]["cluster"].clone())
}

/// A kubeconfig with a credential plugin whose tokens are valid for some seconds.
pub(crate) fn with_plugin(namespace: &Namespace<'_>, cluster: &Cluster, seconds: Option<i64>) {
    let (token, entry) = reached(cluster);
    let mut status = json!({"token": token});
    if let Some(seconds) = seconds {
        status["expirationTimestamp"] = json!(format!(
            "{}",
            jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds)
        ));
    }
    let answer =
        json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status});
    namespace.env.write("answer", &answer.to_string());
    namespace.env.write("plugin.sh", PLUGIN);
    let mut config = kubeconfig("");
    config["clusters"][0]["cluster"] = entry;
    config["users"][0]["user"] = json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "IfAvailable", "provideClusterInfo": true,
        "command": "/bin/sh", "args": [namespace.env.folder().join("plugin.sh"), namespace.env.folder()],
    }});
    namespace.env.write("plugin.kubeconfig", &config.to_string());
}

pub(crate) fn runs(folder: &Path) -> Vec<Value> {
    let runs = fs::read_to_string(folder.join("runs")).unwrap_or_default();
    runs.lines()
        .map(|line| serde_json::from_str(line).expect("it is JSON"))
        .collect()
}

fn a_plugin_runs_once_and_eats_no_input(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    for seconds in [None, Some(30), Some(900)] {
        fs::remove_file(namespace.env.folder().join("runs")).ok();
        with_plugin(&namespace, cluster, seconds);
        let mut running = namespace.start(
            "--kubeconfig=plugin.kubeconfig -q -i web --image=$IMAGE",
            &["cat"],
        );
        running.write("l1\nl2\nl3\n");
        let output = running.finish();
        assert_eq!(
            (output.stdout.as_str(), output.code),
            ("l1\nl2\nl3\n", 0),
            "{output}"
        );
        let runs = runs(namespace.env.folder());
        assert_eq!(runs.len(), 1, "{runs:?}");
        assert_eq!(runs[0]["spec"]["interactive"], false);
        assert_eq!(runs[0]["spec"]["cluster"]["server"], reached(cluster).1["server"]);
    }
}

fn a_session_outlives_its_credentials(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    // Already expired, so that every request needs a run.
    with_plugin(&namespace, cluster, Some(-1));
    let command = ["sh", "-c", "echo begins; sleep 3; echo ends; exit 7"];
    let output = namespace.debug(
        "--kubeconfig=plugin.kubeconfig -q --attach web --image=$IMAGE",
        &command,
    );
    assert_eq!(
        (output.stdout.as_str(), output.code),
        ("begins\nends\n", 7),
        "{output}"
    );
    assert!(runs(namespace.env.folder()).len() > 2);
}

fn flags_alone_reach_a_cluster(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let (token, entry) = reached(cluster);
    let server = entry["server"].as_str().expect("a server");
    let empty = namespace.env.write("empty", "");
    let authority = entry["certificate-authority"].as_str();
    let authority = authority.map(|file| format!("--certificate-authority={file}"));
    for trust in authority
        .into_iter()
        .chain(["--insecure-skip-tls-verify".to_owned()])
    {
        let flags = format!(
            "--kubeconfig={} -s {server} --token={token} {trust} -q --attach web --image=$IMAGE",
            empty.display()
        );
        let output = namespace.debug(&flags, &["echo", "ok"]);
        assert_eq!((output.stdout.as_str(), output.code), ("ok\n", 0), "{output}");
    }
}

fn a_token_without_tls_is_not_sent(cluster: &Cluster) {
    let namespace = cluster.namespace();
    let (token, _) = reached(cluster);
    let server = trocar_test_support::FakeApiServer::start([]);
    namespace.debug(
        &format!("-s {} --token={token} web --image=$IMAGE", server.url()),
        &[],
    );
    assert!(!server.requests().is_empty());
    for request in server.requests() {
        assert!(
            !request.headers.contains_key("authorization"),
            "{}",
            request.line()
        );
    }
}
