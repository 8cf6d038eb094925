//! A container that does not run yet: what it waits for, why it never will, and when not to wait any longer. Pure: times are
//! numbers.

use std::time::Duration;

use crate::{
    events::PodWarning,
    progress::{Hopeless, HopelessKind},
};

/// How long a container may take to start before the cluster's events are asked why.
// Most starts are over by then (0.1 to 1.1 s were measured), and need no further request.
const EVENTS_AFTER: Duration = Duration::from_secs(1);

/// A reason why the container will not start, and since when it is known.
#[derive(Debug)]
struct Told {
    hopeless: Hopeless,
    since: Duration,
}

impl Told {
    fn until(&self) -> Duration {
        self.since + self.hopeless.grace
    }
}

#[derive(Debug)]
enum Phase {
    Waiting {
        /// The reason that the pod's status has now.
        by_status: Option<Told>,
        /// The first reason that an event had: it says most, the later ones only that it was tried again.
        by_event: Option<Told>,
        /// The cluster's events are read.
        events_are_read: bool,
    },
    Started,
}

#[derive(Debug)]
pub(super) struct Start {
    phase: Phase,
    timeout: Duration,
    waits_for_nodes: bool,
    /// What it waits for.
    state: String,
    /// Since when the status has it running.
    running_since: Option<Duration>,
}

/// What is to be done about a container that does not run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Wait,
    /// The cluster's events may say why.
    ReadEvents,
    GiveUp(Hopeless),
    TimedOut,
}

impl Start {
    pub(super) fn new(timeout: Duration, waits_for_nodes: bool) -> Self {
        Self {
            phase: Phase::Waiting {
                by_status: None,
                by_event: None,
                events_are_read: false,
            },
            timeout,
            waits_for_nodes,
            state: String::new(),
            running_since: None,
        }
    }

    pub(super) fn has_started(&self) -> bool {
        matches!(self.phase, Phase::Started)
    }

    pub(super) fn running_since(&self) -> Option<Duration> {
        self.running_since
    }

    /// What it waits for.
    pub(super) fn state(&self) -> &str {
        &self.state
    }

    /// It has started: it is attached to, or its status says so.
    pub(super) fn started(&mut self) {
        self.phase = Phase::Started;
    }

    /// Its status has it running.
    pub(super) fn runs(&mut self, now: Duration) {
        self.started();
        self.running_since.get_or_insert(now);
    }

    /// Its status has it waiting, and perhaps never to start. Returns what is to be told.
    pub(super) fn waits(
        &mut self,
        now: Duration,
        state: String,
        hopeless: Option<Hopeless>,
    ) -> Option<String> {
        let Phase::Waiting { by_status, .. } = &mut self.phase else {
            return None;
        };
        // The text changes meanwhile (`ErrImagePull`, `ImagePullBackOff`): the grace counts from the first one.
        let since = by_status.take().map_or(now, |told| told.since);
        // A time that the user named is waited for in full: a node may be about to join.
        let is_waited_for =
            |hopeless: &Hopeless| self.waits_for_nodes && hopeless.kind == HopelessKind::Unschedulable;
        let hopeless = hopeless.filter(|hopeless| !is_waited_for(hopeless));
        *by_status = hopeless.map(|hopeless| Told { hopeless, since });
        self.says(state)
    }

    /// An event about the pod or the container. Returns what is to be told.
    pub(super) fn said(&mut self, now: Duration, said: PodWarning) -> Option<String> {
        let Phase::Waiting { by_event, .. } = &mut self.phase else {
            return None;
        };
        if let Some(hopeless) = said.hopeless {
            by_event.get_or_insert(Told { hopeless, since: now });
        }
        self.says(said.text)
    }

    fn says(&mut self, state: String) -> Option<String> {
        (self.state != state)
            .then(|| self.state.clone_from(&state))
            .map(|()| state)
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        let Phase::Waiting {
            by_status,
            by_event,
            events_are_read,
        } = &self.phase
        else {
            return None;
        };
        let told = [by_status, by_event].into_iter().flatten().map(Told::until);
        told.chain((!events_are_read).then_some(EVENTS_AFTER))
            .chain([self.timeout])
            .min()
    }

