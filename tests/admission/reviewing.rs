//! Reviews over HTTP: verdicts, changes, records, metrics.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

use crate::{IMAGES, Server, adds, response};

#[test]
fn a_debug_is_allowed_or_denied_with_words_that_help() {
    let server = Server::start(IMAGES);
    let allowed = server.validate(&adds("busybox:1.36"));
    assert_eq!(
        (&allowed["allowed"], &allowed["uid"]),
        (&json!(true), &adds("")["request"]["uid"])
    );
    let denied = server.validate(&adds("evil/tool"));
    assert_eq!(
        (&denied["allowed"], &denied["status"]["code"]),
        (&json!(false), &json!(403))
    );
    let message = denied["status"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("policy images: container \"dbg\""),
        "{message}"
    );
    server.running.stderr_until("\"message\":\"denied\"");
    server.running.stderr_until("\"user\":\"jane\"");
}

#[test]
fn the_mutating_webhook_answers_a_patch() {
    let server = Server::start(
        "policies: [{name: mirror, plugin: approved-images, settings: {mirrors: [{from: docker.io, to: mirror.example.com}]}}]",
    );
    let answer = server
        .client()
        .post("/mutate?timeout=10s", adds("busybox:1").to_string().as_bytes());
    let response = response(&answer);
    assert_eq!(response["patchType"], "JSONPatch");
    let patch = BASE64.decode(response["patch"].as_str().unwrap()).unwrap();
    let patch: Value = serde_json::from_slice(&patch).unwrap();
    assert_eq!(patch[0]["value"]["image"], "mirror.example.com/library/busybox:1");
    assert!(
        response["warnings"][0]
            .as_str()
            .unwrap()
            .contains("changed the plan"),
        "{response}"
    );
}

#[test]
fn a_connection_is_kept_for_many_reviews() {
    let server = Server::start(IMAGES);
    let mut client = server.client();
    for index in 0..100 {
        let image = if index % 2 == 0 { "busybox" } else { "evil" };
        let answer = response(&client.post("/validate", adds(image).to_string().as_bytes()));
        assert_eq!(answer["allowed"], index % 2 == 0, "{index}");
    }
}

#[test]
fn the_validating_webhook_alone_writes_down_what_is_not_a_dry_run() {
    let server = Server::start(&format!(
        "{IMAGES}audit: [{{sink: file, file: audit.jsonl, required: true}}]\n"
    ));
    let mut client = server.client();
    let mut dry = adds("busybox");
    dry["request"]["dryRun"] = json!(true);
    client.post("/mutate", adds("busybox").to_string().as_bytes());
    client.post("/validate", dry.to_string().as_bytes());
    client.post("/validate", adds("busybox").to_string().as_bytes());
    client.post("/validate", adds("evil").to_string().as_bytes());
    let text = std::fs::read_to_string(server.env.folder().join("audit.jsonl")).unwrap();
    let records: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let events: Vec<&Value> = records.iter().map(|record| &record["event"]).collect();
    assert_eq!(events, ["admitted", "denied"], "{text}");
    assert_eq!(records[0]["session"], adds("")["request"]["uid"]);
    assert_eq!(
        (&records[0]["actor"]["user"], &records[0]["strategy"]),
        (&json!("jane"), &json!({"name": "external"}))
    );
    assert_eq!(records[0]["object"]["containers"][0]["image"], "busybox");
}

#[test]
fn requests_are_denied_if_a_required_record_cannot_be_written() {
    // A device that is always full.
    let server = Server::start(&format!(
        "{IMAGES}audit: [{{sink: file, file: /dev/full, required: true}}]\n"
    ));
    let denied = server.validate(&adds("busybox"));
    assert_eq!(denied["allowed"], false);
    assert!(
        denied["status"]["message"]
            .as_str()
            .unwrap()
            .contains("cannot be written"),
        "{denied}"
    );
}

#[test]
fn metrics_count_and_measure_and_name_no_user() {
    let server = Server::start(IMAGES);
    let mut client = server.client();
    client.post("/validate", adds("busybox").to_string().as_bytes());
    client.post("/validate", adds("evil").to_string().as_bytes());
    client.post("/validate", b"{}");
    let metrics = client.get("/metrics").text();
    for line in [
        "trocar_admission_reviews_total{webhook=\"validate\",verdict=\"allowed\",mode=\"enforce\"} 1",
        "trocar_admission_reviews_total{webhook=\"validate\",verdict=\"denied\",mode=\"enforce\"} 1",
        "trocar_admission_review_duration_seconds_count{webhook=\"validate\"} 2",
        "trocar_admission_policy_duration_seconds_count{policy=\"images\"} 2",
        "trocar_admission_policy_duration_seconds_bucket{le=\"0.00005\",policy=\"images\"}",
        "trocar_admission_refused_total{reason=\"not-a-review\"} 1",
        "trocar_admission_config_reload_success{what=\"config\"} 1",
        "trocar_admission_ready 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    assert!(
        !metrics.contains("jane") && !metrics.contains("shop"),
        "{metrics}"
    );
}

#[test]
fn health_is_served() {
    let server = Server::start(IMAGES);
    let mut client = server.client();
    for (path, status) in [("/livez", 200), ("/readyz", 200), ("/", 404), ("/validate", 405)] {
        assert_eq!(client.get(path).status, status, "{path}");
    }
    assert_eq!(client.post("/livez", b"").status, 405);
}

#[test]
fn the_address_for_health_answers_no_review() {
    let env = trocar_test_support::TestEnv::new(crate::SERVER);
    let server = Server::start_in(env, IMAGES, "--plain-http --health-listen 127.0.0.1:0");
    let mut client = crate::Client::plain(server.health.expect("it says where"));
    assert_eq!(client.get("/readyz").status, 200);
    assert_eq!(
        client
            .post("/validate", adds("busybox").to_string().as_bytes())
            .status,
        404
    );
}
