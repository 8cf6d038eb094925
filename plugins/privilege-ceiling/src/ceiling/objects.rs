//! Objects that a debug uses: Secrets, claims, tokens, classes, devices. Bounded by name.
//!
//! Objects that the target uses in the same place are allowed, also in a copy that runs another program.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use trocar_sdk::{
    Object,
    pod::{list, object, text},
};
use wildmatch::WildMatch;

use super::{
    lower::{remove_volumes, retain},
    privileges::present,
};
use crate::{
    finding::{Finding, listed},
    planned::{Judged, Planned, is_same, volumes},
    settings::Settings,
};

/// A kind of object that is used by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Secret,
    ConfigMap,
    Claim,
    CsiDriver,
    VolumeType,
    Token,
    HostAlias,
    PriorityClass,
    RuntimeClass,
    Scheduler,
    ExtendedResource,
    ResourceClaim,
}

impl Kind {
    const COUNT: usize = 12;

    /// The code of the rule, and the phrase before the names.
    fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::Secret => ("secret", "would read the Secret"),
            Self::ConfigMap => ("config-map", "would read the ConfigMap"),
            Self::Claim => ("persistent-volume-claim", "would use the PersistentVolumeClaim"),
            Self::CsiDriver => ("csi-driver", "would mount a volume of the CSI driver"),
            Self::VolumeType => ("volume-type", "would mount a volume of the type"),
            Self::Token => (
                "service-account-token",
                "would get a service account token for the audience",
            ),
            Self::HostAlias => ("host-alias", "would say itself who has the name or address"),
            Self::PriorityClass => ("priority-class", "would have the priority class"),
            Self::RuntimeClass => ("runtime-class", "would have the runtime class"),
            Self::Scheduler => ("scheduler", "would be placed by the scheduler"),
            Self::ExtendedResource => ("extended-resource", "would take of the resource"),
            Self::ResourceClaim => ("resource-claim", "would use the resource claim"),
        }
    }
}

/// The use of an object.
type Use = (Kind, String);

/// The allowed names by kind; none for an unbounded kind.
#[derive(Clone, Debug)]
pub(super) struct Given {
    patterns: [Option<Vec<WildMatch>>; Kind::COUNT],
    has_profile: bool,
}

impl Given {
    pub(super) fn new(settings: &Settings) -> Self {
        // In the order of the kinds.
        let named = [
            &settings.secrets,
            &settings.config_maps,
            &settings.persistent_volume_claims,
            &settings.csi_drivers,
            &settings.volume_types,
            &settings.token_audiences,
            &settings.host_aliases,
            &settings.priority_classes,
            &settings.runtime_classes,
            &settings.schedulers,
            &settings.extended_resources,
            &settings.resource_claims,
        ];
        let patterns = |names: &Option<Vec<String>>| {
            let names = names.as_ref()?;
            Some(names.iter().map(|pattern| WildMatch::new(pattern)).collect())
        };
        Self {
            patterns: named.map(patterns),
            has_profile: settings.profile.is_some(),
        }
    }

    fn bounds_nothing(&self) -> bool {
        !self.has_profile && self.patterns.iter().all(Option::is_none)
    }

    fn gives(&self, (kind, name): &Use) -> bool {
        match &self.patterns[*kind as usize] {
            Some(patterns) => patterns.iter().any(|pattern| pattern.matches(name)),
            // Another policy may set a class of its own. Those of the system preempt running pods.
            None if *kind == Kind::PriorityClass => !self.has_profile || !name.starts_with("system-"),
            // No profile grants any of these.
            None => !self.has_profile,
        }
    }
}

/// The uses of a pod in the plan, compared with those of the target.
pub(super) struct Objects<'a> {
    given: &'a Given,
    planned: &'a Planned<'a>,
    /// The volumes that are the same as in the target.
    known: BTreeMap<&'a str, &'a Value>,
}

/// The lists of a container whose items use objects.
const OF_CONTAINERS: [&str; 4] = ["volumeMounts", "volumeDevices", "env", "envFrom"];

/// The lists of a pod's spec whose items use objects. Volumes are checked separately.
const OF_PODS: [&str; 3] = ["imagePullSecrets", "hostAliases", "resourceClaims"];

