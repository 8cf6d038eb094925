//! Errors of registries and stores. There is a variant for each next step that a user can take; the command line says which.

use std::{io, path::PathBuf};

/// Why an operation with a registry or a store failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// There is no connection: the name does not resolve, or nothing listens there.
    #[error("cannot connect to {host}: {why}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// The cause.
        why: String,
    },
    /// The host's certificate is not trusted, or it does not speak TLS.
    #[error("no trusted TLS connection to {host}: {why}")]
    Tls {
        /// Host and port.
        host: String,
        /// The cause.
        why: String,
    },
    /// The host did not answer in time.
    #[error("{host} {what}")]
    TimedOut {
        /// Host and port.
        host: String,
        /// A verb phrase: `does not answer`.
        what: &'static str,
    },
    /// The connection broke, or the answer is not HTTP.
    #[error("the connection to {host} broke: {why}")]
    Broken {
        /// Host and port.
        host: String,
        /// The innermost cause.
        why: String,
    },
    /// The host answers, but does not speak the protocol of registries.
    #[error("{host} is not a registry: {found}")]
    NotARegistry {
        /// Host and port.
        host: String,
        /// What it answers.
        found: String,
    },
    /// The registry requires credentials, or refuses those that were sent.
    #[error("{host} does not let {} {action} {repository}{}", if *.is_anonymous { "a user without credentials" } else { "this user" }, detail(.said))]
    Denied {
        /// Host and port.
        host: String,
        /// The repository.
        repository: String,
        /// `pull from` or `push to`.
        action: &'static str,
        /// No credentials were found for this host.
        is_anonymous: bool,
        /// The registry's message; may be empty.
        said: String,
    },
    /// The tag, digest or repository does not exist.
    #[error("{what} does not exist{}", detail(.said))]
    NotFound {
        /// What was requested.
        what: String,
        /// The registry's message; may be empty.
        said: String,
    },
    /// The registry limits requests.
    #[error("{host} refuses requests for now: too many were sent{}", detail(.said))]
    TooMany {
        /// Host and port.
        host: String,
        /// The registry's message; may be empty.
        said: String,
    },
    /// The registry refuses the media type of a pushed component's configuration.
    #[error("{host} does not accept configurations of media type {media_type}{}", detail(.said))]
    ConfigType {
        /// Host and port.
        host: String,
        /// The media type.
        media_type: String,
        /// The registry's message; may be empty.
        said: String,
    },
    /// The registry refused a request for another reason.
    #[error("{host} answered {status} to {request}{}", detail(.said))]
    Refused {
        /// Host and port.
        host: String,
        /// The HTTP status.
        status: u16,
        /// Method and path.
        request: String,
        /// The registry's message; may be empty.
        said: String,
    },
    /// A document or blob exceeds its limit.
    #[error("{what} is larger than {allowed} bytes{}", announced.map(|size| format!(": it has {size}")).unwrap_or_default())]
    TooLarge {
        /// What it is.
        what: String,
        /// The limit, in bytes.
        allowed: u64,
        /// The size that the registry announced, in bytes.
        announced: Option<u64>,
    },
    /// The received bytes do not have the expected digest.
    #[error("{what} has digest {found} instead of {wanted}")]
    Digest {
        /// What it is.
        what: String,
        /// The expected digest.
        wanted: String,
        /// What was received.
        found: String,
    },
    /// The received blob has another size than its manifest says.
    #[error("{what} has {found} bytes instead of the {wanted} in its manifest")]
    Size {
        /// What it is.
        what: String,
        /// The size in the manifest.
        wanted: u64,
        /// What was received.
        found: u64,
    },
    /// A document is malformed.
    #[error("{what} cannot be read: {why}")]
    Malformed {
        /// What it is.
        what: String,
        /// The cause.
        why: String,
    },
    /// The manifest is valid, but not that of a plugin.
    #[error("{what} is not a plugin: {why}")]
    NotAPlugin {
        /// What it is.
        what: String,
        /// The cause.
        why: String,
    },
    /// The registry asks for credentials to be sent to a host that is not known to belong to it.
    #[error("{host} asks for credentials to be sent to {realm}, which is not trusted with them: {why}")]
    Realm {
        /// Host and port.
        host: String,
        /// The URL.
        realm: String,
        /// The cause.
        why: &'static str,
    },
    /// The registry redirects to a place that must not be followed.
    #[error("{host} redirects to {to}, which is not followed: {why}")]
    Redirect {
        /// Host and port.
        host: String,
        /// The URL.
        to: String,
        /// The cause.
        why: &'static str,
    },
    /// HTTP without TLS, for a host that is not this machine.
    #[error("{host} would be contacted without TLS")]
    Plain {
        /// Host and port.
        host: String,
    },
    /// Credentials cannot be read.
    #[error("the credentials for {host} cannot be read: {why}")]
    Credentials {
        /// Host and port.
        host: String,
        /// The cause, without any part of the credentials.
        why: String,
    },
    /// A file cannot be read or written.
    #[error("cannot {} {}: {source}", .action, .path.display())]
    File {
        /// `read`, `write` or `remove`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A reference has neither a tag nor a digest.
    #[error("{name} has neither a tag nor a digest")]
    NoTag {
        /// Host and repository.
        name: String,
    },
}

/// The registry's message, to append to ours.
fn detail(said: &str) -> String {
    match said {
        "" => String::new(),
        said => format!(" ({said})"),
    }
}
