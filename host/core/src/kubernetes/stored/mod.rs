//! What was stored is looked at: the API server's answer is compared with what was judged.
//!
//! Both are in normal form. What a server is expected to put in (`expected`) is not a difference; what the others mean
//! is in one list (`meaning`).

mod expected;
mod meaning;
mod received;
mod remove;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt,
};

use serde_json::Value;
use trocar_sdk::{
    Object,
    pod::{ContainerKind, list, object, text},
};

pub use self::received::Received;
use self::{
    expected::{Scene, is_expected},
    meaning::{Meaning, meaning},
    remove::remove,
};
use super::{
    Kind, Type,
    normal::normalize_stored,
    place::Place,
    quantity,
    scheduling::is_scheduling,
    shape::identity,
    table::{EPHEMERAL_CONTAINER, POD},
};
use crate::text::message;

/// How many differences of each kind are reported.
const MAX_DIFFERENCES: usize = 32;

/// A difference between what was judged and what was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where, as an RFC 6901 pointer into what was stored, or into what was judged where that is gone.
    pub place: String,
    /// What it means.
    pub kind: DifferenceKind,
}

/// What a difference means. The order is that of weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DifferenceKind {
    /// Neither a restriction is gone nor is a right new.
    Other,
    /// The pod has a right that was not judged.
    RightNew,
    /// A restriction that was judged does not hold.
    RestrictionGone,
}

impl Difference {
    /// The field of a pod's spec that decides on the node, if the difference is in one.
    pub(crate) fn scheduling_field(&self) -> Option<&str> {
        let field = self.place.strip_prefix("/spec/")?.split('/').next()?;
        is_scheduling(field).then_some(field)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            DifferenceKind::Other => "was stored differently",
            DifferenceKind::RightNew => "is a right that was not part of the plan",
            DifferenceKind::RestrictionGone => "is a restriction of the plan that was not stored",
        };
        write!(out, "{} {what}", message(&self.place))
    }
}

/// What became of something that was judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// How it differs from what was judged.
    pub differences: Vec<Difference>,
    /// What was stored in normal form, without what every server puts in: as a plan would have it. None where it cannot be
    /// told, and where more was stored than one object.
    pub object: Option<Object>,
}

/// Compares the API server's answer to the creation of a pod with the pod in normal form that was judged.
pub fn compare_stored_pod(judged: &Object, stored: &Object) -> Stored {
    let stored = match normalize_stored(stored.clone()) {
        Ok(stored) => stored,
        Err(refused) => return unreadable(refused.place),
    };
    let mut comparison = Comparison::new(object(judged, "spec"));
    comparison.objects(&POD, Some(judged), Some(&stored), &Place::Root);
    let Comparison { found, expected, .. } = comparison;
    Stored {
        differences: found,
        object: without(stored, &expected),
    }
}

/// Compares the API server's answer to an ephemeral container with the one in normal form that was judged.
///
/// `before` is the pod as it was, `stored` as it is now. Other containers that came with it are new rights.
pub fn compare_stored_ephemeral(judged: &Object, before: &Object, stored: &Object) -> Stored {
    let stored = match normalize_stored(stored.clone()) {
        Ok(stored) => stored,
        Err(refused) => return unreadable(refused.place),
    };
    let root = Place::Root;
    let spec = root.field("spec");
    let at = spec.field(ContainerKind::Ephemeral.field());
    let mut comparison = Comparison::new(None);
    let known: HashSet<&str> = ephemeral(before)
        .filter_map(|(_, container)| text(container, "name"))
        .collect();
    let own = text(judged, "name");
    let (mut own_index, mut is_alone) = (None, true);
    for (index, container) in ephemeral(&stored) {
        let name = text(container, "name");
        let at = at.item(index);
        if name == own {
            own_index = Some(index);
            comparison.objects(&EPHEMERAL_CONTAINER, Some(judged), Some(container), &at);
        } else if name.is_none_or(|name| !known.contains(name)) {
            is_alone = false;
            comparison.report(DifferenceKind::RightNew, &at);
        }
    }
    if own_index.is_none() {
        comparison.report(DifferenceKind::RestrictionGone, &at);
    }
    let Comparison { found, expected, .. } = comparison;
    let own = own_index.filter(|_| is_alone);
    let own = own.and_then(|own| {
        let stored = without(stored, &expected)?;
        ephemeral(&stored).find_map(|(index, container)| (index == own).then(|| container.clone()))
    });
    Stored {
        differences: found,
        object: own,
    }
}

