//! Running a credential plugin as client-go does, and reading what it answers. When it is run is for `credentials.rs`.
//!
//! Source: `plugin/pkg/client/auth/exec` of client-go. Its output holds credentials, and its environment may: no error here
//! shows anything of either.

use std::{
    env,
    io::{self, IsTerminal as _},
    os::unix::fs::PermissionsExt as _,
    path::{Component, MAIN_SEPARATOR, Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::HeaderValue;
use jiff::Timestamp;
use kube::config::{ExecConfig, ExecInteractiveMode};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt as _, process::Command};
use trocar_core::documents;

use super::certificates::{ClientCertificate, Pem};
use crate::error::CredentialError;

/// How long a plugin may run: it may wait for a user to log in with a browser.
const MAX_TIME: Duration = Duration::from_secs(300);

/// The largest answer of a plugin, in bytes.
const MAX_OUTPUT: u64 = 1 << 20;

/// Which credential plugins may run: `credentialPluginPolicy` of a kuberc.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PluginPolicy {
    /// All of them.
    #[default]
    AllowAll,
    /// None.
    DenyAll,
    /// Those whose command is in the list, as a name to be found in `PATH` or as a path.
    Allowlist(Vec<String>),
}

#[derive(Debug)]
pub(super) struct CredentialPlugin {
    pub(super) config: ExecConfig,
    pub(super) policy: PluginPolicy,
    /// Set once standard input is used for something else.
    pub(super) stdin_taken: Arc<AtomicBool>,
}

pub(super) struct Answer {
    pub(super) header: Option<HeaderValue>,
    pub(super) identity: Option<Arc<ClientCertificate>>,
    pub(super) expires: Option<Timestamp>,
}

impl CredentialPlugin {
    pub(super) async fn run(&self) -> Result<Answer, CredentialError> {
        let program = self.permitted()?;
        let is_interactive = self.is_interactive()?;
        let stdin = if is_interactive {
            Stdio::inherit()
        } else {
            Stdio::null()
        };
        let variables = self
            .config
            .env
            .iter()
            .flatten()
            .filter_map(|variable| Some((variable.get("name")?, variable.get("value")?)));
        let mut command = Command::new(&program);
        command
            .args(self.config.args.iter().flatten())
            .envs(variables)
            .env("KUBERNETES_EXEC_INFO", self.question(is_interactive).to_string())
            .stdin(stdin)
            .stdout(Stdio::piped())
            // A plugin's prompts and login links go to the user, as with kubectl.
            .stderr(Stdio::inherit())
            .kill_on_drop(true);
        let run = tokio::time::timeout(MAX_TIME, output(command));
        let ended = run
            .await
            .unwrap_or_else(|_| Err(format!("did not end within {} s", MAX_TIME.as_secs())));
        let output = ended.map_err(|problem| self.failed(problem))?;
        self.read(&output).map_err(|problem| self.failed(problem))
    }

    fn command(&self) -> &str {
        self.config.command.as_deref().unwrap_or_default()
    }

    fn failed(&self, problem: impl Into<String>) -> CredentialError {
        CredentialError::Plugin {
            command: self.command().to_owned(),
            problem: problem.into(),
        }
    }

    /// What the plugin is told.
    fn question(&self, is_interactive: bool) -> Value {
        let mut spec = json!({"interactive": is_interactive});
        if let Some(cluster) = self
            .config
            .cluster
            .as_ref()
            .filter(|_| self.config.provide_cluster_info)
        {
            spec["cluster"] = json!(cluster);
        }
        json!({"kind": "ExecCredential", "apiVersion": self.config.api_version, "spec": spec})
    }

    /// Says whether the plugin gets standard input: only where that is a terminal and nothing else reads it.
    fn is_interactive(&self) -> Result<bool, CredentialError> {
        // A plugin that reads standard input beside the session would take the program's input away.
        let is_free = !self.stdin_taken.load(Ordering::Relaxed);
        let is_terminal = io::stdin().is_terminal();
        match self.config.interactive_mode {
            Some(ExecInteractiveMode::Never) => Ok(false),
            Some(ExecInteractiveMode::Always) if !is_terminal => {
                Err(self.failed("needs a terminal to ask at, and standard input is not one"))
            }
            Some(ExecInteractiveMode::Always) if !is_free => {
                Err(self.failed("needs standard input, which is used for something else"))
            }
            _ => Ok(is_terminal && is_free),
        }
    }

