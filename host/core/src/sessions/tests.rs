//! Sessions as they are read out of pods, and the journal.

use serde_json::{Value, json};

use super::{
    journal::{Entry, Journal, line},
    *,
};

fn pod(value: Value) -> Pod {
    serde_json::from_value(value).unwrap()
}

fn entry(uid: Option<&str>, kind: SessionKind) -> Entry {
    Entry {
        time: "2026-01-01T00:00:00Z".into(),
        server: "https://one".into(),
        namespace: "shop".into(),
        pod: "web-0".into(),
        uid: uid.map(str::to_owned),
        container: Some("debugger-1".into()),
        kind,
        plan: "sha256:1".into(),
        reason: None,
        image: None,
        recipe: None,
        replaces_target: false,
        removed_at_end: false,
        removed: false,
    }
}

fn journal(entries: &[Entry]) -> Journal {
    Journal::parse(&entries.iter().map(line).collect::<String>())
}

fn target_with_three() -> Pod {
    let fields = |manager: &str, name: &str| {
        let key = format!("k:{{\"name\":\"{name}\"}}");
        json!({"manager": manager, "time": "2026-01-01T00:00:05Z", "fieldsV1": {"f:spec": {"f:ephemeralContainers": {key: {}}}}})
    };
    pod(json!({
        "metadata": {"name": "web-0", "namespace": "shop", "uid": "u-1", "creationTimestamp": "2026-01-01T00:00:00Z",
            "managedFields": [fields("trocar", "debugger-1"), fields("trocar", "debugger-2"), fields("kubectl", "debugger-3")]},
        "spec": {"containers": [{"name": "app", "image": "web:1"}],
            "ephemeralContainers": [{"name": "debugger-1", "image": "busybox"}, {"name": "debugger-2", "image": "busybox"}, {"name": "debugger-3", "image": "busybox"}]},
        "status": {"phase": "Running", "ephemeralContainerStatuses": [
            {"name": "debugger-1", "state": {"running": {"startedAt": "2026-01-01T00:00:07Z"}}},
            {"name": "debugger-2", "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "startedAt": "2026-01-01T00:00:06Z"}}}]},
    }))
}

#[test]
fn each_debug_container_of_a_pod_is_a_session_and_the_journal_says_which_are_ours() {
    let journal = journal(&[entry(Some("u-1"), SessionKind::EphemeralContainer)]);
    let found = of_pod(&target_with_three(), &journal, None);
    let seen: Vec<_> = found
        .iter()
        .map(|session| {
            (
                session.name().to_string(),
                session.owner,
                session.made_by,
                session.state.to_string(),
                session.since.as_deref().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (
                "pod/web-0:debugger-1".into(),
                Owner::You,
                Maker::Trocar,
                "running".into(),
                "2026-01-01T00:00:07Z"
            ),
            (
                "pod/web-0:debugger-2".into(),
                Owner::Other,
                Maker::Trocar,
                "exited 137 (OOMKilled)".into(),
                "2026-01-01T00:00:06Z"
            ),
            (
                "pod/web-0:debugger-3".into(),
                Owner::Other,
                Maker::Kubectl,
                "waiting".into(),
                "2026-01-01T00:00:05Z"
            ),
        ]
    );
}

#[test]
fn a_container_of_the_same_name_in_the_pod_that_took_its_place_is_not_ours() {
    let journal = journal(&[entry(Some("u-before"), SessionKind::EphemeralContainer)]);
    assert_eq!(
        of_pod(&target_with_three(), &journal, None)[0].owner,
        Owner::Other
    );
}

fn copy(uid: &str) -> Pod {
    pod(json!({
        "metadata": {"name": "web-debug", "namespace": "shop", "uid": uid, "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"trocar.dev/session": "abc12", "app.kubernetes.io/managed-by": "trocar"},
            "annotations": {"trocar.dev/target": "pod/web-0", "trocar.dev/requester": "eve", "trocar.dev/container": "debugger",
                "trocar.dev/expires": "2026-01-01T01:00:00Z", "trocar.dev/reason": "slow"}},
        "spec": {"containers": [{"name": "app", "image": "web:1"}, {"name": "debugger", "image": "busybox:1.36"}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "debugger", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]},
    }))
}

#[test]
fn a_stamp_claims_and_the_journal_knows() {
    let ours = journal(&[entry(Some("u-2"), SessionKind::PodCopy)]);
    for (uid, user, wanted) in [
        ("u-2", None, Owner::You),
        ("u-3", Some("eve"), Owner::Claimed),
        ("u-3", Some("adam"), Owner::Other),
        ("u-3", None, Owner::Other),
    ] {
        assert_eq!(of_pod(&copy(uid), &ours, user)[0].owner, wanted, "{uid} {user:?}");
    }
}

#[test]
fn a_copy_tells_its_container_its_end_and_why_it_was_made() {
    let found = of_pod(&copy("u-3"), &Journal::default(), None).remove(0);
    assert_eq!(found.name().to_string(), "pod/web-debug:debugger");
    assert_eq!(found.kind, SessionKind::PodCopy);
    assert_eq!(found.image, "busybox:1.36");
    assert_eq!(found.reason.as_deref(), Some("slow"));
    assert_eq!(found.state.to_string(), "exited 0");
    assert!(found.has_ended("2026-01-01T00:30:00Z"));
    assert!(!found.has_expired("2026-01-01T00:59:59Z"));
    assert!(found.has_expired("2026-01-01T01:00:00Z"));
}

#[test]
fn a_journal_with_a_damaged_line_keeps_the_others_and_says_how_many_are_lost() {
    let good = line(&entry(Some("u-1"), SessionKind::EphemeralContainer));
    let journal = Journal::parse(&format!("{{\"time\": \"2026\n{good}\u{0}\n"));
    assert_eq!(journal.damaged(), 2);
    assert!(journal.container("u-1", "debugger-1").is_some());
}

#[test]
fn what_is_gone_is_dropped_when_the_journal_is_rewritten() {
    let gone = entry(Some("u-1"), SessionKind::PodCopy);
    let removed = Entry {
        removed: true,
        ..gone.clone()
    };
    let old = entry(Some("u-2"), SessionKind::PodCopy);
    let new = entry(Some("u-3"), SessionKind::PodCopy);
    let unknown = entry(None, SessionKind::PodCopy);
    let compacted = journal(&[gone, old.clone(), removed, unknown, new.clone()]).compacted(1_000);
    assert_eq!(compacted, format!("{}{}", line(&old), line(&new)));
}

#[test]
fn a_name_is_read_as_it_is_written_and_a_target_is_not_a_name() {
    for typed in ["pod/web-0:debugger-1", "web-0:debugger-1", "po/web-0:debugger-1"] {
        let name: Name = typed.parse().unwrap();
        assert_eq!(name.to_string(), "pod/web-0:debugger-1");
    }
    for typed in ["web-0", "pod/web-0", "deploy/web:x", ":x", "web-0:", "a/b/c:d"] {
        assert!(typed.parse::<Name>().is_err(), "{typed}");
    }
}

#[test]
fn the_document_fits_its_schema() {
    let ours = journal(&[Entry {
        replaces_target: true,
        ..entry(Some("u-2"), SessionKind::PodCopy)
    }]);
    let mut sessions = of_pod(&copy("u-2"), &ours, None);
    sessions.extend(of_pod(&copy("u-3"), &ours, Some("eve")));
    sessions.extend(of_pod(&target_with_three(), &ours, None));
    let document = json!(SessionList::new(&sessions));
    let schema = include_str!("../../../../docs/schemas/session-list.schema.json");
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler
        .add_resource("schema.json", serde_json::from_str(schema).unwrap())
        .unwrap();
    let index = compiler.compile("schema.json", &mut schemas).unwrap();
    assert!(schemas.validate(&document, index).is_ok(), "{document:#}");
    assert_eq!(document["items"][0]["owner"], "you");
    assert_eq!(
        document["items"][0]["state"],
        json!({"phase": "Ended", "exitCode": 0})
    );
}
