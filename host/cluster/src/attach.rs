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
    session::Stream,
};

/// The first byte of a frame says which stream it is of.
const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;
const CLOSE: u8 = 255;

/// How often a connection is tested, so that a dead one is noticed and proxies keep the others: as often as kubectl does it, since
/// there are proxies that close what is idle for some seconds.
const PING: Duration = Duration::from_secs(5);

/// How long a connection whose other end answers such tests may be silent.
const DEAD: Duration = Duration::from_secs(50);

/// How many frames may wait in each direction.
const QUEUE: usize = 64;

#[derive(Debug)]
pub(super) enum Outgoing {
    /// Standard input.
    Input(Bytes),
    /// Standard input is at its end.
    End,
    /// The terminal's size, in columns and rows.
    Size(u16, u16),
}

#[derive(Debug)]
pub(super) enum Received {
    /// Output of the program.
    Bytes(Stream, Bytes),
    /// Nothing more.
    End(AttachEnd),
}

/// How an attach ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AttachEnd {
    /// The other end says that everything was delivered: the program has ended.
    Finished,
    /// The other end cannot attach: most often because the container has just ended.
    Refused,
    /// The connection broke.
    Broken,
}

/// A connection to a container that runs. Dropping it closes it.
pub(super) struct Attached {
    incoming: mpsc::Receiver<Received>,
    outgoing: mpsc::Sender<Outgoing>,
    tasks: [tokio::task::JoinHandle<()>; 2],
}

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
        // Protocol v5 alone has the frame that closes one stream.
        let can_close = connection.supports_stream_close();
        let (sink, source) = connection.into_stream().split();
        let (to_us, incoming) = mpsc::channel(QUEUE);
        let (outgoing, from_us) = mpsc::channel(QUEUE);
        // Two tasks: pings have to go out also while the output waits for its reader.
        let reader = tokio::spawn(async move {
            let end = read(source, &to_us).await;
            // The receiver may be gone already.
            to_us.send(Received::End(end)).await.ok();
        });
        let writer = tokio::spawn(write(sink, from_us, can_close));
        Self {
            incoming,
            outgoing,
            tasks: [reader, writer],
        }
    }

    /// What comes next. Safe to cancel.
    pub(super) async fn receive(&mut self) -> Received {
        let received = self.incoming.recv().await;
        received.unwrap_or(Received::End(AttachEnd::Broken))
    }

    /// Where to send what goes into the container.
    pub(super) fn sender(&self) -> mpsc::Sender<Outgoing> {
        self.outgoing.clone()
    }

    /// Sends; what cannot be sent any more is dropped, and `receive` tells of the end.
    pub(super) async fn send(&self, outgoing: Outgoing) {
        self.outgoing.send(outgoing).await.ok();
    }

    /// Waits until all that was given to it is sent, and closes the connection.
    pub(super) async fn finish(&mut self) {
        let (closed, _) = mpsc::channel(1);
        self.outgoing = closed;
        // That it cannot be sent any more ends it as well.
        (&mut self.tasks[1]).await.ok();
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Passes on what comes, and says how it ended.
async fn read<S, E>(mut source: S, to_us: &mpsc::Sender<Received>) -> AttachEnd
where
    S: futures_util::Stream<Item = Result<Message, E>> + Unpin,
{
    // The status comes on its own channel before the close. A connection that closes without it was cut.
    let mut end = AttachEnd::Broken;
    let mut answers_pings = false;
    loop {
        // Some proxies swallow pings: silence counts only where a pong came before.
        let next = if answers_pings {
            tokio::time::timeout(DEAD, source.next()).await.ok().flatten()
        } else {
            source.next().await
        };
        let Some(Ok(message)) = next else {
            return end;
        };
        answers_pings |= message.is_pong();
        if !message.is_binary() && !message.is_text() {
            continue;
        }
        match decode(message.into_data()) {
            Some(Frame::Output(stream, data)) => match to_us.send(Received::Bytes(stream, data)).await {
                Ok(()) => {}
                Err(_) => return end,
            },
            Some(Frame::End(ended)) => end = ended,
            None => {}
        }
    }
}

/// What a message of the remote command protocol holds: its first byte names the channel.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Output of the program.
    Output(Stream, Bytes),
    /// How the server ends the attach.
    End(AttachEnd),
}

/// Decodes a message; none where it holds nothing, or is of a channel that is not known.
pub(crate) fn decode(mut data: Bytes) -> Option<Frame> {
    // The other end sends an empty frame to say that the connection stands.
    if data.len() < 2 {
        return None;
    }
    match data.split_to(1)[0] {
        STDOUT => Some(Frame::Output(Stream::Stdout, data)),
        STDERR => Some(Frame::Output(Stream::Stderr, data)),
        ERROR => Some(Frame::End(ended(&data))),
        _ => None,
    }
}

/// The error channel carries a `Status`, also when there was no error.
fn ended(status: &[u8]) -> AttachEnd {
    let status: serde_json::Value = serde_json::from_slice(status).unwrap_or_default();
    // The program's exit code is not in it: a kubelet knows none of what is attached to. The pod's status has it.
    if status["status"] == "Success" {
        AttachEnd::Finished
    } else {
        AttachEnd::Refused
    }
}

async fn write<S>(mut sink: S, mut from_us: mpsc::Receiver<Outgoing>, can_close: bool)
where
    S: futures_util::Sink<Message> + Unpin,
{
    let mut pings = tokio::time::interval_at(tokio::time::Instant::now() + PING, PING);
    loop {
        let message = tokio::select! {
            outgoing = from_us.recv() => match outgoing {
                // An older protocol cannot say that the input has ended but by ending.
                Some(Outgoing::End) if !can_close => break,
                Some(outgoing) => frame(outgoing),
                None => break,
            },
            _ = pings.tick() => Message::Ping(Bytes::new()),
        };
        if sink.send(message).await.is_err() {
            break;
        }
    }
    sink.close().await.ok();
}

fn frame(outgoing: Outgoing) -> Message {
    let (channel, data) = match outgoing {
        Outgoing::Input(data) => (STDIN, data),
        Outgoing::Size(columns, rows) => {
            let size = json!({"Width": columns, "Height": rows});
            (RESIZE, Bytes::from(size.to_string()))
        }
        Outgoing::End => (CLOSE, Bytes::from_static(&[STDIN])),
    };
    let mut framed = Vec::with_capacity(data.len() + 1);
    framed.push(channel);
    framed.extend_from_slice(&data);
    Message::Binary(framed.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_that_closes_what_is_idle_for_eight_seconds_keeps_a_session_that_waits_for_input() {
        // What was sent just before a connection is closed cannot be sent again. kubectl has the same five seconds.
        assert!(PING <= Duration::from_secs(5));
    }
}
