//! The attach: when it is tried, and tried again, and when it is over. Pure: times are numbers, and what a phase holds (a
//! request under way, a connection) is its owner's.

use std::time::Duration;

use crate::{attach::AttachEnd, error::ClusterError};

/// The pause between two tries to attach, by how long it has been tried.
// A status lags the start by up to a second; an attach tried every 20 ms stands 20 to 50 ms after it. Every try is a
// connection with a handshake of its own, so they become rarer.
const PAUSES: [(Duration, Duration); 3] = [
    (Duration::from_secs(3), Duration::from_millis(20)),
    (Duration::from_secs(20), Duration::from_millis(75)),
    (Duration::MAX, Duration::from_millis(500)),
];

/// How long a container may run without an attach before that is told.
const UNTOLD: Duration = Duration::from_secs(3);

/// How long a broken connection may be away before that is told.
const BROKEN_UNTOLD: Duration = Duration::from_millis(700);

/// How long a broken connection is tried to be made again.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pause before attaching again to a container of which an attach said that it has ended.
// A status says so within about a second of the end. Five seconds without it mean that the container may still run.
const AFTER_END: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) enum Phase<A, O> {
    /// Nothing to attach to yet.
    Off,
    /// It is tried at this time.
    Paused(Duration),
    /// It is tried.
    Opening(A),
    Standing(O),
    /// The other end has said, since this time, that the program has ended.
    Over(Duration),
    /// It is forbidden.
    Refused,
}

/// A connection that ought to be there and is not.
#[derive(Debug)]
struct Outage {
    since: Duration,
    /// What the last try came to.
    error: Option<ClusterError>,
    is_told: bool,
}

#[derive(Debug)]
pub(super) enum Failed {
    /// It is tried again.
    Again,
    /// The same, and the user is told that only the log is shown for now.
    AgainWithoutAttach(ClusterError),
    /// It is forbidden.
    Refused(ClusterError),
    /// No other try can mend it.
    Fatal(ClusterError),
}

#[derive(Debug)]
pub(super) struct Connection<A, O> {
    pub(super) phase: Phase<A, O>,
    /// The number of attaches that have stood.
    pub(super) count: usize,
    outage: Option<Outage>,
    absence_told: bool,
}

