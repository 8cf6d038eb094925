//! Standard input: bytes, the size of the screen, and the end, on their way into the program. Pure: times are numbers.

use std::{collections::VecDeque, time::Duration};

use crate::{
    attach::Outgoing,
    session::{Input, Screen},
};

/// How much input waits for a connection.
const MAX_WAITING: usize = 32;

/// The key that ends a terminal's input, and how long to wait before it is pressed: at first, and at most.
const END_OF_INPUT: u8 = 0x04;
const END_PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(8));

/// What the program's standard input is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// It has one, and there is something for it.
    pub(super) is_open: bool,
    /// It ends with the first attach's.
    pub(super) once: bool,
    pub(super) is_terminal: bool,
}

/// How the end of our input reaches the program.
#[derive(Clone, Copy, Debug)]
enum End {
    /// It is not there yet.
    NotYet,
    /// The program was told, or cannot be told.
    Done,
    /// The key is pressed at this time. A program that was not reading lines then does not see it, so it is pressed again, after
    /// this pause.
    Key(Duration, Duration),
}

#[derive(Debug)]
pub(super) struct Stdin {
    kind: Kind,
    /// More may come.
    is_open: bool,
    waiting: VecDeque<Input>,
    /// What the connection takes next.
    next: Option<Outgoing>,
    end: End,
    /// The program takes no more, and did not get all.
    is_cut: bool,
    /// The last line that was typed has ended.
    ends_line: bool,
    pub(super) screen: Option<Screen>,
}

impl Stdin {
    pub(super) fn new(kind: Kind, screen: Option<Screen>) -> Self {
        Self {
            kind,
            is_open: true,
            waiting: VecDeque::new(),
            next: None,
            end: End::NotYet,
            is_cut: false,
            ends_line: true,
            screen,
        }
    }

    /// Returns whether to listen for more.
    pub(super) fn takes_more(&self) -> bool {
        self.is_open && self.waiting.len() < MAX_WAITING
    }

    /// Something came; none: nothing more will.
    pub(super) fn came(&mut self, input: Option<Input>) {
        self.is_open = input.is_some();
        self.waiting.extend(input);
    }

    /// Returns whether the connection is to be given something. `InputStaysOpen` is to be told where this returns that the
    /// program cannot be told of the end.
    pub(super) fn prepare(&mut self, now: Duration) -> bool {
        let mut stays_open = false;
        while self.next.is_none()
            && let Some(input) = self.waiting.pop_front()
        {
            self.next = match input {
                // Before the arm for cut input: a connection without stdin still takes a size.
                Input::Size(screen) => {
                    self.screen = Some(screen);
                    Some(Outgoing::Size(screen.columns, screen.rows))
                }
                _ if self.is_cut => None,
                Input::Bytes(bytes) => {
                    self.ends_line = bytes.last() == Some(&b'\n');
                    Some(Outgoing::Input(bytes))
                }
                Input::End => {
                    stays_open |= self.ends(now);
                    // Without `stdinOnce` a runtime keeps the program's stdin open when an attach closes its own.
                    (self.kind.is_open && self.kind.once).then_some(Outgoing::End)
                }
                Input::Detach => None,
            };
        }
        stays_open
    }

    /// Our input is at its end. Returns whether the program cannot be told.
    fn ends(&mut self, now: Duration) -> bool {
        // Only a terminal's line discipline turns the key into the end of the input; a pipe would pass it on as a byte.
        let is_terminal = self.kind.is_open && !self.kind.once && self.kind.is_terminal;
        let stays_open = self.kind.is_open && !self.kind.once && !self.kind.is_terminal;
        self.end = if is_terminal {
            End::Key(now, END_PAUSES.0)
        } else {
            End::Done
        };
        stays_open
    }

    pub(super) fn has_next(&self) -> bool {
        self.next.is_some()
    }

    /// What the connection takes next.
    pub(super) fn take_next(&mut self) -> Option<Outgoing> {
        self.next.take()
    }

    /// All that waits: nothing more is sent after it.
    pub(super) fn rest(&mut self, now: Duration) -> Vec<Outgoing> {
        let take = || {
            self.prepare(now);
            self.take_next()
        };
        std::iter::from_fn(take).collect()
    }

