//! Credentials of docker and podman: in files, or from credential helpers.
//!
//! No error contains any part of a file or of a helper's output.

use std::{
    fmt, fs,
    io::{self, Read as _},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
};
use trocar_core::registry::RegistryReference;

use crate::error::RegistryError;

/// The most bytes that are read of a file.
const MAX_FILE: u64 = 1 << 20;
/// The most bytes that are read of a helper's output.
const MAX_ANSWER: u64 = 64 << 10;
/// The key of Docker Hub, in files and for helpers: its first API's URL, which docker still writes.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// A string that `Debug` hides.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("[hidden]")
    }
}

/// Credentials for a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// A user name and a password.
    User { name: String, password: Secret },
    /// An OAuth 2 refresh token, to be exchanged for an access token.
    Identity(Secret),
    /// A bearer token for the registry itself.
    Token(Secret),
}

/// The sources of credentials.
#[derive(Clone, Debug)]
pub struct CredentialFiles {
    /// The files, in order: the first with an entry for the registry is used. Missing files are skipped.
    pub files: Vec<PathBuf>,
    /// The time within which a helper has to answer.
    pub helper_time: Duration,
}

impl Default for CredentialFiles {
    fn default() -> Self {
        Self {
            files: Vec::new(),
            helper_time: Duration::from_secs(10),
        }
    }
}

/// What a file has for a registry.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Known(Credentials),
    /// A helper's name, and the key to ask it for.
    Helper(String, String),
    Nothing,
}

impl CredentialFiles {
    /// Finds the credentials for a repository; none if no file has any.
    pub(crate) async fn find(
        &self,
        reference: &RegistryReference,
    ) -> Result<Option<Credentials>, RegistryError> {
        let failed = |why: String| RegistryError::Credentials {
            host: reference.host().to_owned(),
            why,
        };
        for file in &self.files {
            let shown = file.display();
            let opened = match fs::File::open(file) {
                Ok(opened) => opened,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(format!("{shown}: {error}"))),
            };
            let mut text = Vec::new();
            let read = opened.take(MAX_FILE).read_to_end(&mut text);
            read.map_err(|error| failed(format!("{shown}: {error}")))?;
            // The parser's message is dropped: it may contain a part of the file.
            let document =
                serde_json::from_slice(&text).map_err(|_| failed(format!("{shown} is not JSON")))?;
            match in_file(&document, reference).map_err(|why| failed(format!("{shown}: {why}")))? {
                Found::Known(credentials) => return Ok(Some(credentials)),
                Found::Helper(helper, key) => {
                    let given = self.ask(&helper, &key).await.map_err(failed)?;
                    if given.is_some() {
                        return Ok(given);
                    }
                }
                Found::Nothing => {}
            }
        }
        Ok(None)
    }

    /// Runs a helper; none if it has no credentials for the key.
    async fn ask(&self, helper: &str, key: &str) -> Result<Option<Credentials>, String> {
        let program = format!("docker-credential-{helper}");
        self.within(run(&program, key), &program).await
    }

    async fn within(
        &self,
        asked: impl Future<Output = Result<(bool, Vec<u8>), String>>,
        program: &str,
    ) -> Result<Option<Credentials>, String> {
        let late = || format!("{program} did not answer within {} s", self.helper_time.as_secs());
        let asked = tokio::time::timeout(self.helper_time, asked).await;
        let (is_success, answer) = asked.map_err(|_| late())??;
        if !is_success {
            // The messages of docker's own helpers for a missing key.
            let text = String::from_utf8_lossy(&answer).to_lowercase();
            let knows_none = text.contains("credentials not found") || text.contains("no credentials");
            return match knows_none {
                true => Ok(None),
                false => Err(format!("{program} failed")),
            };
        }
        let document: Value =
            serde_json::from_slice(&answer).map_err(|_| format!("{program} did not print JSON"))?;
        let field = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
        let (name, secret) = (field("Username"), field("Secret"));
        Ok(match (name.as_str(), secret.as_str()) {
            (_, "") => None,
            // Docker's convention: with this user name, the secret is a refresh token.
            ("<token>", _) => Some(Credentials::Identity(secret.into())),
            _ => Some(Credentials::User {
                name,
                password: secret.into(),
            }),
        })
    }
}

