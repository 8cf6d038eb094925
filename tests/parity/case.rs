//! One recorded case.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;

/// What was recorded, or what is wanted where we differ.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Everything after `kubectl debug`.
    pub(crate) args: Vec<String>,
    /// What the cluster holds before.
    pub(crate) objects: Vec<Value>,
    /// Files in the working folder.
    pub(crate) files: BTreeMap<String, String>,
    /// The cluster has no `ephemeralcontainers` subresource.
    pub(crate) no_ephemeral: bool,
    /// Why something else is wanted than what kubectl did; its words are not compared then.
    pub(crate) differs: Option<String>,
    pub(crate) expect: Value,
    /// What kubectl did, where that is not what is wanted.
    pub(crate) kubectl: Option<Value>,
}

impl Case {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let case: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let texts = |list: &Value| -> Vec<String> {
            let items = list.as_array().unwrap().iter();
            items.map(|item| item.as_str().unwrap().to_owned()).collect()
        };
        let files = case["files"].as_object().unwrap().iter();
        Self {
            name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
            args: texts(&case["args"]),
            objects: case["objects"].as_array().unwrap().clone(),
            files: files
                .map(|(name, text)| (name.clone(), text.as_str().unwrap().to_owned()))
                .collect(),
            no_ephemeral: case["flags"]["no_ephemeral"] == true,
            differs: case["differs"].as_str().map(str::to_owned),
            kubectl: case.get("kubectl").filter(|record| record.is_object()).cloned(),
            expect: case["expect"].clone(),
        }
    }

    pub(crate) fn command_line(&self) -> String {
        format!("debug {}", self.args.join(" "))
    }

    /// Says whether kubectl failed.
    pub(crate) fn fails(&self) -> bool {
        self.expect["exit"] != 0
    }
}

/// All cases, by name.
pub(crate) fn all() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/cases");
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut cases: Vec<Case> = entries.map(|entry| Case::read(&entry.unwrap().path())).collect();
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(cases.len() > 600, "only {} cases were found", cases.len());
    cases
}
