//! The second tier: guests of toolchains that need WASI get an empty one.

use trocar::{Blame, LogLevel, WasmError};

use crate::host::{Asked, Host, lines, reason, told};

#[test]
fn wasi_looks_around() {
    let host = Host::new();
    let plugin = host.load("wasi_looks_around");
    let look = || {
        let planned = host.plan(&plugin, &Asked::default()).unwrap();
        let seen = lines(&planned, LogLevel::Info);
        seen.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let seen = look();
    assert_eq!(
        &seen[..8],
        [
            "variables 0",
            "arguments 0",
            "folders 0",
            // A failure whose case is a closed stream.
            "input 11",
            // A failure whose case is a denied access.
            "socket 11",
            // The time of the request.
            "seconds 1767323045",
            "nanoseconds 0",
            "clock 0",
        ]
    );
    assert!(
        seen[8].starts_with("random ") && seen[9].starts_with("random "),
        "{seen:?}"
    );
    assert_ne!(seen[8], seen[9], "random numbers differ within a call");
    assert!(seen[10].starts_with("insecure "), "{seen:?}");
    assert_eq!(look(), seen, "and are the same in the next one");
}

#[test]
fn a_guest_sees_the_time_of_the_request_and_no_other() {
    let host = Host::new();
    let plugin = host.load("wasi_looks_around");
    for (time, wanted) in [
        ("1970-01-01T00:00:01Z", "seconds 1"),
        ("2038-01-19T03:14:08+00:00", "seconds 2147483648"),
        ("1960-01-01T00:00:00Z", "seconds 0"),
        ("yesterday", "seconds 0"),
    ] {
        let mut asked = Asked::default();
        asked.context.time = time.into();
        let planned = host.plan(&plugin, &asked).unwrap();
        assert!(lines(&planned, LogLevel::Info).contains(&wanted), "{time}");
    }
}

#[test]
fn wasi_exit() {
    for guest in ["wasi_exit", "wasi_exit_well"] {
        let error = Host::new().breaks(guest);
        assert!(matches!(reason(&error), WasmError::Exited), "{error:?}");
        told(
            &error,
            &format!("{} 0.1.0", crate::guest::plugin_name(guest)),
            Blame::Plugin,
            &["called exit instead of answering"],
        );
    }
}

#[test]
fn wasi_panic() {
    let error = Host::new().breaks("wasi_panic");
    assert!(matches!(reason(&error), WasmError::Panicked(_)), "{error:?}");
    told(
        &error,
        "wasi-panic 0.1.0",
        Blame::Plugin,
        &["the plugin panicked: panicked at plan.py:3: no \\u{1b}[31mway"],
    );
}

#[test]
fn wasi_chatter() {
    let planned = Host::new().plans("wasi_chatter");
    assert_eq!(
        lines(&planned, LogLevel::Info).len(),
        16,
        "64 KiB of lines of 4 KiB"
    );
    let dropped = lines(&planned, LogLevel::Warn);
    assert!(
        dropped[0].contains("more bytes of log were dropped"),
        "{dropped:?}"
    );
    assert_eq!(planned.plan.steps().len(), 1);
}

#[test]
fn wasi_sleep() {
    assert_eq!(Host::new().plans("wasi_sleep").plan.steps().len(), 1);
}

#[test]
fn wasi_resource_flood() {
    let error = Host::new().breaks("wasi_resource_flood");
    assert!(matches!(reason(&error), WasmError::Trapped { .. }), "{error:?}");
    told(
        &error,
        "wasi-resource-flood 0.1.0",
        Blame::Plugin,
        &["the plugin crashed: it holds too many host resources in plan"],
    );
}

#[test]
fn wasi_random_bomb() {
    let error = Host::new().breaks("wasi_random_bomb");
    told(
        &error,
        "wasi-random-bomb 0.1.0",
        Blame::Plugin,
        &["the plugin crashed: "],
    );
}

#[test]
fn wasi_http() {
    let error = Host::new().refuses("wasi_http");
    assert!(matches!(reason(&error), WasmError::UnknownImport(_)), "{error:?}");
    told(
        &error,
        "wasi_http.wasm",
        Blame::Plugin,
        &["imports \"wasi:http/outgoing-handler@0.2.0\", which trocar does not provide"],
    );
}

#[test]
fn the_log_of_the_second_tier_has_the_same_limit() {
    let host = Host::limited(|limits| limits.log = 8 << 10);
    let planned = host.plans("wasi_chatter");
    assert_eq!(
        lines(&planned, LogLevel::Info).len(),
        2,
        "8 KiB of lines of 4 KiB"
    );
}
