//! The log of a container as a stream of bytes, with time stamps. What it means is for `trocar-output`.

use super::{
    client::Cluster,
    error::{Action, ClusterError},
    lines::Lines,
};

/// Which log of a container, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogRequest {
    /// On as it grows, until the container ends.
    pub(super) follow: bool,
    /// That of the container that ran in its place before.
    pub(super) previous: bool,
    /// From this time on; none from its first byte.
    pub(super) since: Option<String>,
}

pub(super) async fn open(
    cluster: &Cluster,
    pod: &Action,
    container: &str,
    request: &LogRequest,
) -> Result<Lines, ClusterError> {
    let action = Action {
        verb: "get",
        subresource: "log",
        ..pod.clone()
    };
    // Time stamps make a broken reading resumable. `stream=` is not asked for: it is alpha, and refused where it is off.
    let mut query = vec![("container", container), ("timestamps", "true")];
    if request.follow {
        query.push(("follow", "true"));
    }
    if request.previous {
        query.push(("previous", "true"));
    }
    if let Some(since) = &request.since {
        query.push(("sinceTime", since));
    }
    cluster.stream(&action, &query).await.map(Lines::new)
}
