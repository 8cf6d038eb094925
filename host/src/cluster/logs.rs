//! The log of a container, byte for byte. What it means is for `transcript.rs`.

use super::{
    client::Cluster,
    error::{Action, ClusterError},
    lines::Lines,
};

/// Opens a container's log from its first byte; followed until the container ends, or as it is now.
pub(super) async fn open(
    cluster: &Cluster,
    pod: &Action,
    container: &str,
    follow: bool,
) -> Result<Lines, ClusterError> {
    let action = Action {
        verb: "get",
        subresource: "log",
        ..pod.clone()
    };
    let mut query = vec![("container", container)];
    if follow {
        query.push(("follow", "true"));
    }
    cluster.stream(&action, &query).await.map(Lines::new)
}
