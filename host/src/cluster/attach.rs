//! One attach connection: the frames of a container's streams over a WebSocket. When to attach is for `session.rs`.
//!
//! Source: the protocols `v4.channel.k8s.io` and `v5.channel.k8s.io` of Kubernetes' remote command.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use kube::client::Connection;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::{
    client::Cluster,
    error::{Action, ClusterError},
    transcript::Stream,
};

/// The first byte of a frame says which stream it is of.
const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const RESIZE: u8 = 4;
const CLOSE: u8 = 255;

/// How often an idle connection is tested, so that proxies keep it and a dead one is noticed.
const PING: Duration = Duration::from_secs(20);

/// How many frames may wait in each direction.
const QUEUE: usize = 64;

/// What is sent into the container.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// Standard input.
    Input(Bytes),
    /// Standard input is at its end.
    End,
    /// The terminal's size, in columns and rows.
    Size(u16, u16),
}

/// A connection to a container that runs. Dropping it closes it.
pub(super) struct Attached {
    incoming: mpsc::Receiver<(Stream, Bytes)>,
    outgoing: mpsc::Sender<Outgoing>,
    tasks: [tokio::task::JoinHandle<()>; 2],
}

/// Which streams of which container.
#[derive(Clone, Debug)]
pub(super) struct Streams<'a> {
    pub(super) container: &'a str,
    pub(super) stdin: bool,
    pub(super) tty: bool,
}

impl Attached {
    /// Attaches. Fails while the kubelet does not know the container yet.
    pub(super) async fn open(
        cluster: &Cluster,
        pod: &Action,
        streams: &Streams<'_>,
    ) -> Result<Self, ClusterError> {
        let action = Action {
            verb: "get",
            subresource: "attach",
            ..pod.clone()
        };
        let mut query = vec![("container", streams.container), ("stdout", "true")];
        if streams.stdin {
            query.push(("stdin", "true"));
        }
        // A terminal has one stream for both.
        query.push(if streams.tty {
            ("tty", "true")
        } else {
            ("stderr", "true")
        });
        let connection = cluster.connect(&action, &query).await?;
        Ok(Self::start(connection))
    }

    fn start(connection: Connection) -> Self {
        let can_close = connection.supports_stream_close();
        let (mut sink, mut source) = connection.into_stream().split();
        let (to_us, incoming) = mpsc::channel(QUEUE);
        let (outgoing, mut from_us) = mpsc::channel(QUEUE);
        let reader = tokio::spawn(async move {
            while let Some(Ok(message)) = source.next().await {
                if !message.is_binary() && !message.is_text() {
                    continue;
                }
                let mut data: Bytes = message.into_data();
                if data.is_empty() {
                    continue;
                }
                let stream = match data.split_to(1)[0] {
                    STDOUT => Stream::Stdout,
                    STDERR => Stream::Stderr,
                    _ => continue,
                };
                if !data.is_empty() && to_us.send((stream, data)).await.is_err() {
                    break;
                }
            }
        });
        let writer = tokio::spawn(async move {
            loop {
                let message = tokio::select! {
                    outgoing = from_us.recv() => match outgoing {
                        Some(outgoing) => frame(outgoing, can_close),
                        None => break,
                    },
                    () = tokio::time::sleep(PING) => Some(Message::Ping(Bytes::new())),
                };
                if let Some(message) = message {
                    if sink.send(message).await.is_err() {
                        break;
                    }
                }
            }
            drop(sink.close().await);
        });
        Self {
            incoming,
            outgoing,
            tasks: [reader, writer],
        }
    }

    /// The next bytes; none when the connection has ended, from whatever cause. Safe to cancel.
    pub(super) async fn receive(&mut self) -> Option<(Stream, Bytes)> {
        self.incoming.recv().await
    }

    /// Where to send what goes into the container.
    pub(super) fn sender(&self) -> mpsc::Sender<Outgoing> {
        self.outgoing.clone()
    }

    /// Sends; what cannot be sent any more is dropped, and `receive` tells of the end.
    pub(super) async fn send(&self, outgoing: Outgoing) {
        drop(self.outgoing.send(outgoing).await);
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn frame(outgoing: Outgoing, can_close: bool) -> Option<Message> {
    let (channel, data) = match outgoing {
        Outgoing::Input(data) => (STDIN, data),
        Outgoing::Size(columns, rows) => {
            let size = json!({"Width": columns, "Height": rows});
            (RESIZE, Bytes::from(size.to_string()))
        }
        Outgoing::End => return can_close.then(|| Message::Binary(Bytes::from_static(&[CLOSE, STDIN]))),
    };
    let mut framed = Vec::with_capacity(data.len() + 1);
    framed.push(channel);
    framed.extend_from_slice(&data);
    Some(Message::Binary(framed.into()))
}
