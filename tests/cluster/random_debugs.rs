//! Random debugs for tests of Pod Security: pods with and without violations, and options.
//!
//! Deterministic by seed. The API server may refuse a generated pod; callers leave those
//! out. Nothing is judged here.

use serde_json::{Map, Value, json};
use trocar::{DebugOptions, Keep, Profile};
use trocar_sdk::pod_security::Level;

/// The container that every generated pod has.
const APP: &str = "app-0";

/// The percentage of targets without violations.
const HARMLESS_TARGETS: u64 = 75;

/// A debug: the strategy, the target, and the options.
#[derive(Clone, Debug)]
pub(crate) struct RandomDebug {
    pub(crate) seed: u64,
    pub(crate) strategy: &'static str,
    /// The pod as a user creates it; none for a node.
    pub(crate) pod: Option<Value>,
    /// Whether the node is said to run Windows.
    pub(crate) is_windows_node: bool,
    /// An ephemeral container that an earlier debug has left in the pod.
    pub(crate) earlier: Option<Value>,
    pub(crate) options: DebugOptions,
}

impl RandomDebug {
    /// The debug of a seed, which is in its pod's name.
    pub(crate) fn new(seed: u64, level: Level, image: &str) -> Self {
        let mut choices = Choices(seed);
        let strategy = *choices.one_of(&["ephemeral", "ephemeral", "copy", "copy", "node"]);
        let options = options(&mut choices, strategy, image);
        let mut debug = Self {
            seed,
            strategy,
            pod: None,
            is_windows_node: strategy == "node" && choices.chance(20),
            earlier: None,
            options,
        };
        if strategy != "node" {
            debug.pod = Some(pod(&mut choices, level, &format!("target-{seed}"), image));
        }
        if strategy == "ephemeral" && choices.chance(15) {
            debug.earlier = Some(earlier(&mut choices, level, image));
        }
        debug
    }
}

/// A deterministic sequence of choices.
///
/// Source: the generator splitmix64, <https://prng.di.unimi.it/splitmix64.c>.
pub(crate) struct Choices(pub(crate) u64);

impl Choices {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn one_of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let index = self.below(items.len() as u64);
        &items[usize::try_from(index).expect("an index of a short list")]
    }
}

