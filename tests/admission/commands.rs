//! The commands that need no server: judging a review from a file, and printing the required rights.

use serde_json::{Value, json};
use trocar_test_support::TestEnv;

use crate::{IMAGES, SERVER, adds, configure};

fn offline(config: &str) -> TestEnv {
    let env = TestEnv::new(SERVER);
    configure(&env, config);
    env
}

#[test]
fn a_review_is_judged_without_a_cluster() {
    let env = offline(IMAGES);
    env.write("good.json", &adds("busybox").to_string());
    let output = env.run("review --config config.yaml good.json");
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output}");
    let answer: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(answer["response"]["allowed"], true);
    let output = env.run_fed("review --config config.yaml -", &adds("evil").to_string());
    assert_eq!(output.code, 3, "{output}");
    assert!(output.stdout.contains("policy images"), "{output}");
}

#[test]
fn nodes_are_taken_from_files() {
    let env = offline("policies: [{name: protected-targets}]\n");
    let mut review = adds("busybox");
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "n", "namespace": "shop"},
        "spec": {"nodeName": "cp", "containers": [{"name": "a", "image": "busybox"}]}});
    review["request"]["operation"] = json!("CREATE");
    review["request"]["subResource"] = json!("");
    review["request"]["object"] = pod;
    env.write("review.json", &review.to_string());
    env.write(
        "nodes.yaml",
        "apiVersion: v1\nkind: Node\nmetadata: {name: cp, labels: {node-role.kubernetes.io/control-plane: ''}}\n",
    );
    let output = env.run("review --config config.yaml review.json");
    assert!(
        output.code == 3 && output.stdout.contains("cannot be judged"),
        "{output}"
    );
    let output = env.run("review --config config.yaml review.json --object nodes.yaml");
    assert!(
        output.code == 3 && output.stdout.contains("control plane"),
        "{output}"
    );
}

#[test]
fn mistakes_are_reported_on_one_line() {
    let env = offline(IMAGES);
    env.write("pod.json", "{\"kind\": \"Pod\"}");
    for (command, wanted) in [
        ("review --config config.yaml pod.json", "not an AdmissionReview"),
        ("review --config config.yaml gone.json", "cannot read gone.json"),
        ("review --config gone.yaml pod.json", "gone.yaml"),
    ] {
        let output = env.run(command);
        assert_eq!((output.code, output.stdout.as_str()), (1, ""), "{output}");
        assert!(
            output.stderr.contains(wanted) && output.stderr.lines().count() == 1,
            "{output}"
        );
    }
}

#[test]
fn the_rights_that_are_needed_are_printed() {
    let output = offline(IMAGES).run("rbac --config config.yaml");
    assert_eq!(output.code, 0, "{output}");
    assert!(
        output.stdout.contains("kind: ClusterRole") && output.stdout.contains("nodes"),
        "{output}"
    );
    assert!(!output.stdout.contains("pods"), "{output}");
}

#[test]
fn cases_at_the_door_come_to_the_same_verdict_or_say_why_not() {
    let env = offline("");
    let config = json!({"apiVersion": "trocar.dev/v1alpha1", "kind": "Config", "policies": [
        {"name": "images", "plugin": "approved-images", "settings": {"images": [{"repository": "library/busybox"}]}}]});
    let case = |name: &str, image: &str, verdict: &str, known: bool| {
        let document = json!({"kind": "PolicyCaseAtTheDoor", "file": "a.cases.yaml", "name": name, "verdict": verdict,
            "time": "2026-01-01T00:00:00Z", "config": config, "objects": [], "sourceIsKnown": known, "review": adds(image)});
        env.write(&format!("cases/{name}.json"), &document.to_string());
    };
    std::fs::create_dir(env.folder().join("cases")).unwrap();
    case("one", "busybox", "allow", true);
    case("two", "evil", "deny", true);
    case("three", "evil", "allow", false);
    env.write(
        "cases/four.json",
        &json!({"kind": "PolicyCaseAtTheDoor", "unreachable": "no"}).to_string(),
    );
    let output = env.run("test cases");
    assert_eq!(output.code, 0, "{output}");
    let last = "2 the same, 1 others for a reason, 1 that get to no cluster, 0 that differ\n";
    assert!(output.stdout.ends_with(last), "{output}");
    assert!(
        output
            .stdout
            .starts_with("a.cases.yaml: three: the source of a copy is not known"),
        "{output}"
    );
    case("five", "busybox", "deny", true);
    let output = env.run("test cases");
    assert_eq!(output.code, 1, "{output}");
    assert!(
        output.stdout.contains("five: DIFFERS: allow instead of deny"),
        "{output}"
    );
    env.write("cases/six.json", "{}");
    assert_eq!(env.run("test cases").code, 1);
}
