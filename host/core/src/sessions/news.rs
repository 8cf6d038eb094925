//! What a watch of sessions has shown: which of those that come are new, or have changed.

use std::collections::BTreeMap;

use super::Session;

/// The sessions as they were shown last, by their pods.
#[derive(Clone, Debug, Default)]
pub struct Shown(BTreeMap<String, Vec<Session>>);

impl Shown {
    /// Takes the sessions of a list that was shown.
    pub fn new(sessions: impl IntoIterator<Item = Session>) -> Self {
        let mut shown = Self::default();
        for session in sessions {
            shown.0.entry(session.pod_uid.clone()).or_default().push(session);
        }
        shown
    }

    /// Takes the sessions of a pod as it is now. Returns those that are new or have changed.
    pub fn pod_is(&mut self, uid: &str, now: Vec<Session>) -> Vec<Session> {
        let before = self.0.remove(uid).unwrap_or_default();
        let is_new = |session: &&Session| !before.iter().any(|known| is_same(known, session));
        let news = now.iter().filter(is_new).cloned().collect();
        if !now.is_empty() {
            self.0.insert(uid.to_owned(), now);
        }
        news
    }

    /// Forgets the sessions of a pod that is gone. Returns them as they were.
    pub fn pod_is_gone(&mut self, uid: &str) -> Vec<Session> {
        self.0.remove(uid).unwrap_or_default()
    }

    /// Takes all sessions as they are now, after a time of which nothing is known. Returns those that are gone, as they were,
    /// and those that are new or have changed.
    pub fn all_are(&mut self, now: impl IntoIterator<Item = Session>) -> Vec<Session> {
        let now = Self::new(now);
        let gone: Vec<String> = self
            .0
            .keys()
            .filter(|uid| !now.0.contains_key(*uid))
            .cloned()
            .collect();
        let mut news: Vec<Session> = gone.iter().flat_map(|uid| self.pod_is_gone(uid)).collect();
        for (uid, sessions) in now.0 {
            news.extend(self.pod_is(&uid, sessions));
        }
        news
    }
}

/// Whether a session looks as before. Its pod's version changes with every heartbeat of a probe.
fn is_same(one: &Session, other: &Session) -> bool {
    let without_version = |session: &Session| Session {
        resource_version: String::new(),
        ..session.clone()
    };
    without_version(one) == without_version(other)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Maker, Owner, SessionKind, State},
        *,
    };

    fn session(pod: &str, container: &str, version: &str) -> Session {
        Session {
            namespace: "shop".into(),
            pod: pod.into(),
            pod_uid: format!("u-{pod}"),
            resource_version: version.into(),
            container: Some(container.into()),
            kind: SessionKind::EphemeralContainer,
            target: None,
            made_by: Maker::Trocar,
            owner: Owner::You,
            requester: None,
            since: None,
            state: State::Running,
            image: "busybox".into(),
            reason: None,
            expires: None,
            replaces_target: false,
            deleting: false,
        }
    }

    fn ended(session: Session) -> Session {
        Session {
            state: State::Unknown,
            ..session
        }
    }

    #[test]
    fn a_pod_that_only_has_another_version_has_no_news() {
        let mut shown = Shown::new([session("a", "one", "1")]);
        assert_eq!(shown.pod_is("u-a", vec![session("a", "one", "2")]), []);
        let two = session("a", "two", "3");
        let now = vec![session("a", "one", "3"), two.clone()];
        assert_eq!(shown.pod_is("u-a", now), [two]);
        let one = ended(session("a", "one", "4"));
        let now = vec![one.clone(), session("a", "two", "4")];
        assert_eq!(shown.pod_is("u-a", now), [one]);
    }

    #[test]
    fn what_happened_between_a_watch_and_the_next_list_is_news() {
        let mut shown = Shown::new([
            session("a", "one", "1"),
            session("b", "one", "1"),
            session("c", "one", "1"),
        ]);
        let changed = ended(session("b", "one", "2"));
        let new = session("d", "one", "3");
        let news = shown.all_are([changed.clone(), session("c", "one", "4"), new.clone()]);
        assert_eq!(news, [session("a", "one", "1"), changed, new]);
        assert_eq!(
            shown.all_are([
                ended(session("b", "one", "5")),
                session("c", "one", "5"),
                session("d", "one", "5")
            ]),
            []
        );
        assert_eq!(shown.pod_is_gone("u-d"), [session("d", "one", "5")]);
        assert_eq!(shown.pod_is_gone("u-d"), []);
    }
}
