//! `trocar debug` under the policies of a configuration file: messages, writes to the cluster, and the
//! audit.

use std::fs;

use kube::config::Kubeconfig;
use serde_json::{Value, json};
use trocar_test_support::CommandOutput;

use crate::{
    Test,
    cluster::{Cluster, Namespace, text},
};

pub(crate) const TESTS: &[Test] = &[
    ("policies::a_denial", a_denial),
    ("policies::an_amendment", an_amendment),
    ("policies::a_warning", a_warning),
    (
        "policies::what_several_policies_change_is_written",
        what_several_policies_change_is_written,
    ),
    (
        "policies::one_target_denied_means_none_touched",
        one_target_denied_means_none_touched,
    ),
    (
        "policies::keep_going_touches_those_that_are_allowed",
        keep_going_touches_those_that_are_allowed,
    ),
    (
        "policies::groups_are_those_that_the_cluster_knows",
        groups_are_those_that_the_cluster_knows,
    ),
    (
        "policies::the_user_is_whom_the_token_belongs_to",
        the_user_is_whom_the_token_belongs_to,
    ),
    (
        "policies::every_ending_is_written_down",
        every_ending_is_written_down,
    ),
    (
        "policies::without_a_required_audit_nothing_is_written",
        without_a_required_audit_nothing_is_written,
    ),
    (
        "policies::an_audit_that_is_not_required_is_missed_aloud",
        an_audit_that_is_not_required_is_missed_aloud,
    ),
];

/// trocar's own exit code when it fails itself, or a policy denies: all others may be the program's.
const FAILED: i32 = 125;

pub(crate) const CEILING: &str = "
policies:
- name: ceiling
  plugin: privilege-ceiling
  settings: {level: baseline}
";

const KEEP_OUT: &str = "
policies:
- name: keep-out
  plugin: protected-targets
  settings: {labels: {test: vault}, exceptGroups: [on-call], contact: '#platform'}
";

/// The message about a container `dbg` that would be privileged.
const IS_PRIVILEGED: &str = "ephemeral container \"dbg\" sets privileged to true; only false or nothing is allowed \
                             (privileged-containers, Pod Security level baseline)";

/// Writes a configuration. Returns the flag for it.
pub(crate) fn with_config(namespace: &Namespace<'_>, config: &str) -> String {
    let config = format!("apiVersion: trocar.dev/v1alpha1\nkind: Config\n{config}");
    namespace.env.write("config.yaml", &config);
    "--config=config.yaml".into()
}

/// Runs `trocar debug` with a configuration, and with a container `dbg`.
pub(crate) fn debug(namespace: &Namespace<'_>, config: &str, flags: &str, command: &[&str]) -> CommandOutput {
    let config = with_config(namespace, config);
    namespace.debug(&format!("{config} --image=$IMAGE -c dbg {flags}"), command)
}

/// The ephemeral container `dbg` of a pod.
fn written(namespace: &Namespace<'_>, pod: &str) -> Value {
    let pod = namespace.read_pod(pod);
    let containers = pod["spec"]["ephemeralContainers"]
        .as_array()
        .into_iter()
        .flatten();
    let mut written = containers.filter(|container| container["name"] == "dbg");
    written.next().expect("the container was written").clone()
}

/// All output, and the exit code.
fn shows(output: &CommandOutput, code: i32, stderr: &str) {
    assert_eq!(output.stderr, stderr, "{output}");
    assert_eq!((output.code, output.stdout.as_str()), (code, ""), "{output}");
}

fn a_denial(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let denied = format!(
        "error: policy \"ceiling\" denies this\n  ceiling: /steps/0/object/securityContext/privileged: {IS_PRIVILEGED} \
         (the Pod Security level baseline is allowed)\n"
    );
    for flags in ["", "-i", "--dry-run=server", "--keep-going"] {
        let output = debug(
            &namespace,
            CEILING,
            &format!("web --profile=sysadmin {flags}"),
            &[],
        );
        shows(&output, FAILED, &denied);
    }
    assert!(namespace.ephemeral_containers("web").is_empty());

    // The same of a pod that would be created.
    let output = debug(&namespace, CEILING, "web --profile=general --copy-to=copy", &[]);
    assert!(
        output.code == FAILED && output.stderr.contains("adds the Linux capability \"SYS_PTRACE\""),
        "{output}"
    );
    assert_eq!(namespace.pods(), ["web"]);
}