/// A value and its place: field names joined by slashes.
type Piece = (&'static str, Value);

/// Sets a value at a place. Objects are created on the way; lists and their items must exist.
fn put(object: &mut Value, at: &str, value: Value) {
    let mut spot = object;
    for part in at.split('/') {
        spot = match part.parse::<usize>() {
            Ok(index) => &mut spot[index],
            Err(_) => &mut spot[part],
        };
    }
    *spot = value;
}

fn put_some(choices: &mut Choices, object: &mut Value, pieces: &[Piece], most: u64) {
    for _ in 0..choices.below(most + 1) {
        let (at, value) = choices.one_of(pieces);
        put(object, at, value.clone());
    }
}

/// Violations in a container's security context.
fn forbidden_context() -> Vec<Piece> {
    vec![
        ("privileged", json!(true)),
        ("capabilities/add", json!(["SYS_ADMIN"])),
        (
            "capabilities/add",
            json!(["NET_ADMIN", "CHOWN", "NET_BIND_SERVICE"]),
        ),
        ("capabilities/add", json!(["CAP_NET_RAW"])),
        ("capabilities/add", json!(["ALL"])),
        ("capabilities/add", json!(["net_bind_service"])),
        ("capabilities/drop", json!(["NET_RAW"])),
        ("procMount", json!("Unmasked")),
        ("seccompProfile", json!({"type": "Unconfined"})),
        ("appArmorProfile", json!({"type": "Unconfined"})),
        ("seLinuxOptions", json!({"type": "spc_t"})),
        ("seLinuxOptions", json!({"user": "root", "role": "sysadm_r"})),
        ("runAsUser", json!(0)),
        ("runAsNonRoot", json!(false)),
        ("allowPrivilegeEscalation", json!(true)),
        ("windowsOptions", json!({"hostProcess": true})),
    ]
}

/// Values in it that every level allows.
fn allowed_context() -> Vec<Piece> {
    vec![
        ("capabilities/add", json!(["NET_BIND_SERVICE"])),
        ("procMount", json!("Default")),
        ("seccompProfile", json!({"type": "RuntimeDefault"})),
        (
            "seccompProfile",
            json!({"type": "Localhost", "localhostProfile": "debug.json"}),
        ),
        ("appArmorProfile", json!({"type": "RuntimeDefault"})),
        (
            "seLinuxOptions",
            json!({"type": "container_t", "level": "s0:c1,c2"}),
        ),
        ("runAsUser", json!(1000)),
        ("runAsGroup", json!(0)),
        ("runAsNonRoot", json!(true)),
        ("readOnlyRootFilesystem", json!(true)),
        ("windowsOptions", json!({"runAsUserName": "ContainerUser"})),
    ]
}

/// Violations in a container outside its security context. Ephemeral containers cannot have these fields.
fn forbidden_container() -> Vec<Piece> {
    vec![
        ("ports", json!([{"containerPort": 80, "hostPort": 8080}])),
        (
            "livenessProbe",
            json!({"httpGet": {"port": 80, "host": "192.0.2.1"}}),
        ),
        (
            "readinessProbe",
            json!({"tcpSocket": {"port": 80, "host": "example.com"}}),
        ),
        (
            "lifecycle/preStop",
            json!({"httpGet": {"port": 80, "host": "192.0.2.1"}}),
        ),
    ]
}

fn allowed_container() -> Vec<Piece> {
    vec![
        ("ports", json!([{"containerPort": 80}])),
        ("ports", json!([{"containerPort": 81, "hostPort": 0}])),
        ("livenessProbe", json!({"httpGet": {"port": 80}})),
        ("startupProbe", json!({"exec": {"command": ["true"]}})),
        ("lifecycle/postStart", json!({"exec": {"command": ["true"]}})),
        ("env", json!([{"name": "A", "value": "b"}])),
    ]
}

/// Violations in a pod.
fn forbidden_pod() -> Vec<Piece> {
    vec![
        ("spec/hostNetwork", json!(true)),
        ("spec/hostPID", json!(true)),
        ("spec/hostIPC", json!(true)),
        (
            "spec/volumes",
            json!([{"name": "data", "hostPath": {"path": "/var/log"}}]),
        ),
        (
            "spec/volumes",
            json!([{"name": "data", "nfs": {"server": "192.0.2.1", "path": "/"}}]),
        ),
        (
            "spec/securityContext/sysctls",
            json!([{"name": "kernel.msgmax", "value": "65536"}]),
        ),
        (
            "spec/securityContext/seccompProfile",
            json!({"type": "Unconfined"}),
        ),
        (
            "spec/securityContext/appArmorProfile",
            json!({"type": "Unconfined"}),
        ),
        (
            "spec/securityContext/seLinuxOptions",
            json!({"user": "root", "type": "spc_t"}),
        ),
        ("spec/securityContext/runAsUser", json!(0)),
        ("spec/securityContext/runAsNonRoot", json!(false)),
        (
            "metadata/annotations",
            json!({format!("container.apparmor.security.beta.kubernetes.io/{APP}"): "unconfined"}),
        ),
    ]
}

fn allowed_pod() -> Vec<Piece> {
    vec![
        ("spec/hostUsers", json!(false)),
        ("spec/os", json!({"name": "linux"})),
        ("spec/volumes", json!([{"name": "data", "emptyDir": {}}])),
        (
            "spec/volumes",
            json!([{"name": "data", "configMap": {"name": "settings"}}]),
        ),
        (
            "spec/securityContext/sysctls",
            json!([{"name": "net.ipv4.tcp_syncookies", "value": "1"}]),
        ),
        ("spec/securityContext/fsGroup", json!(2000)),
        (
            "spec/securityContext/appArmorProfile",
            json!({"type": "RuntimeDefault"}),
        ),
        (
            "spec/securityContext/seLinuxOptions",
            json!({"type": "container_init_t"}),
        ),
        ("spec/securityContext/runAsUser", json!(1000)),
        (
            "metadata/annotations",
            json!({format!("container.apparmor.security.beta.kubernetes.io/{APP}"): "runtime/default"}),
        ),
    ]
}

/// A container that passes a level.
fn container(name: &str, level: Level, image: &str) -> Value {
    let mut container = json!({"name": name, "image": image, "command": ["sleep", "36000"]});
    if level == Level::Restricted {
        container["securityContext"] = json!({
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": true,
            "seccompProfile": {"type": "RuntimeDefault"},
        });
    }
    container
}

/// A pod with a scheduling gate: it exists, and never runs.
fn pod(choices: &mut Choices, level: Level, name: &str, image: &str) -> Value {
    let is_harmless = choices.chance(HARMLESS_TARGETS);
    if choices.chance(8) {
        return windows_pod(name, image, is_harmless);
    }
    let containers = |prefix: &str, count: u64| -> Vec<Value> {
        let names = (0..count).map(|number| format!("{prefix}-{number}"));
        names.map(|name| container(&name, level, image)).collect()
    };
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"test": name}},
        "spec": {
            "schedulingGates": [{"name": "example.com/never"}],
            "containers": containers("app", 1 + choices.below(3)),
            "initContainers": containers("init", choices.below(3)),
        },
    });
    let init = pod["spec"]["initContainers"].as_array_mut().into_iter().flatten();
    for sidecar in init.filter(|_| choices.chance(40)) {
        sidecar["restartPolicy"] = json!("Always");
    }
    if choices.chance(40) {
        hardened_as_a_whole(&mut pod);
    }
    put_some(choices, &mut pod, &allowed_pod(), 2);
    if !is_harmless {
        put_some(choices, &mut pod, &forbidden_pod(), 2);
    }
    for list in ["containers", "initContainers"] {
        for container in pod["spec"][list].as_array_mut().into_iter().flatten() {
            change(choices, container, list == "containers", is_harmless);
        }
    }
    pod
}

