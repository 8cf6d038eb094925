//! A stream of bytes as its lines. Knows nothing of what they say.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use kube::client::Body;

/// The longest line that is read, in bytes: more than the largest object that a cluster stores.
const MAX_LINE_BYTES: usize = 8 << 20;

/// Reads a body chunk by chunk or line by line.
pub(super) struct Lines {
    body: Body,
    rest: BytesMut,
    /// So much of the rest has no line end.
    searched: usize,
}

impl Lines {
    pub(super) fn new(body: Body) -> Self {
        Self {
            body,
            rest: BytesMut::new(),
            searched: 0,
        }
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
