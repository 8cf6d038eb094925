//! A stream of bytes as its lines. Knows nothing of what they say.

use std::{
    future::{Future as _, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use kube::client::Body;
use tokio::{
    task::yield_now,
    time::{Instant, sleep_until},
};

/// The longest line that is read, in bytes: more than the largest object that a cluster stores.
// etcd takes requests of up to 1.5 MiB by default.
const MAX_LINE_BYTES: usize = 8 << 20;

/// How much is taken together, in bytes. A kubelet sends each line of a log on its own, and to take it so costs more than the line.
// Taken line by line, 3,000,000 lines took 67 s; in bursts they take 20 to 45 s.
const BURST_BYTES: usize = 64 << 10;

/// The pause after a burst of chunks that are this small, in bytes: what comes fast comes together then.
const BURST_PAUSE: Duration = Duration::from_millis(2);
const SMALL_CHUNK: usize = 1 << 10;

/// Reads a body in bursts, chunk by chunk or line by line.
pub(super) struct Lines {
    body: Body,
    rest: BytesMut,
    /// So much of the rest has no line end.
    searched: usize,
    /// What came after the last burst: the end of the body, or why it broke.
    end: Option<Result<(), String>>,
    pause_ends: Option<Instant>,
    is_in_small_chunks: bool,
}

impl Lines {
    pub(super) fn new(body: Body) -> Self {
        Self {
            body,
            rest: BytesMut::new(),
            searched: 0,
            end: None,
            pause_ends: None,
            is_in_small_chunks: false,
        }
    }

    /// All bytes that are there, or the next ones; none at the end. Safe to cancel.
    pub(super) async fn burst(&mut self) -> Result<Option<Bytes>, String> {
        if let Some(end) = self.end.take() {
            return end.map(|()| None);
        }
        if let Some(until) = self.pause_ends {
            sleep_until(until).await;
            self.pause_ends = None;
        }
        while self.rest.len() < BURST_BYTES {
            let next = match self.rest.is_empty() {
                true => self.chunk().await,
                false => match self.chunk_that_is_there().await {
                    Some(next) => next,
                    None => break,
                },
            };
            match next {
                Ok(Some(chunk)) => {
                    self.rest.extend_from_slice(&chunk);
                    self.is_in_small_chunks = chunk.len() < SMALL_CHUNK;
                }
                end if self.rest.is_empty() => return end,
                end => {
                    self.end = Some(end.map(|_| ()));
                    break;
                }
            }
        }
        let pause_ends = Instant::now() + BURST_PAUSE;
        self.pause_ends = self.is_in_small_chunks.then_some(pause_ends);
        Ok(Some(self.rest.split().freeze()))
    }

    /// The next chunk, if it need not be waited for. The task that reads the connection gets one turn to bring it.
    async fn chunk_that_is_there(&mut self) -> Option<Result<Option<Bytes>, String>> {
        for _ in 0..2 {
            let mut chunk = pin!(self.chunk());
            let polled = poll_fn(|context| Poll::Ready(chunk.as_mut().poll(context))).await;
            if let Poll::Ready(next) = polled {
                return Some(next);
            }
            yield_now().await;
        }
        None
    }

    /// The next bytes as they come; none at the end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, String> {
        loop {
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(error.to_string()),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data()
                        && !data.is_empty()
                    {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// The next whole line, without its end; none at the end. What follows the last line end is dropped: it was cut.
    /// Safe to cancel.
    pub(super) async fn line(&mut self) -> Result<Option<Bytes>, String> {
        loop {
            let unknown = &self.rest[self.searched..];
            if let Some(end) = unknown.iter().position(|byte| *byte == b'\n') {
                let end = self.searched + end;
                self.searched = 0;
                let mut line = self.rest.split_to(end + 1);
                line.truncate(end);
                return Ok(Some(line.freeze()));
            }
            self.searched = self.rest.len();
            if self.rest.len() > MAX_LINE_BYTES {
                return Err(format!("a line is longer than {MAX_LINE_BYTES} bytes"));
            }
            match self.chunk().await? {
                Some(chunk) => self.rest.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }
}