/// The classes of a pod: a field, and the value that means none.
const CLASSES: [(&str, Kind, &str); 3] = [
    ("priorityClassName", Kind::PriorityClass, ""),
    ("runtimeClassName", Kind::RuntimeClass, ""),
    ("schedulerName", Kind::Scheduler, "default-scheduler"),
];

impl<'a> Objects<'a> {
    pub(super) fn new(given: &'a Given, planned: &'a Planned<'a>) -> Self {
        let mut known = BTreeMap::new();
        if !given.bounds_nothing() {
            let had = volumes(planned.original_spec());
            known = volumes(planned.spec());
            known.retain(|name, volume| is_same(had.get(name).copied(), Some(*volume), false));
        }
        Self {
            given,
            planned,
            known,
        }
    }

    /// Reports the objects that a container uses above the ceiling.
    pub(super) fn of_container(&self, judged: &Judged<'_>, found: &mut Vec<Finding>) {
        if self.given.bounds_nothing() {
            return;
        }
        let mut used = BTreeSet::new();
        if !judged.is_kept {
            for field in OF_CONTAINERS {
                for (index, item) in list(judged.container, field).iter().enumerate() {
                    used.extend(self.item_above(field, index, item, judged.before));
                }
            }
        }
        used.extend(self.resources_above(judged.container, judged.before));
        let claims = claims(judged.container).iter().enumerate();
        used.extend(claims.flat_map(|(index, claim)| self.claim_above(index, claim, judged.before)));
        tell(used, Some(judged.name()), &judged.at, found);
    }

    /// Reports the objects that a created pod uses above the ceiling.
    pub(super) fn of_pod(&self, found: &mut Vec<Finding>) {
        let Some(spec) = self.planned.spec().filter(|_| !self.given.bounds_nothing()) else {
            return;
        };
        let original = self.planned.original_spec();
        let mut used = BTreeSet::new();
        for volume in list(spec, "volumes") {
            used.extend(self.volume_above(volume));
        }
        for field in OF_PODS {
            for (index, item) in list(spec, field).iter().enumerate() {
                used.extend(self.pod_item_above(field, index, item));
            }
        }
        for (field, kind, usual) in CLASSES {
            used.extend(self.class_above(field, kind, usual));
        }
        for field in DNS {
            for (index, item) in dns(spec, field).iter().enumerate() {
                used.extend(self.dns_above(field, index, item));
            }
        }
        used.extend(self.automount_above());
        used.extend(self.resources_above(spec, original));
        tell(used, None, &format!("{}/spec", self.planned.root()), found);
    }

    /// Removes the uses of a container that are above the ceiling.
    pub(super) fn lower_container(&self, judged: &Judged<'_>, container: &mut Object) {
        if self.given.bounds_nothing() {
            return;
        }
        if !judged.is_kept {
            for field in OF_CONTAINERS {
                let mut indices = 0..;
                retain(container, field, |item| {
                    let index = indices.next().unwrap_or_default();
                    self.item_above(field, index, item, judged.before).is_empty()
                });
            }
        }
        self.lower_resources(container, judged.before);
        let mut indices = 0..;
        if let Some(resources) = container.get_mut("resources").and_then(Value::as_object_mut) {
            retain(resources, "claims", |claim| {
                let index = indices.next().unwrap_or_default();
                self.claim_above(index, claim, judged.before).is_none()
            });
        }
    }

    /// Removes the uses of a created pod that are above the ceiling.
    pub(super) fn lower_pod(&self, spec: &mut Object) {
        if self.given.bounds_nothing() {
            return;
        }
        let original = self.planned.original_spec();
        remove_volumes(spec, |volume| !self.volume_above(volume).is_empty());
        for field in OF_PODS {
            let mut indices = 0..;
            retain(spec, field, |item| {
                let index = indices.next().unwrap_or_default();
                self.pod_item_above(field, index, item).is_empty()
            });
        }
        for (field, kind, usual) in CLASSES {
            if self.class_above(field, kind, usual).is_some() {
                restore(spec, original, field);
                for computed in ["priority", "preemptionPolicy", "overhead"] {
                    spec.remove(computed);
                }
            }
        }
        for field in DNS {
            if let Some(config) = spec.get_mut("dnsConfig").and_then(Value::as_object_mut) {
                let mut indices = 0..;
                retain(config, field, |item| {
                    let index = indices.next().unwrap_or_default();
                    self.dns_above(field, index, item).is_none()
                });
            }
        }
        if self.automount_above().is_some() {
            spec.insert("automountServiceAccountToken".into(), json!(false));
            restore(spec, original, "automountServiceAccountToken");
        }
        self.lower_resources(spec, original);
    }

