//! A policy's changes to the objects of a plan's steps: below those objects only, all of them or none, with bounded work.
//!
//! The changes are the operations `add`, `replace` and `remove` of RFC 6902. The work is linear in the objects and the changes,
//! but for the items of lists that move when one is inserted or removed before them; those are counted.

use std::collections::BTreeMap;

use serde_json::{Value, map::Map};
use trocar_sdk::policy::Operation;

use crate::bounded::{Limits, TooMuch};

/// The most changes that one review may ask for.
pub(super) const MAX_CHANGES: usize = 1000;

/// The most items of lists that all changes of a review may move together: 1,000 insertions at the head of a list of 10,000.
pub(super) const MAX_MOVED: usize = 10_000_000;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Change<'a> {
    pub(super) operation: Operation,
    /// Where, as an RFC 6901 pointer from the plan: `/steps/N/object/…`.
    pub(super) at: &'a str,
    /// The new value; a removal needs none.
    pub(super) value: Option<&'a Value>,
}

/// Why changes cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AmendError {
    /// There are more than [`MAX_CHANGES`].
    #[error("{0} changes; at most {MAX_CHANGES} are made at once")]
    TooMany(usize),
    /// A change points elsewhere than into the object of a step.
    #[error("a change at {0:?}; a policy changes only what is below /steps/N/object/")]
    Outside(String),
    /// A place is malformed.
    #[error("{0:?} is not a JSON pointer: ~ is written as ~0, / as ~1")]
    NotAPointer(String),
    /// An addition or replacement lacks its value.
    #[error("the change at {0:?} has no value")]
    NoValue(String),
    /// Nothing is there, or nothing that it could be put into.
    #[error("the change at {0:?} cannot be made: there is no such place in the plan")]
    NoPlace(String),
    /// The changes move more than [`MAX_MOVED`] items of lists.
    #[error(
        "the changes insert into long lists or remove from them, which moves more than {MAX_MOVED} items; \
         replace such a list as a whole"
    )]
    TooMuchMoved,
    /// A step is too large with the changes.
    #[error("step {step} {limit} with the changes")]
    TooLarge {
        /// The step, from 1.
        step: usize,
        /// The limit that does not hold.
        limit: TooMuch,
    },
}

