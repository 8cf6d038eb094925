//! `--inherit`: a debug container with the environment and mounts of its target.

use serde_json::{Value, json};
use trocar_test_support::skipped;

use crate::{
    Test,
    cluster::{Cluster, Namespace},
};

pub(crate) const TESTS: &[Test] = &[
    (
        "inherit::everything_of_a_container_in_an_ephemeral_one",
        everything_of_a_container_in_an_ephemeral_one,
    ),
    (
        "inherit::everything_of_a_container_in_a_copy",
        everything_of_a_container_in_a_copy,
    ),
    ("inherit::a_volume_of_a_driver", a_volume_of_a_driver),
    (
        "inherit::root_where_the_pod_has_a_user",
        root_where_the_pod_has_a_user,
    ),
];

/// A claim `data` of a volume of its own, which goes with the claim: a folder of the node.
fn claim(namespace: &Namespace<'_>) {
    let name = namespace.name.as_str();
    let class = json!({"capacity": {"storage": "1Mi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "",
        "persistentVolumeReclaimPolicy": "Delete", "hostPath": {"path": format!("/tmp/trocar-{name}"), "type": "DirectoryOrCreate"},
        "claimRef": {"name": "data", "namespace": name}});
    let volume =
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": class});
    namespace.cluster.create("/api/v1/persistentvolumes", &volume);
    let claim = json!({"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "",
        "volumeName": name, "resources": {"requests": {"storage": "1Mi"}}}});
    namespace
        .cluster
        .create(&namespace.path("persistentvolumeclaims"), &claim);
}

