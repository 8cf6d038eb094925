//! TLS: server certificates from files, client certificates, and rotation under load.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
};

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use trocar_test_support::TestEnv;

use crate::{Client, IMAGES, Server, adds, client::trusting, response};

fn certificate() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate for localhost can be made")
}

fn write(env: &TestEnv, own: &CertifiedKey<KeyPair>) {
    // The key first: until the certificate is written as well, they do not match.
    env.write("tls.key", &own.signing_key.serialize_pem());
    env.write("tls.crt", &own.cert.pem());
}

fn start(own: &CertifiedKey<KeyPair>, flags: &str) -> Server {
    let env = TestEnv::new(crate::SERVER);
    write(&env, own);
    Server::start_in(
        env,
        IMAGES,
        &format!("--tls-cert tls.crt --tls-key tls.key {flags}"),
    )
}

#[test]
fn reviews_come_over_tls() {
    let own = certificate();
    let server = start(&own, "");
    let config = trusting(&[own.cert.der().clone()], None);
    let mut client = Client::tls(server.address, config).unwrap();
    let answer = client.post("/validate", adds("busybox").to_string().as_bytes());
    assert_eq!(response(&answer)["allowed"], true);
    assert!(
        Client::tls(
            server.address,
            trusting(&[certificate().cert.der().clone()], None)
        )
        .is_err()
    );
    let metrics = client.get("/metrics").text();
    assert!(
        metrics.contains("certificate_expiry_timestamp_seconds"),
        "{metrics}"
    );
    // A client without TLS is not answered.
    assert!(
        Client::plain(server.address)
            .try_post("/validate", b"{}")
            .is_none_or(|answer| answer.status == 0)
    );
}

#[test]
fn a_client_needs_a_certificate_where_authorities_are_named() {
    let (own, of_client) = (certificate(), certificate());
    let env = TestEnv::new(crate::SERVER);
    write(&env, &own);
    env.write("ca.crt", &of_client.cert.pem());
    let server = Server::start_in(
        env,
        IMAGES,
        "--tls-cert tls.crt --tls-key tls.key --client-ca ca.crt",
    );
    let roots = [own.cert.der().clone()];
    let review = adds("busybox").to_string();
    let mut client = Client::tls(server.address, trusting(&roots, Some(&of_client))).unwrap();
    assert_eq!(
        response(&client.post("/validate", review.as_bytes()))["allowed"],
        true
    );
    for stranger in [None, Some(certificate())] {
        let client = Client::tls(server.address, trusting(&roots, stranger.as_ref()));
        let answer = client
            .ok()
            .and_then(|mut client| client.try_post("/validate", review.as_bytes()));
        assert!(answer.is_none(), "{answer:?}");
    }
}

#[test]
fn certificates_are_changed_under_load_and_no_answer_is_lost() {
    let (old, new) = (certificate(), certificate());
    let server = start(&old, "");
    // As during a rotation: both are trusted.
    let both = trusting(&[old.cert.der().clone(), new.cert.der().clone()], None);
    let only_new = trusting(&[new.cert.der().clone()], None);
    let is_over = AtomicBool::new(false);
    let review = adds("busybox").to_string();
    std::thread::scope(|scope| {
        let ask = || {
            let mut count = 0;
            while !is_over.load(Ordering::Relaxed) {
                let mut client = Client::tls(server.address, both.clone()).expect("both are trusted");
                for _ in 0..10 {
                    assert_eq!(
                        response(&client.post("/validate", review.as_bytes()))["allowed"],
                        true
                    );
                    count += 1;
                }
            }
            count
        };
        let clients = [scope.spawn(ask), scope.spawn(ask)];
        // Incomplete or mismatched files are not used.
        server.env.write("tls.crt", "-----BEGIN CERTIFICATE-----\nMII");
        server.running.stderr_until("the old ones stay in force");
        assert!(Client::tls(server.address, only_new.clone()).is_err());
        write(&server.env, &new);
        server.running.stderr_until("reloaded");
        assert!(Client::tls(server.address, only_new.clone()).is_ok());
        is_over.store(true, Ordering::Relaxed);
        for client in clients {
            assert!(client.join().unwrap() > 0);
        }
    });
}

#[test]
fn files_that_are_no_certificates_are_named_and_not_shown() {
    let own = certificate();
    let other = certificate();
    for (crt, key, wanted) in [
        (
            "",
            own.signing_key.serialize_pem(),
            "tls.crt: it has no certificate",
        ),
        (
            &*own.cert.pem(),
            "secret-nonsense".to_owned(),
            "tls.key: it has no private key",
        ),
        (
            &*own.cert.pem(),
            other.signing_key.serialize_pem(),
            "tls.crt with tls.key",
        ),
    ] {
        let env = TestEnv::new(crate::SERVER);
        crate::configure(&env, IMAGES);
        env.write("tls.crt", crt);
        env.write("tls.key", &key);
        let output = env.run("serve --config config.yaml --tls-cert tls.crt --tls-key tls.key --listen 127.0.0.1:0 --no-cluster");
        assert_eq!(output.code, 1, "{output}");
        assert!(
            output.stderr.contains(wanted) && !output.stderr.contains("nonsense"),
            "{output}"
        );
    }
    assert!(fs::exists(crate::SERVER).unwrap());
}

#[test]
fn plain_http_is_for_loopback_alone() {
    let env = TestEnv::new(crate::SERVER);
    crate::configure(&env, IMAGES);
    let output = env.run("serve --config config.yaml --plain-http --listen 0.0.0.0:0 --no-cluster");
    assert_eq!(output.code, 1, "{output}");
    assert!(output.stderr.contains("loopback"), "{output}");
    let output = env.run("serve --config config.yaml --listen 127.0.0.1:0 --no-cluster");
    assert_eq!(output.code, 2, "{output}");
}
