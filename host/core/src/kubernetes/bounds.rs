//! Limits on what is read at all, and the keys that no object may have anywhere.

use serde_json::Value;
use trocar_sdk::Object;

use super::{
    place::Place,
    refused::{Fact, Refused},
};

/// How many levels of objects and lists an object may have. The API's own types reach 15.
pub(super) const MAX_DEPTH: usize = 64;

/// How many values an object may have. An object of the largest size that a cluster stores has about 200,000 of them.
pub(super) const MAX_NODES: usize = 200_000;

/// Checks the size of an object, and that no key in it is a directive of a patch language.
pub(super) fn check(object: &Object) -> Result<(), Refused> {
    let mut nodes = 0;
    check_object(object, &Place::Root, 1, &mut nodes)
}

fn check_object(object: &Object, at: &Place<'_>, depth: usize, nodes: &mut usize) -> Result<(), Refused> {
    for (name, value) in object {
        let at = at.field(name);
        // A strategic merge patch obeys it: with `"$patch": "delete"` in it, a securityContext that policies saw would be
        // removed.
        if is_directive(name) {
            return Err(Fact::Directive.at(&at));
        }
        check_value(value, &at, depth, nodes)?;
    }
    Ok(())
}

fn check_value(value: &Value, at: &Place<'_>, depth: usize, nodes: &mut usize) -> Result<(), Refused> {
    *nodes += 1;
    if *nodes > MAX_NODES {
        return Err(Fact::TooManyNodes { limit: MAX_NODES }.at(&Place::Root));
    }
    if depth >= MAX_DEPTH && (value.is_array() || value.is_object()) {
        return Err(Fact::TooDeep { limit: MAX_DEPTH }.at(at));
    }
    match value {
        Value::Object(fields) => check_object(fields, at, depth + 1, nodes),
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            items.try_for_each(|(index, item)| check_value(item, &at.item(index), depth + 1, nodes))
        }
        _ => Ok(()),
    }
}

/// Returns true for the keys that a strategic merge patch obeys instead of storing them.
///
/// Source: `directiveMarker` and its neighbours in k8s.io/apimachinery/pkg/util/strategicpatch/patch.go.
fn is_directive(name: &str) -> bool {
    name.starts_with('$')
        && (matches!(name, "$patch" | "$retainKeys")
            || name.starts_with("$setElementOrder/")
            || name.starts_with("$deleteFromPrimitiveList/"))
}