fn an_amendment(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let config = CEILING.replace("level: baseline", "level: baseline, onExcess: amend");
    let command = ["sh", "-c", "echo here; exit 7"];
    let output = debug(
        &namespace,
        &config,
        "--attach -q web --profile=sysadmin",
        &command,
    );
    assert_eq!((output.code, output.stdout.as_str()), (7, "here\n"), "{output}");
    let told =
        format!("Warning: policy ceiling changed the plan: lowered to what is allowed: {IS_PRIVILEGED}\n");
    assert!(output.stderr.starts_with(&told), "{output}");
    let container = written(&namespace, "web");
    assert_eq!(container["securityContext"], json!({}), "{container:#}");

    // Without the policy it would have been privileged.
    let output = debug(&namespace, "", "web -c other --profile=sysadmin", &[]);
    shows(&output, 0, "");
    let pod = namespace.read_pod("web");
    // Appended behind the first one.
    let privileged = "/spec/ephemeralContainers/1/securityContext/privileged";
    assert_eq!(pod.pointer(privileged), Some(&json!(true)), "{pod:#}");
}

fn a_warning(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let config = CEILING.replace("  plugin:", "  mode: warn\n  plugin:");
    let output = debug(&namespace, &config, "web --profile=sysadmin", &[]);
    let told = format!(
        "Warning: policy ceiling would deny this: {IS_PRIVILEGED} (the Pod Security level baseline is allowed)\n"
    );
    shows(&output, 0, &told);
    assert_eq!(written(&namespace, "web")["securityContext"]["privileged"], true);

    // In mode `audit` the user sees nothing.
    let config = config.replace("mode: warn", "mode: audit");
    shows(
        &debug(
            &namespace,
            &config,
            "web --container=other --profile=sysadmin",
            &[],
        ),
        0,
        "",
    );
}

/// A mirror for the image, a time to live and a service account in one created pod, with the policies' digests in its stamp.
fn what_several_policies_change_is_written(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let config = "
policies:
- name: images
  plugin: approved-images
  settings:
    images: [{registry: mirror.example.com}]
    mirrors: [{from: docker.io, to: mirror.example.com/hub}]
    unchanged: allow
- name: limits
  plugin: session-limits
  settings: {timeToLive: 600}
";
    let output = debug(&namespace, config, "web --copy-to=copy --reason=OPS-7 -q", &[]);
    assert!(
        output.code == 0
            && output.stderr.contains("policy images changed the plan")
            && output.stderr.contains("policy limits changed the plan"),
        "{output}"
    );
    let copy = namespace.read_pod("copy");
    let image = text(&copy["spec"]["containers"][1]["image"]);
    assert!(image.starts_with("mirror.example.com/hub/"), "{image}");
    assert_eq!(copy["spec"]["containers"][0]["image"], cluster.image.as_str());
    assert_eq!(copy["spec"]["activeDeadlineSeconds"], 600);
    let stamp = &copy["metadata"]["annotations"];
    let policies = text(&stamp["trocar.dev/policies"]);
    assert!(
        policies.contains("approved-images@") && policies.contains("session-limits@"),
        "{stamp:#}"
    );
    assert_eq!(stamp["trocar.dev/reason"], "OPS-7");
    assert!(!text(&stamp["trocar.dev/requester"]).is_empty(), "{stamp:#}");
    assert!(!text(&stamp["trocar.dev/expires"]).is_empty(), "{stamp:#}");
}

const IS_KEPT_OUT: &str = "error: pod/vault: policy \"keep-out\" denies this\n  keep-out: /target: the label test=vault \
                           protects it from being debugged (ask #platform; members of on-call may)\n";

fn one_target_denied_means_none_touched(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    namespace.pod("vault");
    // The one that is denied comes last: the other was planned already.
    for flags in ["", "--attach", "--dry-run=server"] {
        let output = debug(&namespace, KEEP_OUT, &format!("web vault {flags}"), &["true"]);
        let wanted = format!("{IS_KEPT_OUT}  nothing was changed, for no target\n");
        shows(&output, FAILED, &wanted);
    }
    assert!(namespace.ephemeral_containers("web").is_empty());
    assert!(namespace.ephemeral_containers("vault").is_empty());
}

fn keep_going_touches_those_that_are_allowed(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    namespace.pod("vault");
    let output = debug(&namespace, KEEP_OUT, "vault web --keep-going", &["true"]);
    let hidden = "The command's output and exit code are not shown: add --attach for them.\n";
    shows(&output, FAILED, &format!("{IS_KEPT_OUT}{hidden}"));
    assert_eq!(namespace.ephemeral_containers("web"), ["dbg"]);
    assert!(namespace.ephemeral_containers("vault").is_empty());
}

/// Lets a user or a service account debug in the namespace.
fn grant_debugging(namespace: &Namespace<'_>, user: &str) {
    let rules: &[(&[&str], &[&str])] = &[
        (&["pods"], &["get", "create"]),
        (&["pods/ephemeralcontainers"], &["patch"]),
    ];
    namespace.grant(user, rules);
}

