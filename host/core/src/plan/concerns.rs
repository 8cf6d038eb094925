//! What a person should know of a copy before it is made: it may read labels that it lacks, be taken for another's, never
//! start, or write to what its original writes to. Pure; true of every strategy's copies.

use std::collections::BTreeSet;

use serde_json::Value;
use trocar_sdk::{
    DebugOptions, Diagnostic, Object, Pod,
    pod::{list, object, text},
};

use crate::{target::Target, text::plain};

/// How many things of one kind are named.
const MAX_NAMED: usize = 5;

/// The warnings about a copy of a target.
pub(super) fn of_copy(target: &Target, copy: &Pod, options: &DebugOptions) -> Vec<Diagnostic> {
    let original = target.object();
    let nothing = Object::new();
    let spec = object(&copy.0, "spec").unwrap_or(&nothing);
    let missing = missing_metadata(original, copy);
    let adopted = adopted_by(original, copy);
    let found = [
        missing,
        adopted,
        gated(spec),
        shared_volumes(original, spec, options),
    ];
    found.into_iter().flatten().collect()
}

/// Variables and files that read a label or annotation which the original has and the copy lacks.
fn missing_metadata(original: &Object, copy: &Pod) -> Option<Diagnostic> {
    let mut read = BTreeSet::new();
    for container in copy.containers() {
        for variable in list(container.container, "env") {
            let path = variable
                .pointer("/valueFrom/fieldRef/fieldPath")
                .and_then(Value::as_str);
            let name = variable["name"].as_str().unwrap_or_default();
            read.extend(
                path.and_then(metadata_key)
                    .map(|key| (key, format!("variable {name}"))),
            );
        }
    }
    for volume in copy.spec().map_or(&[][..], |spec| list(spec, "volumes")) {
        let of_volume = volume.pointer("/downwardAPI/items").and_then(Value::as_array);
        for item in of_volume.into_iter().flatten() {
            let path = item.pointer("/fieldRef/fieldPath").and_then(Value::as_str);
            let file = item["path"].as_str().unwrap_or_default();
            read.extend(
                path.and_then(metadata_key)
                    .map(|key| (key, format!("file {file}"))),
            );
        }
    }
    let has = |pod: &Object, field: &str, key: &str| {
        let of_pod = object(pod, "metadata").and_then(|metadata| object(metadata, field));
        of_pod.is_some_and(|values| values.contains_key(key))
    };
    let lost = read
        .into_iter()
        .filter(|((field, key), _)| has(original, field, key) && !has(&copy.0, field, key));
    let mut fields = BTreeSet::new();
    let lost = lost.map(|((field, key), reader)| {
        fields.insert(field);
        format!("{reader} reads {} {key}", field.trim_end_matches('s'))
    });
    let named = named(lost)?;
    let fields: Vec<&str> = fields.into_iter().collect();
    Some(
        Diagnostic::warning(
            "copy-lacks-metadata",
            format!("the copy lacks labels or annotations that it reads, and finds them empty: {named}"),
        )
        .help(format!("a copy that keeps its {} has it", fields.join(" and "))),
    )
}

/// Of `metadata.labels['app']` the field and the key.
fn metadata_key(path: &str) -> Option<(&'static str, &str)> {
    let fields = ["labels", "annotations"].into_iter();
    let mut found = fields.filter_map(|field| {
        let rest = path.strip_prefix("metadata.")?.strip_prefix(field)?;
        Some((field, rest.strip_prefix("['")?.strip_suffix("']")?))
    });
    found.next()
}

/// A copy with its original's labels is one more pod to the original's controller.
fn adopted_by(original: &Object, copy: &Pod) -> Option<Diagnostic> {
    let labels = |pod: &Object| {
        object(pod, "metadata")
            .and_then(|metadata| object(metadata, "labels"))
            .cloned()
    };
    let kept = labels(&copy.0).filter(|kept| !kept.is_empty())?;
    let originals = labels(original)?;
    if !originals
        .iter()
        .all(|(name, value)| name.starts_with("trocar.dev/") || kept.get(name) == Some(value))
    {
        return None;
    }
    let owners = list(object(original, "metadata")?, "ownerReferences").iter();
    let owner = owners
        .filter_map(Value::as_object)
        .find(|owner| owner.get("controller") == Some(&Value::Bool(true)))?;
    let (kind, name) = (text(owner, "kind")?, text(owner, "name")?);
    Some(
        Diagnostic::warning(
            "copy-adopted",
            format!(
                "the copy has the labels that {} {} selects its pods by: it may adopt the copy, and delete it",
                plain(kind),
                plain(name)
            ),
        )
        .help("a copy without those labels is not adopted"),
    )
}

fn gated(spec: &Object) -> Option<Diagnostic> {
    let gates = list(spec, "schedulingGates").iter();
    let named = named(gates.filter_map(|gate| Some(gate["name"].as_str()?.to_owned())))?;
    Some(Diagnostic::warning(
        "copy-gated",
        format!(
            "the copy has the scheduling gates of its original, and starts when their controllers remove them: {named}"
        ),
    ))
}

/// Claims that original and copy can both write to.
fn shared_volumes(original: &Object, spec: &Object, options: &DebugOptions) -> Option<Diagnostic> {
    // The original is deleted, so only the copy writes.
    if options.replace {
        return None;
    }
    let of_original = written_claims(object(original, "spec")?);
    let shared = written_claims(spec)
        .intersection(&of_original)
        .map(|claim| (*claim).to_owned())
        .collect::<Vec<_>>();
    let shared = shared.into_iter();
    let named = named(shared)?;
    Some(
        Diagnostic::warning(
            "copy-shares-volume",
            format!("original and copy both write to the same volumes; claims: {named}"),
        )
        .help("data that must have one writer may be damaged, and a volume bound to one node keeps a copy on another node waiting"),
    )
}

