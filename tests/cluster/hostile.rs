//! Plans of a hostile strategy on a real API server: refused, shown as rights, or bounded by a policy. Also concurrent debugs, and
//! debugs while the target changes.
//!
//! The plans are in `plans/`; the strategy `replays` returns them.

use http::Request;
use serde_json::{Value, json};
use trocar_test_support::CommandOutput;

use crate::{
    Test,
    cluster::{Cluster, Namespace, text},
    policies::with_config,
};

pub(crate) const TESTS: &[Test] = &[
    ("hostile::what_no_plan_may_do", what_no_plan_may_do),
    (
        "hostile::what_is_shown_before_it_is_given",
        what_is_shown_before_it_is_given,
    ),
    ("hostile::what_a_policy_denies", what_a_policy_denies),
    (
        "hostile::what_a_policy_bounds_is_stored_so",
        what_a_policy_bounds_is_stored_so,
    ),
    (
        "hostile::what_was_agreed_to_is_what_is_stored",
        what_was_agreed_to_is_what_is_stored,
    ),
    (
        "hostile::six_debugs_at_once_keep_to_a_limit_of_two",
        six_debugs_at_once_keep_to_a_limit_of_two,
    ),
    (
        "hostile::a_target_that_becomes_protected_meanwhile_is_not_touched",
        a_target_that_becomes_protected_meanwhile_is_not_touched,
    ),
];

/// trocar's own exit code when it fails itself, or a policy denies.
const FAILED: i32 = 125;

pub(crate) const REPLAYS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/guests/rust/replays/replays.wasm"
);

macro_rules! plan {
    ($name:literal) => {
        include_str!(concat!("plans/", $name, ".json"))
    };
}

const HARDENED: &str = "
policies:
- name: ceiling
  plugin: privilege-ceiling
  settings: {profile: restricted}
";

const LIMITS: &str = "
policies:
- name: limits
  plugin: session-limits
  settings: {timeToLive: 30, resources: {cpu: '1', memory: 1Gi}}
";

/// Runs the strategy with a plan of one step, in this namespace and with the image for tests.
fn replay(namespace: &Namespace<'_>, config: &str, target: &str, step: &str, more: &[&str]) -> CommandOutput {
    let mut step: Value = serde_json::from_str(step).expect("a plan is JSON");
    if step["action"] == "create-pod" {
        step["object"]["metadata"]["namespace"] = json!(namespace.name);
        for list in ["containers", "initContainers"] {
            for container in step["object"]["spec"][list].as_array_mut().into_iter().flatten() {
                container["image"] = json!(namespace.cluster.image);
            }
        }
    }
    let file = with_config(namespace, config);
    let settings = format!("steps={}", json!([step]));
    let image = format!("--image={}", namespace.cluster.image);
    let own = format!("--namespace={}", namespace.name);
    let strategy = format!("--strategy={REPLAYS}");
    let mut arguments = vec![
        "debug", target, &own, &file, &strategy, &image, "--set", &settings,
    ];
    arguments.extend(more);
    namespace.env.run_with(arguments)
}

fn what_no_plan_may_do(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let node = format!("node/{}", cluster.node());
    for (plan, target, told) in [
        (
            plan!("a-container-that-hides-a-patch-directive"),
            "web",
            "/securityContext/$patch: a patch directive is not part of an object",
        ),
        (
            plan!("a-node-pod-on-another-node"),
            node.as_str(),
            "the pod would run on node \"sec-cp-1\" instead of",
        ),
        (
            plan!("a-copy-bound-to-a-node"),
            "web",
            "the pod would be put on node \"cp-1\", which is not its target's node",
        ),
        (plan!("a-pod-that-a-controller-adopts"), "web", "controller"),
        (
            plan!("a-forged-stamp"),
            "web",
            "in metadata.annotations may only be set by trocar",
        ),
    ] {
        for more in [&["--yes"][..], &["--yes", "--dry-run=server"]] {
            let output = replay(&namespace, "", target, plan, more);
            assert!(
                output.code == FAILED && output.stderr.contains(told),
                "{told}: {output}"
            );
        }
    }
    assert!(namespace.ephemeral_containers("web").is_empty());
    assert_eq!(namespace.pods(), ["web"]);
}

fn what_is_shown_before_it_is_given(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    for (plan, rights) in [
        (
            plan!("another-account-by-its-old-name"),
            &["service-account powerful"][..],
        ),
        (plan!("secrets-of-others"), &["secret db-root", "secret other"]),
        (
            plan!("a-priority-of-the-system"),
            &["priority-class system-node-critical"],
        ),
        (plan!("a-day-to-end"), &["grace-period 86400"]),
        (
            plan!("a-sidecar-without-bounds"),
            &["sidecar (container \"side\")"],
        ),
        (
            plan!("a-pod-without-bounds"),
            &["pod-resources cpu", "pod-resources memory"],
        ),
        (
            plan!("a-path-that-erases-the-screen"),
            &["host-namespace hostPID", "host-path /"],
        ),
    ] {
        let output = replay(&namespace, "", "web", plan, &[]);
        let says = |text: &str| output.stderr.contains(text);
        assert!(
            output.code == FAILED && says("was not approved"),
            "{rights:?}: {output}"
        );
        for right in rights {
            let told = format!("Warning: the plan grants more than the flags ask for: {right}");
            assert!(says(&told), "{right}: {output}");
        }
        assert!(
            !output.stderr.contains(['\u{1b}', '\r']),
            "nothing reaches the terminal as a command: {output}"
        );
    }
    assert_eq!(namespace.pods(), ["web"]);
}

