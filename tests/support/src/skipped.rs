//! Tests that are skipped, because a requirement is missing.

use std::io::{self, Write as _};

/// Prints what was not tested and why, on a line that begins with `SKIPPED`. It bypasses the test harness, which hides the output of
/// passing tests: a skipped test must not look like a passing one.
pub fn skipped(what: &str) {
    drop(writeln!(io::stderr(), "SKIPPED: {what}"));
}