    /// The program, where the policy lets it run.
    fn permitted(&self) -> Result<PathBuf, CredentialError> {
        let found = look_up(self.command());
        let command = cleaned(self.command());
        let is_permitted = match &self.policy {
            PluginPolicy::AllowAll => true,
            PluginPolicy::DenyAll => false,
            PluginPolicy::Allowlist(list) => list.iter().any(|entry| {
                let same =
                    |found: &PathBuf| cleaned(entry) == *found || look_up(entry).as_ref() == Some(found);
                cleaned(entry) == command || found.as_ref().is_some_and(same)
            }),
        };
        if !is_permitted {
            return Err(CredentialError::Denied {
                command: self.command().to_owned(),
            });
        }
        found.ok_or_else(|| CredentialError::Missing {
            command: self.command().to_owned(),
            install_hint: self.config.install_hint.clone().unwrap_or_default(),
        })
    }

    fn read(&self, output: &[u8]) -> Result<Answer, String> {
        let read =
            documents::read(output).map_err(|_| "answered with something that is neither JSON nor YAML")?;
        let answer = read.into_iter().next().unwrap_or_default();
        let wanted = self.config.api_version.as_deref().unwrap_or_default();
        if answer["kind"] != "ExecCredential" {
            return Err("did not answer with an ExecCredential".into());
        }
        if answer["apiVersion"] != wanted {
            return Err(format!(
                "did not answer in version {wanted}, which the kubeconfig asks for"
            ));
        }
        let status = &answer["status"];
        let text = |field: &str| status[field].as_str().filter(|text| !text.is_empty());
        let token = text("token");
        let identity = match (text("clientCertificateData"), text("clientKeyData")) {
            (Some(certificate), Some(key)) => {
                let pem = |field: &str, text: &str| Pem::new(format!("{field} of the answer"), text);
                let certificate = pem("clientCertificateData", certificate);
                let key = pem("clientKeyData", key);
                Some(Arc::new(
                    certificate
                        .with_key(&key)
                        .map_err(|problem| format!("cannot be used: {problem}"))?,
                ))
            }
            (None, None) if token.is_none() => return Err("answered without a token or a certificate".into()),
            (None, None) => None,
            _ => return Err("answered with a certificate or a key alone".into()),
        };
        let expires = text("expirationTimestamp").map(str::parse).transpose();
        Ok(Answer {
            header: token.map(bearer).transpose()?,
            identity,
            expires: expires.map_err(|_| "answered with an expirationTimestamp that is not a time")?,
        })
    }
}

pub(super) fn bearer(token: &str) -> Result<HeaderValue, String> {
    let value = HeaderValue::try_from(format!("Bearer {token}"));
    let mut value = value.map_err(|_| "the token has letters that no token can have")?;
    value.set_sensitive(true);
    Ok(value)
}

/// Runs a program to its end, and gives what it wrote.
async fn output(mut command: Command) -> Result<Vec<u8>, String> {
    let mut child = command
        .spawn()
        .map_err(|error| format!("cannot be started: {error}"))?;
    let mut output = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        let read = stdout.take(MAX_OUTPUT + 1).read_to_end(&mut output).await;
        read.map_err(|error| format!("cannot be read: {error}"))?;
    }
    if output.len() as u64 > MAX_OUTPUT {
        return Err(format!("answered with more than {} MiB", MAX_OUTPUT >> 20));
    }
    let status = child.wait().await.map_err(|error| error.to_string())?;
    match status.code() {
        Some(0) => Ok(output),
        Some(code) => Err(format!("failed with exit code {code}")),
        None => Err("was ended by a signal".into()),
    }
}

/// A path without `.` and `..`, as Go's `filepath.Clean`.
fn cleaned(command: &str) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for part in Path::new(command).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if cleaned
                    .components()
                    .next_back()
                    .is_some_and(|last| matches!(last, Component::Normal(_))) =>
            {
                cleaned.pop();
            }
            Component::ParentDir if cleaned.has_root() => {}
            other => cleaned.push(other),
        }
    }
    cleaned
}