/// What was stored without what every server puts in, again in normal form: lists that are empty now are gone.
fn without(stored: Object, expected: &[String]) -> Option<Object> {
    let mut stored = Value::Object(stored);
    remove(&mut stored, expected);
    match stored {
        Value::Object(stored) => normalize_stored(stored).ok(),
        _ => None,
    }
}

/// An answer that is not a pod: nothing is known to hold.
fn unreadable(place: String) -> Stored {
    let kind = DifferenceKind::RestrictionGone;
    Stored {
        differences: vec![Difference { place, kind }],
        object: None,
    }
}

fn ephemeral(pod: &Object) -> impl Iterator<Item = (usize, &Object)> {
    let containers = object(pod, "spec").map_or(&[][..], |spec| list(spec, ContainerKind::Ephemeral.field()));
    containers
        .iter()
        .enumerate()
        .filter_map(|(index, container)| Some((index, container.as_object()?)))
}

/// A walk over both, along the API's types. Its depth is that of the types.
struct Comparison<'a> {
    /// The spec that was judged.
    spec: Option<&'a Object>,
    found: Vec<Difference>,
    /// The places of what a server is expected to put in, in the order of the walk.
    expected: Vec<String>,
}

/// A field that is compared: of which object, and what it means.
#[derive(Clone, Copy)]
struct FieldOf<'a> {
    of: &'static str,
    name: &'static str,
    /// The object that was judged.
    parent: Option<&'a Object>,
}

impl FieldOf<'_> {
    fn meaning(self) -> Meaning {
        meaning(self.of, self.name)
    }
}

impl<'a> Comparison<'a> {
    fn new(spec: Option<&'a Object>) -> Self {
        Self {
            spec,
            found: Vec::new(),
            expected: Vec::new(),
        }
    }

    fn report(&mut self, kind: DifferenceKind, at: &Place<'_>) {
        // Counted for each kind, so that many harmless differences do not hide a grave one.
        let same = || self.found.iter().filter(|other| other.kind == kind);
        let difference = Difference {
            place: at.pointer(),
            kind,
        };
        // A guard rail looks for these: labels that a webhook adds come before them, and must not hide them.
        let field = difference.scheduling_field();
        let is_first = field.is_some() && same().all(|other| other.scheduling_field() != field);
        if is_first || same().count() < MAX_DIFFERENCES {
            self.found.push(difference);
        }
    }

    fn objects(
        &mut self,
        kind: &'static Type,
        judged: Option<&'a Object>,
        stored: Option<&'a Object>,
        at: &Place<'_>,
    ) {
        let gone = judged.into_iter().flatten();
        let gone = gone.filter(|(name, _)| stored.is_none_or(|stored| !stored.contains_key(*name)));
        let names = stored.into_iter().flatten().chain(gone).map(|(name, _)| name);
        for name in names {
            let (old, new) = (judged.and_then(|o| o.get(name)), stored.and_then(|o| o.get(name)));
            let at = at.field(name);
            let Some(field) = kind.field(name) else {
                // A newer server's field. That one of the target's is gone cannot be weighed, so it weighs most.
                match new {
                    None => self.report(DifferenceKind::RestrictionGone, &at),
                    Some(_) if new != old => self.report(DifferenceKind::Other, &at),
                    Some(_) => {}
                }
                continue;
            };
            let of = FieldOf {
                of: kind.name,
                name: field.name,
                parent: judged,
            };
            self.field(of, &field.kind, old, new, &at);
        }
    }