    fn not_given(&self, used: impl IntoIterator<Item = Use>) -> Vec<Use> {
        used.into_iter().filter(|used| !self.given.gives(used)).collect()
    }

    /// The object that an item of a container's list uses and did not use before.
    fn item_above(&self, field: &str, index: usize, item: &Value, before: Option<&Object>) -> Vec<Use> {
        if let Some(volume) = item["name"].as_str().filter(|_| field.starts_with("volume")) {
            // A volume that is not the target's is reported for the pod.
            let Some(volume) = self.known.get(volume) else {
                return Vec::new();
            };
            let had = before.map_or(&[][..], |before| list(before, field));
            if had.iter().any(|had| is_same_mount(had, item)) {
                return Vec::new();
            }
            return self.not_given(volume_uses(volume, self.planned.pod));
        }
        if had(before, field, index, item) {
            return Vec::new();
        }
        let used = match field {
            "env" => variable_uses(&item["valueFrom"]),
            _ => reference_uses(item),
        };
        let of_file = item["valueFrom"]["fileKeyRef"]["volumeName"].as_str();
        let of_file = of_file.and_then(|volume| self.known.get(volume));
        let of_file = of_file.map(|volume| volume_uses(volume, self.planned.pod));
        self.not_given(used.into_iter().chain(of_file.into_iter().flatten()))
    }

    fn volume_above(&self, volume: &Value) -> Vec<Use> {
        let is_known = volume["name"]
            .as_str()
            .is_some_and(|name| self.known.contains_key(name));
        if is_known {
            return Vec::new();
        }
        self.not_given(volume_uses(volume, self.planned.pod))
    }

    fn pod_item_above(&self, field: &str, index: usize, item: &Value) -> Vec<Use> {
        if had(self.planned.original_spec(), field, index, item) {
            return Vec::new();
        }
        let used: Vec<Use> = match field {
            "imagePullSecrets" => vec![(Kind::Secret, name(&item["name"]))],
            "hostAliases" => {
                let names = item["hostnames"].as_array().into_iter().flatten();
                names.map(|host| (Kind::HostAlias, name(host))).collect()
            }
            _ => vec![(Kind::ResourceClaim, claim_name(item))],
        };
        self.not_given(used)
    }

