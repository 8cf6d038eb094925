//! What can go wrong with a component: whose fault it is, and what was expected.

use std::{io, path::PathBuf};

use trocar_core::planning::Blame;

use super::limits::Limit;

/// Why a component cannot be used or did not answer. The plugin is named by whoever wraps this.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WasmError {
    /// The file is no WebAssembly.
    #[error("this is not a WebAssembly component: {0}")]
    NotWasm(String),
    /// The file is a core module.
    #[error("this is a core WebAssembly module, not a component")]
    CoreModule,
    /// The file is machine code, which the host never takes from anyone.
    #[error("this is precompiled machine code; for safety only WebAssembly components are loaded")]
    Precompiled,
    /// The component is not valid, or uses features that are switched off.
    #[error("the component is not valid: {0}")]
    Invalid(String),
    /// The component has no manifest.
    #[error("the component has no manifest, so nobody can know what it is and what it may do")]
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
    /// The component was made for another version of the contract.
    #[error("the component implements {found}; this trocar runs {supported}")]
    Version {
        /// The interface and version that the component exports.
        found: String,
        /// What this host runs.
        supported: String,
    },
    /// The component is of the other kind, or of none.
    #[error("the component does not export {wanted}")]
    World {
        /// The interface that was looked for.
        wanted: String,
    },
    /// The component needs a capability that was not granted.
    #[error("the plugin needs the capability {0:?}, which is not granted")]
    NotGranted(String),
    /// The component imports something that no host of this version offers.
    #[error("the component imports {0:?}, which trocar does not offer")]
    UnknownImport(String),
    /// A limit was reached.
    #[error("the plugin {}", limit_message(*limit, *allowed, *asked))]
    Limit {
        /// Which.
        limit: Limit,
        /// What it is set to.
        allowed: u64,
        /// What the guest wanted, where that is known.
        asked: Option<u64>,
    },
    /// The guest panicked and said why.
    #[error("the plugin panicked: {0}")]
    Panicked(String),
    /// The guest called exit.
    #[error("the plugin called exit instead of answering")]
    Exited,
    /// The guest trapped for another reason.
    #[error("the plugin crashed: {reason}{}", in_function(function.as_deref()))]
    Trapped {
        /// The reason, in the words of the engine.
        reason: String,
        /// The innermost function that has a name.
        function: Option<String>,
    },
    /// The answer is not what the contract says.
    #[error("the plugin's answer is not valid: {0}")]
    Answer(String),
    /// The folder for compiled components cannot be used.
    #[error("the cache folder {} cannot be used: {source}", folder.display())]
    Cache {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The system's folder for compiled components cannot be filled.
    #[error("the system's folder {} cannot be used: {source}", folder.display())]
    SystemCache {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The system refuses the addresses that an instance reserves: some gigabytes, of which it uses as much as it may.
    #[error("there is no room to run the plugin: {0}")]
    NoRoom(String),
    /// The host is at fault.
    #[error("trocar itself failed to run the plugin: {0}")]
    Host(String),
}

impl WasmError {
    /// Says who has to change something.
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
