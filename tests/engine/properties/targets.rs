//! Generated pods and nodes. Options are generated in `options.rs`.

use std::collections::BTreeMap;

use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::select,
};
use serde_json::{Map, Value, json};
use trocar::Target;

use super::json::{any_json, text, unknown_fields, with};

fn probe() -> impl Strategy<Value = Option<Value>> {
    option::weighted(
        0.4,
        unknown_fields().prop_map(|unknown| with(unknown, [("periodSeconds", Some(json!(3)))])),
    )
}

/// The security context of a container; `unknown` generates fields that no version of the API has.
pub(super) fn container_security(
    unknown: impl Strategy<Value = Map<String, Value>> + Clone,
) -> impl Strategy<Value = Value> {
    let capabilities = (
        unknown.clone(),
        option::of(vec(select(vec!["CHOWN", "NET_ADMIN", "all"]), 0..3)),
    );
    (unknown, option::of(capabilities), option::of(any::<bool>())).prop_map(
        |(unknown, capabilities, privileged)| {
            let capabilities = capabilities
                .map(|(unknown, added)| with(unknown, [("add", added.map(|added| json!(added)))]));
            with(
                unknown,
                [
                    ("capabilities", capabilities),
                    ("privileged", privileged.map(Value::Bool)),
                ],
            )
        },
    )
}

fn container() -> impl Strategy<Value = Value> {
    // In a cluster every container has an image.
    let image = text().prop_map(|image| format!("shop/{image}"));
    let runs = (
        image,
        option::of(vec(text(), 0..3)),
        option::of(vec(
            unknown_fields().prop_map(|unknown| with(unknown, [("name", Some(json!("A")))])),
            0..3,
        )),
        option::of(any::<bool>()),
        option::of(select(vec!["Always", "Never", "OnFailure"])),
    );
    let probes = (probe(), probe(), probe());
    (
        unknown_fields(),
        runs,
        probes,
        option::of(container_security(unknown_fields())),
    )
        .prop_map(
            |(unknown, (image, command, env, stdin, restart), (live, ready, started), security)| {
                with(
                    unknown,
                    [
                        ("image", Some(Value::String(image))),
                        ("command", command.map(|command| json!(command))),
                        ("env", env.map(Value::Array)),
                        ("stdin", stdin.map(Value::Bool)),
                        ("restartPolicy", restart.map(Value::from)),
                        ("livenessProbe", live),
                        ("readinessProbe", ready),
                        ("startupProbe", started),
                        ("securityContext", security),
                    ],
                )
            },
        )
}

/// Containers with distinct names.
fn named(prefix: &str, containers: Vec<Value>) -> Value {
    let containers = containers.into_iter().enumerate().map(|(number, mut container)| {
        container["name"] = json!(format!("{prefix}-{number}"));
        container
    });
    Value::Array(containers.collect())
}

fn texts() -> impl Strategy<Value = Value> {
    prop_oneof![
        9 => btree_map(text(), text(), 0..4).prop_map(|texts| json!(texts)),
        1 => Just(Value::Null),
    ]
}

fn metadata(name: &'static str) -> impl Strategy<Value = Value> {
    let owner = unknown_fields().prop_map(|unknown| {
        with(
            unknown,
            [
                ("kind", Some(json!("ReplicaSet"))),
                ("name", Some(json!("web"))),
                ("uid", Some(json!("u-1"))),
            ],
        )
    });
    let fields = (
        option::of(texts()),
        option::of(texts()),
        option::of(vec(owner, 0..3)),
        option::of("[0-9a-f-]{8}"),
    );
    (unknown_fields(), fields, option::of(Just("shop"))).prop_map(
        move |(unknown, (labels, annotations, owners, uid), namespace)| {
            with(
                unknown,
                [
                    ("name", Some(json!(name))),
                    ("namespace", namespace.map(Value::from)),
                    ("labels", labels),
                    ("annotations", annotations),
                    ("ownerReferences", owners.map(Value::Array)),
                    ("uid", uid.map(Value::String)),
                    ("managedFields", Some(json!([{"manager": "someone"}]))),
                ],
            )
        },
    )
}

