//! The log of a container, byte for byte. What it means is for `transcript.rs`.

use super::{
    client::Cluster,
    error::{Action, ClusterError},
    lines::Lines,
};

/// Which log of a container, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// As it is now, and on as it grows, until the container ends.
    Follow,
    /// As it is now.
    Whole,
    /// That of the container that ran in its place before.
    Previous,
}

/// Opens a container's log from its first byte.
pub(super) async fn open(
    cluster: &Cluster,
    pod: &Action,
    container: &str,
    which: Which,
) -> Result<Lines, ClusterError> {
    let action = Action {
        verb: "get",
        subresource: "log",
        ..pod.clone()
    };
    let mut query = vec![("container", container)];
    match which {
        Which::Follow => query.push(("follow", "true")),
        Which::Whole => {}
        Which::Previous => query.push(("previous", "true")),
    }
    cluster.stream(&action, &query).await.map(Lines::new)
}
