//! What can go wrong between us and a cluster, told apart, in kubectl's words where it has some.

use std::{fmt, time::Duration};

use trocar_core::{
    reference::Kind,
    text::{indented, plain},
};

use crate::refusal::{Refusal, Status};

/// The longest text of a server that is shown, in bytes.
const MAX_SERVER_TEXT: usize = 4096;

/// What was asked of the server, in the terms of its access rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// The verb: `get`, `patch`, …
    pub verb: &'static str,
    /// Of which kind the object is.
    pub kind: Kind,
    /// The part of the object, for example `ephemeralcontainers`; empty for all of it.
    pub subresource: &'static str,
    /// In which namespace; none for an object of the whole cluster.
    pub namespace: Option<String>,
    /// The object's name; empty when it is about many.
    pub name: String,
}

impl Action {
    /// What is asked of a pod, or of all where the name is empty.
    pub(crate) fn of_pod(
        verb: &'static str,
        subresource: &'static str,
        namespace: Option<&str>,
        name: &str,
    ) -> Self {
        Self {
            verb,
            kind: Kind::Pod,
            subresource,
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        }
    }

    /// The resource as a Role names it: `pods/ephemeralcontainers`.
    pub fn resource(&self) -> String {
        match self.subresource {
            "" => self.kind.resource().to_owned(),
            subresource => format!("{}/{subresource}", self.kind.resource()),
        }
    }

    /// The rule of a Role or ClusterRole that allows it.
    pub fn rule(&self) -> String {
        format!(
            "{{apiGroups: [{:?}], resources: [{:?}], verbs: [{:?}]}}",
            self.kind.group(),
            self.resource(),
            self.verb
        )
    }
}

impl fmt::Display for Action {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.verb, self.resource())?;
        if !self.name.is_empty() {
            write!(out, " {:?}", self.name)?;
        }
        match &self.namespace {
            Some(namespace) => write!(out, " in namespace {namespace:?}"),
            None => Ok(()),
        }
    }
}

/// Why the cluster did not do what was asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClusterError {
    /// The server understood and said no.
    Refused {
        /// What was asked.
        action: Action,
        /// What it answered.
        status: Box<Status>,
    },
    /// The server does not answer.
    Unreachable {
        /// The server's address.
        server: String,
        /// The proxy's address without its password, where there is a proxy in between.
        proxy: Option<String>,
        /// What the operating system or the proxy says.
        reason: String,
    },
    /// The server's certificate is not trusted.
    Untrusted {
        /// The server's address.
        server: String,
        /// What is wrong with the certificate.
        reason: String,
    },
    /// There are no credentials.
    Credentials(CredentialError),
    /// The server, or a proxy before it, answers the request for a WebSocket with something else.
    NoWebSocket {
        /// With what.
        reason: String,
    },
    /// No answer in time.
    TimedOut {
        /// What was asked.
        action: Action,
        /// How long we waited.
        after: Duration,
    },
    /// The connection broke in the middle.
    Broken {
        /// What was asked.
        action: Action,
        /// How.
        reason: String,
    },
    /// The server's answer is not what the API promises.
    Answer {
        /// What was asked.
        action: Action,
        /// What is wrong with it.
        problem: String,
    },
}

/// The client library's reason for an answer that is not a Status.
const NO_STATUS: &str = "Failed to parse error data";

impl ClusterError {
    /// The status that the server answered with, if it answered.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Refused { status, .. } => Some(status),
            _ => None,
        }
    }

    /// The HTTP status code, if the server answered.
    pub fn code(&self) -> Option<u16> {
        self.status().map(|status| status.code)
    }

    /// Says whether another try of a read may succeed: the server is busy, restarting, or cannot be reached right now.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Refused { status, .. } => matches!(status.code, 408 | 429 | 500..=599),
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Broken { .. } => true,
            Self::Untrusted { .. }
            | Self::Credentials(_)
            | Self::NoWebSocket { .. }
            | Self::Answer { .. } => false,
        }
    }

    /// Says whether a write that came to this may have been carried out: its answer was lost, is not valid, or says that the
    /// server failed.
    pub fn may_have_been_carried_out(&self) -> bool {
        match self {
            Self::Refused { status, .. } => matches!(status.code, 408 | 500..=599),
            Self::TimedOut { .. } | Self::Broken { .. } | Self::Answer { .. } => true,
            // Which of them began before the request was sent cannot be told for certain.
            Self::Unreachable { reason, .. } => !reason.contains("refused") && !reason.contains("dns error"),
            Self::Untrusted { .. } | Self::Credentials(_) | Self::NoWebSocket { .. } => false,
        }
    }

    /// Says whether the server is done with a request that came to this: what it did not carry out by now it never will.
    pub fn is_final(&self) -> bool {
        // The request goes on in the background after these.
        self.code().is_some_and(|code| !matches!(code, 408 | 502 | 504))
    }

    /// Says whether something else than an API server or kubelet may have answered: a proxy that refuses WebSockets, for example.
    pub(crate) fn is_of_no_api_server(&self) -> bool {
        self.status().is_some_and(|status| status.reason == NO_STATUS)
    }

    /// Says whether the server was asked for a part of its API that it does not have.
    fn is_missing_subresource(&self) -> bool {
        match self {
            Self::Refused { action, status } => {
                let name = status
                    .details
                    .as_ref()
                    .map_or("", |details| details.name.as_str());
                // As kubectl has it: the 404 of a missing pod names the pod in its details, that of an unknown path does not.
                action.subresource == "ephemeralcontainers" && status.code == 404 && name.is_empty()
            }
            _ => false,
        }
    }

    /// Why the server refuses, if it answered.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused { action, status } => Some(Refusal::of(status, action.verb, action.subresource)),
            _ => None,
        }
    }
}

