//! What is shown of the program's output, and what is said about it: the machine of `trocar-output`, and where its output goes.

use std::time::Duration;

use trocar_output::{Doubt, Event, Machine, Setup, Stream};

use super::clock::Clock;
use crate::session::{Output, Session, SessionError, SessionEvent};

/// How much of a beginning that is missing is told.
const MAX_TOLD_BYTES: usize = 200;

pub(super) struct Shown<'a> {
    pub(super) machine: Machine,
    sink: &'a mut dyn Output,
    /// That the log cannot be read was told, and why.
    no_log_told: bool,
}

impl<'a> Shown<'a> {
    pub(super) fn new(session: &Session, may_be_replaced: bool, sink: &'a mut dyn Output) -> Self {
        let setup = Setup {
            tty: session.has_terminal,
            is_for_person: session.screen.is_some(),
            is_answered: session.stdin,
            may_be_replaced,
            ..Setup::default()
        };
        Self {
            machine: Machine::new(setup),
            sink,
            no_log_told: false,
        }
    }

    /// Something happened that is not output.
    pub(super) fn event(&mut self, event: SessionEvent) {
        self.no_log_told |= matches!(event, SessionEvent::NoLog(_));
        self.sink.event(event);
    }

    /// Tells the machine something, and carries out what it decides.
    pub(super) fn tell(
        &mut self,
        clock: &mut Clock,
        something: impl FnOnce(&mut Machine, Duration),
    ) -> Result<(), SessionError> {
        something(&mut self.machine, clock.now());
        clock.hold(|| {
            while let Some(output) = self.machine.next_output() {
                match output {
                    trocar_output::Output::Show(stream, bytes) => self.show(stream, &bytes)?,
                    trocar_output::Output::Event(event) => self.tell_of(event),
                }
            }
            Ok(())
        })
    }

    fn show(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), SessionError> {
        self.sink.show(stream, bytes).map_err(SessionError::Output)
    }

    fn tell_of(&mut self, event: Event) {
        let told = match event {
            // Why was told.
            Event::Uncertain(Doubt::LogUnreadable) if self.no_log_told => return,
            Event::Uncertain(doubt) => SessionEvent::OutputUncertain(doubt),
            Event::FromLog => SessionEvent::OutputFromLog,
            Event::BeginningMissing { mut text, .. } => {
                text.truncate(MAX_TOLD_BYTES);
                SessionEvent::BeginningMissing(trocar_core::text::message(&String::from_utf8_lossy(&text)))
            }
            Event::EndMissing { .. } => SessionEvent::EndMissing,
            Event::LineCut { .. } => SessionEvent::LineCut,
        };
        self.event(told);
    }
}
