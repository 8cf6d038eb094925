//! Guests in Rust with the SDK that panic, overflow the stack or run out of memory: the message has the reason.

use std::time::Duration;

use trocar::{Blame, Limit, WasmError};

use crate::{
    guest,
    host::{Asked, Host, broken, reached, reason, told},
};

#[test]
fn panics() {
    let host = Host::new();
    let plugin = host.load_bytes("panics", &guest::committed("panics")).unwrap();
    let error = broken("panics", host.plan(&plugin, &Asked::default()));
    assert!(matches!(reason(&error), WasmError::Panicked(_)), "{error:?}");
    told(
        &error,
        "\"panics 0.1.0\"",
        Blame::Plugin,
        &[
            "the plugin panicked: panicked at ",
            "src/lib.rs:",
            "no container of web-0 is to my liking",
        ],
    );
    assert!(!error.to_string().contains("/root"), "{error}");
}

#[test]
fn panics_in_settings() {
    let host = Host::new();
    let plugin = host
        .load_bytes("panics-in-settings", &guest::committed("panics-in-settings"))
        .unwrap();
    let error = host
        .engine
        .validate_settings(&plugin, r#"{"colour": "red"}"#)
        .unwrap_err();
    told(
        &error,
        "\"panics-in-settings 0.1.0\"",
        Blame::Plugin,
        &["the plugin panicked: ", "who would want red?"],
    );
    let fine = host
        .engine
        .validate_settings(&plugin, r#"{"colour": "green"}"#)
        .unwrap();
    assert_eq!(fine.unwrap(), []);
    let unfit = host
        .engine
        .validate_settings(&plugin, r#"{"colour": 3}"#)
        .unwrap()
        .unwrap_err();
    assert_eq!(unfit.kind, trocar::FailureKind::InvalidSettings);
}

#[test]
fn recurses() {
    let host = Host::new();
    let plugin = host
        .load_bytes("recurses", &guest::committed("recurses"))
        .unwrap();
    let error = broken("recurses", host.plan(&plugin, &Asked::default()));
    assert!(matches!(reason(&error), WasmError::Trapped { .. }), "{error:?}");
    told(
        &error,
        "\"recurses 0.1.0\"",
        Blame::Plugin,
        &["it accessed memory out of bounds, most often after recursing too deeply in recurses::depth"],
    );
}

#[test]
fn hoards() {
    // Filling so much memory takes a busy machine longer than most tests wait.
    let host = Host::limited(|limits| limits.time = Duration::from_secs(30));
    let plugin = host.load_bytes("hoards", &guest::committed("hoards")).unwrap();
    let error = broken("hoards", host.plan(&plugin, &Asked::default()));
    assert!(
        reached(&error, Limit::Memory).is_some_and(|asked| asked > 64 << 20),
        "{error:?}"
    );
    told(
        &error,
        "\"hoards 0.1.0\"",
        Blame::Plugin,
        &["reached its memory limit of 64Mi bytes"],
    );
}
