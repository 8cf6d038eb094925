//! The engine with real components in the real runtime: guests that misbehave in many ways, the messages about them, and that
//! the host still works. The guests are in `tests/guests`.

mod answers;
mod cache;
mod capabilities;
mod composed;
mod debugger;
mod examples;
mod files;
mod guest;
mod host;
mod limits;
mod panics;
mod policies;
mod pool;
mod system;
mod wasi;

use std::{fs, path::Path};

/// Checks that every guest is used by a test.
#[test]
fn every_guest_is_named_by_a_test() {
    let guests = guest::all();
    assert!(guests.len() > 70, "{guests:?}");
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests");
    let cases = ["privilege-ceiling", "session-limits"].map(|policy| format!("../plugins/{policy}/cases"));
    let sources: String = ["engine", "cluster", "cli"]
        .map(str::to_owned)
        .into_iter()
        .chain(cases)
        .flat_map(|suite| fs::read_dir(tests.join(suite)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let forgotten: Vec<&String> = guests
        .iter()
        .filter(|name| !sources.contains(&format!("{name:?}")) && !sources.contains(&format!("/{name}.wasm")))
        .collect();
    assert!(forgotten.is_empty(), "no test names {forgotten:?}");
}
