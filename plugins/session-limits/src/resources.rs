//! Bounds on the resources of created pods and their containers.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use trocar_sdk::{
    Diagnostic, Object, Pod, names,
    pod::{ContainerKind, containers_of, object, object_mut, text},
};

use crate::quantity::billionths;

/// Resources that every container uses. A container without a limit is unbounded, so the bound is written into it; resources
/// that the settings do not name are not bounded.
///
/// Other resources (huge pages, devices) must be requested: those that the settings do not name may not be requested.
const COMMON: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// The most containers that a message lists by name.
const MAX_NAMED: usize = 5;

/// The maximum of each resource by name, as Kubernetes quantities: `500m`, `256Mi`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Resources(pub BTreeMap<String, String>);

/// The settings that are not valid quantities.
pub(crate) fn check(resources: &Resources) -> Vec<Diagnostic> {
    let wrong = resources.0.iter().filter(|(name, most)| match billionths(most) {
        None => true,
        // No container can run without these.
        Some(most) => most == 0 && COMMON.contains(&name.as_str()),
    });
    wrong
        .map(|(name, most)| {
            let message = format!("{most:?} is not an amount of {name}, such as 500m or 256Mi");
            Diagnostic::error("invalid-amount", message).at(["resources", name])
        })
        .collect()
}

impl Resources {
    /// Bounds the containers that the debug adds, those whose resources it changes, and the pod as a whole. Resources of the
    /// original are kept. Returns what was changed, if anything.
    pub(crate) fn limit(&self, original: Option<&Object>, pod: &mut Pod) -> Option<String> {
        let mut bounded = Vec::new();
        for kind in [ContainerKind::Init, ContainerKind::Regular] {
            let had: BTreeMap<&str, &Object> = original
                .into_iter()
                .flat_map(|original| containers_of(original, kind))
                .map(|found| (found.name(), found.container))
                .collect();
            for container in pod.containers_mut(kind) {
                let name = text(container, "name").unwrap_or_default().to_owned();
                let had = had.get(name.as_str()).copied();
                if self.limit_one(had, container) {
                    bounded.push(name);
                }
            }
        }
        let had = original.and_then(|original| object(original, "spec"));
        let asks_itself = pod.spec().is_some_and(|spec| object(spec, "resources").is_some());
        let of_pod = asks_itself && self.lower(had, pod.spec_mut());
        let containers = match bounded.as_slice() {
            [] => None,
            [one] => Some(format!("container {one:?}")),
            several if several.len() > MAX_NAMED => Some(format!("{} containers", several.len())),
            several => Some(format!(
                "containers {}",
                names::list(several.iter().map(String::as_str))
            )),
        };
        let of_pod = of_pod.then(|| "the pod".to_owned());
        let all: Vec<String> = containers.into_iter().chain(of_pod).collect();
        let verb = if bounded.len() + all.len() > 2 {
            "are"
        } else {
            "is"
        };
        (!all.is_empty()).then(|| format!("{} {verb} bounded in resources", all.join(" and ")))
    }

    /// Bounds one container. Returns whether it changed.
    fn limit_one(&self, had: Option<&Object>, container: &mut Object) -> bool {
        let mut changed = self.lower(had, container);
        for name in COMMON {
            let Some(most) = self.0.get(name) else {
                continue;
            };
            let says_none = |container: &Object| amount(container, "limits", name).is_none();
            if says_none(container) && !had.is_some_and(says_none) {
                let limits = object_mut(object_mut(container, "resources"), "limits");
                limits.insert(name.into(), json!(most));
                changed = true;
            }
        }
        changed
    }

    /// Lowers requests and limits to the bounds. Returns whether anything changed.
    fn lower(&self, had: Option<&Object>, owner: &mut Object) -> bool {
        let mut changed = false;
        for field in ["limits", "requests"] {
            let asked = owner
                .get_mut("resources")
                .and_then(|resources| resources.get_mut(field));
            let Some(asked) = asked.and_then(Value::as_object_mut) else {
                continue;
            };
            asked.retain(|name, amount_asked| {
                let is_kept = had
                    .and_then(|had| amount(had, field, name))
                    .is_some_and(|had| read(had).is_some() && read(had) == read(amount_asked));
                if is_kept || !self.is_above(name, amount_asked) {
                    return true;
                }
                changed = true;
                if let Some(most) = self.0.get(name) {
                    *amount_asked = json!(most);
                    return true;
                }
                false
            });
        }
        changed
    }

    fn is_above(&self, name: &str, asked: &Value) -> bool {
        let most = match self.0.get(name) {
            Some(most) => billionths(most).unwrap_or_default(),
            None if COMMON.contains(&name) => return false,
            None => 0,
        };
        read(asked).is_none_or(|asked| asked > most)
    }
}

/// A quantity in JSON: a string or a number.
fn read(amount: &Value) -> Option<u128> {
    match amount {
        Value::String(text) => billionths(text),
        Value::Null => Some(0),
        number => billionths(&number.to_string()),
    }
}