impl<A, O> Connection<A, O> {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Off,
            count: 0,
            outage: None,
            absence_told: false,
        }
    }

    pub(super) fn is_standing(&self) -> bool {
        matches!(self.phase, Phase::Standing(_))
    }

    /// There is something to attach to.
    pub(super) fn is_wanted(&mut self, now: Duration) {
        if matches!(self.phase, Phase::Off) {
            self.phase = Phase::Paused(now);
        }
    }

    /// Returns whether it is time for a try.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        matches!(self.phase, Phase::Paused(until) if now >= until)
    }

    /// It stands. Returns whether it is the first, and whether the user was told that it did not.
    pub(super) fn stands(&mut self, connection: O) -> (bool, bool) {
        self.phase = Phase::Standing(connection);
        self.count += 1;
        let outage_told = self.outage.take().is_some_and(|outage| outage.is_told);
        let was_told = std::mem::take(&mut self.absence_told) || outage_told;
        (self.count == 1, was_told)
    }

    /// A try failed. Until the kubelet knows the container, it refuses; a refusal by the API server is final. `running_since`
    /// is when the container was first seen running.
    pub(super) fn fails(
        &mut self,
        now: Duration,
        error: ClusterError,
        running_since: Option<Duration>,
    ) -> Failed {
        self.phase = Phase::Off;
        // A proxy that refuses WebSockets and a Role without `pods/attach` refuse every try.
        let is_refused = matches!(error, ClusterError::NoWebSocket { .. });
        if is_refused || matches!(error.code(), Some(401 | 403)) {
            self.phase = Phase::Refused;
            return Failed::Refused(error);
        }
        let is_final = matches!(
            error,
            ClusterError::Untrusted { .. } | ClusterError::Credentials(_)
        );
        if is_final && self.count == 0 && running_since.is_none() {
            return Failed::Fatal(error);
        }
        // After a break the container is known to run, so the tries are frequent again.
        let tried_since = self.outage.as_ref().map_or(Duration::ZERO, |outage| outage.since);
        let tried = now.saturating_sub(tried_since);
        let pause = PAUSES
            .iter()
            .find(|(until, _)| tried < *until)
            .map_or(PAUSES[2].1, |(_, pause)| *pause);
        self.phase = Phase::Paused(now + pause);
        match &mut self.outage {
            Some(outage) => outage.error = Some(error),
            None => {
                let is_late = running_since.is_some_and(|since| now >= since + UNTOLD);
                if self.count == 0 && is_late && !std::mem::replace(&mut self.absence_told, true) {
                    return Failed::AgainWithoutAttach(error);
                }
            }
        }
        Failed::Again
    }

    pub(super) fn ends(&mut self, now: Duration, end: AttachEnd, program_has_ended: bool) {
        self.phase = match end {
            // Almost always the program has ended and the status does not say so yet.
            AttachEnd::Finished => Phase::Over(now),
            // Nothing is left to attach to: another try would reach the next instance of a restarted container.
            _ if program_has_ended => Phase::Over(now),
            AttachEnd::Refused | AttachEnd::Broken => Phase::Paused(now + PAUSES[1].1),
        };
        if end == AttachEnd::Broken && !program_has_ended {
            self.outage = Some(Outage {
                since: now,
                error: None,
                is_told: false,
            });
        }
    }

    /// The program has ended: nothing is left to attach to. Returns whether a try was given up.
    pub(super) fn program_ended(&mut self, now: Duration) -> bool {
        let was_opening = matches!(self.phase, Phase::Opening(_));
        if was_opening || matches!(self.phase, Phase::Off | Phase::Paused(_)) {
            self.phase = Phase::Over(now);
        }
        was_opening
    }

    /// When something is to be done although nothing happens. `is_followed` says whether the log is read as it grows.
    pub(super) fn deadline(&self, program_has_ended: bool, is_followed: bool) -> Option<Duration> {
        let next = match self.phase {
            Phase::Paused(until) => Some(until),
            Phase::Over(since) if !program_has_ended => Some(since + AFTER_END),
            _ => None,
        };
        let told = self.outage.as_ref().filter(|outage| !outage.is_told);
        let told = told.map(|outage| outage.since + BROKEN_UNTOLD);
        let all = [next, told, self.gives_up_at(program_has_ended, is_followed)];
        all.into_iter().flatten().min()
    }

    /// When the program counts as lost.
    fn gives_up_at(&self, program_has_ended: bool, is_followed: bool) -> Option<Duration> {
        let outage = self
            .outage
            .as_ref()
            // A log that is followed still shows the output, so the session is of use without an attach.
            .filter(|_| !program_has_ended && !is_followed);
        outage.map(|outage| outage.since + PATIENCE)
    }

    /// Time has passed. Returns whether the user is to be told of an outage.
    pub(super) fn tick(&mut self, now: Duration, program_has_ended: bool) -> bool {
        if let Phase::Over(since) = self.phase
            && !program_has_ended
            && now >= since + AFTER_END
        {
            self.phase = Phase::Paused(now);
        }
        let outage = self.outage.as_mut().filter(|outage| !outage.is_told);
        let Some(outage) = outage.filter(|outage| now >= outage.since + BROKEN_UNTOLD) else {
            return false;
        };
        outage.is_told = true;
        !program_has_ended
    }

    /// What the last try came to, if it was tried for as long as there is hope.
    pub(super) fn lost(
        &mut self,
        now: Duration,
        program_has_ended: bool,
        is_followed: bool,
    ) -> Option<Option<ClusterError>> {
        let is_lost = self
            .gives_up_at(program_has_ended, is_followed)
            .is_some_and(|at| now >= at);
        is_lost.then(|| self.outage.take().and_then(|outage| outage.error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Tried = Connection<(), ()>;

    const fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn broken() -> ClusterError {
        ClusterError::Unreachable {
            server: "https://cluster".into(),
            proxy: None,
            reason: "it does not answer".into(),
        }
    }

    fn standing() -> Tried {
        let mut connection = Tried::new();
        connection.stands(());
        connection
    }

    #[test]
    fn it_is_tried_often_at_first_and_then_less() {
        let mut connection = Tried::new();
        assert!(!connection.is_due(at(0)));
        connection.is_wanted(at(0));
        assert!(connection.is_due(at(0)));
        for (now, pause) in [(0, 20), (2999, 20), (3000, 75), (19_999, 75), (20_000, 500)] {
            assert!(matches!(connection.fails(at(now), broken(), None), Failed::Again));
            assert_eq!(connection.deadline(false, false), Some(at(now + pause)));
        }
    }

    #[test]
    fn a_container_that_runs_for_long_without_an_attach_is_told_once() {
        let mut connection = Tried::new();
        assert!(matches!(
            connection.fails(at(2999), broken(), Some(at(0))),
            Failed::Again
        ));
        assert!(matches!(
            connection.fails(at(3000), broken(), Some(at(0))),
            Failed::AgainWithoutAttach(_)
        ));
        assert!(matches!(
            connection.fails(at(4000), broken(), Some(at(0))),
            Failed::Again
        ));
        assert_eq!(connection.stands(()), (true, true));
    }

    #[test]
    fn an_outage_is_told_and_ends() {
        let mut connection = standing();
        connection.ends(at(1000), AttachEnd::Broken, false);
        assert!(!connection.tick(at(1699), false));
        assert!(connection.tick(at(1700), false) && !connection.tick(at(1701), false));
        assert_eq!(connection.stands(()), (false, true));
    }

    #[test]
    fn a_program_is_lost_after_a_minute_unless_its_log_is_followed() {
        let mut connection = standing();
        connection.ends(at(0), AttachEnd::Broken, false);
        connection.fails(at(100), broken(), Some(at(0)));
        assert!(connection.lost(at(59_999), false, false).is_none());
        assert!(connection.lost(at(60_000), false, true).is_none());
        assert!(connection.lost(at(60_000), true, false).is_none());
        assert!(matches!(connection.lost(at(60_000), false, false), Some(Some(_))));
    }

    #[test]
    fn an_end_that_the_status_does_not_confirm_is_doubted() {
        let mut connection = standing();
        connection.ends(at(0), AttachEnd::Finished, false);
        assert_eq!(connection.deadline(false, false), Some(at(5000)));
        assert_eq!(connection.deadline(true, false), None);
        connection.tick(at(5000), false);
        assert!(connection.is_due(at(5000)));
    }

    #[test]
    fn a_program_that_has_ended_is_not_attached_to() {
        let mut connection = Tried::new();
        connection.is_wanted(at(0));
        assert!(!connection.program_ended(at(1)));
        connection.is_wanted(at(2));
        assert!(!connection.is_due(at(2)));
        connection.phase = Phase::Opening(());
        assert!(connection.program_ended(at(3)));
    }
}
