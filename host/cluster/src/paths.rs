//! Paths of the API, with what was typed kept in its place. Sends nothing.

use super::error::Action;
use trocar_core::{percent, reference::Kind};

/// The path of the object, or of its part, that an action is about.
pub(super) fn path(action: &Action) -> String {
    let mut path = collection(action);
    for part in [action.name.as_str(), action.subresource] {
        if !part.is_empty() {
            path.push('/');
            path.push_str(&escaped_segment(part));
        }
    }
    path
}

/// The path of all objects of the kind.
pub(super) fn collection(action: &Action) -> String {
    let kind: Kind = action.kind;
    let root = match kind.group() {
        "" => "/api/v1".to_owned(),
        group => format!("/apis/{group}/v1"),
    };
    match &action.namespace {
        Some(namespace) if kind.is_namespaced() => {
            format!(
                "{root}/namespaces/{}/{}",
                escaped_segment(namespace),
                kind.resource()
            )
        }
        _ => format!("{root}/{}", kind.resource()),
    }
}

pub(super) fn with_query(mut path: String, query: &[(&str, &str)]) -> String {
    for (index, (name, value)) in query.iter().enumerate() {
        path.push(if index == 0 { '?' } else { '&' });
        path.push_str(name);
        path.push('=');
        path.push_str(&escaped(value));
    }
    path
}

/// Percent-encodes what would end the value of a query.
fn escaped(text: &str) -> String {
    percent::encoded(text, b"")
}

/// Percent-encodes what would end a segment of a path: what was typed must not become another path.
pub(super) fn escaped_segment(text: &str) -> String {
    percent::encoded(text, b"$&+,:;=@")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_cannot_leave_its_place_in_the_path() {
        let action = Action {
            verb: "get",
            kind: Kind::Pod,
            subresource: "log",
            namespace: Some("a/b".into()),
            name: "../../nodes?x=1#".into(),
        };
        assert_eq!(
            path(&action),
            "/api/v1/namespaces/a%2Fb/pods/..%2F..%2Fnodes%3Fx=1%23/log"
        );
        let deployment = Action {
            kind: Kind::Deployment,
            subresource: "",
            name: "web".into(),
            ..action
        };
        assert_eq!(
            with_query(path(&deployment), &[("labelSelector", "a=b,c")]),
            "/apis/apps/v1/namespaces/a%2Fb/deployments/web?labelSelector=a%3Db%2Cc"
        );
    }
}
