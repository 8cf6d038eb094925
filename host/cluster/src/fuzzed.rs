//! Doors for the fuzz targets to what reads a server's bytes. Not for programs.

use bytes::Bytes;
use serde_json::Value;

use crate::{
    attach::decode,
    client::{items, taken},
    error::{Action, ClusterError},
    events, identity,
    progress::{nothing_starts, progress},
};

/// Decodes a message of an attach.
pub fn attach_frame(data: &[u8]) {
    decode(Bytes::copy_from_slice(data));
}

/// Words a server's refusal, as a person is shown it; none where it is not a `Status`.
pub fn status(data: &[u8]) -> Option<String> {
    let status = serde_json::from_slice(data).ok()?;
    let error = ClusterError::Refused {
        action: Action {
            verb: "get",
            kind: trocar_core::reference::Kind::Pod,
            subresource: "",
            namespace: Some("shop".into()),
            name: "web-0".into(),
        },
        status: Box::new(status),
    };
    Some(error.to_string())
}

/// Reads what a server may answer with where something else is meant: a list, a review, an event.
pub fn answer(sent: &Value) {
    items(sent.clone());
    identity::read(sent);
    events::read(sent, "dbg");
    let mut event = sent.clone();
    taken(&mut event, "object");
}

/// Reads how far a container of a pod is.
pub fn pod_status(pod: &Value, container: &str) {
    progress(pod, container);
    nothing_starts(pod, true);
}