/// Makes changes to the objects of `count` steps, in order. Returns the objects that were changed, by their index from 0;
/// `object` is called once for each of them.
///
/// # Errors
/// Fails when one of the changes cannot be made, and when what comes out exceeds the limits.
pub(super) fn amended(
    count: usize,
    object: impl Fn(usize) -> Value,
    changes: &[Change<'_>],
    limits: Limits,
) -> Result<BTreeMap<usize, Value>, AmendError> {
    if changes.len() > MAX_CHANGES {
        return Err(AmendError::TooMany(changes.len()));
    }
    let mut objects = BTreeMap::new();
    let mut moves_left = MAX_MOVED;
    for change in changes {
        let place = Place::parse(change.at)?;
        if place.step >= count {
            return Err(change.no_place());
        }
        let step = objects.entry(place.step).or_insert_with(|| object(place.step));
        change.apply(step, &place, limits, &mut moves_left)?;
    }
    for (index, object) in &objects {
        limits.check(object).map_err(|limit| too_large(*index, limit))?;
    }
    Ok(objects)
}

fn too_large(index: usize, limit: TooMuch) -> AmendError {
    AmendError::TooLarge {
        step: index + 1,
        limit,
    }
}

/// A place below the object of a step.
struct Place {
    step: usize,
    /// The way from the object to the list or object that is changed.
    parents: Vec<String>,
    /// The member or index in it.
    last: String,
}

impl Place {
    fn parse(at: &str) -> Result<Self, AmendError> {
        let outside = || AmendError::Outside(at.to_owned());
        let (step, below) = at
            .strip_prefix("/steps/")
            .and_then(|rest| rest.split_once("/object/"))
            .ok_or_else(outside)?;
        let step = index(step).ok_or_else(outside)?;
        let unescaped = |part| unescaped(part).ok_or_else(|| AmendError::NotAPointer(at.to_owned()));
        let (parents, last) = match below.rsplit_once('/') {
            Some((parents, last)) => (parents.split('/').map(unescaped).collect::<Result<_, _>>()?, last),
            None => (Vec::new(), below),
        };
        Ok(Self {
            step,
            parents,
            last: unescaped(last)?,
        })
    }
}

fn unescaped(part: &str) -> Option<String> {
    let mut pieces = part.split('~');
    let mut whole = pieces.next()?.to_owned();
    for piece in pieces {
        let (letter, rest) = match piece.strip_prefix('0') {
            Some(rest) => ('~', rest),
            None => ('/', piece.strip_prefix('1')?),
        };
        whole.push(letter);
        whole.push_str(rest);
    }
    Some(whole)
}

/// An index as RFC 6901 writes it: digits without a leading zero.
fn index(part: &str) -> Option<usize> {
    let is_canonical = part == "0" || !part.starts_with(['0', '+']);
    part.parse().ok().filter(|_| is_canonical)
}

impl Change<'_> {
    fn no_place(&self) -> AmendError {
        AmendError::NoPlace(self.at.to_owned())
    }

    fn apply(
        &self,
        object: &mut Value,
        place: &Place,
        limits: Limits,
        moves_left: &mut usize,
    ) -> Result<(), AmendError> {
        let value = match self.operation {
            Operation::Remove => None,
            Operation::Add | Operation::Replace => Some(self.checked_value(place, limits)?),
        };
        let parent = find(object, &place.parents).ok_or_else(|| self.no_place())?;
        match parent {
            Value::Object(members) => self.change_member(members, &place.last, value),
            Value::Array(items) => self.change_item(items, &place.last, value, moves_left),
            _ => Err(self.no_place()),
        }
    }

    /// The value, which does not make the step too deep: many small changes could otherwise build what overflows the stack
    /// of whatever walks through it.
    fn checked_value(&self, place: &Place, limits: Limits) -> Result<Value, AmendError> {
        let value = self
            .value
            .ok_or_else(|| AmendError::NoValue(self.at.to_owned()))?;
        let too_deep = too_large(place.step, TooMuch::Depth(limits.depth));
        let above = place.parents.len() + 1;
        let Some(depth) = limits.depth.checked_sub(above) else {
            return Err(too_deep);
        };
        match (Limits { depth, ..limits }).check(value) {
            Ok(()) => Ok(value.clone()),
            Err(TooMuch::Depth(_)) => Err(too_deep),
            Err(limit) => Err(too_large(place.step, limit)),
        }
    }

    fn change_member(
        &self,
        members: &mut Map<String, Value>,
        name: &str,
        value: Option<Value>,
    ) -> Result<(), AmendError> {
        let is_there = members.contains_key(name);
        if !is_there && self.operation != Operation::Add {
            return Err(self.no_place());
        }
        match value {
            Some(value) => drop(members.insert(name.to_owned(), value)),
            None => drop(members.remove(name)),
        }
        Ok(())
    }

    fn change_item(
        &self,
        items: &mut Vec<Value>,
        part: &str,
        value: Option<Value>,
        moves_left: &mut usize,
    ) -> Result<(), AmendError> {
        let is_addition = self.operation == Operation::Add;
        let index = match part {
            "-" if is_addition => items.len(),
            part => index(part).ok_or_else(|| self.no_place())?,
        };
        if index > items.len() || index == items.len() && !is_addition {
            return Err(self.no_place());
        }
        let mut count_moved = || {
            // A thousand insertions at the head of a list of two million items took 41 s.
            let left = moves_left.checked_sub(items.len() - index);
            *moves_left = left.ok_or(AmendError::TooMuchMoved)?;
            Ok(())
        };
        match value {
            Some(value) if is_addition => {
                count_moved()?;
                items.insert(index, value);
            }
            Some(value) => items[index] = value,
            None => {
                count_moved()?;
                drop(items.remove(index));
            }
        }
        Ok(())
    }
}

