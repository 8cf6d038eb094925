//! Recorded cases. Objects that many cases share are in `objects`, by name.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// A recording of kubectl 1.37.2, or the expected outcome if trocar differs on purpose.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Everything after `kubectl debug`.
    pub(crate) args: Vec<String>,
    /// The objects of the cluster before the command.
    pub(crate) objects: Vec<Value>,
    /// Files in the working folder.
    pub(crate) files: BTreeMap<String, String>,
    /// The cluster has no `ephemeralcontainers` subresource.
    pub(crate) no_ephemeral: bool,
    /// Why the expected outcome is not kubectl's; messages are not compared then.
    pub(crate) differs: Option<String>,
    pub(crate) expect: Value,
    /// kubectl's outcome, if it is not the expected one.
    pub(crate) kubectl: Option<Value>,
}

impl Case {
    fn read(path: &Path, shared: &Shared) -> Self {
        let mut case = json(path);
        let mut record = |name: &str| -> Value {
            let mut record = case[name].take();
            for object in record["after"].as_array_mut().into_iter().flatten() {
                *object = shared.object(object);
            }
            record
        };
        let (expect, kubectl) = (record("expect"), record("kubectl"));
        let files = case["files"].as_object().into_iter().flatten();
        let objects = case["objects"].as_array().unwrap().iter();
        Self {
            name: stem(path),
            args: texts(&case["args"]),
            objects: objects.map(|object| shared.object(object)).collect(),
            files: files
                .map(|(name, text)| (name.clone(), text.as_str().unwrap().to_owned()))
                .collect(),
            no_ephemeral: case["flags"]["no_ephemeral"] == true,
            differs: case["differs"].as_str().map(str::to_owned),
            kubectl: Some(kubectl).filter(Value::is_object),
            expect,
        }
    }

    pub(crate) fn command_line(&self) -> String {
        format!("debug {}", self.args.join(" "))
    }

    /// Returns whether kubectl failed.
    pub(crate) fn fails(&self) -> bool {
        self.expect["exit"] != 0
    }
}

/// The objects that cases share.
struct Shared(BTreeMap<String, Value>);

impl Shared {
    /// An object in a case: the name of a shared one, a change of a shared one, or the object itself.
    fn object(&self, written: &Value) -> Value {
        if let Some(name) = written.as_str() {
            return self.named(name);
        }
        let Some(name) = written["like"].as_str() else {
            return written.clone();
        };
        let mut object = self.named(name);
        for change in written["changes"].as_array().into_iter().flatten() {
            match change.as_array().map(Vec::as_slice) {
                Some([at]) => remove(&mut object, at.as_str().unwrap()),
                Some([at, value]) => set(&mut object, at.as_str().unwrap(), value.clone()),
                _ => panic!("a change is [POINTER, VALUE], or [POINTER] to remove, unlike {change}"),
            }
        }
        object
    }

    fn named(&self, name: &str) -> Value {
        let object = self.0.get(name);
        object
            .unwrap_or_else(|| panic!("objects/{name}.json is missing"))
            .clone()
    }
}

/// Removes the field at a pointer.
fn remove(object: &mut Value, at: &str) {
    let (parent, field) = parent(object, at);
    let removed = parent.as_object_mut().and_then(|fields| fields.remove(&field));
    assert!(removed.is_some(), "{at} is not there");
}

/// Sets the field or item at a pointer; an item behind the last one is appended.
fn set(object: &mut Value, at: &str, value: Value) {
    match parent(object, at) {
        (Value::Array(items), index) if index == items.len().to_string() => items.push(value),
        (Value::Array(items), index) => items[index.parse::<usize>().unwrap()] = value,
        (parent, field) => parent[&field] = value,
    }
}

fn parent<'a>(object: &'a mut Value, at: &str) -> (&'a mut Value, String) {
    let (parent, field) = at
        .rsplit_once('/')
        .unwrap_or_else(|| panic!("{at:?} is not a pointer"));
    let found = object
        .pointer_mut(parent)
        .unwrap_or_else(|| panic!("{parent} is not there"));
    (found, field.replace("~1", "/").replace("~0", "~"))
}

fn texts(list: &Value) -> Vec<String> {
    let items = list.as_array().unwrap().iter();
    items.map(|item| item.as_str().unwrap().to_owned()).collect()
}

fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

fn files_of(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/parity")
        .join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// All cases, by name.
pub(crate) fn all() -> Vec<Case> {
    let objects = files_of("objects");
    let shared = Shared(objects.iter().map(|path| (stem(path), json(path))).collect());
    let mut cases: Vec<Case> = files_of("cases")
        .iter()
        .map(|path| Case::read(path, &shared))
        .collect();
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(cases.len() > 600, "only {} cases were found", cases.len());
    cases
}
