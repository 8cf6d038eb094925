//! A suite of requests and answers for guests in any language, in the real engine. The guests are described in
//! tests/conformance/README.md.

mod documents;
mod guests;
mod sdks;
mod suite;

use guests::{Built, Guest};
use suite::conforms;
use trocar_test_support::skipped;

#[test]
fn the_golden_guest_in_rust_conforms() {
    conforms(&Guest::golden("rust"));
}

#[test]
fn the_golden_guest_in_c_conforms() {
    conforms(&Guest::golden("c"));
}

#[test]
fn the_golden_guest_on_quickjs_conforms() {
    conforms(&Guest::golden("quickjs").with_rounded_integers());
}

#[test]
fn a_guest_in_python_conforms() {
    match guests::python() {
        Built::Guest(guest) => conforms(&guest),
        Built::Skipped(why) => skipped(&format!("the guest in Python: {why}")),
    }
}

#[test]
fn a_guest_on_starlingmonkey_conforms() {
    match guests::starlingmonkey() {
        Built::Guest(guest) => conforms(&guest.with_rounded_integers()),
        Built::Skipped(why) => skipped(&format!("the guest on StarlingMonkey: {why}")),
    }
}