    fn class_above(&self, field: &str, kind: Kind, usual: &str) -> Option<Use> {
        let class = |spec: Option<&'a Object>| {
            let class = spec.and_then(|spec| text(spec, field));
            class.filter(|class| !class.is_empty()).unwrap_or(usual)
        };
        let asked = class(self.planned.spec());
        let is_new = asked != usual && asked != class(self.planned.original_spec());
        self.not_given(is_new.then(|| (kind, asked.to_owned()))).pop()
    }

    fn dns_above(&self, field: &str, index: usize, item: &Value) -> Option<Use> {
        let original = self.planned.original_spec();
        let known = original.map_or(&[][..], |original| dns(original, field));
        let is_known = known.get(index) == Some(item) || known.contains(item);
        self.not_given((!is_known).then(|| (Kind::HostAlias, name(item))))
            .pop()
    }

    /// A token for the API server, if the target does not mount one.
    fn automount_above(&self) -> Option<Use> {
        let automount = |spec: Option<&Object>| {
            let value = spec.and_then(|spec| present(spec, "automountServiceAccountToken"));
            value.and_then(Value::as_bool)
        };
        let asked = automount(self.planned.spec());
        let is_new = match self.planned.original_spec() {
            Some(original) => match automount(Some(original)) {
                Some(false) => asked != Some(false),
                had => asked == Some(true) && had != Some(true),
            },
            None => asked == Some(true),
        };
        self.not_given(is_new.then(|| (Kind::Token, String::new()))).pop()
    }

    /// Devices and huge pages of a container or a pod that it did not have before.
    fn resources_above(&self, owner: &Object, before: Option<&Object>) -> BTreeSet<Use> {
        let mut used = BTreeSet::new();
        for field in AMOUNTS {
            for (resource, amount) in amounts(owner, field) {
                let had =
                    before.and_then(|before| amounts(before, field).find(|(name, _)| *name == resource));
                let is_had = had.is_some_and(|(_, had)| typed(had) == typed(amount));
                if is_extended(resource) && !is_nothing(amount) && !is_had {
                    used.insert((Kind::ExtendedResource, resource.clone()));
                }
            }
        }
        used.retain(|used| !self.given.gives(used));
        used
    }

    fn lower_resources(&self, owner: &mut Object, before: Option<&Object>) {
        let gone = self.resources_above(owner, before);
        for field in AMOUNTS {
            let amounts = owner
                .get_mut("resources")
                .and_then(|resources| resources.get_mut(field));
            if let Some(amounts) = amounts.and_then(Value::as_object_mut) {
                for (_, resource) in &gone {
                    amounts.remove(resource);
                }
            }
        }
    }

    /// A claim of the target's pod that a container did not use before. A claim that is not the target's is reported for the pod.
    fn claim_above(&self, index: usize, claim: &Value, before: Option<&Object>) -> Option<Use> {
        let had = before.map_or(&[][..], claims);
        if had.get(index) == Some(claim) || had.contains(claim) {
            return None;
        }
        let original = self.planned.original_spec()?;
        let mut of_pod = list(original, "resourceClaims").iter();
        let of_pod = of_pod.find(|known| known["name"] == claim["name"])?;
        self.not_given(Some((Kind::ResourceClaim, claim_name(of_pod))))
            .pop()
    }
}

fn tell(used: BTreeSet<Use>, container: Option<&str>, at: &str, found: &mut Vec<Finding>) {
    let mut by_kind: BTreeMap<Kind, Vec<String>> = BTreeMap::new();
    for (kind, name) in used {
        by_kind.entry(kind).or_default().push(name);
    }
    for (kind, names) in by_kind {
        let (code, what) = kind.told();
        let names = names.iter().map(|name| match (kind, name.as_str()) {
            (Kind::Token, "") => "of the API server".to_owned(),
            (_, name) => format!("{name:?}"),
        });
        found.push(Finding {
            code,
            container: container.map(str::to_owned),
            what: format!("{what} {}", listed(names)),
            at: at.to_owned(),
        });
    }
}

/// Returns whether the same list of the original had the same item, most likely at the same index.
fn had(before: Option<&Object>, field: &str, index: usize, item: &Value) -> bool {
    let known = before.map_or(&[][..], |before| list(before, field));
    let is_it = |known: &Value| is_same(Some(known), Some(item), false);
    known.get(index).is_some_and(is_it) || known.iter().any(is_it)
}

/// A mount at another path is the same volume with the same rights.
fn is_same_mount(one: &Value, other: &Value) -> bool {
    let rest = |mount: &Value| {
        let mut mount = mount.clone();
        if let Some(mount) = mount.as_object_mut() {
            mount.remove("mountPath");
            mount.remove("devicePath");
        }
        mount
    };
    one["name"] == other["name"] && is_same(Some(&rest(one)), Some(&rest(other)), false)
}

fn restore(spec: &mut Object, original: Option<&Object>, field: &str) {
    match original.and_then(|original| present(original, field)) {
        Some(value) => spec.insert(field.to_owned(), value.clone()),
        None => spec.remove(field),
    };
}

const DNS: [&str; 2] = ["nameservers", "searches"];

fn dns<'a>(spec: &'a Object, field: &str) -> &'a [Value] {
    object(spec, "dnsConfig").map_or(&[][..], |config| list(config, field))
}

const AMOUNTS: [&str; 2] = ["limits", "requests"];

fn amounts<'a>(owner: &'a Object, field: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let amounts = object(owner, "resources").and_then(|resources| object(resources, field));
    amounts.into_iter().flatten()
}

fn claims(container: &Object) -> &[Value] {
    object(container, "resources").map_or(&[][..], |resources| list(resources, "claims"))
}

/// Resources that are not available to every container: devices, huge pages.
fn is_extended(resource: &str) -> bool {
    !["cpu", "memory", "ephemeral-storage"].contains(&resource)
}