fn change(choices: &mut Choices, container: &mut Value, is_regular: bool, is_harmless: bool) {
    put_some(choices, &mut container["securityContext"], &allowed_context(), 2);
    if is_regular {
        put_some(choices, container, &allowed_container(), 1);
    }
    if is_harmless || choices.chance(50) {
        return;
    }
    put_some(
        choices,
        &mut container["securityContext"],
        &forbidden_context(),
        2,
    );
    if is_regular {
        put_some(choices, container, &forbidden_container(), 1);
    }
}

/// Moves fields that all containers have to the pod.
fn hardened_as_a_whole(pod: &mut Value) {
    for list in ["containers", "initContainers"] {
        for container in pod["spec"][list].as_array_mut().into_iter().flatten() {
            if let Some(context) = container
                .get_mut("securityContext")
                .and_then(Value::as_object_mut)
            {
                context.remove("runAsNonRoot");
                context.remove("seccompProfile");
            }
        }
    }
    pod["spec"]["securityContext"] =
        json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
}

fn windows_pod(name: &str, image: &str, is_harmless: bool) -> Value {
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "schedulingGates": [{"name": "example.com/never"}],
            "os": {"name": "windows"},
            "securityContext": {"runAsNonRoot": true, "windowsOptions": {"runAsUserName": "ContainerUser"}},
            "containers": [{"name": APP, "image": image}],
        },
    });
    if !is_harmless {
        pod["spec"]["hostNetwork"] = json!(true);
        pod["spec"]["securityContext"]["windowsOptions"] =
            json!({"hostProcess": true, "runAsUserName": "NT AUTHORITY\\SYSTEM"});
    }
    pod
}