fn groups_are_those_that_the_cluster_knows(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("vault");
    grant_debugging(&namespace, "jane");
    let refused = IS_KEPT_OUT.replace("pod/vault: ", "");
    let output = debug(&namespace, KEEP_OUT, "vault --as=jane", &[]);
    shows(&output, FAILED, &refused);
    let output = debug(
        &namespace,
        KEEP_OUT,
        "vault --as=jane --as-group=on-call-not",
        &[],
    );
    shows(&output, FAILED, &refused);

    // An exception of the policy's own, by group.
    let output = debug(
        &namespace,
        KEEP_OUT,
        "vault --as=jane --as-group=dev --as-group=on-call",
        &[],
    );
    shows(&output, 0, "");
    assert_eq!(namespace.ephemeral_containers("vault"), ["dbg"]);

    // The configuration's condition, by group: every authenticated user is in this one.
    let asked = format!("{CEILING}  match: {{groups: ['system:auth*'], users: [jane]}}\n");
    let output = debug(
        &namespace,
        &asked,
        "vault -c second --as=jane --profile=sysadmin",
        &[],
    );
    assert!(
        output.code == FAILED && output.stderr.contains("policy \"ceiling\" denies this"),
        "{output}"
    );
    let of_others = format!("{CEILING}  match: {{groups: [contractors]}}\n");
    let output = debug(
        &namespace,
        &of_others,
        "vault -c second --as=jane --profile=sysadmin",
        &[],
    );
    shows(&output, 0, "");
}

/// Neither flags nor kubeconfig have the name: only the cluster knows it.
fn the_user_is_whom_the_token_belongs_to(cluster: &Cluster) {
    let mut namespace = cluster.namespace();
    namespace.pod("web");
    let kubeconfig = kubeconfig_of_a_service_account(&namespace);
    namespace.env.set("KUBECONFIG", &kubeconfig);
    let user = format!("system:serviceaccount:{}:robot", namespace.name);
    let config =
        format!("{CEILING}  match: {{users: ['{user}']}}\naudit: [{{sink: file, file: audit.jsonl}}]\n");
    let output = debug(&namespace, &config, "web --profile=sysadmin", &[]);
    assert!(
        output.code == FAILED && output.stderr.contains("policy \"ceiling\" denies this"),
        "{output}"
    );
    let record = &records(&namespace)[0];
    assert_eq!(record["actor"]["user"], user.as_str());
    let groups = record["actor"]["groups"].as_array().expect("there are groups");
    let of_namespace = format!("system:serviceaccounts:{}", namespace.name);
    assert!(groups.contains(&json!(of_namespace)), "{record:#}");
    let token = fs::read_to_string(&kubeconfig).expect("it was written");
    let token: Value = serde_json::from_str(&token).expect("it is JSON");
    let token = text(&token["users"][0]["user"]["token"]);
    assert!(
        !record.to_string().contains(&token) && token.len() > 100,
        "no credential is written down"
    );
}

/// A service account that may debug, and the path of a kubeconfig with its token only.
fn kubeconfig_of_a_service_account(namespace: &Namespace<'_>) -> String {
    let cluster = namespace.cluster;
    let accounts = namespace.path("serviceaccounts");
    cluster.create(&accounts, &json!({"metadata": {"name": "robot"}}));
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let answer = cluster.create(&format!("{accounts}/robot/token"), &request);
    let group = "rbac.authorization.k8s.io";
    grant_debugging(namespace, "robot");
    let binding = json!({"metadata": {"name": "the-account"},
        "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": namespace.name}],
        "roleRef": {"kind": "Role", "name": "robot", "apiGroup": group}});
    cluster.create(&namespace.path_of(group, "rolebindings"), &binding);
    let account = format!("system:serviceaccount:{}:robot", namespace.name);
    for (verb, resource) in [("get", "pods"), ("patch", "pods/ephemeralcontainers")] {
        namespace.wait_until_allowed(&account, verb, resource);
    }
    let file = std::env::var_os("TROCAR_TEST_KUBECONFIG").expect("there is a cluster");
    let config = Kubeconfig::read_from(file).expect("it was read before");
    let mut config = serde_json::to_value(config).expect("a kubeconfig can be written");
    for user in config["users"].as_array_mut().into_iter().flatten() {
        user["user"] = json!({"token": answer["status"]["token"]});
    }
    let path = namespace.env.write("robot.kubeconfig", &config.to_string());
    path.display().to_string()
}

/// The lines of the audit in the file that the configuration names.
pub(crate) fn records(namespace: &Namespace<'_>) -> Vec<Value> {
    let lines = fs::read_to_string(namespace.env.folder().join("audit.jsonl"));
    let lines = lines.expect("the audit was written");
    let read = |line: &str| serde_json::from_str(line).expect("each line is JSON");
    lines.lines().map(read).collect()
}

