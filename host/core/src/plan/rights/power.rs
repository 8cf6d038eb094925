//! What a pod or a container can do, as a set: what one can do beyond another is the difference of two sets.

use std::{borrow::Cow, collections::BTreeSet};

use super::RightKind;

/// One thing that a pod or a container can do. A restriction is the absence of one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Power<'a> {
    kind: RightKind,
    /// Which one, as it is shown.
    value: Option<Cow<'a, str>>,
    /// What tells it from others that are shown alike.
    detail: Cow<'a, str>,
}

/// A right as it is shown: its kind and which.
pub(super) type Shown = (RightKind, Option<String>);

#[derive(Clone, Debug, Default)]
pub(super) struct Powers<'a>(BTreeSet<Power<'a>>);

impl<'a> Powers<'a> {
    /// Adds a power of which there is only one.
    pub(super) fn add(&mut self, kind: RightKind) {
        self.insert(kind, None, Cow::Borrowed(""));
    }

    /// Adds one of several, told apart by what is shown.
    pub(super) fn named(&mut self, kind: RightKind, value: impl Into<Cow<'a, str>>) {
        self.insert(kind, Some(value.into()), Cow::Borrowed(""));
    }

    /// Adds one of several, told apart by more than what is shown.
    pub(super) fn detailed(
        &mut self,
        kind: RightKind,
        value: impl Into<Cow<'a, str>>,
        detail: impl Into<Cow<'a, str>>,
    ) {
        self.insert(kind, Some(value.into()), detail.into());
    }

    /// Adds one of several that are shown alike, without a value.
    pub(super) fn alike(&mut self, kind: RightKind, detail: impl Into<Cow<'a, str>>) {
        self.insert(kind, None, detail.into());
    }

    fn insert(&mut self, kind: RightKind, value: Option<Cow<'a, str>>, detail: Cow<'a, str>) {
        self.0.insert(Power { kind, value, detail });
    }

    pub(super) fn extend(&mut self, others: &Self) {
        self.0.extend(others.0.iter().cloned());
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// What is in this set and in none of the others, as it is shown.
    pub(super) fn beyond(&self, others: &[&Powers<'_>]) -> BTreeSet<Shown> {
        let is_new = |power: &&Power<'_>| others.iter().all(|other| !other.0.contains(*power));
        let shown = |power: &Power<'_>| (power.kind, power.value.as_deref().map(str::to_owned));
        self.0.iter().filter(is_new).map(shown).collect()
    }
}