impl fmt::Display for ClusterError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { status, .. } if self.is_missing_subresource() => write!(
                out,
                "error: ephemeral containers are disabled for this cluster (error from server: {:?})",
                status.message
            ),
            Self::Refused { status, .. } => write_status(status, out),
            Self::Unreachable {
                proxy: Some(proxy),
                reason,
                ..
            } => {
                write!(out, "Unable to connect to the server: proxy {proxy}: {reason}")
            }
            Self::Unreachable { server, reason, .. } if reason.contains("Connection refused") => write!(
                out,
                "The connection to the server {server} was refused - did you specify the right host or port?"
            ),
            Self::Unreachable { reason, .. } | Self::Untrusted { reason, .. } => {
                write!(out, "Unable to connect to the server: {reason}")
            }
            Self::Credentials(error) => write!(out, "error: no credentials for the server: {error}"),
            Self::NoWebSocket { reason } => write!(
                out,
                "error: the server, or a proxy before it, lets no WebSocket through, and SPDY is not spoken here: {reason}"
            ),
            Self::TimedOut { action, after } => write!(
                out,
                "error: the server did not answer within {} s: {action}",
                after.as_secs_f32()
            ),
            Self::Broken { action, reason } => write!(out, "error: the connection broke: {action}: {reason}"),
            Self::Answer { action, problem } => {
                write!(
                    out,
                    "error: the server's answer is not valid: {action}: {problem}"
                )
            }
        }
    }
}

impl std::error::Error for ClusterError {}

/// Why there are no credentials for the server. Holds nothing of what a credential plugin wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// What the kubeconfig or a flag names cannot be used.
    #[error("{0}")]
    Unusable(String),
    /// The credential plugin is not installed.
    #[error("credential plugin {command:?} is not installed")]
    Missing {
        /// The command.
        command: String,
        /// How to install it, as the kubeconfig says.
        install_hint: String,
    },
    /// The kuberc does not let the credential plugin run.
    #[error("credential plugin {command:?} is not allowed by credentialPluginPolicy of the kuberc")]
    Denied {
        /// The command.
        command: String,
    },
    /// The credential plugin failed.
    #[error("credential plugin {command:?} {problem}")]
    Plugin {
        /// The command.
        command: String,
        /// What it did, as the end of a sentence.
        problem: String,
    },
    /// The kubeconfig names an auth-provider that Kubernetes no longer has.
    #[error("the auth-provider {0:?} of the kubeconfig is not supported; Kubernetes has removed it")]
    Provider(String),
}

impl From<CredentialError> for ClusterError {
    fn from(error: CredentialError) -> Self {
        Self::Credentials(error)
    }
}

/// As kubectl writes a Status.
fn write_status(status: &Status, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let message = of_server(&status.message);
    match (status.reason.as_str(), &status.details) {
        ("Unauthorized", _) => write!(out, "error: You must be logged in to the server ({message})"),
        ("Invalid", Some(details)) if !details.causes.is_empty() => {
            write!(
                out,
                "The {} {:?} is invalid: ",
                plain(&details.kind),
                details.name
            )?;
            let causes = details.causes.iter().map(|cause| match cause.field.as_str() {
                "" => of_server(&cause.message),
                field => format!("{}: {}", plain(field), of_server(&cause.message)),
            });
            match causes.collect::<Vec<_>>().as_slice() {
                [cause] => out.write_str(cause),
                causes => causes.iter().try_for_each(|cause| write!(out, "\n* {cause}")),
            }
        }
        ("", _) => write!(out, "Error from server: {message}"),
        (reason, _) => write!(out, "Error from server ({}): {message}", plain(reason)),
    }
}

/// A server's text of several lines, as part of a message of ours.
fn of_server(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_SERVER_TEXT);
    indented(&text[..end])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(code: u16, reason: &str, message: &str) -> ClusterError {
        let status = json!({"code": code, "reason": reason, "message": message, "details": {"name": "web-0", "kind": "pods"}});
        ClusterError::Refused {
            action: Action {
                verb: "patch",
                kind: Kind::Pod,
                subresource: "ephemeralcontainers",
                namespace: Some("shop".into()),
                name: "web-0".into(),
            },
            status: Box::new(serde_json::from_value(status).unwrap()),
        }
    }

    #[test]
    fn a_server_without_the_subresource_is_named_as_kubectl_names_it() {
        let mut error = refused(
            404,
            "NotFound",
            "the server could not find the requested resource",
        );
        if let ClusterError::Refused { status, .. } = &mut error {
            status.details = None;
        }
        assert_eq!(
            error.to_string(),
            "error: ephemeral containers are disabled for this cluster (error from server: \"the server could not \
             find the requested resource\")"
        );
        assert!(
            refused(404, "NotFound", "pods \"web-0\" not found")
                .to_string()
                .starts_with("Error from server (NotFound): pods")
        );
    }

    #[test]
    fn a_servers_text_cannot_drive_the_terminal() {
        let shown = refused(400, "BadRequest", "\u{1b}[2Jgone").to_string();
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }
}