fn every_ending_is_written_down(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let config = format!("{CEILING}audit: [{{sink: file, file: audit.jsonl, required: true}}]\n");
    let flags = "web --profile=baseline --reason=OPS-7 --as=jane";
    namespace.grant(
        "jane",
        &[
            (
                &["pods", "pods/log", "events"],
                &["get", "list", "watch", "create"],
            ),
            (&["pods/attach"], &["get", "create"]),
            (&["pods/ephemeralcontainers"], &["patch"]),
        ],
    );
    let secret = ["sh", "-c", "echo secret-word; exit 7"];
    let env = "--env=A=secret-word";
    let output = debug(
        &namespace,
        &config,
        &format!("--attach -q {flags} {env}"),
        &secret,
    );
    assert_eq!(
        (output.code, output.stdout.as_str()),
        (7, "secret-word\n"),
        "{output}"
    );
    debug(&namespace, &config, "web -c second --profile=sysadmin", &[]);
    debug(&namespace, &config, "web -c second --profile=baseline", &[]);
    debug(&namespace, &config, "web -c second --profile=baseline", &[]);

    let records = records(&namespace);
    let told: Vec<Value> = records
        .iter()
        .map(|record| json!([record["event"], record["outcome"], record["exitCode"]]))
        .collect();
    let wanted = json!([
        ["allowed", null, null],
        ["ended", "session", 7],
        ["denied", null, null],
        ["allowed", null, null],
        ["ended", "created", null],
        // The last one is refused by the strategy: the name is taken, so there was nothing to decide.
    ]);
    assert_eq!(json!(told), wanted);
    assert_eq!(records[1]["session"], records[0]["session"]);
    assert_eq!(records[1]["plan"], records[0]["plan"]);
    assert_session_told(&records[1], &namespace.read_pod("web"));
    assert_eq!(records[2]["policies"][0]["verdict"], "deny");
    fits_the_schema(&records);
    let all = json!(records).to_string();
    assert!(!all.contains("secret-word"), "{all}");
}

/// The record has user, pod and reason.
fn assert_session_told(session: &Value, pod: &Value) {
    assert_eq!(session["actor"]["user"], "jane");
    assert_eq!(session["actor"]["reason"], "OPS-7");
    assert_eq!(session["target"]["name"], "web");
    assert_eq!(session["target"]["uid"], pod["metadata"]["uid"]);
    assert_eq!(session["policies"][0]["verdict"], "allow");
}

fn fits_the_schema(records: &[Value]) {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/schemas/audit-record.schema.json"
    );
    let schema = fs::read_to_string(file).expect("the schema is there");
    let schema = serde_json::from_str(&schema).expect("the schema is JSON");
    let mut compiler = boon::Compiler::new();
    let mut schemas = boon::Schemas::new();
    compiler
        .add_resource("audit.json", schema)
        .expect("the schema has an address");
    let compiled = compiler
        .compile("audit.json", &mut schemas)
        .expect("the schema is one");
    for record in records {
        let checked = schemas.validate(record, compiled);
        assert!(checked.is_ok(), "{record:#}: {}", checked.unwrap_err());
    }
}

/// A file in a missing folder, which cannot be opened, and one on a full device, which can.
fn without_a_required_audit_nothing_is_written(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    namespace.pod("other");
    for (file, problem) in [
        ("none/audit.jsonl", "No such file or directory (os error 2)"),
        ("/dev/full", "No space left on device (os error 28)"),
    ] {
        let config = format!("audit: [{{sink: file, file: {file}, required: true}}]\n");
        for flags in ["web other", "--attach web", "--attach web other --keep-going"] {
            let output = debug(&namespace, &config, flags, &["true"]);
            let wanted = format!("the audit file {file} cannot be written: {problem}");
            assert!(
                output.code == FAILED && output.stderr.contains(&wanted),
                "{output}"
            );
        }
    }
    assert!(namespace.ephemeral_containers("web").is_empty());
    assert!(namespace.ephemeral_containers("other").is_empty());
}

fn an_audit_that_is_not_required_is_missed_aloud(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let config = "audit: [{sink: file, file: /dev/full}]\n";
    let output = debug(&namespace, config, "web", &["true"]);
    assert_eq!(output.code, 0, "{output}");
    let missed =
        "Warning: the audit file /dev/full cannot be written: No space left on device (os error 28)\n";
    // Neither that it was allowed nor how it ended could be written.
    let hidden = "The command's output and exit code are not shown: add --attach for them.\n";
    assert_eq!(output.stderr, format!("{}{hidden}", missed.repeat(2)), "{output}");
    assert_eq!(namespace.ephemeral_containers("web"), ["dbg"]);
}