    /// The connection broke: a program that takes its input only once does not get the rest.
    pub(super) fn connection_broke(&mut self) {
        // All of the input was sent when its end was: a break after that cuts nothing off.
        let was_ended = !matches!(self.end, End::NotYet);
        self.is_cut |= self.kind.is_open && self.kind.once && !was_ended;
    }

    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// When the key is pressed that ends a terminal's input.
    pub(super) fn deadline(&self) -> Option<Duration> {
        match self.end {
            End::Key(at, _) => Some(at),
            _ => None,
        }
    }

    pub(super) fn tick(&mut self, now: Duration, is_attached: bool) {
        let End::Key(at, pause) = self.end else {
            return;
        };
        if now < at {
            return;
        }
        self.end = End::Key(now + pause, END_PAUSES.1.min(pause * 2));
        if self.next.is_none() && is_attached {
            // The first one sends a line that has no end.
            let keys = if self.ends_line { 1 } else { 2 };
            self.ends_line = true;
            self.next = Some(Outgoing::Input(vec![END_OF_INPUT; keys].into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPE: Kind = Kind {
        is_open: true,
        once: true,
        is_terminal: false,
    };

    const fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn sent(stdin: &mut Stdin, now: Duration) -> Option<String> {
        stdin.prepare(now);
        stdin.take_next().map(|outgoing| format!("{outgoing:?}"))
    }

    #[test]
    fn a_pipe_is_sent_and_ended() {
        let mut stdin = Stdin::new(PIPE, None);
        stdin.came(Some(Input::Bytes("a".into())));
        stdin.came(Some(Input::End));
        stdin.came(None);
        assert!(!stdin.takes_more());
        assert_eq!(sent(&mut stdin, at(0)).as_deref(), Some("Input(b\"a\")"));
        assert_eq!(sent(&mut stdin, at(0)).as_deref(), Some("End"));
        stdin.connection_broke();
        assert!(!stdin.is_cut(), "all of it was sent");
    }

    #[test]
    fn input_that_a_program_takes_once_is_cut_by_a_break() {
        let mut stdin = Stdin::new(PIPE, None);
        stdin.came(Some(Input::Bytes("a".into())));
        sent(&mut stdin, at(0));
        stdin.connection_broke();
        assert!(stdin.is_cut());
        stdin.came(Some(Input::Bytes("b".into())));
        stdin.came(Some(Input::Size(Screen {
            columns: 80,
            rows: 24,
        })));
        assert_eq!(
            sent(&mut stdin, at(1)).as_deref(),
            Some("Size(80, 24)"),
            "bytes are dropped, sizes are not"
        );
    }

    #[test]
    fn a_terminal_is_told_by_a_key_that_is_pressed_again_and_again() {
        let terminal = Kind {
            once: false,
            is_terminal: true,
            ..PIPE
        };
        let mut stdin = Stdin::new(terminal, None);
        stdin.came(Some(Input::Bytes("no line end".into())));
        stdin.came(Some(Input::End));
        sent(&mut stdin, at(0));
        assert!(!stdin.prepare(at(0)));
        let mut pressed = Vec::new();
        while let Some(at) = stdin.deadline().filter(|at| *at <= self::at(16_000)) {
            stdin.tick(at, true);
            pressed.push((at.as_millis(), sent(&mut stdin, at).unwrap()));
        }
        let key = |time: u128, keys: &str| (time, format!("Input(b\"{keys}\")"));
        let twice = key(0, "\\x04\\x04");
        assert_eq!(
            pressed,
            [
                twice,
                key(1000, "\\x04"),
                key(3000, "\\x04"),
                key(7000, "\\x04"),
                key(15_000, "\\x04")
            ]
        );
    }

    #[test]
    fn a_program_that_cannot_be_told_of_the_end_is_spoken_of() {
        for (is_open, wanted) in [(true, true), (false, false)] {
            let kind = Kind {
                is_open,
                once: false,
                is_terminal: false,
            };
            let mut stdin = Stdin::new(kind, None);
            stdin.came(Some(Input::End));
            assert_eq!(stdin.prepare(at(0)), wanted);
        }
    }

    #[test]
    fn only_so_much_waits() {
        let mut stdin = Stdin::new(PIPE, None);
        for _ in 0..MAX_WAITING {
            assert!(stdin.takes_more());
            stdin.came(Some(Input::Bytes("x".into())));
        }
        assert!(!stdin.takes_more());
    }
}