fn find<'a>(object: &'a mut Value, parts: &[String]) -> Option<&'a mut Value> {
    parts.iter().try_fold(object, |value, part| match value {
        Value::Object(members) => members.get_mut(part),
        Value::Array(items) => items.get_mut(index(part)?),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    type Written<'a> = (Operation, &'a str, Value);

    /// The changes to one step; a value that is null is one that was not given.
    fn apply_to(object: &Value, changes: &[Written<'_>]) -> Result<Value, AmendError> {
        let changes: Vec<Change<'_>> = changes
            .iter()
            .map(|(operation, at, value)| Change {
                operation: *operation,
                at,
                value: Some(value).filter(|value| !value.is_null()),
            })
            .collect();
        let mut changed = amended(1, |_| object.clone(), &changes, Limits::STEP)?;
        Ok(changed.remove(&0).unwrap_or_else(|| object.clone()))
    }

    fn apply(changes: &[Written<'_>]) -> Result<Value, AmendError> {
        let container = json!({"name": "dbg", "image": "busybox", "env": [{"name": "A"}]});
        apply_to(&container, changes)
    }

    #[test]
    fn changes_are_made_in_order() {
        let changed = apply(&[
            (Operation::Add, "/steps/0/object/securityContext", json!({})),
            (
                Operation::Add,
                "/steps/0/object/securityContext/privileged",
                json!(false),
            ),
            (
                Operation::Replace,
                "/steps/0/object/image",
                json!("mirror/busybox"),
            ),
            (Operation::Add, "/steps/0/object/env/-", json!({"name": "B"})),
            (Operation::Remove, "/steps/0/object/env/0", json!(null)),
            (Operation::Add, "/steps/0/object/env/0", json!({"name": "C"})),
            (Operation::Replace, "/steps/0/object/env/1/name", json!("D")),
        ]);
        assert_eq!(
            changed.unwrap(),
            json!({"name": "dbg", "image": "mirror/busybox", "env": [{"name": "C"}, {"name": "D"}],
                "securityContext": {"privileged": false}})
        );
    }

    #[test]
    fn escaped_and_empty_names_are_names() {
        let changed = apply_to(
            &json!({"a/b": {"~": 1}}),
            &[
                (Operation::Replace, "/steps/0/object/a~1b/~0", json!(2)),
                (Operation::Add, "/steps/0/object/a~1b/~01", json!(3)),
                (Operation::Add, "/steps/0/object/", json!(4)),
                (Operation::Add, "/steps/0/object/-", json!(5)),
            ],
        );
        assert_eq!(changed.unwrap(), json!({"a/b": {"~": 2, "~1": 3}, "": 4, "-": 5}));
    }

    #[test]
    fn a_change_that_cannot_be_made_is_refused() {
        use Operation::{Add, Remove, Replace};
        let outside = |at: &str| AmendError::Outside(at.into());
        let no_place = |at: &str| AmendError::NoPlace(at.into());
        let no_value = |at: &str| AmendError::NoValue(at.into());
        let not_a_pointer = |at: &str| AmendError::NotAPointer(at.into());
        type Refusal<'a> = &'a dyn Fn(&str) -> AmendError;
        let cases: &[(Operation, &str, Value, Refusal<'_>)] = &[
            (Replace, "/steps/0/action", json!("delete-pod"), &outside),
            (Replace, "/steps/0/object", json!({}), &outside),
            (Replace, "/target/name", json!("x"), &outside),
            (Replace, "", json!({}), &outside),
            (Replace, "steps/0/object/image", json!("x"), &outside),
            (Add, "/steps/-/object/x", json!(1), &outside),
            (Add, "/steps/+0/object/x", json!(1), &outside),
            (Add, "/steps/00/object/x", json!(1), &outside),
            (Add, "/steps/0/action/object/x", json!(1), &outside),
            (Add, "/steps/1/object/x", json!(1), &no_place),
            (Add, "/steps/18446744073709551616/object/x", json!(1), &outside),
            (Remove, "/steps/0/object/nope", json!(null), &no_place),
            (Replace, "/steps/0/object/nope", json!(1), &no_place),
            (Add, "/steps/0/object/nope/x", json!(1), &no_place),
            (Add, "/steps/0/object/image/x", json!(1), &no_place),
            (Add, "/steps/0/object/env/2", json!(1), &no_place),
            (Add, "/steps/0/object/env/00", json!(1), &no_place),
            (Add, "/steps/0/object/env/x", json!(1), &no_place),
            (Replace, "/steps/0/object/env/1", json!(1), &no_place),
            (Replace, "/steps/0/object/env/-", json!(1), &no_place),
            (Remove, "/steps/0/object/env/1", json!(null), &no_place),
            (Remove, "/steps/0/object/env/-", json!(null), &no_place),
            (Add, "/steps/0/object/image", json!(null), &no_value),
            (Add, "/steps/0/object/~9", json!(1), &not_a_pointer),
            (Add, "/steps/0/object/a~", json!(1), &not_a_pointer),
        ];
        for (operation, at, value, refusal) in cases {
            let error = apply(&[(*operation, at, value.clone())]).unwrap_err();
            assert_eq!(error, refusal(at), "{operation:?} {at}");
        }
    }

    #[test]
    fn one_bad_change_among_good_ones_changes_nothing() {
        let error = apply(&[
            (Operation::Add, "/steps/0/object/x", json!(1)),
            (Operation::Remove, "/steps/0/object/y", json!(null)),
        ]);
        assert_eq!(error, Err(AmendError::NoPlace("/steps/0/object/y".into())));
    }

    #[test]
    fn only_the_steps_that_change_are_copied() {
        let value = json!(1);
        let change = Change {
            operation: Operation::Add,
            at: "/steps/2/object/x",
            value: Some(&value),
        };
        let object = |index| {
            assert_eq!(index, 2);
            json!({"index": index})
        };
        let changed = amended(4, object, &[change, change], Limits::STEP).unwrap();
        assert_eq!(changed, BTreeMap::from([(2, json!({"index": 2, "x": 1}))]));
    }

    #[test]
    fn a_flood_of_changes_is_refused() {
        let changes = vec![(Operation::Add, "/steps/0/object/x", json!(1)); MAX_CHANGES + 1];
        assert!(apply(&changes[1..]).is_ok());
        assert_eq!(apply(&changes), Err(AmendError::TooMany(1001)));
    }

    /// 1,000 insertions at the head of a list of two million items took 41 s.
    #[test]
    fn insertions_at_the_head_of_a_long_list_have_a_budget() {
        let at_head = (Operation::Add, "/steps/0/object/l/0", json!(0));
        let at_end = (Operation::Add, "/steps/0/object/l/-", json!(0));
        let from_head = (Operation::Remove, "/steps/0/object/l/0", json!(null));
        let long = json!({"l": vec![0; 90_000]});
        for step in [&at_head, &from_head] {
            assert_eq!(
                apply_to(&long, &vec![step.clone(); 1000]),
                Err(AmendError::TooMuchMoved)
            );
            assert!(apply_to(&long, &vec![step.clone(); 100]).is_ok());
        }
        assert!(apply_to(&long, &vec![at_end; 1000]).is_ok());
        // A list of common length takes every change that is allowed.
        let common = json!({"l": vec![0; 9_000]});
        assert!(apply_to(&common, &vec![at_head; 1000]).is_ok());
    }

    #[test]
    fn a_step_does_not_grow_beyond_its_limits() {
        let too_large = |limit| Err(AmendError::TooLarge { step: 1, limit });
        let half = json!("x".repeat(600_000));
        let two = [
            (Operation::Add, "/steps/0/object/a", half.clone()),
            (Operation::Add, "/steps/0/object/b", half.clone()),
        ];
        assert_eq!(apply(&two), too_large(TooMuch::Bytes(1 << 20)));
        let one_at_last = [&two[..], &[(Operation::Remove, "/steps/0/object/a", json!(null))]].concat();
        assert!(apply(&one_at_last).is_ok());
        let many = json!(vec![0; 60_000]);
        let many = [
            (Operation::Add, "/steps/0/object/a", many.clone()),
            (Operation::Add, "/steps/0/object/b", many),
        ];
        assert_eq!(apply(&many), too_large(TooMuch::Nodes(100_000)));
    }

    #[test]
    fn changes_that_nest_deeper_and_deeper_are_stopped_in_time() {
        let places: Vec<String> = (0..MAX_CHANGES)
            .map(|depth| format!("/steps/0/object{}", "/a".repeat(depth + 1)))
            .collect();
        let deeper = |count: usize| -> Vec<Written<'_>> {
            let places = places.iter().take(count);
            places
                .map(|at| (Operation::Add, at.as_str(), json!({})))
                .collect()
        };
        assert!(apply(&deeper(63)).is_ok());
        let too_deep = Err(AmendError::TooLarge {
            step: 1,
            limit: TooMuch::Depth(64),
        });
        assert_eq!(apply(&deeper(64)), too_deep);
        assert_eq!(apply(&deeper(1000)), too_deep);
        // Although the end would be shallow: until then it would be as deep.
        let and_back = [
            &deeper(64)[..],
            &[(Operation::Remove, "/steps/0/object/a", json!(null))],
        ]
        .concat();
        assert_eq!(apply(&and_back), too_deep);
    }

    fn any_change() -> impl Strategy<Value = (Operation, String, Value)> {
        let operation = prop::sample::select(vec![Operation::Add, Operation::Remove, Operation::Replace]);
        let part = prop::sample::select(vec!["a", "l", "0", "1", "2", "-", "", "~1", "~", "00"]);
        let at = prop::collection::vec(part, 0..4)
            .prop_map(|parts| format!("/steps/0/object/{}", parts.join("/")));
        let value = prop::sample::select(vec![
            json!(null),
            json!(1),
            json!([]),
            json!({}),
            json!({"a": [1]}),
        ]);
        (operation, at, value)
    }

    proptest! {
        #![proptest_config(crate::seeds::fixed(2, 2000))]

        #[test]
        fn whatever_the_changes_are_all_or_none_are_made(
            changes in prop::collection::vec(any_change(), 1..8)
        ) {
            let start = json!({"a": {"l": [1, {"a": 2}]}, "l": [[0], 1, 2]});
            let written: Vec<Written<'_>> =
                changes.iter().map(|(operation, at, value)| (*operation, at.as_str(), value.clone())).collect();
            let mut one_by_one = Ok(start.clone());
            for change in &written {
                one_by_one = one_by_one.and_then(|object| apply_to(&object, std::slice::from_ref(change)));
            }
            prop_assert_eq!(apply_to(&start, &written), one_by_one);
        }
    }
}