pub(super) fn pod() -> impl Strategy<Value = Target> {
    let containers = (
        vec(container(), 1..6),
        option::of(vec(container(), 0..3)),
        option::of(vec(container(), 0..3)),
    );
    let flags = (
        option::weighted(0.3, any::<bool>().prop_map(Value::Bool)),
        option::weighted(
            0.3,
            prop_oneof![any::<bool>().prop_map(Value::Bool), Just(Value::Null)],
        ),
        option::of(Just("node-1")),
        option::of(unknown_fields().prop_map(|unknown| with(unknown, [("runAsUser", Some(json!(1000)))]))),
    );
    let parts = (
        metadata("web-0"),
        unknown_fields(),
        unknown_fields(),
        option::of(any_json()),
    );
    (parts, containers, flags).prop_map(
        |((metadata, top, spec, status), (regular, init, ephemeral), (host_pid, share, node, security))| {
            let spec = with(
                spec,
                [
                    ("containers", Some(named("app", regular))),
                    ("initContainers", init.map(|init| named("init", init))),
                    (
                        "ephemeralContainers",
                        ephemeral.map(|ephemeral| named("old", ephemeral)),
                    ),
                    ("hostPID", host_pid),
                    ("shareProcessNamespace", share),
                    ("nodeName", node.map(Value::from)),
                    ("securityContext", security),
                ],
            );
            let pod = with(
                top,
                [
                    ("apiVersion", Some(json!("v1"))),
                    ("kind", Some(json!("Pod"))),
                    ("metadata", Some(metadata)),
                    ("spec", Some(spec)),
                    ("status", status),
                ],
            );
            Target::new(pod, "default").unwrap()
        },
    )
}

pub(super) fn node() -> impl Strategy<Value = (Target, Target)> {
    let parts = (
        metadata("node-1"),
        unknown_fields(),
        option::of(any_json()),
        option::of(any_json()),
    );
    parts.prop_map(|(metadata, top, spec, status)| {
        let labels = metadata.get("labels").cloned();
        let node = with(
            top,
            [
                ("apiVersion", Some(json!("v1"))),
                ("kind", Some(json!("Node"))),
                ("metadata", Some(metadata)),
                ("spec", spec),
                ("status", status),
            ],
        );
        let bare =
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1", "labels": labels}});
        (
            Target::new(node, "default").unwrap(),
            Target::new(bare, "default").unwrap(),
        )
    })
}

/// A pod of about `size` bytes, with many small parts or one large part.
pub(super) fn large_pod() -> impl Strategy<Value = Target> {
    (pod(), 0..256_usize << 10, 0..3_u8, text()).prop_map(|(pod, size, shape, text)| {
        let mut pod = object(&pod);
        // By its size as JSON, where an escaped character has six bytes.
        let filler = |size: usize| text.repeat(size / json!(text).to_string().len());
        match shape {
            0 => pod["metadata"]["annotations"] = json!({"large": "x".repeat(size)}),
            1 => {
                let names = (0..size / 64).map(|number| (format!("annotation-{number}"), filler(30)));
                pod["metadata"]["annotations"] = json!(names.collect::<BTreeMap<_, _>>());
            }
            _ => {
                let more = (0..size / 400).map(|number| {
                    json!({"name": format!("c-{number}"), "image": "i", "env": [{"name": "A", "value": filler(300)}]})
                });
                pod["spec"]["containers"].as_array_mut().unwrap().extend(more);
            }
        }
        let pod = Target::new(pod, "default").unwrap();
        assert!(pod.text().len() < 400 << 10, "{} bytes are too many", pod.text().len());
        pod
    })
}

pub(super) fn names(pod: &Value, list: &str) -> Vec<String> {
    let containers = pod["spec"][list].as_array().cloned().unwrap_or_default();
    let name = |container: &Value| container["name"].as_str().unwrap().to_owned();
    containers.iter().map(name).collect()
}

pub(super) fn object(target: &Target) -> Value {
    Value::Object(target.object().clone())
}
