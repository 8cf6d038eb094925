//! A program, its kubelet, and a machine that is driven as a session drives it.

use std::time::Duration;

use super::kubelet::{Attach, Log, Random, Reading, Time};
use crate::{End, Event, Machine, Output, Setup, Stream};

/// What happens.
#[derive(Clone)]
pub(super) enum Step {
    /// The program writes, and of the longest delays the attach has so many thousandths, and the log.
    Write(Stream, Vec<u8>, [u64; 2]),
    Wait(Time),
    /// An attach begins, if none stands.
    Attach,
    /// The attach breaks; before it so many bytes that are on their way arrive.
    Break(usize),
    /// The reading of the log breaks.
    BreakLog,
    /// The log is rotated.
    Rotate,
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Write(stream, bytes, lags) => {
                write!(f, "{stream:?} b\"{}\" {lags:?}", bytes.escape_ascii())
            }
            Self::Wait(time) => write!(f, "Wait({time})"),
            Self::Attach => write!(f, "Attach"),
            Self::Break(count) => write!(f, "Break({count})"),
            Self::BreakLog => write!(f, "BreakLog"),
            Self::Rotate => write!(f, "Rotate"),
        }
    }
}

/// How the sources behave.
#[derive(Clone, Debug)]
pub(super) struct Nature {
    /// How late each stream of the attach is, and the log, at most.
    pub(super) attach_lag: Time,
    /// How late both streams are besides.
    pub(super) base_lag: Time,
    pub(super) log_lag: Time,
    /// When the log can be read at the earliest.
    pub(super) log_from: Time,
    pub(super) drops_returns: bool,
    /// The attach ends with all that was written, or is cut.
    pub(super) ends_cleanly: bool,
    /// The log may have what one stream ends with before the other's last lines.
    pub(super) are_ends_mixed: bool,
    /// A reading that follows the log does not notice that it is rotated, and brings nothing from then on.
    pub(super) misses_rotations: bool,
    /// How many bytes come at once, at most.
    pub(super) chunk: u64,
    pub(super) seed: u64,
}

pub(super) struct World {
    pub(super) machine: Machine,
    nature: Nature,
    random: Random,
    pub(super) now: Time,
    pub(super) log: Log,
    reading: Option<Reading>,
    opens_at: Time,
    attach: Option<Attach>,
    /// The machine learns of the attach then.
    attach_told_at: Option<Time>,
    pub(super) written: [Vec<u8>; 2],
    /// How much was written when each attach began, and how many lines the log had.
    pub(super) begun: Vec<([usize; 2], usize)>,
    pub(super) shown: [Vec<u8>; 2],
    pub(super) events: Vec<Event>,
    /// What was rotated away before it was read.
    pub(super) lost: Vec<Vec<u8>>,
    /// The line that was read last was rotated away, so that it cannot be told what came after it.
    pub(super) is_rotated: bool,
    /// All that was shown, in order.
    pub(super) screen: Vec<u8>,
    /// What went into the machine and came out, for a person.
    pub(super) story: Option<String>,
    has_ended: bool,
    read: usize,
}

impl World {
    pub(super) fn new(setup: Setup, nature: Nature) -> Self {
        Self {
            machine: Machine::new(setup),
            random: Random(nature.seed),
            log: Log::new(setup.piece, nature.drops_returns),
            opens_at: nature.log_from,
            nature,
            now: 0,
            reading: None,
            attach: None,
            attach_told_at: None,
            written: Default::default(),
            begun: Vec::new(),
            shown: Default::default(),
            events: Vec::new(),
            lost: Vec::new(),
            is_rotated: false,
            screen: Vec::new(),
            story: None,
            has_ended: false,
            read: 0,
        }
    }

    fn at(&self) -> Duration {
        Duration::from_millis(self.now)
    }

    fn tell(&mut self, what: impl std::fmt::Display, bytes: &[u8]) {
        if let Some(story) = &mut self.story {
            story.push_str(&format!("{:>6} {what} {}\n", self.now, bytes.escape_ascii()));
        }
    }

