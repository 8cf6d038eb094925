//! What concerns the attach, and what it carries.

use std::time::Duration;

use super::{AttachPhase, Run, connection::Failed};
use crate::{
    attach::{AttachEnd, Attached, Outgoing, Streams},
    error::ClusterError,
    session::{SessionError, SessionEvent},
};
use trocar_output::End;

/// How long one who leaves waits until what was typed is sent.
const LAST_INPUT: Duration = Duration::from_secs(1);

/// The key with which a user leaves while there is no attach.
const INTERRUPT: u8 = 0x03;

impl Run<'_> {
    /// Tries to attach when it is time.
    pub(super) fn arrange_attach(&mut self) -> Result<(), SessionError> {
        if self.ending.is_some() || !self.connection.is_due(self.clock.now()) {
            return Ok(());
        }
        let session = self.session.clone();
        let is_first = self.connection.count == 0;
        // A container that takes its input only once does not take it again.
        let stdin = session.stdin && (is_first || !session.stdin_once);
        // What answers may by now be another instance of the container, which is not ours.
        let checks = self.container.can_restart && !is_first;
        self.connection.phase = AttachPhase::Opening(Box::pin(async move {
            if checks && session.has_ended().await? {
                // The status is about to end the session: this attach would be to the next instance.
                return std::future::pending().await;
            }
            let streams = Streams {
                container: &session.container,
                stdin,
                tty: session.has_terminal,
            };
            Attached::open(&session.cluster, &session.action(), &streams).await
        }));
        self.shown
            .tell(&mut self.clock, |machine, now| machine.attach_opens(now))
    }

    /// Handles the outcome of an attempt to attach.
    pub(super) async fn attach_tried(
        &mut self,
        attached: Result<Attached, ClusterError>,
    ) -> Result<(), SessionError> {
        match attached {
            Ok(attached) => self.attached(attached).await,
            Err(error) => self.not_attached(error),
        }
    }

    async fn attached(&mut self, attached: Attached) -> Result<(), SessionError> {
        if let Some(screen) = self.stdin.screen.filter(|_| self.session.tty) {
            // A change of size makes the program draw its prompt again, which it wrote before the attach. Two sizes: a
            // kernel signals a program (SIGWINCH) only where the size differs from the last one.
            attached
                .send(Outgoing::Size(screen.columns, screen.rows + 1))
                .await;
            attached.send(Outgoing::Size(screen.columns, screen.rows)).await;
        }
        let (is_first, was_told) = self.connection.stands(attached);
        self.starts();
        self.last_byte = self.clock.now();
        self.shown
            .tell(&mut self.clock, |machine, now| machine.attach_began(now))?;
        if is_first {
            self.shown.event(SessionEvent::Attached);
        }
        if was_told {
            self.shown.event(SessionEvent::Reconnected);
        }
        Ok(())
    }

    fn not_attached(&mut self, error: ClusterError) -> Result<(), SessionError> {
        self.shown.tell(&mut self.clock, |machine, now| {
            machine.attach_ended(now, End::Broken);
        })?;
        match self
            .connection
            .fails(self.clock.now(), error, self.start.running_since())
        {
            Failed::Again => {}
            Failed::Refused(error) if !self.log.may_be_read() => return Err(error.into()),
            Failed::Refused(error) | Failed::AgainWithoutAttach(error) => {
                self.shown.event(SessionEvent::LogOnly(why_not(&error)));
            }
            Failed::Fatal(error) => return Err(error.into()),
        }
        Ok(())
    }

    pub(super) fn attach_ended(&mut self, end: AttachEnd) -> Result<(), SessionError> {
        let how = if end == AttachEnd::Finished {
            End::Finished
        } else {
            End::Broken
        };
        if end == AttachEnd::Broken && self.ending.is_none() {
            self.stdin.connection_broke();
        }
        self.connection.ends(self.clock.now(), end, self.ending.is_some());
        self.shown
            .tell(&mut self.clock, |machine, now| machine.attach_ended(now, how))
    }

    /// Gives the connection what it takes next.
    pub(super) fn arrange_input(&mut self) {
        if self.connection.is_standing() && self.stdin.prepare(self.clock.now()) {
            self.shown.event(SessionEvent::InputStaysOpen);
        }
    }

    /// The user leaves. What was typed before the keys for it is sent, if the connection takes it soon.
    pub(super) async fn leaves(&mut self) {
        let rest = self.stdin.rest(self.clock.now());
        let AttachPhase::Standing(attached) = &mut self.connection.phase else {
            return;
        };
        let sent = async {
            for next in rest {
                attached.send(next).await;
            }
            attached.finish().await;
        };
        // A connection that takes nothing keeps no one.
        tokio::time::timeout(LAST_INPUT, sent).await.ok();
    }

    /// While there is no attach, the key that interrupts leaves.
    pub(super) fn wants_out(&self, typed: &[u8]) -> bool {
        // The terminal is raw, so the key arrives as a byte and raises no signal.
        self.session.tty && !self.connection.is_standing() && typed.contains(&INTERRUPT)
    }
}

/// Why there is no attach, in one line.
fn why_not(error: &ClusterError) -> String {
    let told = error.to_string();
    let told = told.strip_prefix("error: ").unwrap_or(&told);
    match error.is_of_no_api_server() {
        true => format!("{told} (a proxy that refuses WebSockets? SPDY is not spoken here)"),
        false => told.to_owned(),
    }
}