fn earlier(choices: &mut Choices, level: Level, image: &str) -> Value {
    let mut container = container("earlier", level, image);
    container["command"] = json!(["true"]);
    if choices.chance(30) {
        put_some(
            choices,
            &mut container["securityContext"],
            &forbidden_context(),
            2,
        );
    }
    container
}

fn options(choices: &mut Choices, strategy: &str, image: &str) -> DebugOptions {
    let mut options = DebugOptions {
        image: Some(image.to_owned()),
        args: vec!["true".into()],
        stdin: choices.chance(30),
        tty: choices.chance(20),
        container: choices.chance(30).then(|| "mine".to_owned()),
        profile: *choices.one_of(&Profile::ALL),
        custom: choices.chance(70).then(|| custom(choices, strategy)),
        ..DebugOptions::default()
    };
    match strategy {
        "ephemeral" => options.target_container = choices.chance(30).then(|| APP.to_owned()),
        "copy" => copied(choices, &mut options),
        _ => {}
    }
    options
}

/// The options of a copy: a new container, a changed one, or other images only.
fn copied(choices: &mut Choices, options: &mut DebugOptions) {
    options.copy_to = Some("copy".into());
    options.same_node = choices.chance(20);
    options.replace = choices.chance(10);
    options.share_processes = choices.chance(30).then(|| choices.chance(50));
    let mut typed = |share| choices.chance(70).then(|| choices.chance(share));
    options.keep = Keep {
        labels: typed(50),
        annotations: typed(50),
        liveness: typed(50),
        readiness: typed(50),
        startup: typed(50),
        init_containers: typed(70),
    };
    if choices.chance(20) {
        options.container = Some(APP.to_owned());
    }
    if choices.chance(15) {
        let image = options.image.clone().expect("an image was chosen");
        options.set_image = [("*".to_owned(), image)].into();
        if choices.chance(50) {
            options.image = None;
            options.container = None;
            options.args.clear();
        }
    }
}

/// A partial container.
fn custom(choices: &mut Choices, strategy: &str) -> Map<String, Value> {
    let mut custom = json!({"env": [{"name": "DEBUG", "value": "1"}]});
    for (pieces, most) in [(allowed_context(), 2), (forbidden_context(), 3)] {
        put_some(choices, &mut custom["securityContext"], &pieces, most);
    }
    if strategy != "ephemeral" {
        put_some(choices, &mut custom, &allowed_container(), 1);
        if choices.chance(25) {
            put_some(choices, &mut custom, &forbidden_container(), 1);
        }
    }
    let Value::Object(mut custom) = custom else {
        unreachable!("it was made an object");
    };
    custom.retain(|_, value| !value.is_null());
    custom
}

/// An answer of a hostile strategy, and its target.
#[derive(Clone, Debug)]
pub(crate) struct RandomAnswer {
    #[expect(dead_code, reason = "it is shown when something is wrong with the answer")]
    seed: u64,
    /// The pod as a user creates it. It passes the level.
    pub(crate) target: Value,
    /// The step: action and object.
    pub(crate) step: Value,
}