fn amount<'a>(owner: &'a Object, field: &str, name: &str) -> Option<&'a Value> {
    let amounts = object(object(owner, "resources")?, field)?;
    amounts.get(name).filter(|amount| !amount.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources(settings: Value) -> Resources {
        serde_json::from_value(settings).unwrap()
    }

    fn limited(settings: Value, original: Option<Value>, mut spec: Value) -> (Option<String>, Value) {
        let pod = |spec: Value| json!({"spec": spec}).as_object().unwrap().clone();
        let original = original.map(pod);
        let mut limited = Pod(pod(spec.take()));
        let told = resources(settings).limit(original.as_ref(), &mut limited);
        (told, limited.0["spec"].clone())
    }

    #[test]
    fn init_containers_and_the_pod_itself_are_bounded_as_containers_are() {
        let asks = json!({"limits": {"cpu": "64", "memory": "1Ti"}});
        let bound = json!({"limits": {"cpu": "1", "memory": "1Gi"}});
        let spec = |resources: &Value| {
            json!({"resources": resources, "initContainers": [{"name": "side", "restartPolicy": "Always", "resources": resources}],
                "containers": [{"name": "x", "resources": resources}]})
        };
        let (told, limited) = limited(json!({"cpu": "1", "memory": "1Gi"}), None, spec(&asks));
        assert_eq!(limited, spec(&bound));
        assert_eq!(
            told.as_deref(),
            Some(r#"containers "side" and "x" and the pod are bounded in resources"#)
        );
    }

    #[test]
    fn what_a_copied_container_asks_for_anew_is_bounded_and_what_it_had_is_not() {
        let had = json!({"limits": {"cpu": "4", "nvidia.com/gpu": "1"}, "requests": {"cpu": "2"}});
        let original = || Some(json!({"containers": [{"name": "app", "resources": had.clone()}]}));
        let copy = |resources: Value| json!({"containers": [{"name": "app", "resources": resources}]});
        let settings = || json!({"cpu": "500m"});
        let written_otherwise =
            json!({"limits": {"cpu": 4000e-3, "nvidia.com/gpu": 1}, "requests": {"cpu": "2000m"}});
        for kept in [had.clone(), written_otherwise] {
            let kept = copy(kept);
            assert_eq!(limited(settings(), original(), kept.clone()), (None, kept));
        }
        for (asked, wanted) in [
            (
                json!({"limits": {"cpu": "64", "nvidia.com/gpu": "8"}, "requests": {"cpu": "2"}}),
                json!({"limits": {"cpu": "500m"}, "requests": {"cpu": "2"}}),
            ),
            // A missing limit means unlimited.
            (json!({}), json!({"limits": {"cpu": "500m"}})),
        ] {
            let (told, limited) = limited(settings(), original(), copy(asked));
            assert_eq!(limited, copy(wanted));
            assert_eq!(
                told.as_deref(),
                Some(r#"container "app" is bounded in resources"#)
            );
        }
    }

    #[test]
    fn a_container_that_hides_behind_the_name_of_another_kind_is_new() {
        let had = json!({"limits": {"cpu": "4"}});
        let original = Some(json!({"initContainers": [{"name": "app", "resources": had}]}));
        let spec = json!({"containers": [{"name": "app", "resources": had}]});
        let (_, limited) = limited(json!({"cpu": "1"}), original, spec);
        assert_eq!(limited["containers"][0]["resources"]["limits"]["cpu"], "1");
    }

    #[test]
    fn huge_pages_and_devices_are_only_there_where_they_are_named_and_never_written_in() {
        let settings = json!({"cpu": "1", "hugepages-2Mi": "4Mi", "nvidia.com/gpu": "0"});
        let asked = json!({"limits": {"cpu": "1", "hugepages-2Mi": "1Gi", "hugepages-1Gi": "1Gi", "nvidia.com/gpu": 2,
            "example.com/fpga": "1"}});
        let (_, limited_pod) = limited(
            settings.clone(),
            None,
            json!({"containers": [{"name": "x", "resources": asked}]}),
        );
        assert_eq!(
            limited_pod["containers"][0]["resources"]["limits"],
            json!({"cpu": "1", "hugepages-2Mi": "4Mi", "nvidia.com/gpu": "0"})
        );
        let (_, limited_pod) = limited(settings, None, json!({"containers": [{"name": "x"}]}));
        assert_eq!(
            limited_pod["containers"][0]["resources"]["limits"],
            json!({"cpu": "1"})
        );
    }

    #[test]
    fn an_amount_that_is_not_one_is_lowered_whatever_its_type() {
        for asked in [json!("lots"), json!(-1), json!(true), json!([]), json!({})] {
            let spec = json!({"containers": [{"name": "x", "resources": {"limits": {"cpu": asked}}}]});
            let (_, limited) = limited(json!({"cpu": "1"}), None, spec);
            assert_eq!(limited["containers"][0]["resources"]["limits"]["cpu"], "1");
        }
    }

    #[test]
    fn settings_that_are_not_amounts_are_told_with_their_place() {
        let settings = resources(
            json!({"cpu": "0", "memory": "much", "nvidia.com/gpu": "0", "example.com/a": "-1", "ephemeral-storage": "1Gi"}),
        );
        let places: Vec<Option<String>> = check(&settings).into_iter().map(|found| found.at).collect();
        let wanted = ["/resources/cpu", "/resources/example.com~1a", "/resources/memory"];
        assert_eq!(places, wanted.map(|place| Some(place.to_owned())));
    }
}
