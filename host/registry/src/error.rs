//! Why something with a registry failed. Each kind has a next step of its own; the front says which.

use std::{io, path::PathBuf};

/// Why something with a registry failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The host is not reached: its name is unknown, or nothing listens there.
    #[error("{host} is not reached: {why}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// Why not.
        why: String,
    },
    /// The host's certificate is not believed, or it does not speak TLS.
    #[error("{host} is not believed: {why}")]
    Tls {
        /// Host and port.
        host: String,
        /// Why not.
        why: String,
    },
    /// The host did not answer, or not fast enough.
    #[error("{host} {what}")]
    TimedOut {
        /// Host and port.
        host: String,
        /// What it did not do: `does not answer`.
        what: &'static str,
    },
    /// The connection ended in the middle of an answer, or the answer is not HTTP.
    #[error("{host} broke off: {why}")]
    Broken {
        /// Host and port.
        host: String,
        /// How.
        why: String,
    },
    /// The host answers, but not as a registry.
    #[error("{host} is not a registry: {found}")]
    NotARegistry {
        /// Host and port.
        host: String,
        /// What it answers.
        found: String,
    },
    /// The registry wants to know who asks, or does not let this user.
    #[error("{host} does not let {} {action} {repository}{}", if *.is_anonymous { "a user without credentials" } else { "this user" }, detail(.said))]
    Denied {
        /// Host and port.
        host: String,
        /// The repository.
        repository: String,
        /// `pull from` or `push to`.
        action: &'static str,
        /// There were no credentials for this host.
        is_anonymous: bool,
        /// What the registry says.
        said: String,
    },
    /// There is no such tag, digest or repository.
    #[error("{what} is not there{}", detail(.said))]
    NotFound {
        /// What was asked for.
        what: String,
        /// What the registry says.
        said: String,
    },
    /// The registry has had too many requests.
    #[error("{host} has had too many requests{}", detail(.said))]
    TooMany {
        /// Host and port.
        host: String,
        /// What the registry says.
        said: String,
    },
    /// The registry refuses the type of the configuration of a pushed component.
    #[error("{host} does not take configurations of the type {media_type}{}", detail(.said))]
    ConfigType {
        /// Host and port.
        host: String,
        /// The type.
        media_type: String,
        /// What the registry says.
        said: String,
    },
    /// The registry answered a request with another failure.
    #[error("{host} answered {status} to {request}{}", detail(.said))]
    Refused {
        /// Host and port.
        host: String,
        /// The HTTP status.
        status: u16,
        /// Method and path.
        request: String,
        /// What the registry says.
        said: String,
    },
    /// Something is larger than it may be.
    #[error("{what} is larger than {allowed} bytes{}", announced.map(|size| format!(": {size} are announced")).unwrap_or_default())]
    TooLarge {
        /// What it is.
        what: String,
        /// How large it may be.
        allowed: u64,
        /// How large it says that it is.
        announced: Option<u64>,
    },
    /// What came is not what the digest stands for.
    #[error("{what} has the digest {found}, not {wanted}")]
    Digest {
        /// What it is.
        what: String,
        /// The digest that was wanted.
        wanted: String,
        /// That of what came.
        found: String,
    },
    /// What came is shorter or longer than was announced.
    #[error("{what} has {found} bytes, not the {wanted} that its manifest says")]
    Size {
        /// What it is.
        what: String,
        /// The size in the manifest.
        wanted: u64,
        /// That of what came.
        found: u64,
    },
    /// What came is not a document of the kind that was asked for.
    #[error("{what} cannot be read: {why}")]
    Malformed {
        /// What it is.
        what: String,
        /// Why not.
        why: String,
    },
    /// The manifest is not that of a plugin.
    #[error("{what} is not a plugin: {why}")]
    NotAPlugin {
        /// What it is.
        what: String,
        /// Why not.
        why: String,
    },
    /// The registry wants credentials sent to a place that has nothing to do with it.
    #[error("{host} asks for credentials to be sent to {realm}, which is not trusted with them: {why}")]
    Realm {
        /// Host and port.
        host: String,
        /// Where to.
        realm: String,
        /// Why not.
        why: &'static str,
    },
    /// The registry sends on to a place where nothing is fetched from.
    #[error("{host} sends on to {to}, which is not followed: {why}")]
    Redirect {
        /// Host and port.
        host: String,
        /// Where to.
        to: String,
        /// Why not.
        why: &'static str,
    },
    /// HTTP without TLS, for a host that is not this machine.
    #[error("{host} would be asked without TLS")]
    Plain {
        /// Host and port.
        host: String,
    },
    /// Credentials cannot be read.
    #[error("the credentials for {host} cannot be read: {why}")]
    Credentials {
        /// Host and port.
        host: String,
        /// Why not; never with the credentials.
        why: String,
    },
    /// A file cannot be read or written.
    #[error("cannot {} {}: {source}", .action, .path.display())]
    File {
        /// `read`, `write` or `remove`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A reference has neither a tag nor a digest.
    #[error("{name} has neither a tag nor a digest")]
    NoTag {
        /// Host and repository.
        name: String,
    },
}

/// What a registry says, behind a sentence of ours.
fn detail(said: &str) -> String {
    match said {
        "" => String::new(),
        said => format!(" ({said})"),
    }
}
