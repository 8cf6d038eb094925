//! The capability to read the cluster, with a strategy that uses it.

use serde_json::json;

use crate::{Test, cluster::Cluster};

pub(crate) const TESTS: &[Test] = &[
    (
        "reader::a_plugin_reads_what_it_was_granted",
        a_plugin_reads_what_it_was_granted,
    ),
    (
        "reader::what_the_user_may_not_read_no_plugin_reads",
        what_the_user_may_not_read_no_plugin_reads,
    ),
];

const GUEST: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/guests/rust/namespace-image/namespace-image.wasm"
);

fn debug(more: &str) -> String {
    format!("--dry-run=client -o json web --strategy={GUEST} {more}")
}

fn a_plugin_reads_what_it_was_granted(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let refused = namespace.debug(&debug(""), &[]);
    assert!(
        refused.code == 125 && refused.stderr.contains("--grant cluster-read"),
        "{refused}"
    );

    // Neither is there: the server's answer reaches the plugin.
    let missing = namespace.debug(&debug("--grant=cluster-read"), &[]);
    assert!(
        missing.code == 125 && missing.stderr.contains("the debug image is not known: not found"),
        "{missing}"
    );

    let path = format!("/api/v1/namespaces/{}/configmaps", namespace.name);
    let object =
        json!({"metadata": {"name": "debug-image"}, "data": {"image": "from-a-map:1", "other": "secret"}});
    cluster.create(&path, &object);
    let found = namespace.debug(&debug("--grant=cluster-read"), &[]);
    assert!(
        found.code == 0 && found.stdout.contains("\"from-a-map:1\""),
        "{found}"
    );
    assert!(
        !found.stdout.contains("secret"),
        "only what was asked for is passed on: {found}"
    );
}

fn what_the_user_may_not_read_no_plugin_reads(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    namespace.grant("pod-reader", &[(&["pods"], &["get"])]);
    let output = namespace.debug(&debug("--grant=cluster-read --as=pod-reader"), &[]);
    assert!(
        output.code == 125
            && output
                .stderr
                .contains("the debug image is not known: forbidden: ")
            && output.stderr.contains("namespaces"),
        "{output}"
    );
}