/// The claims of a pod whose volumes a container mounts to write to.
fn written_claims(spec: &Object) -> BTreeSet<&str> {
    let containers = ["containers", "initContainers"]
        .into_iter()
        .flat_map(|field| list(spec, field));
    let mounts = containers.flat_map(|container| {
        let of = |field: &str| container[field].as_array().map_or(&[][..], Vec::as_slice);
        of("volumeMounts").iter().chain(of("volumeDevices"))
    });
    let written = mounts
        .filter(|mount| mount["readOnly"] != true)
        .filter_map(|mount| mount["name"].as_str());
    let written: BTreeSet<&str> = written.collect();
    let claims = list(spec, "volumes").iter().filter_map(|volume| {
        let claim = &volume["persistentVolumeClaim"];
        let is_written = claim["readOnly"] != true && written.contains(volume["name"].as_str()?);
        claim["claimName"].as_str().filter(|_| is_written)
    });
    claims.collect()
}

/// A few of the names, made harmless; none where there are none.
fn named(names: impl Iterator<Item = String>) -> Option<String> {
    let mut names: Vec<String> = names.map(|name| plain(&name)).collect();
    names.sort();
    names.dedup();
    let more = names.len().saturating_sub(MAX_NAMED);
    names.truncate(MAX_NAMED);
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    (!names.is_empty()).then(|| names.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The codes and messages of a pod's copy, which is the pod itself with some of its metadata.
    fn warnings(mut pod: Value, kept: &[&str], replace: bool) -> Vec<(String, String)> {
        pod["apiVersion"] = "v1".into();
        pod["kind"] = "Pod".into();
        let target = Target::new(pod.clone(), "shop").unwrap();
        let metadata = pod["metadata"].as_object_mut().unwrap();
        metadata.retain(|field, _| field == "name" || kept.contains(&field.as_str()));
        let Value::Object(copy) = pod else { unreachable!() };
        let options = DebugOptions {
            replace,
            ..DebugOptions::default()
        };
        let found = of_copy(&target, &Pod(copy), &options);
        found
            .into_iter()
            .map(|found| (found.code, found.message))
            .collect()
    }

    #[test]
    fn a_copy_that_reads_a_label_which_it_lacks_is_told_with_the_label_and_its_reader() {
        let field = |path: &str| json!({"fieldRef": {"fieldPath": path}});
        let pod = json!({
            "metadata": {"name": "sts-0", "labels": {"apps.kubernetes.io/pod-index": "0"}, "annotations": {"index": "3"}},
            "spec": {
                "containers": [{"name": "app", "env": [
                    {"name": "ORD", "valueFrom": field("metadata.labels['apps.kubernetes.io/pod-index']")},
                    {"name": "NEVER", "valueFrom": field("metadata.labels['none']")},
                    {"name": "NAME", "valueFrom": field("metadata.name")}]}],
                "volumes": [{"name": "info", "downwardAPI": {"items": [
                    {"path": "index", "fieldRef": {"fieldPath": "metadata.annotations['index']"}}]}}],
            },
        });
        let told = "the copy lacks labels or annotations that it reads, and finds them empty: file index reads annotation index, variable \
                    ORD reads label apps.kubernetes.io/pod-index";
        assert_eq!(
            warnings(pod.clone(), &[], false),
            [("copy-lacks-metadata".into(), told.into())]
        );
        assert_eq!(warnings(pod, &["labels", "annotations"], false), []);
    }

    #[test]
    fn a_copy_with_the_labels_of_a_jobs_pod_is_told_with_the_job() {
        let pod = |controller: bool| {
            json!({
                "metadata": {"name": "shard-0", "labels": {"job-name": "shard"},
                    "ownerReferences": [{"kind": "Job", "name": "shard", "uid": "j", "controller": controller}]},
                "spec": {"containers": [{"name": "work"}]},
            })
        };
        let found = warnings(pod(true), &["labels"], false);
        assert!(
            found[0].1.contains("that Job shard selects its pods by"),
            "{found:?}"
        );
        assert_eq!(warnings(pod(true), &[], false), []);
        assert_eq!(warnings(pod(false), &["labels"], false), []);
    }

    #[test]
    fn a_copy_that_is_gated_or_writes_where_its_original_writes_is_told() {
        let claim = |read_only: bool| json!({"name": "data", "persistentVolumeClaim": {"claimName": "pg", "readOnly": read_only}});
        let pod = |volume: Value, mount: Value| {
            json!({
                "metadata": {"name": "db"},
                "spec": {"schedulingGates": [{"name": "queue.example/wait"}], "volumes": [volume],
                    "containers": [{"name": "db", "volumeMounts": [mount]}]},
            })
        };
        let mount = json!({"name": "data", "mountPath": "/data"});
        let codes = |pod: Value, replace: bool| -> Vec<String> {
            warnings(pod, &[], replace)
                .into_iter()
                .map(|(code, _)| code)
                .collect()
        };
        assert_eq!(
            codes(pod(claim(false), mount.clone()), false),
            ["copy-gated", "copy-shares-volume"]
        );
        assert_eq!(codes(pod(claim(false), mount.clone()), true), ["copy-gated"]);
        assert_eq!(codes(pod(claim(true), mount), false), ["copy-gated"]);
        let read = json!({"name": "data", "mountPath": "/data", "readOnly": true});
        assert_eq!(codes(pod(claim(false), read), false), ["copy-gated"]);
    }
}
