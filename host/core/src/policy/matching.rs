//! Which plans a policy is asked about.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use trocar_sdk::{Actor, pod::object};
use wildmatch::WildMatch;

use crate::target::{Target, TargetKind};

/// Conditions on a debug, all of which must hold. An empty list holds for everything; `*` and `?` stand for letters.
///
/// A user, group or context that is not known, as in planning without a cluster, holds for every pattern: a policy is rather
/// asked too often.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Match {
    /// Names of strategies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub strategies: Vec<String>,
    /// `Pod`, `Node` or both.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<TargetKind>,
    /// The namespace of the debug.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// Contexts of the kubeconfig.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contexts: Vec<String>,
    /// Labels of the target: each must be there, with a value that fits.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Users, as the cluster knows them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// Groups, of which the user must be in one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// What is known of a debug when it is decided which policies are asked about it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The names under which the strategy is known, of which one has to fit.
    pub strategies: &'a [&'a str],
    /// What the target may be.
    pub kinds: &'a [TargetKind],
    /// The target, where it is known which one it is. What is not known fits every pattern.
    pub target: Option<&'a Target>,
    /// The namespace of the debug.
    pub namespace: &'a str,
    /// Who asks.
    pub actor: &'a Actor,
}

impl Match {
    /// Returns true if a policy is asked about a debug.
    pub fn fits(&self, subject: &Subject<'_>) -> bool {
        let actor = subject.actor;
        let context = actor.context.as_deref().unwrap_or_default();
        any_fits(&self.strategies, subject.strategies.iter().copied())
            && (self.kinds.is_empty() || subject.kinds.iter().any(|kind| self.kinds.contains(kind)))
            && any_fits(&self.namespaces, [subject.namespace])
            && (context.is_empty() || any_fits(&self.contexts, [context]))
            && (actor.user.is_empty() || any_fits(&self.users, [actor.user.as_str()]))
            && (actor.user.is_empty() || any_fits(&self.groups, actor.groups.iter().map(String::as_str)))
            && subject.target.is_none_or(|target| self.labels_fit(target))
    }

    /// Returns true if a policy is asked about a debug.
    ///
    /// `strategies` are the names under which the strategy is known, of which one has to fit; `namespace` is where pods
    /// for targets without one go.
    pub fn holds(&self, strategies: &[&str], target: &Target, namespace: &str, actor: &Actor) -> bool {
        self.fits(&Subject {
            strategies,
            kinds: &[target.id().kind],
            target: Some(target),
            namespace: target.id().namespace.as_deref().unwrap_or(namespace),
            actor,
        })
    }

    fn labels_fit(&self, target: &Target) -> bool {
        let metadata = object(target.object(), "metadata");
        let labels = metadata.and_then(|metadata| object(metadata, "labels"));
        self.labels.iter().all(|(name, pattern)| {
            let value = labels.and_then(|labels| labels.get(name)?.as_str());
            value.is_some_and(|value| WildMatch::new(pattern).matches(value))
        })
    }
}

fn any_fits<'a>(patterns: &[String], values: impl IntoIterator<Item = &'a str> + Clone) -> bool {
    patterns.is_empty()
        || patterns.iter().any(|pattern| {
            let pattern = WildMatch::new(pattern);
            values.clone().into_iter().any(|value| pattern.matches(value))
        })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::strict;

    fn holds(matches: Value, actor: Value) -> bool {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0", "namespace": "shop-eu",
            "labels": {"tier": "front"}}, "spec": {}});
        let target = Target::new(pod, "default").unwrap();
        let matches: Match = strict::from_value(&matches).unwrap();
        let actor: Actor = serde_json::from_value(actor).unwrap();
        matches.holds(&["ephemeral"], &target, "default", &actor)
    }

    #[test]
    fn all_conditions_must_hold() {
        let jane = json!({"user": "jane", "groups": ["dev", "on-call"], "context": "prod-eu"});
        for (matches, wanted) in [
            (json!({}), true),
            (json!({"strategies": ["copy", "eph*"]}), true),
            (json!({"strategies": ["copy"]}), false),
            (json!({"kinds": ["Node"]}), false),
            (json!({"namespaces": ["shop-??"], "labels": {"tier": "f*"}}), true),
            (
                json!({"namespaces": ["shop-??"], "labels": {"tier": "b*"}}),
                false,
            ),
            (json!({"labels": {"absent": "*"}}), false),
            (
                json!({"users": ["jane"], "groups": ["on-*"], "contexts": ["prod-*"]}),
                true,
            ),
            (json!({"users": ["joe"]}), false),
            (json!({"groups": ["admins"]}), false),
            (json!({"contexts": ["test"]}), false),
        ] {
            assert_eq!(holds(matches.clone(), jane.clone()), wanted, "{matches}");
        }
    }

    #[test]
    fn a_policy_for_some_people_is_asked_when_the_user_is_unknown() {
        assert!(holds(
            json!({"users": ["joe"], "groups": ["admins"], "contexts": ["prod"]}),
            json!({})
        ));
    }
}
