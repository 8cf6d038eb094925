//! Strategic merge patch, after `apimachinery/pkg/util/strategicpatch/patch.go`: directives at every depth, lists merged by
//! key, and the order that the server gives them.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::Refused;
use crate::api::fields::{Field, Fields};

type Members = Map<String, Value>;

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const ELEMENT_ORDER: &str = "$setElementOrder/";
const DELETE_FROM_LIST: &str = "$deleteFromPrimitiveList/";

/// Merges a patch into an object whose type has these fields; none for maps.
pub(super) fn merge(
    mut original: Members,
    mut patch: Members,
    fields: Option<&Fields>,
) -> Result<Members, Refused> {
    if let Some(directive) = patch.get(DIRECTIVE) {
        return match directive.as_str() {
            Some("replace") => {
                patch.remove(DIRECTIVE);
                Ok(patch)
            }
            Some("delete") => Ok(Members::new()),
            _ => Err(unknown_directive(&patch)),
        };
    }
    retain_keys(&mut original, &mut patch)?;
    merge_ordered_lists(&mut original, &mut patch, fields)?;
    for (name, value) in patch {
        merge_member(&mut original, &name, value, fields)?;
    }
    Ok(original)
}

fn merge_member(
    original: &mut Members,
    name: &str,
    patch: Value,
    fields: Option<&Fields>,
) -> Result<(), Refused> {
    let deleted_from = name.strip_prefix(DELETE_FROM_LIST);
    let name = deleted_from.unwrap_or(name);
    if patch.is_null() {
        original.remove(name);
        return Ok(());
    }
    let merged = match (original.remove(name), patch) {
        (Some(Value::Array(mut old)), Value::Array(patch)) if deleted_from.is_some() => {
            old.retain(|item| !patch.contains(item));
            Some(Value::Array(old))
        }
        (old, _) if deleted_from.is_some() => old,
        (Some(Value::Object(old)), Value::Object(patch)) => {
            let inner = field_of(fields, name)?.and_then(|field| field.fields());
            Some(Value::Object(merge(old, patch, inner)?))
        }
        (Some(Value::Array(old)), Value::Array(patch)) => {
            let field = field_of(fields, name)?;
            Some(Value::Array(merge_field_list(old, patch, field)?))
        }
        (_, patch) => without_directives(without_nulls(patch)),
    };
    if let Some(merged) = merged {
        original.insert(name.to_owned(), merged);
    }
    Ok(())
}

/// Finds a field by name. It must be known if values are to be merged.
fn field_of<'a>(fields: Option<&'a Fields>, name: &str) -> Result<Option<&'a Field>, Refused> {
    let Some(fields) = fields else { return Ok(None) };
    let found = fields.get(name).map(Some);
    found.ok_or_else(|| Refused::internal(format!("unable to find api field for the json field {name:?}")))
}

fn unknown_directive(patch: &Members) -> Refused {
    let directive = go_text(&patch[DIRECTIVE]);
    let patch = go_text(&Value::Object(patch.clone()));
    Refused::internal(format!("unknown patch type: {directive} in map: {patch}"))
}

fn retain_keys(original: &mut Members, patch: &mut Members) -> Result<(), Refused> {
    let Some(retained) = patch.remove(RETAIN_KEYS) else {
        return Ok(());
    };
    let bad = || Refused::bad_request("invalid patch format of retainKeys");
    let retained = retained.as_array().ok_or_else(bad)?;
    let is_retained = |name: &str| retained.iter().any(|kept| kept == name);
    for (name, value) in patch.iter() {
        let is_directive = name.starts_with(DELETE_FROM_LIST) || name.starts_with(ELEMENT_ORDER);
        if !value.is_null() && !is_directive && !is_retained(name) {
            return Err(bad());
        }
    }
    original.retain(|name, _| is_retained(name));
    Ok(())
}

/// Merges the lists with `$setElementOrder`, and removes them from the patch.
fn merge_ordered_lists(
    original: &mut Members,
    patch: &mut Members,
    fields: Option<&Fields>,
) -> Result<(), Refused> {
    let orders: Vec<String> = patch
        .keys()
        .filter(|name| name.starts_with(ELEMENT_ORDER))
        .cloned()
        .collect();
    for directive in orders {
        let name = &directive[ELEMENT_ORDER.len()..];
        let order = list(patch.remove(&directive))?.unwrap_or_default();
        let patched = list(patch.remove(name))?;
        let old = list(original.get(name).cloned())?;
        let field = field_of(fields, name)?;
        let key = field.and_then(|field| field.merge_key).unwrap_or_default();
        if let Some(stray) = patched.iter().flatten().find(|item| {
            item.get(DIRECTIVE).is_none() && !order.iter().any(|place| is_same(place, item, key))
        }) {
            let message = format!(
                "The order in patch list does not match {ELEMENT_ORDER} list: {}",
                go_text(stray)
            );
            return Err(Refused::internal(message));
        }
        let merged = match (old.clone(), patched) {
            (None, None) => continue,
            (Some(old), None) => old,
            (None, Some(patched)) => list(without_directives(Value::Array(patched)))?.unwrap_or_default(),
            (Some(old), Some(patched)) => merge_field_list(old, patched, field)?,
        };
        let ordered = in_order(merged, &order, &old.unwrap_or_default(), key);
        original.insert(name.to_owned(), Value::Array(ordered));
    }
    Ok(())
}

