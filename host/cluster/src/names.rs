//! The names of what is in a cluster, for completion: asked for as a table without objects, in pages.

use serde_json::Value;
use trocar_core::reference::Kind;

use super::{
    client::Cluster,
    error::{Action, ClusterError},
    paths::{collection, with_query},
};

/// A table where the server knows tables, which are a hundredth of the objects; else the objects.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// How many objects are asked for at once.
// The size of kubectl's pages as well.
const PAGE: &str = "500";

/// How many pages are read.
// A Tab waits for the answer: two pages of 500 take an API server about 50 ms.
const MAX_PAGES: usize = 10;

/// Lists the names of a kind that begin with a text, each with its state, as far as the server shows one.
///
/// # Errors
/// Fails when they may not be listed, and when the cluster cannot be reached.
pub async fn list_names(
    cluster: &Cluster,
    kind: Kind,
    namespace: &str,
    begun: &str,
) -> Result<Vec<(String, String)>, ClusterError> {
    let action = Action {
        verb: "list",
        kind,
        subresource: "",
        namespace: kind.is_namespaced().then(|| namespace.to_owned()),
        name: String::new(),
    };
    let mut found = Vec::new();
    let mut next = String::new();
    for _ in 0..MAX_PAGES {
        let mut query = vec![("limit", PAGE), ("includeObject", "None")];
        if !next.is_empty() {
            query.push(("continue", &next));
        }
        let path = with_query(collection(&action), &query);
        let page = cluster.read_as(&action, &path, TABLE).await?;
        let named = names(&page);
        // They come in order: behind the last that could fit none does.
        let is_past = named
            .last()
            .is_some_and(|(name, _)| name.as_str() > begun && !name.starts_with(begun));
        found.extend(named.into_iter().filter(|(name, _)| name.starts_with(begun)));
        page["metadata"]["continue"]
            .as_str()
            .unwrap_or_default()
            .clone_into(&mut next);
        if next.is_empty() || is_past && !begun.is_empty() {
            break;
        }
    }
    Ok(found)
}

/// The names of a table or a list, with their states. Pure.
fn names(page: &Value) -> Vec<(String, String)> {
    if let Some(rows) = page["rows"].as_array() {
        let columns = page["columnDefinitions"].as_array();
        let columns: Vec<&str> = columns
            .into_iter()
            .flatten()
            .map(|column| column["name"].as_str().unwrap_or_default())
            .collect();
        let state = ["Status", "Ready"]
            .into_iter()
            .find_map(|wanted| columns.iter().position(|name| *name == wanted));
        let cell = |row: &Value, at: usize| row["cells"][at].as_str().unwrap_or_default().to_owned();
        let named = rows
            .iter()
            .map(|row| (cell(row, 0), state.map_or_else(String::new, |at| cell(row, at))));
        return named.filter(|(name, _)| !name.is_empty()).collect();
    }
    let items = page["items"].as_array().into_iter().flatten();
    let named = items.filter_map(|item| {
        let state = item["status"]["phase"].as_str().unwrap_or_default();
        Some((item["metadata"]["name"].as_str()?.to_owned(), state.to_owned()))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_and_states_are_read_from_a_table_and_from_a_list() {
        let wanted = vec![
            ("web-0".to_owned(), "Running".to_owned()),
            ("web-1".to_owned(), "Pending".to_owned()),
        ];
        let table = json!({"kind": "Table",
            "columnDefinitions": [{"name": "Name"}, {"name": "Ready"}, {"name": "Status"}],
            "rows": [{"cells": ["web-0", "1/1", "Running"]}, {"cells": ["web-1", "0/1", "Pending"]}, {"cells": []}]});
        assert_eq!(names(&table), wanted);
        let list = json!({"kind": "PodList", "items": [
            {"metadata": {"name": "web-0"}, "status": {"phase": "Running"}},
            {"metadata": {"name": "web-1"}, "status": {"phase": "Pending"}}, {}]});
        assert_eq!(names(&list), wanted);
        assert_eq!(names(&Value::Null), []);
    }
}
