//! Showing bytes, and counting what was shown as the log will have it. When and what is decided in `mod.rs`.

use bytes::Bytes;

use super::{Show, Stream, Transcript};
use crate::output::text::{Plainer, with_returns, without_questions, written_length};

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StreamState {
    is_used: bool,
    plainer: Plainer,
}

impl Transcript {
    /// Counts what the attach brought as the log will have it.
    pub(super) fn count(&mut self, stream: Stream, bytes: &[u8]) {
        let mut plain = Vec::new();
        let state = &mut self.streams[stream as usize];
        state.plainer.push(bytes, &mut plain);
        self.settle(stream, &plain);
    }

    /// What was shown on a stream is shown for good.
    pub(in super::super) fn settle(&mut self, stream: Stream, plain: &[u8]) {
        if plain.is_empty() {
            return;
        }
        self.streams[stream as usize].is_used = true;
        let is_mixed = self.streams.iter().all(|state| state.is_used);
        if let Some(settled) = &mut self.settled {
            if is_mixed {
                settled.mix();
            }
            settled.push(plain);
        }
    }

    /// The streams go on from where a join left them.
    pub(in super::super) fn take_over(&mut self, plainers: [Plainer; 2]) {
        for (state, plainer) in self.streams.iter_mut().zip(plainers) {
            state.plainer = plainer;
        }
    }

    /// Shows bytes of the program.
    pub(in super::super) fn emit(&mut self, stream: Stream, bytes: Bytes, out: &mut Vec<Show>) {
        if bytes.is_empty() {
            return;
        }
        let returns = bytes.iter().rev().take_while(|byte| **byte == b'\r').count();
        self.returns = if returns == bytes.len() {
            self.returns + returns
        } else {
            returns
        };
        out.push(Show::Bytes(stream, bytes));
    }

    /// Shows what the attach brought, but for what the log had already.
    pub(in super::super) fn emit_attached(&mut self, stream: Stream, bytes: Bytes, out: &mut Vec<Show>) {
        if self.surplus == 0 {
            return self.emit(stream, bytes, out);
        }
        let mut plain = Vec::new();
        Plainer::default().push(&bytes, &mut plain);
        let known = self.surplus.min(plain.len());
        self.surplus -= known;
        self.emit(stream, bytes.slice(written_length(&bytes, known)..), out);
    }

    /// Shows text of the log as the program wrote it.
    pub(in super::super) fn emit_log(&mut self, stream: Stream, mut text: &[u8], out: &mut Vec<Show>) {
        // An attach may have ended within a line's end.
        for _ in 0..self.returns {
            text = text.strip_prefix(b"\r").unwrap_or(text);
        }
        if self.tty {
            let written = with_returns(text, self.returns > 0);
            let written = match self.screen {
                Some(_) => without_questions(&written).into_owned(),
                None => written,
            };
            self.emit(stream, written.into(), out);
        } else {
            self.emit(stream, Bytes::copy_from_slice(text), out);
        }
    }
}
