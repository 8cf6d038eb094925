//! Errors of components, and whose fault they are.

use std::{io, path::PathBuf};

use trocar_core::planning::Blame;

use super::limits::Limit;

/// Why a component cannot be used or did not answer. [`PluginError`](crate::plugin::PluginError) adds the plugin's name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WasmError {
    /// The file is not WebAssembly.
    #[error("this is not a WebAssembly component: {0}")]
    NotWasm(String),
    /// The file is a core module.
    #[error("this is a core WebAssembly module, not a component")]
    CoreModule,
    /// The file is machine code, which is never loaded from outside: wasmtime cannot verify it.
    #[error("this is precompiled machine code; for safety only WebAssembly components are loaded")]
    Precompiled,
    /// The component is not valid, or uses features that are switched off.
    #[error("the component is not valid: {0}")]
    Invalid(String),
    /// The component has no manifest.
    #[error("the component has no manifest, which states what it is and what it may do")]
    NoManifest,
    /// The manifest is malformed.
    #[error("the component's manifest is not valid: {0}")]
    Manifest(String),
    /// The manifest and the component disagree.
    #[error("the manifest says that {claimed}, but {found}")]
    ManifestMismatch {
        /// What the manifest says.
        claimed: String,
        /// What the component is.
        found: String,
    },
    /// The component was built for another version of the contract.
    #[error("the component implements {found}; this trocar runs {supported}")]
    Version {
        /// The interface and version that the component exports.
        found: String,
        /// The version that this host supports.
        supported: String,
    },
    /// The component does not export the interface of its plugin type.
    #[error("the component does not export {wanted}")]
    World {
        /// The expected interface.
        wanted: String,
    },
    /// The component needs a capability that was not granted.
    #[error("the plugin needs the capability {0:?}, which is not granted")]
    NotGranted(String),
    /// The component imports something that this version of the host does not provide.
    #[error("the component imports {0:?}, which trocar does not provide")]
    UnknownImport(String),
    /// A limit was reached.
    #[error("the plugin {}", limit_message(*limit, *allowed, *asked))]
    Limit {
        /// The limit.
        limit: Limit,
        /// Its value, in the unit of [`Limits::get`](crate::Limits::get).
        allowed: u64,
        /// The amount that the guest asked for, if known.
        asked: Option<u64>,
    },
    /// The guest trapped after it logged an error, as a panic does.
    #[error("the plugin panicked: {0}")]
    Panicked(String),
    /// The guest called WASI's `exit`.
    #[error("the plugin called exit instead of answering")]
    Exited,
    /// The guest trapped for another reason.
    #[error("the plugin crashed: {reason}{}", in_function(function.as_deref()))]
    Trapped {
        /// The reason, as the engine states it.
        reason: String,
        /// The innermost named function of the backtrace.
        function: Option<String>,
    },
    /// The answer violates the contract.
    #[error("the plugin's answer is not valid: {0}")]
    Answer(String),
    /// The folder for compiled components cannot be used.
    #[error("the cache folder {} cannot be used: {source}", folder.display())]
    Cache {
        /// The folder.
        folder: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The system's folder for compiled components cannot be written.
    #[error("the system's cache folder {} cannot be used: {source}", folder.display())]
    SystemCache {
        /// The folder.
        folder: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The system refuses to reserve address space: some gigabytes, of which the plugin's memory limit is used.
    #[error("not enough address space to run the plugin: {0}")]
    NoRoom(String),
    /// A bug in the host.
    #[error("trocar itself failed to run the plugin: {0}")]
    Host(String),
}

impl WasmError {
    /// Returns who has to fix it.
    pub fn blame(&self) -> Blame {
        match self {
            Self::NotWasm(_)
            | Self::CoreModule
            | Self::Precompiled
            | Self::NotGranted(_)
            | Self::NoRoom(_)
            | Self::Cache { .. }
            | Self::SystemCache { .. } => Blame::User,
            Self::Host(_) => Blame::Host,
            _ => Blame::Plugin,
        }
    }
}

fn limit_message(limit: Limit, allowed: u64, asked: Option<u64>) -> String {
    let allowed = limit.amount(allowed);
    let what = match limit {
        Limit::Time => format!("did not answer within its time limit of {allowed}"),
        Limit::Memory => format!("reached its memory limit of {allowed} bytes"),
        Limit::TableElements => format!("reached its limit of {allowed} table elements"),
        Limit::Stack => format!("reached its stack limit of {allowed} bytes"),
        Limit::Parts => format!("is linked from more than {allowed} memories, tables or instances"),
        Limit::HostCalls => format!("reached its limit of {allowed} host calls"),
        Limit::Data => format!("reached its limit of {allowed} bytes handed to the host in one call"),
        Limit::Result => format!("reached its limit of {allowed} bytes in an answer"),
        Limit::Log => format!("reached its limit of {allowed} bytes of log"),
        Limit::Component => format!("is larger than the limit of {allowed} bytes for a component"),
        Limit::CompileTime => format!("takes longer to compile than the limit of {allowed}"),
    };
    match asked {
        Some(asked) => format!("{what} (it asked for {})", limit.amount(asked)),
        None => what,
    }
}

fn in_function(function: Option<&str>) -> String {
    function.map(|name| format!(" in {name}")).unwrap_or_default()
}