/// A quantity may be a number or a string.
fn typed(amount: &Value) -> String {
    amount.as_str().map_or_else(|| amount.to_string(), str::to_owned)
}

fn is_nothing(amount: &Value) -> bool {
    amount.is_null() || amount == "0" || amount.as_f64() == Some(0.0)
}

fn name(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The name of a claim or of its template.
fn claim_name(claim: &Value) -> String {
    let of = |field: &str| claim[field].as_str().filter(|name| !name.is_empty());
    let named = of("resourceClaimName").or(of("resourceClaimTemplateName"));
    named.or(of("name")).unwrap_or_default().to_owned()
}

/// The ConfigMap in every namespace that every pod mounts: the API server's certificate authority.
const IN_EVERY_NAMESPACE: &str = "kube-root-ca.crt";

fn config_map(source: &Value) -> Option<Use> {
    let name = name(&source["name"]);
    (name != IN_EVERY_NAMESPACE).then_some((Kind::ConfigMap, name))
}

fn variable_uses(value: &Value) -> Vec<Use> {
    let secret = value.get("secretKeyRef").filter(|source| !source.is_null());
    let config = value.get("configMapKeyRef").filter(|source| !source.is_null());
    let secret = secret.map(|source| (Kind::Secret, name(&source["name"])));
    secret.into_iter().chain(config.and_then(config_map)).collect()
}

fn reference_uses(item: &Value) -> Vec<Use> {
    let secret = item.get("secretRef").filter(|source| !source.is_null());
    let config = item.get("configMapRef").filter(|source| !source.is_null());
    let secret = secret.map(|source| (Kind::Secret, name(&source["name"])));
    secret.into_iter().chain(config.and_then(config_map)).collect()
}

/// The objects that a volume makes accessible. Folders of the node are checked separately.
fn volume_uses(volume: &Value, pod: &Object) -> Vec<Use> {
    let mut used = Vec::new();
    for (kind, source) in volume.as_object().into_iter().flatten() {
        if kind == "name" || source.is_null() {
            continue;
        }
        match kind.as_str() {
            "emptyDir" | "downwardAPI" | "image" | "hostPath" => {}
            "secret" => used.push((Kind::Secret, name(&source["secretName"]))),
            "configMap" => used.extend(config_map(source)),
            "persistentVolumeClaim" => used.push((Kind::Claim, name(&source["claimName"]))),
            "ephemeral" => {
                let pod = object(pod, "metadata").and_then(|metadata| text(metadata, "name"));
                let claim = format!("{}-{}", pod.unwrap_or_default(), name(&volume["name"]));
                used.push((Kind::Claim, claim));
            }
            "csi" => used.push((Kind::CsiDriver, name(&source["driver"]))),
            "projected" => {
                let sources = source["sources"].as_array().into_iter().flatten();
                used.extend(sources.flat_map(projected_uses));
            }
            other => {
                let of_azure = source["secretName"].as_str();
                used.extend(of_azure.map(|secret| (Kind::Secret, secret.to_owned())));
                used.push((Kind::VolumeType, other.to_owned()));
            }
        }
        used.extend(credentials(source));
    }
    used
}

/// The Secret with a CSI driver's credentials.
fn credentials(source: &Value) -> Option<Use> {
    let named = ["nodePublishSecretRef", "secretRef"].into_iter();
    let mut named = named.filter_map(|field| source[field]["name"].as_str());
    named.next().map(|secret| (Kind::Secret, secret.to_owned()))
}

fn projected_uses(source: &Value) -> Vec<Use> {
    let mut used = Vec::new();
    for (kind, source) in source.as_object().into_iter().flatten() {
        match kind.as_str() {
            _ if source.is_null() => {}
            "downwardAPI" | "clusterTrustBundle" => {}
            "secret" => used.push((Kind::Secret, name(&source["name"]))),
            "configMap" => used.extend(config_map(source)),
            "serviceAccountToken" => used.push((Kind::Token, name(&source["audience"]))),
            "podCertificate" => used.push((Kind::Token, name(&source["signerName"]))),
            other => used.push((Kind::VolumeType, format!("projected {other}"))),
        }
    }
    used
}
