//! Documents for tests, from one of all kinds and what is otherwise in it.

use serde_json::Value;

/// Merges changes into a document: objects are merged, everything else replaces.
pub(crate) fn merge(old: &mut Value, new: Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (field, value) in new {
                merge(old.entry(field).or_insert(Value::Null), value);
            }
        }
        (old, new) => *old = new,
    }
}
