//! Takes many places out of an object.

use std::collections::BTreeSet;

use serde_json::Value;

/// Removes what is at these places, which are RFC 6901 pointers. The work is linear in the object and the places.
pub(super) fn remove(object: &mut Value, places: &[String]) {
    let mut lists = BTreeSet::new();
    for place in places {
        let Some((parent, last)) = place.rsplit_once('/') else {
            continue;
        };
        match object.pointer_mut(parent) {
            Some(Value::Object(fields)) => {
                fields.remove(&last.replace("~1", "/").replace("~0", "~"));
            }
            // An item keeps its place until all are known, so that the other pointers stay right.
            Some(Value::Array(items)) => {
                if let Some(item) = last.parse().ok().and_then(|index: usize| items.get_mut(index)) {
                    *item = Value::Null;
                    lists.insert(parent);
                }
            }
            _ => {}
        }
    }
    // In this order a list within another one comes before it.
    for list in lists.into_iter().rev() {
        if let Some(Value::Array(items)) = object.pointer_mut(list) {
            items.retain(|item| !item.is_null());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn two_items_of_a_list_go_and_those_between_them_stay() {
        let mut pod = json!({"list": [0, 1, 2, 3], "map": {"a/b": 1, "c~d": 2, "e": 3}});
        let places = [
            "/list/0",
            "/list/2",
            "/map/a~1b",
            "/map/c~0d",
            "/list/9",
            "/none/x",
            "",
        ];
        remove(&mut pod, &places.map(str::to_owned));
        assert_eq!(pod, json!({"list": [1, 3], "map": {"e": 3}}));
    }
}
