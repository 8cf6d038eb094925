//! Container images as OCI layouts, written without a daemon: one layer with a program, and nothing else.

use anyhow::Result;
use serde_json::{Value, json};

use super::{
    Release,
    archive::{self, Entry},
    digest,
};

/// An unprivileged user id: that of distroless images.
const USER: &str = "65532:65532";

/// An archive with the layout of an image of a program, and of other files that it needs.
pub(super) fn layout(
    release: &Release,
    architecture: &str,
    name: &str,
    mut entries: Vec<Entry>,
    program: Vec<u8>,
) -> Result<Vec<u8>> {
    entries.insert(0, Entry::program(&format!("usr/bin/{name}"), program));
    let tar = archive::tar(&entries, release.time)?;
    let layer = archive::gz(&tar)?;
    // The configuration has the digest of the layer before its compression, the manifest that of the compressed one.
    let config = config(release, architecture, name, &tar).to_string();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", config.as_bytes()),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", &layer)],
        "annotations": annotations(release, name),
    })
    .to_string();
    let mut listed = descriptor(MANIFEST, manifest.as_bytes());
    listed["platform"] = json!({"architecture": architecture, "os": "linux"});
    listed["annotations"] = json!({"org.opencontainers.image.ref.name": release.version});
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [listed],
    });
    let mut files = vec![
        Entry::file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
        Entry::file("index.json", index.to_string().into_bytes()),
    ];
    for blob in [config.into_bytes(), layer, manifest.into_bytes()] {
        files.push(Entry::file(&format!("blobs/sha256/{}", digest(&blob)), blob));
    }
    archive::tar(&files, release.time)
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": format!("sha256:{}", digest(bytes)), "size": bytes.len()})
}

fn config(release: &Release, architecture: &str, program: &str, layer: &[u8]) -> Value {
    json!({
        "architecture": architecture,
        "os": "linux",
        "config": {
            "User": USER,
            "Entrypoint": [format!("/usr/bin/{program}")],
            "WorkingDir": "/",
            "Labels": annotations(release, program),
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", digest(layer))]},
    })
}

fn annotations(release: &Release, name: &str) -> Value {
    let mut annotations = json!({
        "org.opencontainers.image.title": name,
        "org.opencontainers.image.version": release.version,
        "org.opencontainers.image.licenses": "Apache-2.0",
    });
    if let Some(repository) = &release.repository {
        annotations["org.opencontainers.image.source"] = json!(repository);
    }
    annotations
}