    pub(super) fn verdict(&mut self, now: Duration) -> Verdict {
        let Phase::Waiting {
            by_status,
            by_event,
            events_are_read,
        } = &mut self.phase
        else {
            return Verdict::Wait;
        };
        // Before the timeout: a reason says more than that the time is over.
        for told in [by_status, by_event] {
            if let Some(told) = told.take_if(|told| now >= told.until()) {
                return Verdict::GiveUp(told.hopeless);
            }
        }
        if now >= self.timeout {
            return Verdict::TimedOut;
        }
        if now >= EVENTS_AFTER && !std::mem::replace(events_are_read, true) {
            return Verdict::ReadEvents;
        }
        Verdict::Wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn hopeless(reason: &str, grace: u64) -> Hopeless {
        Hopeless {
            reason: reason.into(),
            kind: crate::progress::HopelessKind::Pull,
            grace: at(grace),
        }
    }

    fn said(text: &str, hopeless: Option<Hopeless>) -> PodWarning {
        PodWarning {
            text: text.into(),
            hopeless,
        }
    }

    #[test]
    fn events_are_read_once_and_then_it_is_waited_until_the_time_is_over() {
        let mut start = Start::new(at(5000), false);
        assert_eq!(
            (start.deadline(), start.verdict(at(999))),
            (Some(at(1000)), Verdict::Wait)
        );
        assert_eq!(start.verdict(at(1000)), Verdict::ReadEvents);
        assert_eq!(
            (start.deadline(), start.verdict(at(4999))),
            (Some(at(5000)), Verdict::Wait)
        );
        assert_eq!(start.verdict(at(5000)), Verdict::TimedOut);
    }

    #[test]
    fn a_reason_counts_when_it_has_lasted() {
        let mut start = Start::new(at(60_000), false);
        start.waits(
            at(100),
            "no such image".into(),
            Some(hopeless("no such image", 4000)),
        );
        start.waits(
            at(2000),
            "no such image".into(),
            Some(hopeless("no such image", 4000)),
        );
        assert_eq!(start.deadline(), Some(at(1000)));
        start.verdict(at(1000));
        assert_eq!(
            (start.deadline(), start.verdict(at(4099))),
            (Some(at(4100)), Verdict::Wait)
        );
        assert_eq!(
            start.verdict(at(4100)),
            Verdict::GiveUp(hopeless("no such image", 4000))
        );
    }

    #[test]
    fn a_reason_that_passes_does_not_count() {
        let mut start = Start::new(at(60_000), false);
        start.waits(
            at(100),
            "no such image".into(),
            Some(hopeless("no such image", 4000)),
        );
        start.waits(at(200), "pulling".into(), None);
        start.verdict(at(1000));
        assert_eq!(start.verdict(at(9000)), Verdict::Wait);
    }

    #[test]
    fn a_node_is_waited_for_as_long_as_was_typed() {
        let no_node = || Hopeless {
            kind: HopelessKind::Unschedulable,
            ..hopeless("no node", 10_000)
        };
        for (waits_for_nodes, wanted) in [(false, Verdict::GiveUp(no_node())), (true, Verdict::Wait)] {
            let mut start = Start::new(at(60_000), waits_for_nodes);
            start.waits(at(0), "no node".into(), Some(no_node()));
            assert_eq!(start.verdict(at(1000)), Verdict::ReadEvents);
            assert_eq!(start.verdict(at(10_000)), wanted, "{waits_for_nodes}");
        }
    }

    #[test]
    fn the_first_event_with_a_reason_says_why() {
        let mut start = Start::new(at(60_000), false);
        assert_eq!(
            start.said(at(1), said("one", Some(hopeless("one", 1000)))),
            Some("one".into())
        );
        start.said(at(500), said("two", Some(hopeless("two", 0))));
        assert_eq!(start.verdict(at(1001)), Verdict::GiveUp(hopeless("one", 1000)));
    }

    #[test]
    fn what_it_waits_for_is_told_when_it_changes_and_while_it_waits() {
        let mut start = Start::new(at(60_000), false);
        assert_eq!(start.waits(at(0), "pulling".into(), None), Some("pulling".into()));
        assert_eq!(start.waits(at(1), "pulling".into(), None), None);
        start.runs(at(2));
        assert_eq!(start.said(at(3), said("late", None)), None);
        assert_eq!(
            (start.deadline(), start.verdict(at(99_000))),
            (None, Verdict::Wait)
        );
        assert_eq!(start.running_since(), Some(at(2)));
    }
}