impl RandomAnswer {
    /// The answer of a seed.
    pub(crate) fn new(seed: u64, level: Level, namespace: &str, image: &str) -> Self {
        let mut choices = Choices(seed);
        let target = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": format!("answered-{seed}"), "namespace": namespace},
            "spec": {
                "schedulingGates": [{"name": "example.com/never"}],
                "containers": [container(APP, Level::Restricted, image)],
                "volumes": [{"name": "data", "emptyDir": {}}],
            },
        });
        let step = match choices.chance(50) {
            true => {
                let mut added = container("dbg", hardened(&mut choices, level), image);
                spoil_container(&mut choices, &mut added);
                json!({"action": "add-ephemeral-container", "object": added})
            }
            false => {
                let mut copy = target.clone();
                copy["metadata"]["name"] = json!(format!("copy-{seed}"));
                let container = container("dbg", hardened(&mut choices, level), image);
                if let Some(containers) = copy["spec"]["containers"].as_array_mut() {
                    containers.push(container);
                    containers.iter_mut().for_each(|container| {
                        if choices.chance(60) {
                            spoil_container(&mut choices, container);
                            put_some(&mut choices, container, &allowed_container(), 1);
                        }
                    });
                }
                put_some(&mut choices, &mut copy, &spelled_pod(), 3);
                put_some(&mut choices, &mut copy, &allowed_pod(), 1);
                if choices.chance(30) {
                    put_some(&mut choices, &mut copy, &forbidden_pod(), 1);
                }
                json!({"action": "create-pod", "object": copy})
            }
        };
        Self { seed, target, step }
    }
}

/// Mostly hardened as the level requires.
fn hardened(choices: &mut Choices, level: Level) -> Level {
    if choices.chance(85) {
        level
    } else {
        Level::Privileged
    }
}

fn spoil_container(choices: &mut Choices, container: &mut Value) {
    put_some(choices, container, &spelled_container(), 3);
    put_some(choices, &mut container["securityContext"], &allowed_context(), 1);
    if choices.chance(25) {
        put_some(
            choices,
            &mut container["securityContext"],
            &forbidden_context(),
            1,
        );
    }
    if choices.chance(10) {
        put_some(choices, container, &directives(), 1);
    }
}

/// Directives of patch languages, and unknown fields.
fn directives() -> Vec<Piece> {
    vec![
        ("$patch", json!("delete")),
        ("securityContext/$patch", json!("delete")),
        ("securityContext/$retainKeys", json!(["runAsUser"])),
        ("$deleteFromPrimitiveList/command", json!(["sleep"])),
        ("$setElementOrder/env", json!([{"name": "A"}])),
        ("securityContext/privilege", json!(true)),
        ("securityContext/Privileged", json!(true)),
    ]
}