fn what_a_policy_denies(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    for (plan, told) in [
        (plan!("another-account-by-its-old-name"), "powerful"),
        (plan!("secrets-of-others"), "db-root"),
        (plan!("a-priority-of-the-system"), "system-node-critical"),
        (plan!("a-path-that-erases-the-screen"), "hostPID"),
    ] {
        let output = replay(&namespace, HARDENED, "web", plan, &["--yes"]);
        assert!(
            output.code == FAILED
                && output.stderr.contains("policy \"ceiling\" denies this")
                && output.stderr.contains(told),
            "{told}: {output}"
        );
    }
    assert_eq!(namespace.pods(), ["web"]);
}

fn what_a_policy_bounds_is_stored_so(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let bounded = json!({"cpu": "1", "memory": "1Gi"});
    let stored = |plan: &str, name: &str| {
        let output = replay(&namespace, LIMITS, "web", plan, &["--yes"]);
        assert_eq!(output.code, 0, "{output}");
        assert!(!output.stderr.contains("stored something else"), "{output}");
        namespace.read_pod(name)["spec"].clone()
    };
    let spec = stored(plan!("a-sidecar-without-bounds"), "initres");
    assert_eq!(spec["initContainers"][0]["resources"]["limits"], bounded);
    let spec = stored(plan!("a-pod-without-bounds"), "dbg");
    assert_eq!(spec["resources"]["limits"], bounded);
    let spec = stored(plan!("a-day-to-end"), "grace");
    assert_eq!(
        json!([
            spec["activeDeadlineSeconds"],
            spec["terminationGracePeriodSeconds"]
        ]),
        json!([27, 3])
    );
}

/// Two fields that are aliases get the same value, which the server stores.
fn what_was_agreed_to_is_what_is_stored(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let account = json!({"metadata": {"name": "powerful"}});
    cluster.create(&namespace.path("serviceaccounts"), &account);
    let output = replay(
        &namespace,
        "",
        "web",
        plan!("another-account-by-its-old-name"),
        &["--yes"],
    );
    let told = "Warning: the plan grants more than the flags ask for: service-account powerful\n";
    // A note about the compilation may come first.
    assert!(output.code == 0 && output.stderr.ends_with(told), "{output}");
    let spec = &namespace.read_pod("sa-alias")["spec"];
    assert_eq!(spec["serviceAccountName"], "powerful");
}

fn six_debugs_at_once_keep_to_a_limit_of_two(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let config = with_config(
        &namespace,
        "policies: [{name: limits, plugin: session-limits, settings: {ephemeralContainers: 2}}]\n",
    );
    let start = |number| {
        let flags = format!("{config} web --image=$IMAGE -c dbg-{number}");
        namespace.start(&flags, &["sleep", "36000"])
    };
    let running: Vec<_> = (0..6).map(start).collect();
    let ended: Vec<CommandOutput> = running.into_iter().map(|running| running.finish()).collect();
    let (made, denied): (Vec<_>, Vec<_>) = ended.iter().partition(|output| output.code == 0);
    assert_eq!((made.len(), denied.len()), (2, 4), "{ended:#?}");
    for output in denied {
        assert!(
            output.code == FAILED && output.stderr.contains("policy \"limits\" denies this"),
            "{output}"
        );
    }
    assert_eq!(namespace.ephemeral_containers("web").len(), 2);
}

fn a_target_that_becomes_protected_meanwhile_is_not_touched(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    namespace.pod("vault");
    let config = with_config(
        &namespace,
        "policies: [{name: gold, plugin: protected-targets, settings: {labels: {tier: gold}}}]\n",
    );
    let mut terminal =
        namespace.on_terminal(&format!("-it {config} web vault --image=$IMAGE -c dbg"), &["sh"]);
    terminal.read_until("# ");
    label(&namespace, "vault", "tier", "gold");
    terminal.write("exit\r");
    terminal.read_until("policy \"gold\" denies this");
    assert_eq!(terminal.wait(), FAILED);
    assert_eq!(namespace.ephemeral_containers("web"), ["dbg"]);
    assert!(namespace.ephemeral_containers("vault").is_empty());
}

/// Labels a pod, with retries after concurrent changes.
fn label(namespace: &Namespace<'_>, pod: &str, name: &str, value: &str) {
    let path = format!("{}/{pod}", namespace.path("pods"));
    for _ in 0..20 {
        let mut object = namespace.read_pod(pod);
        object["metadata"]["labels"][name] = json!(value);
        match namespace.cluster.send(Request::put(&path), &object) {
            Ok(labelled) => return assert_eq!(text(&labelled["metadata"]["labels"][name]), value),
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => panic!("cannot label {pod}: {error}"),
        }
    }
    panic!("{pod} changes all the time");
}
