//! What goes into the program: bytes, the size of the screen, and the end.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::{AttachState, Run};
use crate::{
    attach::Outgoing,
    session::{Input, SessionEvent},
};

/// How much input waits for a connection.
const INPUT_MOST: usize = 32;

/// The key that ends a terminal's input, and how long to wait before it is pressed again.
const END_OF_INPUT: u8 = 0x04;
const END_PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(8));

/// The key with which a person wants out.
const INTERRUPT: u8 = 0x03;

/// What goes in.
pub(super) struct InputState {
    pub(super) is_open: bool,
    pub(super) queue: VecDeque<Input>,
    /// What the connection takes next.
    pub(super) pending: Option<Outgoing>,
    /// The container was told that there is no more.
    pub(super) was_ended: bool,
    /// The container takes no more, and did not get all.
    pub(super) is_cut: bool,
    /// The last line that was typed has ended.
    pub(super) ends_line: bool,
    /// When the end is to be said to a terminal, and how long to wait then.
    pub(super) end_at: Option<(Instant, Duration)>,
}

impl InputState {
    pub(super) fn new() -> Self {
        Self {
            is_open: true,
            queue: VecDeque::new(),
            pending: None,
            was_ended: false,
            is_cut: false,
            ends_line: true,
            end_at: None,
        }
    }

    /// Says whether to listen for more.
    pub(super) fn takes_more(&self) -> bool {
        self.is_open && self.queue.len() < INPUT_MOST
    }
}

impl Run<'_> {
    /// While nobody listens to a person, the key that interrupts leaves.
    pub(super) fn wants_out(&self, typed: &[u8]) -> bool {
        let is_on = matches!(self.attach, AttachState::On(_));
        self.session.tty && !is_on && typed.contains(&INTERRUPT)
    }

    /// Gives the connection what it takes next.
    pub(super) fn arrange_input(&mut self) {
        while self.input.pending.is_none() && matches!(self.attach, AttachState::On(_)) {
            let Some(next) = self.input.queue.pop_front() else {
                break;
            };
            if self.input.is_cut && !matches!(next, Input::Size(_)) {
                continue;
            }
            self.input.pending = match next {
                Input::Bytes(bytes) => {
                    self.input.ends_line = bytes.last() == Some(&b'\n');
                    self.transcript.typed();
                    Some(Outgoing::Input(bytes))
                }
                Input::Size(screen) => {
                    self.screen = Some(screen);
                    Some(Outgoing::Size(screen.columns, screen.rows))
                }
                Input::End => self.end_input(),
                Input::Detach => None,
            };
        }
    }

    /// Our input is at its end: the program has to know.
    fn end_input(&mut self) -> Option<Outgoing> {
        if !self.session.stdin || self.input.was_ended {
            return None;
        }
        self.input.was_ended = true;
        if self.session.stdin_once {
            return Some(Outgoing::End);
        }
        if self.session.has_terminal {
            self.input.end_at = Some((Instant::now(), END_PAUSES.0));
        } else {
            self.output.event(SessionEvent::InputStaysOpen);
        }
        None
    }

    /// A terminal is told by a key. A program that was not reading lines then does not see it, so it is pressed again.
    pub(super) fn press_end(&mut self, pause: Duration) {
        let next = END_PAUSES.1.min(pause * 2);
        self.input.end_at = Some((Instant::now() + pause, next));
        if self.input.pending.is_none() && matches!(self.attach, AttachState::On(_)) {
            // The first one sends a line that has no end.
            let keys = if self.input.ends_line { 1 } else { 2 };
            self.input.ends_line = true;
            self.input.pending = Some(Outgoing::Input(vec![END_OF_INPUT; keys].into()));
        }
    }
}
