//! Futures that wait for one event each, forever if it cannot happen. `mod.rs` selects among them.

use bytes::Bytes;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::Attempt;
use crate::{
    attach::{Attached, Outgoing, Received},
    error::ClusterError,
    events::{Events, PodWarning},
    lines::Lines,
};

pub(super) async fn receive(attached: Option<&mut Attached>) -> Received {
    match attached {
        Some(attached) => attached.receive().await,
        None => std::future::pending().await,
    }
}

pub(super) async fn reserve(sender: Option<mpsc::Sender<Outgoing>>) -> mpsc::OwnedPermit<Outgoing> {
    if let Some(sender) = sender
        && let Ok(permit) = sender.reserve_owned().await
    {
        return permit;
    }
    std::future::pending().await
}

pub(super) async fn burst(log: Option<&mut Lines>) -> Result<Option<Bytes>, String> {
    match log {
        Some(log) => log.burst().await,
        None => std::future::pending().await,
    }
}

pub(super) async fn attempt<T>(trying: Option<&mut Attempt<T>>) -> Result<T, ClusterError> {
    match trying {
        Some(attempt) => attempt.await,
        None => std::future::pending().await,
    }
}

pub(super) async fn said(events: Option<&mut Events>) -> PodWarning {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}

pub(super) async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