/// The program that a command means: itself where it is a path, else the first of its name in the absolute folders of `PATH`.
fn look_up(command: &str) -> Option<PathBuf> {
    if command.contains(MAIN_SEPARATOR) {
        return Some(PathBuf::from(command)).filter(|path| is_program(path));
    }
    let folders = env::var_os("PATH")?;
    // As Go's `exec.LookPath`: a relative entry of `PATH` would run whatever lies in the current folder.
    let folders = env::split_paths(&folders).filter(|folder| folder.is_absolute());
    let mut found = folders.map(|folder| folder.join(command));
    found.find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A plugin that is a shell script, in a folder of its own.
    struct Script(tempfile::TempDir);

    impl Script {
        fn new(text: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("login");
            // Written under another name: a program that is still open for writing cannot be run.
            let draft = folder.path().join("draft");
            fs::write(&draft, format!("#!/bin/sh\n{text}\n")).unwrap();
            fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
            fs::rename(draft, file).unwrap();
            Self(folder)
        }

        fn path(&self) -> String {
            self.0.path().join("login").display().to_string()
        }

        fn plugin(&self) -> CredentialPlugin {
            plugin(&self.path(), PluginPolicy::AllowAll)
        }
    }

    fn plugin(command: &str, policy: PluginPolicy) -> CredentialPlugin {
        CredentialPlugin {
            config: ExecConfig {
                api_version: Some("client.authentication.k8s.io/v1".into()),
                command: Some(command.into()),
                interactive_mode: Some(ExecInteractiveMode::IfAvailable),
                ..ExecConfig::default()
            },
            policy,
            stdin_taken: Arc::default(),
        }
    }

    fn run(plugin: &CredentialPlugin) -> Result<Answer, CredentialError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(plugin.run())
    }

    fn failure(script: &str) -> String {
        let script = Script::new(script);
        let shown = run(&script.plugin()).err().unwrap().to_string();
        shown.replace(&script.path(), "login")
    }

    fn answer(status: &str) -> String {
        format!(
            "{{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{status}}}"
        )
    }

    #[test]
    fn a_token_and_its_end_are_taken() {
        let text = answer("{\"token\":\"abc\",\"expirationTimestamp\":\"2030-01-01T00:00:00Z\"}");
        let found = run(&Script::new(&format!("echo '{text}'")).plugin())
            .ok()
            .unwrap();
        assert_eq!(found.header.unwrap(), "Bearer abc");
        assert_eq!(found.expires.unwrap().as_second(), 1_893_456_000);
        assert!(found.identity.is_none());
    }

    #[test]
    fn a_certificate_is_taken() {
        let text = |text: &str| serde_json::json!(text).to_string();
        let status = format!(
            "{{\"clientCertificateData\":{},\"clientKeyData\":{}}}",
            text(include_str!("fixtures/rsa-v1.crt")),
            text(include_str!("fixtures/rsa.pkcs1.key"))
        );
        let script = Script::new(&format!("cat <<'END'\n{}\nEND", answer(&status)));
        let found = run(&script.plugin()).ok().unwrap();
        assert!(found.identity.is_some() && found.header.is_none());
    }

    #[test]
    fn nothing_that_a_plugin_writes_or_is_given_is_in_an_error() {
        for (script, wanted) in [
            ("echo SECRET; echo SECRET >&2; exit 3", "failed with exit code 3"),
            ("echo SECRET; kill -9 $$", "was ended by a signal"),
            (
                "echo '{SECRET'",
                "answered with something that is neither JSON nor YAML",
            ),
            (
                "echo '{\"kind\":\"SECRET\"}'",
                "did not answer with an ExecCredential",
            ),
            (
                "echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"SECRET\"}'",
                "did not answer in version client.authentication.k8s.io/v1, which the kubeconfig asks for",
            ),
            (
                &format!("echo '{}'", answer("{}")),
                "answered without a token or a certificate",
            ),
            (
                &format!("echo '{}'", answer("{\"clientKeyData\":\"SECRET\"}")),
                "answered with a certificate or a key alone",
            ),
            (
                &format!(
                    "echo '{}'",
                    answer("{\"clientKeyData\":\"SECRET\",\"clientCertificateData\":\"SECRET\"}")
                ),
                "cannot be used: clientCertificateData of the answer holds no certificate in PEM",
            ),
            (
                &format!("echo '{}'", answer("{\"token\":\"SECRET\\\\u0001\"}")),
                "the token has letters that no token can have",
            ),
            (
                &format!(
                    "echo '{}'",
                    answer("{\"token\":\"a\",\"expirationTimestamp\":\"SECRET\"}")
                ),
                "answered with an expirationTimestamp that is not a time",
            ),
            ("head -c 2000000 /dev/zero", "answered with more than 1 MiB"),
        ] {
            assert_eq!(failure(script), format!("credential plugin \"login\" {wanted}"));
        }
    }

    #[test]
    fn it_gets_its_arguments_and_variables_and_what_it_is_asked() {
        let token = "$1-$EXTRA-$(echo \"$KUBERNETES_EXEC_INFO\" | grep -c '\"server\":\"https://k\"')";
        let script = Script::new(&format!(
            "echo \"{}\"",
            answer("{\"token\":\"TOKEN\"}")
                .replace('"', "\\\"")
                .replace("TOKEN", token)
        ));
        let mut plugin = script.plugin();
        plugin.config.args = Some(vec!["first".into()]);
        let variable =
            [("name", "EXTRA"), ("value", "value")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        plugin.config.env = Some(vec![variable.into()]);
        plugin.config.cluster = Some(kube::config::ExecAuthCluster {
            server: Some("https://k".into()),
            ..Default::default()
        });
        assert_eq!(run(&plugin).ok().unwrap().header.unwrap(), "Bearer first-value-0");
        plugin.config.provide_cluster_info = true;
        assert_eq!(run(&plugin).ok().unwrap().header.unwrap(), "Bearer first-value-1");
    }

    #[test]
    fn one_that_is_not_there_is_named_with_how_to_install_it() {
        let mut plugin = plugin("no-such-login-tool", PluginPolicy::AllowAll);
        plugin.config.install_hint = Some("brew install it".into());
        let wanted = CredentialError::Missing {
            command: "no-such-login-tool".into(),
            install_hint: "brew install it".into(),
        };
        assert_eq!(run(&plugin).err(), Some(wanted));
    }

    #[test]
    fn only_what_the_policy_lets_run_is_run() {
        let script = Script::new(&format!("echo '{}'", answer("{\"token\":\"a\"}")));
        let path = script.path();
        let around = path.replace("/login", "/./x/../login");
        let list =
            |entries: &[&str]| PluginPolicy::Allowlist(entries.iter().map(ToString::to_string).collect());
        for (command, policy, runs) in [
            (path.as_str(), PluginPolicy::AllowAll, true),
            (&path, PluginPolicy::DenyAll, false),
            (&path, list(&[&path]), true),
            (&around, list(&[&path]), true),
            ("./Cargo.toml", list(&["Cargo.toml"]), true),
            (&path, list(&["login"]), false),
            (&path, list(&["/elsewhere/login", "other"]), false),
            ("true", list(&["true"]), true),
            ("true", list(&["false"]), false),
        ] {
            let ended = run(&plugin(command, policy.clone()));
            let is_denied = matches!(ended, Err(CredentialError::Denied { .. }));
            assert_eq!(!is_denied, runs, "{command} {policy:?}");
        }
    }

    #[test]
    fn a_relative_path_is_not_looked_for_in_path() {
        let missing = run(&plugin("./sh", PluginPolicy::AllowAll)).err();
        assert!(
            matches!(missing, Some(CredentialError::Missing { .. })),
            "{missing:?}"
        );
    }

    #[test]
    fn one_that_must_ask_is_not_run_without_a_terminal() {
        let script = Script::new("exit 9");
        let mut plugin = script.plugin();
        plugin.config.interactive_mode = Some(ExecInteractiveMode::Always);
        plugin.stdin_taken.store(true, Ordering::Relaxed);
        let shown = run(&plugin).err().unwrap().to_string();
        assert!(shown.contains("needs"), "{shown}");
    }
}
