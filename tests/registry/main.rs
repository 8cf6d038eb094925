//! Conforming and hostile registries: pulled bytes match their digests, nothing hangs or grows without bound, credentials do not
//! leak, and each error says what failed.

mod hostile;
mod layout;
mod tokens;

use std::time::Duration;

use trocar_core::registry::RegistryReference;
use trocar_registry::{
    Client, ClientConfig, CredentialFiles, HostConfig, Pulled, RegistryError, Timeouts, Upload, digest,
};
use trocar_test_support::{PATIENCE, registry::FakeRegistry};

/// The largest component in these tests, in bytes.
const ALLOWED: u64 = 1 << 20;

/// Runs a future, with a timeout that only a hang reaches.
fn wait<T>(done: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, done).await.expect("it hangs") })
}

fn reference(typed: &str) -> RegistryReference {
    RegistryReference::parse(typed).unwrap()
}

/// A client without credentials, with the timeout of tests.
fn client() -> Client {
    client_with(ClientConfig::default())
}

fn client_with(config: ClientConfig) -> Client {
    let patient = Timeouts {
        connect: PATIENCE,
        answer: PATIENCE,
        idle: PATIENCE,
        whole: PATIENCE,
    };
    Client::new(ClientConfig {
        timeouts: patient,
        ..config
    })
}

/// A client for registries that do not answer, with very short timeouts.
fn impatient() -> Client {
    let soon = Duration::from_millis(50);
    Client::new(ClientConfig {
        timeouts: Timeouts {
            connect: PATIENCE,
            answer: soon,
            idle: soon,
            whole: soon * 20,
        },
        ..ClientConfig::default()
    })
}

fn upload(component: &[u8]) -> Upload {
    Upload {
        component: component.to_vec().into(),
        title: "java".into(),
        imports: vec!["trocar:plugin/log@0.1.0".into()],
        exports: vec!["trocar:plugin/strategy@0.1.0".into()],
        annotations: vec![("org.opencontainers.image.version", "1.2.0".into())],
        created: 0,
        config_type: None,
    }
}

/// A registry with the component `code` as `team/java:1`, and the digest of its manifest.
fn with_plugin(registry: &FakeRegistry) -> String {
    let to = reference(&format!("{}/team/java:1", registry.host()));
    wait(client().push(&to, &upload(b"code"))).unwrap().digest
}

fn pull(client: &Client, typed: &str) -> Result<Pulled, RegistryError> {
    wait(client.pull(&reference(typed), ALLOWED))
}

/// The error of a failed pull.
fn refusal(client: &Client, typed: &str) -> String {
    pull(client, typed).unwrap_err().to_string()
}