fn list(value: Option<Value>) -> Result<Option<Vec<Value>>, Refused> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => Ok(Some(items)),
        Some(_) => Err(Refused::bad_request(
            "invalid patch format of setElementOrder list",
        )),
    }
}

/// Merges or replaces a list, depending on its field.
fn merge_field_list(
    old: Vec<Value>,
    patch: Vec<Value>,
    field: Option<&Field>,
) -> Result<Vec<Value>, Refused> {
    let Some((field, key)) = field.and_then(|field| Some((field, field.merge_key?))) else {
        return Ok(patch);
    };
    if old.is_empty() && patch.is_empty() {
        return Ok(old);
    }
    if key.is_empty() {
        let mut merged = old.clone();
        merged.extend(patch.iter().filter(|item| !old.contains(item)).cloned());
        return Ok(in_order(merged, &patch, &old, key));
    }
    let (mut merged, plain) = obey_item_directives(old, patch, key)?;
    let server_order = merged.clone();
    for item in &plain {
        let keyed = keyed(item, key)?;
        match merged.iter_mut().find(|known| is_same(known, item, key)) {
            Some(Value::Object(known)) => {
                *known = merge(std::mem::take(known), keyed.clone(), field.fields())?;
            }
            // Copied unchanged, with directives, which are then decoded as unknown fields.
            _ => merged.push(item.clone()),
        }
    }
    Ok(in_order(merged, &plain, &server_order, key))
}

/// Applies the directives of items. Returns the remaining list, and the items without directives.
fn obey_item_directives(
    mut old: Vec<Value>,
    patch: Vec<Value>,
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), Refused> {
    let mut plain = Vec::new();
    let mut is_replaced = false;
    for item in patch {
        match item.get(DIRECTIVE).map(Value::as_str) {
            None => plain.push(item),
            Some(Some("delete")) => {
                keyed(&item, key)?;
                old.retain(|known| !is_same(known, &item, key));
            }
            Some(Some("replace")) => is_replaced = true,
            Some(_) => return Err(unknown_directive(item.as_object().unwrap_or(&Members::new()))),
        }
    }
    if is_replaced {
        return Ok((plain, Vec::new()));
    }
    Ok((old, plain))
}

/// An item that has its key.
fn keyed<'a>(item: &'a Value, key: &str) -> Result<&'a Members, Refused> {
    let found = item.as_object().filter(|members| members.contains_key(key));
    found.ok_or_else(|| {
        let item = go_text(item);
        Refused::internal(format!("map: {item} does not contain declared merge key: {key}"))
    })
}

fn is_same(one: &Value, other: &Value, key: &str) -> bool {
    if key.is_empty() {
        return one == other;
    }
    one.get(key).is_some() && one.get(key) == other.get(key)
}

/// The order of a merged list: items of the patch in the patch's order, others in the server's. Of two items that cannot be
/// compared, that of the patch is first, which is why new items are prepended.
fn in_order(merged: Vec<Value>, patch_order: &[Value], server_order: &[Value], key: &str) -> Vec<Value> {
    let place = |order: &[Value], item: &Value| order.iter().position(|known| is_same(known, item, key));
    let (mut patched, mut kept): (Vec<Value>, Vec<Value>) = merged
        .into_iter()
        .partition(|item| place(patch_order, item).is_some());
    patched.sort_by_key(|item| place(patch_order, item));
    kept.sort_by_key(|item| place(server_order, item));
    let (mut patched, mut kept) = (patched.into_iter().peekable(), kept.into_iter().peekable());
    let mut ordered = Vec::new();
    while let (Some(left), Some(right)) = (kept.peek(), patched.peek()) {
        let places = place(server_order, left).zip(place(server_order, right));
        let is_left = places.is_some_and(|(left, right)| left < right);
        ordered.extend(if is_left { kept.next() } else { patched.next() });
    }
    ordered.extend(patched);
    ordered.extend(kept);
    ordered
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(
                members
                    .map(|(name, value)| (name, without_nulls(value)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

/// Drops maps with directives, for new objects: there is nothing to apply them to.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(members) if members.contains_key(DIRECTIVE) => None,
        Value::Object(members) => {
            let members = members.into_iter();
            let kept = members.filter_map(|(name, value)| Some((name, without_directives(value)?)));
            Some(Value::Object(kept.collect()))
        }
        Value::Array(items) => {
            let kept = items.into_iter().filter_map(without_directives);
            Some(Value::Array(kept.collect()))
        }
        other => Some(other),
    }
}

/// A value as Go prints it.
pub(super) fn go_text(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(go_text).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(members) => {
            let mut text = "map[".to_owned();
            for (index, (name, value)) in members.iter().enumerate() {
                let space = if index == 0 { "" } else { " " };
                write!(text, "{space}{name}:{}", go_text(value)).expect("a string takes everything");
            }
            text + "]"
        }
        other => other.to_string(),
    }
}