/// Runs a helper. Returns whether it succeeded, and its output.
async fn run(program: &str, key: &str) -> Result<(bool, Vec<u8>), String> {
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // Not shown and not kept: it may contain the credentials.
        .stderr(Stdio::null())
        // Ends a helper that is too slow: the timeout drops this future.
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot run {program}: {error}"))?;
    let answer = talk(&mut child, key)
        .await
        .map_err(|error| format!("{program}: {error}"))?;
    let status = child
        .wait()
        .await
        .map_err(|error| format!("{program}: {error}"))?;
    Ok((status.success(), answer))
}

async fn talk(child: &mut Child, key: &str) -> std::io::Result<Vec<u8>> {
    if let Some(mut stdin) = child.stdin.take() {
        // A write error is ignored: a helper may exit without reading its input.
        drop(stdin.write_all(key.as_bytes()).await);
    }
    let mut answer = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_ANSWER).read_to_end(&mut answer).await?;
    }
    Ok(answer)
}

/// The keys to look up for a repository, the most specific first.
fn keys(reference: &RegistryReference) -> Vec<String> {
    let mut keys = Vec::new();
    let name = reference.name();
    let mut scope = name.as_str();
    // Podman's files may have credentials for a repository or a namespace within a registry.
    while let Some((shorter, _)) = scope.rsplit_once('/') {
        keys.push(scope.to_owned());
        scope = shorter;
    }
    let host = reference.host();
    keys.extend([
        host.to_owned(),
        // Older versions of docker wrote URLs as keys.
        format!("https://{host}"),
        format!("https://{host}/"),
        format!("https://{host}/v1/"),
        format!("https://{host}/v2/"),
        format!("http://{host}"),
    ]);
    if matches!(host, "docker.io" | "index.docker.io" | "registry-1.docker.io") {
        keys.push(DOCKER_HUB.to_owned());
        keys.push("docker.io".to_owned());
    }
    keys
}

fn in_file(document: &Value, reference: &RegistryReference) -> Result<Found, String> {
    let keys = keys(reference);
    let helper_key = match keys.iter().any(|key| key == DOCKER_HUB) {
        true => DOCKER_HUB,
        false => reference.host(),
    };
    let helper = |name: &str| {
        // The name completes that of a program. With a slash in it, the file could run any program.
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        match !name.is_empty() && name.bytes().all(letter) {
            true => Ok(Found::Helper(name.to_owned(), helper_key.to_owned())),
            false => Err("the name of a credential helper has invalid characters".to_owned()),
        }
    };
    if let Some(name) = keys.iter().find_map(|key| document["credHelpers"][key].as_str()) {
        return helper(name);
    }
    for entry in keys.iter().map(|key| &document["auths"][key]) {
        if let Some(found) = in_entry(entry)? {
            return Ok(Found::Known(found));
        }
    }
    match document["credsStore"].as_str().filter(|name| !name.is_empty()) {
        Some(name) => helper(name),
        None => Ok(Found::Nothing),
    }
}