/// A pod with every kind of volume that needs no driver, and every source of a variable.
fn rich_pod(namespace: &Namespace<'_>) {
    let cluster = namespace.cluster;
    let map = json!({"metadata": {"name": "settings"}, "data": {"colour": "green", "key": "of a map"}});
    cluster.create(&namespace.path("configmaps"), &map);
    let secret = json!({"metadata": {"name": "keys"}, "stringData": {"word": "sesame"}});
    cluster.create(&namespace.path("secrets"), &secret);
    let container = json!({
        "name": "app", "image": cluster.image, "workingDir": "/tmp",
        "command": ["sh", "-c", "echo written by the target > /data/file; exec sleep 36000"],
        "resources": {"limits": {"cpu": "100m", "memory": "64Mi"}},
        "env": [
            {"name": "PLAIN", "value": "plain"}, {"name": "JOINED", "value": "$(PLAIN) and more"},
            {"name": "MAP", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "key"}}},
            {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "word"}}},
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "NONE", "valueFrom": {"secretKeyRef": {"name": "none", "key": "none", "optional": true}}},
            {"name": "FILE", "valueFrom": {"fileKeyRef": {"volumeName": "vars", "path": "vars.env", "key": "FILE"}}},
        ],
        "envFrom": [{"prefix": "M_", "configMapRef": {"name": "settings"}}, {"prefix": "S_", "secretRef": {"name": "keys"}}],
        "volumeMounts": [
            {"name": "data", "mountPath": "/data"}, {"name": "map", "mountPath": "/map"},
            {"name": "secret", "mountPath": "/secret"}, {"name": "labels", "mountPath": "/labels"},
            {"name": "all", "mountPath": "/all"}, {"name": "node", "mountPath": "/node", "readOnly": true},
            {"name": "map", "mountPath": "/part", "subPath": "key"}, {"name": "claim", "mountPath": "/claim"},
            {"name": "image", "mountPath": "/image", "readOnly": true}, {"name": "token", "mountPath": "/token"},
            {"name": "claim", "mountPath": "/deep", "readOnly": true, "recursiveReadOnly": "IfPossible"},
        ],
    });
    claim(namespace);
    let variables = json!({
        "name": "variables", "image": cluster.image, "securityContext": {"runAsUser": 0},
        "volumeMounts": [{"name": "vars", "mountPath": "/vars"}, {"name": "claim", "mountPath": "/claim"}],
        "command": ["sh", "-c", "echo of a claim >/claim/file; printf \"FILE=%bof a file%b\\n\" \"\\047\" \"\\047\" >/vars/vars.env"],
    });
    let more = json!({
        "containers": [container], "initContainers": [variables],
        // The log of a container that is not restarted is kept.
        "restartPolicy": "Never",
        "securityContext": {"runAsUser": 1234, "runAsGroup": 3456, "fsGroup": 2345},
        "volumes": [
            {"name": "data", "emptyDir": {}}, {"name": "map", "configMap": {"name": "settings"}},
            {"name": "secret", "secret": {"secretName": "keys"}}, {"name": "node", "hostPath": {"path": "/tmp"}},
            {"name": "labels", "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            {"name": "vars", "emptyDir": {}}, {"name": "image", "image": {"reference": cluster.image}},
            {"name": "claim", "persistentVolumeClaim": {"claimName": "data"}},
            {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token", "audience": "shop"}}]}},
            {"name": "all", "projected": {"sources": [{"configMap": {"name": "settings"}}, {"secret": {"name": "keys"}}]}},
        ],
    });
    namespace.create_pod("web", &[], &more);
    namespace.wait_for_pod("web", "running", |pod| {
        (pod["status"]["phase"] == "Running").then_some(())
    });
}

const SEES: &str = "cat /map/key; echo; cat /secret/word; echo; cat /all/colour; echo; ls -d /node; id -u; id -g; pwd; \
    echo $PLAIN, $JOINED, $MAP, $SECRET, $CPU, $M_colour, $S_word, $FILE, [$NONE]; \
    cat /claim/file; ls /token; ls -d /image/bin; test -n \"$NODE$ADDRESS\" && ! touch /deep/x 2>/dev/null && echo ok";

const SEEN: &str = "of a map\nsesame\ngreen\n/node\n1234\n3456\n/tmp\nplain, plain and more, of a map, sesame, 1, green, sesame, of a file, []\n\
    of a claim\ntoken\n/image/bin\nok\n";

fn everything_of_a_container_in_an_ephemeral_one(cluster: &Cluster) {
    let namespace = cluster.namespace();
    rich_pod(&namespace);
    let program = format!("cat /data/file /labels/labels; echo; {SEES}; echo $POD; id");
    let output = namespace.debug(
        "--attach web --image=$IMAGE --profile=baseline --inherit",
        &["sh", "-c", &program],
    );
    let wanted = format!("written by the target\ntest=\"web\"\n{SEEN}web\n");
    assert!(output.code == 0 && output.stdout.contains(&wanted), "{output}");
    assert!(
        output.stdout.contains("2345"),
        "the groups are the pod's: {output}"
    );
    let says = |text: &str| output.stderr.contains(text);
    assert!(
        says("is not inherited: an ephemeral container cannot mount a part")
            && says("resources are not inherited"),
        "{output}"
    );
    assert!(!says("more than the flags ask for"), "{output}");

    let flags = "--attach -q web --image=$IMAGE --profile=baseline --inherit=mounts:ro";
    let output = namespace.debug(flags, &["sh", "-c", "cat /data/file; touch /data/mine"]);
    assert!(
        output.code != 0 && output.stdout.contains("written by the target\n"),
        "{output}"
    );
}

fn everything_of_a_container_in_a_copy(cluster: &Cluster) {
    let namespace = cluster.namespace();
    rich_pod(&namespace);
    let program = format!("cat /part; echo; {SEES}");
    let flags = "--attach -q web --image=$IMAGE --profile=baseline --copy-to=copy --same-node -c dbg --inherit=all --pull-secret=none";
    let output = namespace.debug(flags, &["sh", "-c", &program]);
    assert_eq!(
        (output.stdout.as_str(), output.code),
        (format!("of a map\n{SEEN}").as_str(), 0),
        "{output}"
    );
    let pod: Value = namespace.read_pod("copy");
    let containers = pod["spec"]["containers"]
        .as_array()
        .expect("a pod has containers");
    assert_eq!(
        containers[1]["resources"]["limits"],
        json!({"cpu": "100m", "memory": "64Mi"})
    );
    assert_eq!(pod["spec"]["imagePullSecrets"], json!([{"name": "none"}]));
}

/// A CSI driver that has volumes which live as long as their pod, and runs on a node.
fn driver(cluster: &Cluster) -> Option<String> {
    let items = |path: &str| {
        let list = cluster.read(path).unwrap_or_default();
        list["items"].as_array().cloned().unwrap_or_default()
    };
    let nodes = items("/apis/storage.k8s.io/v1/csinodes");
    let running: Vec<&Value> = nodes
        .iter()
        .filter_map(|node| node["spec"]["drivers"].as_array())
        .flatten()
        .map(|driver| &driver["name"])
        .collect();
    let drivers = items("/apis/storage.k8s.io/v1/csidrivers");
    let mut drivers = drivers.iter().filter_map(|driver| {
        let modes = driver["spec"]["volumeLifecycleModes"].as_array()?;
        let name = &driver["metadata"]["name"];
        let is_usable = modes.contains(&json!("Ephemeral")) && running.contains(&name);
        name.as_str().filter(|_| is_usable).map(str::to_owned)
    });
    drivers.next()
}

fn a_volume_of_a_driver(cluster: &Cluster) {
    let Some(driver) = driver(cluster) else {
        return skipped(
            "no volume of a CSI driver was inherited: no driver with inline volumes runs on a node",
        );
    };
    let namespace = cluster.namespace();
    let command = ["sh", "-c", "echo written by the target >/csi/file; sleep 36000"];
    let more = json!({
        "containers": [{"name": "app", "image": cluster.image, "command": command,
            "volumeMounts": [{"name": "driven", "mountPath": "/csi"}]}],
        "volumes": [{"name": "driven", "csi": {"driver": driver}}],
    });
    namespace.create_pod("web", &command, &more);
    namespace.wait_for_pod("web", "running", |pod| {
        (pod["status"]["phase"] == "Running").then_some(())
    });
    let see = ["sh", "-c", "until cat /csi/file; do sleep 1; done"];
    let output = namespace.debug("--attach -q web --image=$IMAGE --inherit=mounts", &see);
    assert!(
        output.code == 0 && output.stdout.contains("written by the target\n"),
        "{output}"
    );
    // A copy has a volume of its own.
    let flags = "--attach -q web --image=$IMAGE --copy-to=copy --inherit=mounts";
    let output = namespace.debug(
        flags,
        &["sh", "-c", "ls -d /csi && grep -c ' /csi ' /proc/mounts"],
    );
    assert!(
        output.code == 0 && output.stdout.ends_with("/csi\n1\n"),
        "{output}"
    );
}

fn root_where_the_pod_has_a_user(cluster: &Cluster) {
    let namespace = cluster.namespace();
    let user = json!({"securityContext": {"runAsUser": 1234, "runAsNonRoot": true}});
    namespace.create_pod("web", &["sleep", "36000"], &user);
    namespace.wait_for_pod("web", "running", |pod| {
        (pod["status"]["phase"] == "Running").then_some(())
    });
    let output = namespace.debug("--attach web --image=$IMAGE --as-root", &["id", "-u"]);
    assert!(output.code == 0 && output.stdout.ends_with("0\n"), "{output}");
    assert!(output.stderr.contains("nothing in it runs as root"), "{output}");
}