/// Ambiguous values: nulls, zero values, empty lists and objects.
fn spelled_container() -> Vec<Piece> {
    vec![
        ("securityContext", Value::Null),
        ("securityContext/privileged", Value::Null),
        ("securityContext/privileged", json!(false)),
        ("securityContext/allowPrivilegeEscalation", Value::Null),
        ("securityContext/runAsUser", Value::Null),
        ("securityContext/runAsNonRoot", Value::Null),
        ("securityContext/seccompProfile", Value::Null),
        ("securityContext/capabilities/add", json!([])),
        ("securityContext/capabilities/drop", json!(["ALL", "ALL"])),
        ("securityContext/procMount", json!("Default")),
        ("securityContext/seLinuxOptions", json!({})),
        ("securityContext/windowsOptions", json!({})),
        ("command", Value::Null),
        ("args", json!([])),
        ("env", json!([])),
        ("env", json!([{"name": "A", "value": ""}, {"name": "B"}])),
        (
            "env",
            json!([{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
        ),
        (
            "env",
            json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": false}}}]),
        ),
        ("envFrom", json!([{"prefix": "", "secretRef": {"name": "other"}}])),
        (
            "volumeMounts",
            json!([{"name": "data", "mountPath": "/data", "readOnly": false}]),
        ),
        (
            "volumeMounts",
            json!([{"name": "data", "mountPath": "/data", "readOnly": true, "recursiveReadOnly": "Disabled"}]),
        ),
        ("imagePullPolicy", json!("")),
        ("imagePullPolicy", json!("IfNotPresent")),
        ("stdin", json!(true)),
        ("stdinOnce", json!(false)),
        ("tty", Value::Null),
        ("workingDir", json!("")),
        ("terminationMessagePath", json!("/dev/other")),
        ("terminationMessagePolicy", json!("FallbackToLogsOnError")),
        ("resources", json!({})),
        ("ports", json!([])),
    ]
}

/// The same for a pod, and what defaults follow from.
fn spelled_pod() -> Vec<Piece> {
    vec![
        ("spec/hostIPC", Value::Null),
        ("spec/hostNetwork", json!(false)),
        ("spec/hostUsers", Value::Null),
        ("spec/hostUsers", json!(true)),
        ("spec/securityContext", Value::Null),
        ("spec/securityContext/supplementalGroups", json!([])),
        ("spec/securityContext/sysctls", json!([])),
        ("spec/securityContext/fsGroupChangePolicy", json!("Always")),
        ("spec/automountServiceAccountToken", json!(false)),
        ("spec/automountServiceAccountToken", Value::Null),
        ("spec/serviceAccount", json!("default")),
        ("spec/serviceAccountName", json!("")),
        ("spec/enableServiceLinks", json!(false)),
        ("spec/shareProcessNamespace", json!(false)),
        ("spec/shareProcessNamespace", json!(true)),
        ("spec/setHostnameAsFQDN", json!(false)),
        ("spec/terminationGracePeriodSeconds", json!(0)),
        ("spec/terminationGracePeriodSeconds", json!(5)),
        ("spec/activeDeadlineSeconds", json!(60)),
        ("spec/restartPolicy", json!("")),
        ("spec/restartPolicy", json!("Never")),
        ("spec/dnsPolicy", json!("Default")),
        ("spec/dnsConfig", json!({})),
        (
            "spec/dnsConfig",
            json!({"nameservers": ["192.0.2.1"], "options": [{"name": "ndots", "value": "2"}]}),
        ),
        (
            "spec/hostAliases",
            json!([{"ip": "192.0.2.1", "hostnames": ["api.example.com"]}]),
        ),
        ("spec/imagePullSecrets", json!([{"name": "registry"}])),
        ("spec/imagePullSecrets", json!([{}])),
        ("spec/priorityClassName", json!("system-node-critical")),
        ("spec/priority", json!(0)),
        ("spec/preemptionPolicy", json!("Never")),
        ("spec/resources", json!({"limits": {"cpu": "64"}})),
        ("spec/tolerations", json!([])),
        ("spec/affinity", json!({})),
        ("spec/nodeSelector", json!({})),
        ("spec/overhead", json!({})),
        (
            "spec/readinessGates",
            json!([{"conditionType": "example.com/ready"}]),
        ),
        ("spec/hostname", json!("other")),
        ("spec/volumes", json!([{"name": "data"}])),
        (
            "spec/volumes",
            json!([{"name": "data", "emptyDir": {"medium": "", "sizeLimit": "0.5Gi"}}]),
        ),
        (
            "spec/volumes",
            json!([{"name": "data", "emptyDir": {"medium": "Memory"}}]),
        ),
        (
            "spec/volumes",
            json!([{"name": "data", "secret": {"secretName": "db-root", "optional": false}}]),
        ),
        (
            "spec/volumes",
            json!([{"name": "data", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]),
        ),
        (
            "spec/volumes",
            json!([{"name": "data", "downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}}]),
        ),
        (
            "spec/volumes",
            json!([{"name": "data", "csi": {"driver": "files.example.com", "readOnly": false}}]),
        ),
        (
            "spec/volumes",
            json!([{"name": "data", "ephemeral": {"volumeClaimTemplate": {"spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}}}}}]),
        ),
        ("spec/initContainers", json!([])),
        ("spec/ephemeralContainers", json!([])),
        ("metadata/labels", json!({"app": "payments"})),
        ("metadata/labels", json!({})),
        ("metadata/annotations", json!({"example.com/note": "\u{202e}"})),
        ("metadata/finalizers", json!([])),
        ("metadata/generateName", json!("")),
        ("metadata/creationTimestamp", Value::Null),
        ("status", json!({"phase": "Running"})),
    ]
}