fn in_entry(entry: &Value) -> Result<Option<Credentials>, String> {
    let field = |name: &str| {
        entry[name]
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    if let Some(token) = field("identitytoken") {
        return Ok(Some(Credentials::Identity(token.into())));
    }
    if let Some(token) = field("registrytoken") {
        return Ok(Some(Credentials::Token(token.into())));
    }
    if let (Some(name), Some(password)) = (field("username"), field("password")) {
        return Ok(Some(Credentials::User {
            name,
            password: password.into(),
        }));
    }
    // With `credsStore`, docker leaves an empty entry here: the credentials are with the helper.
    let Some(auth) = field("auth") else {
        return Ok(None);
    };
    let decoded = STANDARD
        .decode(auth.trim())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let pair = decoded.as_deref().and_then(|text| text.split_once(':'));
    let (name, password) = pair.ok_or("the field auth is not USER:PASSWORD in base64")?;
    Ok(Some(Credentials::User {
        name: name.to_owned(),
        // Docker strips zero bytes here as well.
        password: password.trim_end_matches('\0').to_owned().into(),
    }))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::json;

    use super::*;

    fn reference(typed: &str) -> RegistryReference {
        RegistryReference::parse(typed).unwrap()
    }

    fn user(name: &str, password: &str) -> Found {
        Found::Known(Credentials::User {
            name: name.into(),
            password: password.to_owned().into(),
        })
    }

    #[test]
    fn the_most_specific_entry_of_a_file_is_used() {
        let auth = |pair: &str| json!({"auth": STANDARD.encode(pair)});
        let file = json!({"auths": {
            "ghcr.io": auth("host:1"), "ghcr.io/acme": auth("team:2:with colon"), "ghcr.io/acme/java": auth("plugin:3"),
            "https://index.docker.io/v1/": auth("hub:4"),
            "https://quay.io/v2/": {"username": "u", "password": "p"},
            "acr.example": {"auth": "", "identitytoken": "t"},
        }});
        for (typed, wanted) in [
            ("ghcr.io/other:1", user("host", "1")),
            ("ghcr.io/acme/x:1", user("team", "2:with colon")),
            ("ghcr.io/acme/java:1", user("plugin", "3")),
            ("ghcr.io/acme-evil/java:1", user("host", "1")),
            ("docker.io/acme/java:1", user("hub", "4")),
            ("quay.io/acme/java:1", user("u", "p")),
            (
                "acr.example/x:1",
                Found::Known(Credentials::Identity("t".to_owned().into())),
            ),
            ("r.example/x:1", Found::Nothing),
        ] {
            assert_eq!(in_file(&file, &reference(typed)), Ok(wanted), "{typed}");
        }
    }

    #[test]
    fn helpers_get_the_host_and_have_no_path_in_their_name() {
        let file =
            json!({"credsStore": "desktop", "credHelpers": {"ghcr.io": "gh", "evil.example": "../../sh"}});
        let helper = |name: &str, key: &str| Ok(Found::Helper(name.into(), key.into()));
        assert_eq!(in_file(&file, &reference("ghcr.io/a:1")), helper("gh", "ghcr.io"));
        assert_eq!(
            in_file(&file, &reference("docker.io/a:1")),
            helper("desktop", DOCKER_HUB)
        );
        assert!(in_file(&file, &reference("evil.example/a:1")).is_err());
    }

    #[test]
    fn errors_do_not_contain_secrets() {
        let file = json!({"auths": {"ghcr.io": {"auth": "c2VjcmV0"}}});
        let error = in_file(&file, &reference("ghcr.io/a:1")).unwrap_err();
        assert!(
            !error.contains("secret") && !error.contains("c2VjcmV0"),
            "{error}"
        );
        let shown = format!("{:?}", user("u", "hidden away"));
        assert!(!shown.contains("hidden away"), "{shown}");
    }

    /// Runs a script as a helper.
    fn ask(script: &str, helper_time: Duration) -> Result<Option<Credentials>, String> {
        let home = tempfile::tempdir().unwrap();
        let program = home.path().join("helper");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let files = CredentialFiles {
            files: Vec::new(),
            helper_time,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let run = run(program.to_str().unwrap(), "ghcr.io");
            files.within(run, "the helper").await
        })
    }

    #[test]
    fn a_helper_may_have_no_credentials_but_must_not_hang() {
        let long = Duration::from_secs(60);
        let known = ask(
            r#"read key; echo "{\"Username\":\"u-$key\",\"Secret\":\"s\"}""#,
            long,
        );
        let Ok(Some(Credentials::User { name, .. })) = known else {
            panic!("{known:?}")
        };
        assert_eq!(name, "u-ghcr.io");
        let token = ask(r#"echo '{"Username":"<token>","Secret":"s"}'"#, long);
        assert_eq!(token, Ok(Some(Credentials::Identity("s".to_owned().into()))));
        let none = ask("echo 'credentials not found in native keychain'; exit 1", long);
        assert_eq!(none, Ok(None));
        let broken = ask("echo my-secret; exit 1", long).unwrap_err();
        assert!(
            broken.contains("failed") && !broken.contains("my-secret"),
            "{broken}"
        );
        let hangs = ask("exec cat /dev/zero > /dev/null", Duration::from_millis(50)).unwrap_err();
        assert!(hangs.contains("did not answer"), "{hangs}");
    }
}
