//! Reloading: a changed file is used once it is complete and valid.

use std::{
    fs,
    os::unix::fs::symlink,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use serde_json::{Value, json};
use trocar_test_support::TestEnv;

use crate::{IMAGES, Server, adds, client::Client, configure, response};

const APPROVES_EVIL: &str = "policies:\n- name: images\n  plugin: approved-images\n  settings: {images: [{repository: library/evil}]}\n";

fn verdicts(server: &Server) -> (Value, Value) {
    let allowed = |image: &str| server.validate(&adds(image))["allowed"].clone();
    (allowed("busybox"), allowed("evil"))
}

#[test]
fn a_new_configuration_is_used_when_it_is_good_and_the_old_one_until_then() {
    let server = Server::start(IMAGES);
    assert_eq!(verdicts(&server), (json!(true), json!(false)));
    for (broken, wanted) in [
        ("policies: [", "config.yaml"),
        ("polices: []\n", "did you mean"),
        (
            "policies: [{name: images, plugin: approved-images, settings: {imgaes: []}}]\n",
            "imgaes",
        ),
        (
            "policies: [{name: limits, plugin: session-limits, settings: {resources: {cpu: much}}}]\n",
            "limits",
        ),
        ("policies: [{name: mine}]\n", "mine"),
        (
            "audit: [{sink: file, file: none/audit.jsonl, required: true}]\n",
            "audit.jsonl",
        ),
    ] {
        configure(&server.env, broken);
        server.running.stderr_until("the old ones stay in force");
        let told = server.running.stderr_until("\"time\"");
        assert!(told.contains(wanted), "{told}");
        assert_eq!(verdicts(&server), (json!(true), json!(false)), "{broken}");
    }
    let metrics = server.client().get("/metrics").text();
    assert!(
        metrics.contains("config_reload_success{what=\"config\"} 0"),
        "{metrics}"
    );
    configure(&server.env, APPROVES_EVIL);
    server.running.stderr_until("reloaded");
    assert_eq!(verdicts(&server), (json!(false), json!(true)));
    let metrics = server.client().get("/metrics").text();
    assert!(
        metrics.contains("config_reload_success{what=\"config\"} 1"),
        "{metrics}"
    );
}

#[test]
fn a_configuration_is_broken_and_mended_under_load_and_no_answer_is_wrong() {
    let server = Server::start(IMAGES);
    let is_over = AtomicBool::new(false);
    let [good, bad] = ["busybox", "evil"].map(|image| adds(image).to_string());
    let address = server.address;
    let load = || {
        let (mut client, mut count) = (Client::plain(address), 0);
        while !is_over.load(Ordering::Relaxed) {
            for (review, wanted) in [(&good, true), (&bad, false)] {
                let answer = response(&client.post("/validate", review.as_bytes()));
                assert_eq!(answer["allowed"], wanted, "{answer}");
                count += 1;
            }
        }
        count
    };
    thread::scope(|scope| {
        let clients = [scope.spawn(load), scope.spawn(load)];
        for round in 0..3 {
            configure(&server.env, "policies: [");
            server.running.stderr_until("the old ones stay in force");
            let more = format!(
                "- {{name: more-{round}, plugin: session-limits, settings: {{ephemeralContainers: 9}}}}\n"
            );
            configure(&server.env, &format!("{IMAGES}{more}"));
            server.running.stderr_until("reloaded");
        }
        is_over.store(true, Ordering::Relaxed);
        for client in clients {
            assert!(client.join().expect("no answer is wrong") > 0);
        }
    });
}

#[test]
fn a_mounted_folder_whose_link_is_swapped_is_read_again() {
    let env = TestEnv::new(crate::SERVER);
    let folder = env.folder().to_owned();
    let put = |version: &str, config: &str| {
        fs::create_dir(folder.join(version)).unwrap();
        fs::write(
            folder.join(version).join("config.yaml"),
            format!("{}{config}", crate::HEAD),
        )
        .unwrap();
        symlink(version, folder.join("..data_tmp")).unwrap();
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    };
    put("..1", IMAGES);
    symlink("..data/config.yaml", folder.join("mounted.yaml")).unwrap();
    let server = Server::start_in(env, "include: [mounted.yaml]\n", "--plain-http");
    assert_eq!(verdicts(&server), (json!(true), json!(false)));
    put("..2", APPROVES_EVIL);
    server.running.stderr_until("reloaded");
    assert_eq!(verdicts(&server), (json!(false), json!(true)));
}

#[test]
fn a_configuration_that_cannot_be_used_is_not_begun_with() {
    let env = TestEnv::new(crate::SERVER);
    configure(&env, "policies: [{name: mine}]\n");
    let output = env.run("serve --config config.yaml --plain-http --listen 127.0.0.1:0 --no-cluster");
    assert_eq!((output.code, output.stdout.as_str()), (1, ""), "{output}");
    assert!(
        output.stderr.contains("\"level\":\"error\"") && output.stderr.contains("mine"),
        "{output}"
    );
}
