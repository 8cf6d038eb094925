//! Two users with their own tokens and the same rights: neither cleans up the other's pods.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use trocar_test_support::{CommandOutput, TestEnv};

use crate::{
    Test,
    cluster::{Cluster, Namespace, text},
};

pub(crate) const TESTS: &[Test] = &[(
    "users::what_one_cleans_the_other_did_not_make",
    what_one_cleans_the_other_did_not_make,
)];

/// A user: a token, and a home with its own journal.
struct Person<'a> {
    namespace: &'a Namespace<'a>,
    env: TestEnv,
}

impl<'a> Person<'a> {
    fn new(namespace: &'a Namespace<'a>, name: &str) -> Self {
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
        let accounts = namespace.path("serviceaccounts");
        namespace.cluster.create(&accounts, &account);
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
        let answer = namespace
            .cluster
            .create(&format!("{accounts}/{name}/token"), &request);
        let user = format!("system:serviceaccount:{}:{name}", namespace.name);
        namespace.grant_as(
            name,
            &user,
            &[
                (&["pods"], &["get", "list", "watch", "create", "delete"]),
                (&["pods/ephemeralcontainers"], &["patch"]),
                (&["pods/attach", "pods/log"], &["get"]),
            ],
        );
        let mut env = TestEnv::new(env!("CARGO_BIN_EXE_trocar"));
        let mut config = namespace.cluster.kubeconfig();
        config["users"][0]["user"] = json!({"token": answer["status"]["token"]});
        let config = env.write("kubeconfig", &config.to_string());
        env.set("KUBECONFIG", &config.display().to_string());
        Self { namespace, env }
    }

    fn run(&self, arguments: &str) -> CommandOutput {
        let namespace = format!("--namespace={}", self.namespace.name);
        let (flags, program) = arguments.split_once(" -- ").unwrap_or((arguments, ""));
        let image = &self.namespace.cluster.image;
        let mut words: Vec<String> = flags
            .split_whitespace()
            .map(|word| word.replace("$IMAGE", image))
            .collect();
        words.push(namespace);
        if !program.is_empty() {
            words.push("--".into());
            words.extend(program.split_whitespace().map(str::to_owned));
        }
        self.env.run_with(words)
    }

    /// A successful debug.
    fn debug(&self, arguments: &str) {
        let output = self.run(&format!("debug --image=$IMAGE {arguments}"));
        assert_eq!(output.code, 0, "{arguments}: {output}");
    }
}

/// The uids of pods that are not being deleted.
fn present(namespace: &Namespace<'_>) -> BTreeSet<String> {
    let pods = namespace
        .cluster
        .read(&namespace.path("pods"))
        .expect("pods can be listed");
    let pods = pods["items"].as_array().into_iter().flatten();
    let present = pods.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    present.map(|pod| text(&pod["metadata"]["uid"])).collect()
}

fn uid(namespace: &Namespace<'_>, pod: &str) -> String {
    text(&namespace.read_pod(pod)["metadata"]["uid"])
}

/// A pod with all stamps of another one, optionally with another name.
fn forge(namespace: &Namespace<'_>, original: &Value, name: &str) {
    let mut forged = original.clone();
    let kept = &original["metadata"];
    forged["metadata"] = json!({
        "name": name, "labels": kept["labels"], "annotations": kept["annotations"], "managedFields": kept["managedFields"],
    });
    forged["status"] = Value::Null;
    let path = format!("{}?fieldManager=trocar", namespace.path("pods"));
    namespace.cluster.create(&path, &forged);
}

fn what_one_cleans_the_other_did_not_make(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.create_pod("web", &["sleep", "36000"], &json!({"restartPolicy": "Never"}));
    namespace.wait_for_pod("web", "running", |pod| {
        (pod["status"]["phase"] == "Running").then_some(())
    });
    let (ann, ben) = (Person::new(&namespace, "ann"), Person::new(&namespace, "ben"));
    for (person, name) in [(&ann, "ann"), (&ben, "ben")] {
        person.debug(&format!("web --copy-to={name}-copy -c dbg --same-node -- true"));
        person.debug(&format!(
            "web --copy-to={name}-expired -c dbg --same-node --ttl=2s -- sleep 3600"
        ));
        person.debug(&format!("web -c {name}-dbg -- sleep 3600"));
    }
    // Created by Ben, with forged evidence of Ann: her stamp, her name, her program's field manager.
    let of_ann = namespace.read_pod("ann-copy");
    let account = format!("system:serviceaccount:{}:ann", namespace.name);
    assert_eq!(
        of_ann["metadata"]["annotations"]["trocar.dev/requester"],
        json!(null)
    );
    let mut claimed = of_ann.clone();
    claimed["metadata"]["annotations"]["trocar.dev/requester"] = json!(account);
    claimed["metadata"]["annotations"]["trocar.dev/expires"] = json!("2020-01-01T00:00:00Z");
    forge(&namespace, &claimed, "forged");
    let mut kubectls = of_ann.clone();
    kubectls["metadata"]["labels"]["app.kubernetes.io/managed-by"] = json!("kubectl-debug");
    forge(&namespace, &kubectls, "workload");
    // A pod of hers that Ben replaces.
    ann.debug("web --copy-to=ann-replaced -c dbg --same-node -- true");
    let replaced = namespace.read_pod("ann-replaced");
    cluster.delete(&format!("{}/ann-replaced", namespace.path("pods")));
    namespace.wait_until_no_more("ann-replaced");
    forge(&namespace, &replaced, "ann-replaced");
    for name in ["ann-copy", "ben-copy", "forged", "workload", "ann-replaced"] {
        namespace.wait_for_debug_container_to_end(name);
    }
    for name in ["ann-expired", "ben-expired"] {
        namespace.wait_for_pod(name, "over", |pod| {
            (pod["status"]["phase"] == "Failed").then_some(())
        });
    }

    let of_ann: BTreeSet<String> = ["ann-copy", "ann-expired"]
        .iter()
        .map(|name| uid(&namespace, name))
        .collect();
    let before = present(&namespace);
    for typed in ["clean -y", "clean -y --older-than=0s", "clean -y --expired"] {
        let output = ann.run(typed);
        assert_eq!(output.code, 0, "{typed}: {output}");
    }
    for name in ["ben-copy", "forged", "workload", "ann-replaced"] {
        let output = ann.run(&format!("clean -y {name}"));
        assert_eq!(output.code, 1, "{name}: {output}");
        assert!(
            output.stderr.contains("is not known to be yours"),
            "{name}: {output}"
        );
    }
    let left: BTreeSet<String> = before.difference(&of_ann).cloned().collect();
    assert_eq!(
        present(&namespace),
        left,
        "what Ann made is gone, and nothing else"
    );

    let of_ben: BTreeSet<String> = ["ben-copy", "ben-expired"]
        .iter()
        .map(|name| uid(&namespace, name))
        .collect();
    assert_eq!(ben.run("clean -y").code, 0);
    let left: BTreeSet<String> = left.difference(&of_ben).cloned().collect();
    assert_eq!(
        present(&namespace),
        left,
        "what Ben made is gone, and nothing else"
    );
}
