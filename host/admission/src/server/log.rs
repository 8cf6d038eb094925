//! Structured logs: one line of JSON on standard error for each thing that happened. Records of decisions go the same way.

use std::io::Write as _;

use serde_json::{Value, json};
use trocar::documents::harmless_json;

/// Writes a line: what happened, and the facts of it.
pub fn log(level: &str, message: &str, facts: &Value) {
    let mut line = json!({"time": now(), "level": level, "message": message});
    for (name, value) in facts.as_object().into_iter().flatten() {
        line[name] = value.clone();
    }
    write_line(&harmless_json(&line.to_string()));
}

/// Writes a line that is JSON already, or a warning.
pub fn record(line: &str) {
    if line.starts_with('{') {
        write_line(line);
    } else {
        log("warning", line, &Value::Null);
    }
}

/// The time in RFC 3339, in UTC.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The server goes on where the reader of its log has gone.
fn write_line(line: &str) {
    let mut out = std::io::stderr().lock();
    drop(out.write_all(format!("{line}\n").as_bytes()));
}