    pub(super) fn act(&mut self, step: &Step) {
        match step {
            Step::Write(stream, bytes, lags) => self.write(*stream, bytes, *lags),
            Step::Wait(time) => self.wait(*time),
            Step::Attach => self.attach(),
            Step::Break(count) => self.break_attach(*count),
            Step::BreakLog => self.break_log(),
            // That a log's first bytes are not the program's first is to be seen nowhere.
            Step::Rotate if self.machine.log_wish().is_none_or(|wish| wish.since.is_none()) => {}
            Step::Rotate => {
                self.log.rotate();
                if let Some(reading) = self.reading.as_mut().filter(|_| self.nature.misses_rotations) {
                    reading.stays(&self.log);
                }
            }
        }
    }

    fn write(&mut self, stream: Stream, bytes: &[u8], lags: [u64; 2]) {
        self.written[stream as usize].extend_from_slice(bytes);
        let lag = self.nature.log_lag * lags[1] / 1000;
        self.log.write(self.now, stream, bytes, lag);
        if let Some(attach) = &mut self.attach {
            let lag = self.nature.base_lag + self.nature.attach_lag * lags[0] / 1000;
            attach.write(self.now, stream, bytes, lag);
        }
    }

    fn attach(&mut self) {
        if self.attach.is_none() && !self.has_ended {
            self.attach = Some(Attach::default());
            self.attach_told_at = Some(self.now + self.random.below(self.nature.attach_lag.min(20) + 1));
            self.tell("attach opens", b"");
            self.machine.attach_opens(self.at());
            self.take_output();
            self.begun
                .push(([self.written[0].len(), self.written[1].len()], self.log.length()));
        }
    }

    fn break_attach(&mut self, count: usize) {
        if self.attach.is_none() {
            return;
        }
        self.tell_attach();
        for _ in 0..count {
            self.receive();
        }
        self.attach = None;
        self.tell("attach breaks", b"");
        self.machine.attach_ended(self.at(), End::Broken);
        self.take_output();
    }

    fn tell_attach(&mut self) {
        if self.attach_told_at.take().is_some() {
            self.tell("attach begins", b"");
            self.machine.attach_began(self.at());
            self.take_output();
        }
    }

    /// Some of the next bytes of the attach arrive.
    fn receive(&mut self) {
        let most = 1 + self.random.below(self.nature.chunk) as usize;
        if let Some(attach) = &mut self.attach
            && let Some((_, stream)) = attach.due()
        {
            let bytes = attach.take(stream, most);
            self.tell(format_args!("attach {stream:?}"), &bytes);
            self.machine
                .attach_bytes(Duration::from_millis(self.now), stream, &bytes);
            self.take_output();
        }
    }

    fn break_log(&mut self) {
        if let Some(reading) = self.reading.take() {
            self.read = self.read.max(reading.given());
            self.opens_at = self.now + self.random.below(200);
            self.tell("log breaks", b"");
            self.machine.log_ended(self.at(), End::Broken);
            self.take_output();
        }
    }

    /// A reading that is not wished for any more is closed, and one that is wished for is opened.
    fn arrange_log(&mut self) {
        let wish = self.machine.log_wish();
        if let (Some(wish), Some(reading)) = (&wish, &self.reading)
            && (wish.follow != reading.follow || self.machine.log_is_stuck())
        {
            self.break_log();
            self.opens_at = self.now + self.random.below(30);
        }
        if wish.is_none() {
            self.reading = None;
        } else if self.reading.is_none()
            && self.now >= self.opens_at
            && let Some(wish) = wish
        {
            self.lost
                .extend(self.log.gone(self.read).iter().map(|record| record.text.clone()));
            self.is_rotated |= !self.log.has_before(self.read);
            self.reading = Some(Reading::open(&self.log, wish.follow, wish.since.as_deref()));
            self.tell("log begins", b"");
            self.machine.log_began(self.at());
            self.take_output();
        }
    }

    fn read_log(&mut self) {
        let most = 1 + self.random.below(self.nature.chunk * 8) as usize;
        let Some(reading) = &mut self.reading else { return };
        let bytes = reading.read(&self.log, self.now, most);
        if !bytes.is_empty() {
            self.tell("log", &bytes);
            self.machine.log_bytes(Duration::from_millis(self.now), &bytes);
            self.take_output();
        }
    }