    fn field(
        &mut self,
        field: FieldOf<'a>,
        kind: &'static Kind,
        judged: Option<&'a Value>,
        stored: Option<&'a Value>,
        at: &Place<'_>,
    ) {
        match kind {
            Kind::Object(kind) => self.object(field, kind, judged, stored, at),
            Kind::List { item, keys } if matches!(item, Kind::Object(_)) => {
                let (judged, stored) = (items(judged), items(stored));
                for pair in pairs(judged, stored, keys) {
                    self.item(field, item, pair, at);
                }
            }
            Kind::List { .. } => self.scalars(field, items(judged), items(stored), at),
            Kind::Map(kind) => self.entries(field, kind, judged, stored, at),
            _ => {
                let is_same = match (judged, stored) {
                    (Some(judged), Some(stored)) => is_same_scalar(kind, judged, stored),
                    (judged, stored) => judged == stored,
                };
                if !is_same && !self.is_expected(field, field.name, judged, stored, at) {
                    self.report(weigh(field.meaning(), judged, stored), at);
                }
            }
        }
    }

    fn object(
        &mut self,
        field: FieldOf<'a>,
        kind: &'static Type,
        judged: Option<&'a Value>,
        stored: Option<&'a Value>,
        at: &Place<'_>,
    ) {
        if judged.is_some() && stored.is_some() {
            return self.objects(kind, as_object(judged), as_object(stored), at);
        }
        if self.is_expected(field, field.name, judged, stored, at) {
            return;
        }
        match field.meaning() {
            // What is in it means something, each for itself.
            Meaning::Nothing => self.objects(kind, as_object(judged), as_object(stored), at),
            meaning => self.report(weigh(meaning, judged, stored), at),
        }
    }

    fn item(&mut self, field: FieldOf<'a>, kind: &'static Kind, pair: Pair<'a>, list: &Place<'_>) {
        let Kind::Object(kind) = kind else { return };
        let at = list.item(pair.index);
        self.object(field, kind, pair.judged, pair.stored, &at);
    }

    /// Lists of texts and numbers. Where they say what runs their order counts, else only what is in them.
    fn scalars(&mut self, field: FieldOf<'a>, judged: &'a [Value], stored: &'a [Value], at: &Place<'_>) {
        if judged == stored {
            return;
        }
        if field.meaning() == Meaning::Runs {
            // `["-c", "sh"]` is not `["sh", "-c"]`: any change of what runs is code that was not judged.
            return self.report(DifferenceKind::RightNew, at);
        }
        let old: HashSet<String> = judged.iter().map(Value::to_string).collect();
        let new: HashSet<String> = stored.iter().map(Value::to_string).collect();
        let gained = stored.iter().find(|item| !old.contains(&item.to_string()));
        let lost = judged.iter().find(|item| !new.contains(&item.to_string()));
        let kinds = [
            gained.map(|gained| weigh(field.meaning(), None, Some(gained))),
            lost.map(|lost| weigh(field.meaning(), Some(lost), None)),
        ];
        if let Some(kind) = kinds.into_iter().flatten().max() {
            self.report(kind, at);
        }
    }

    fn entries(
        &mut self,
        field: FieldOf<'a>,
        kind: &'static Kind,
        judged: Option<&'a Value>,
        stored: Option<&'a Value>,
        at: &Place<'_>,
    ) {
        let (judged, stored) = (as_object(judged), as_object(stored));
        let gone = judged.into_iter().flatten();
        let gone = gone.filter(|(name, _)| stored.is_none_or(|stored| !stored.contains_key(*name)));
        for (name, _) in stored.into_iter().flatten().chain(gone) {
            let (old, new) = (judged.and_then(|o| o.get(name)), stored.and_then(|o| o.get(name)));
            let is_same = old
                .zip(new)
                .is_some_and(|(old, new)| is_same_scalar(kind, old, new));
            let at = at.field(name);
            if !is_same && !self.is_expected(field, name, old, new, &at) {
                self.report(weigh(field.meaning(), old, new), &at);
            }
        }
    }

    /// Says whether a server is expected to put this in, and remembers its place then.
    fn is_expected(
        &mut self,
        field: FieldOf<'a>,
        name: &str,
        judged: Option<&Value>,
        stored: Option<&Value>,
        at: &Place<'_>,
    ) -> bool {
        let (None, Some(value)) = (judged, stored) else {
            return false;
        };
        let scene = Scene {
            spec: self.spec,
            parent: field.parent,
            name,
            value,
        };
        let is_expected = is_expected(field.of, field.name, scene);
        if is_expected {
            self.expected.push(at.pointer());
        }
        is_expected
    }
}

