//! One file while it is read: its text, and where in it something stands. What the values mean is not checked here.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use serde_json::Value;
use trocar_sdk::options::API_VERSION;

use super::{ConfigError, ConfigErrorKind, Layer, Origin, Sourced, file::ConfigFile};
use crate::{
    documents::{self, Places},
    strict,
};

/// A file's text. The places in it are looked up once, when there is one to tell.
#[derive(Debug)]
pub(super) struct Text {
    text: String,
    places: OnceLock<Option<Places>>,
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Text {
    /// Returns true once the places were looked up.
    #[cfg(test)]
    pub(super) fn is_read(&self) -> bool {
        self.places.get().is_some()
    }

    /// Where a pointer leads to: line and column.
    pub(super) fn locate(&self, at: &str) -> (u64, u64) {
        // Once for all places, and only when one is needed: with a parse for each, showing 2,000 policies took 98 s.
        let places = self.places.get_or_init(|| Places::read(&self.text));
        places.as_ref().map_or((1, 1), |places| places.find(at))
    }
}

/// One file while it is read.
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) layer: Layer,
    text: Arc<Text>,
}

impl Source {
    pub(super) fn new(layer: Layer, path: &Path, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            layer,
            text: Arc::new(Text {
                text: text.to_owned(),
                places: OnceLock::new(),
            }),
        }
    }

    pub(super) fn origin(&self, at: &str) -> Origin {
        let (line, column) = self.text.locate(at);
        Origin {
            file: self.path.clone(),
            line,
            column,
        }
    }

    pub(super) fn error(&self, at: &str, message: impl Into<String>) -> ConfigError {
        ConfigError {
            place: Some(self.origin(at).to_string()),
            message: message.into(),
            kind: ConfigErrorKind::Other,
        }
    }

    pub(super) fn sourced<T>(&self, at: String, value: T) -> Sourced<T> {
        Sourced {
            value,
            file: self.path.clone(),
            layer: self.layer,
            text: self.text.clone(),
            at,
        }
    }

    /// A path as it is written in the file, seen from the file's folder.
    pub(super) fn resolve(&self, written: &Path) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(written)
    }
}

pub(super) fn parse(layer: Layer, path: &Path, bytes: &[u8]) -> Result<(Source, ConfigFile), ConfigError> {
    let malformed = |line: Option<u64>, column: Option<u64>, message: String| ConfigError {
        place: Some(match (line, column) {
            (Some(line), Some(column)) => format!("{}:{line}:{column}", path.display()),
            _ => path.display().to_string(),
        }),
        message,
        kind: ConfigErrorKind::Other,
    };
    let documents =
        documents::read(bytes).map_err(|error| malformed(error.line, error.column, error.message))?;
    let [document] = <[Value; 1]>::try_from(documents).map_err(|found| {
        malformed(
            None,
            None,
            format!("it must hold one document, not {}", found.len()),
        )
    })?;
    let source = Source {
        path: path.to_owned(),
        layer,
        text: Arc::new(Text {
            text: String::from_utf8_lossy(bytes).into(),
            places: OnceLock::new(),
        }),
    };
    let file: ConfigFile =
        strict::from_value(&document).map_err(|error| source.error(&error.at, error.to_string()))?;
    if file.api_version != API_VERSION || file.kind != "Config" {
        let message = format!(
            "this is {} {}, not {API_VERSION} Config",
            file.api_version, file.kind
        );
        return Err(source.error("", message));
    }
    Ok((source, file))
}