    fn wait(&mut self, time: Time) {
        let end = self.now + time;
        loop {
            self.arrange_log();
            let (next, event) = self.next_event();
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            match event {
                What::Attach if self.attach_told_at.is_some() => self.tell_attach(),
                What::Attach => self.receive(),
                What::Log => self.read_log(),
                What::LogOpens => {}
                What::LogEnds => {
                    let given = self.reading.take().map_or(0, |reading| reading.given());
                    self.read = self.read.max(given);
                    self.opens_at = self.now + 100;
                    self.tell("log ends", b"");
                    self.machine.log_ended(self.at(), End::Finished);
                    self.take_output();
                }
                What::Tick => {
                    self.machine.tick(self.at());
                    self.take_output();
                }
                What::Nothing => break,
            }
        }
        self.now = end;
    }

    fn next_event(&mut self) -> (Time, What) {
        let attach = match (self.attach_told_at, &self.attach) {
            (Some(at), _) => Some(at),
            (None, Some(attach)) if self.machine.wants_attach() => attach.due().map(|(due, _)| due),
            _ => None,
        };
        let log = self.reading.as_ref().filter(|_| self.machine.wants_log());
        let log_due = log.and_then(|reading| reading.due(&self.log));
        let log_ends = self
            .reading
            .as_ref()
            .filter(|reading| reading.due(&self.log).is_none() && (!reading.follow || self.has_ended));
        let opens = (self.reading.is_none() && self.machine.log_wish().is_some()).then_some(self.opens_at);
        let tick = self.machine.deadline().map(|at| at.as_millis() as Time);
        let mut events = vec![
            (attach, What::Attach),
            (log_due, What::Log),
            (log_ends.map(|_| self.now), What::LogEnds),
            (opens, What::LogOpens),
            (tick, What::Tick),
        ];
        // What is due at the same time comes in any order.
        let turn = self.random.below(2) as usize;
        events.rotate_left(turn);
        let first = events
            .into_iter()
            .filter_map(|(at, what)| Some((at?.max(self.now), what)));
        first
            .min_by_key(|(at, _)| *at)
            .unwrap_or((Time::MAX, What::Nothing))
    }

    fn take_output(&mut self) {
        while let Some(output) = self.machine.next_output() {
            match output {
                Output::Show(stream, bytes) => {
                    self.tell(format_args!("        -> {stream:?}"), &bytes);
                    self.shown[stream as usize].extend_from_slice(&bytes);
                    self.screen.extend_from_slice(&bytes);
                }
                Output::Event(event) => {
                    self.tell(format_args!("        -> {event:?}"), b"");
                    self.events.push(event);
                }
            }
        }
    }

    /// The program ends, and everything comes to its end.
    pub(super) fn end(&mut self) {
        let first = self.random.below(2) as usize;
        self.log.end(self.now, first, self.nature.are_ends_mixed);
        self.has_ended = true;
        if self.random.below(2) == 0 {
            self.machine.program_ended(self.at());
        }
        if self.attach.is_some() {
            self.tell_attach();
            match self.nature.ends_cleanly {
                true => {
                    for _ in 0..10_000 {
                        let Some((due, _)) = self.attach.as_ref().and_then(Attach::due) else {
                            break;
                        };
                        self.wait(due.saturating_sub(self.now).max(10));
                    }
                    let rest = self.attach.as_ref().and_then(Attach::due);
                    assert_eq!(
                        rest, None,
                        "the machine does not read its attach: {:?}",
                        self.machine
                    );
                    self.attach = None;
                    self.machine.attach_ended(self.at(), End::Finished);
                }
                false => {
                    let count = self.random.below(5) as usize;
                    self.break_attach(count);
                }
            }
        }
        self.machine.program_ended(self.at());
        self.take_output();
        for _ in 0..100 {
            if self.machine.is_done() {
                return;
            }
            self.wait(1000);
        }
        panic!("it does not come to its end: {:?}", self.machine);
    }
}

enum What {
    Attach,
    Log,
    LogOpens,
    LogEnds,
    Tick,
    Nothing,
}