fn as_object(value: Option<&Value>) -> Option<&Object> {
    value.and_then(Value::as_object)
}

fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Quantities are the same if they mean the same: the server writes them in its own way.
fn is_same_scalar(kind: &Kind, judged: &Value, stored: &Value) -> bool {
    if judged == stored {
        return true;
    }
    match (kind, judged, stored) {
        (Kind::Quantity, Value::String(judged), Value::String(stored)) => {
            let judged = quantity::milli(judged);
            judged.is_some() && judged == quantity::milli(stored)
        }
        _ => false,
    }
}

/// What it means that a value is new, gone or another one.
fn weigh(meaning: Meaning, judged: Option<&Value>, stored: Option<&Value>) -> DifferenceKind {
    let is = |value: Option<&Value>, wanted: bool| value.and_then(Value::as_bool) == Some(wanted);
    let (is_right, is_restriction) = match meaning {
        Meaning::Grants => (stored.is_some(), false),
        Meaning::Restricts => (false, judged.is_some()),
        Meaning::Governs => (judged.is_none(), judged.is_some()),
        Meaning::TrueGrants => (is(stored, true), false),
        Meaning::TrueRestricts => (false, is(judged, true)),
        Meaning::FalseRestricts => (false, is(judged, false)),
        Meaning::Identity => {
            let is_root = stored.and_then(Value::as_i64) == Some(0);
            let was_user = judged.and_then(Value::as_i64).is_some_and(|user| user != 0);
            (is_root, was_user)
        }
        Meaning::Runs => (true, false),
        Meaning::Priority => {
            let class = stored.and_then(Value::as_str);
            (
                // A cluster may have a default class for pods that name none, which is not a right by itself.
                class.is_some_and(|class| judged.is_some() || class.starts_with("system-")),
                false,
            )
        }
        Meaning::Nothing => (false, false),
    };
    match (is_right, is_restriction) {
        (_, true) => DifferenceKind::RestrictionGone,
        (true, false) => DifferenceKind::RightNew,
        (false, false) => DifferenceKind::Other,
    }
}

/// An item of a list that was judged, and the one that was stored for it.
struct Pair<'a> {
    /// The place in what was stored, or in what was judged where that is gone.
    index: usize,
    judged: Option<&'a Value>,
    stored: Option<&'a Value>,
}

/// Pairs the items of two lists: by their keys, or, where they have none, equal ones first and the rest in order.
fn pairs<'a>(judged: &'a [Value], stored: &'a [Value], keys: &[&str]) -> Vec<Pair<'a>> {
    let same_places = keys.is_empty() && judged.len() == stored.len();
    let identify = |index: usize, item: &Value| match (same_places, keys.is_empty()) {
        (true, _) => index.to_string(),
        (false, true) => item.to_string(),
        (false, false) => identity(item, keys),
    };
    let mut open: HashMap<String, VecDeque<usize>> = HashMap::new();
    for (index, item) in judged.iter().enumerate() {
        open.entry(identify(index, item)).or_default().push_back(index);
    }
    let mut is_paired = vec![false; judged.len()];
    let mut pairs: Vec<Pair<'a>> = Vec::with_capacity(stored.len());
    for (index, item) in stored.iter().enumerate() {
        let found = open.get_mut(&identify(index, item)).and_then(VecDeque::pop_front);
        if let Some(paired) = found.and_then(|found| is_paired.get_mut(found)) {
            *paired = true;
        }
        let judged = found.and_then(|found| judged.get(found));
        let stored = Some(item);
        pairs.push(Pair {
            index,
            judged,
            stored,
        });
    }
    let mut left = judged
        .iter()
        .enumerate()
        .filter(|(index, _)| is_paired.get(*index) == Some(&false));
    if keys.is_empty() {
        for pair in pairs.iter_mut().filter(|pair| pair.judged.is_none()) {
            pair.judged = left.next().map(|(_, item)| item);
        }
    }
    pairs.extend(left.map(|(index, item)| Pair {
        index,
        judged: Some(item),
        stored: None,
    }));
    pairs
}
