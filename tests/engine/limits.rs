//! Guests that exceed limits. Each is stopped at its limit, and the message has the limit and the amount that was
//! asked for.

use trocar::{Blame, Limit, LogLevel, WasmError};

use crate::{
    guest,
    host::{Asked, Host, broken, lines, reached, reason, told},
};

/// Checks that a guest ran out of time, and the message.
fn assert_out_of_time(guest: &str) {
    let error = Host::new().breaks(guest);
    assert_eq!(reached(&error, Limit::Time), None);
    told(
        &error,
        &format!("{:?}", format!("{} 0.1.0", guest::plugin_name(guest))),
        Blame::Plugin,
        &["did not answer within its time limit of 200ms"],
    );
}

#[test]
fn endless_loop() {
    assert_out_of_time("endless_loop");
}

#[test]
fn endless_start() {
    assert_out_of_time("endless_start");
}

#[test]
fn endless_realloc() {
    assert_out_of_time("endless_realloc");
}

#[test]
fn endless_cleanup() {
    assert_out_of_time("endless_cleanup");
}

#[test]
fn endless_fill() {
    assert_out_of_time("endless_fill");
}

#[test]
fn endless_tail_calls() {
    assert_out_of_time("endless_tail_calls");
}

#[test]
fn endless_settings() {
    let host = Host::new();
    let plugin = host.load("endless_settings");
    let error = host
        .timed("endless_settings", || {
            host.engine.validate_settings(&plugin, "{}")
        })
        .unwrap_err();
    assert_eq!(reached(&error, Limit::Time), None);
    told(&error, "endless-settings 0.1.0", Blame::Plugin, &["200ms"]);
    let planned = host.plan(&plugin, &Asked::default()).unwrap();
    assert_eq!(planned.plan.steps().len(), 1);
}

#[test]
fn a_guest_gets_all_the_time_that_it_may_have() {
    for milliseconds in [1, 9, 10, 11, 105] {
        let host = Host::limited(|limits| limits.time = std::time::Duration::from_millis(milliseconds));
        let plugin = host.load("endless_loop");
        let started = std::time::Instant::now();
        let error = broken("endless_loop", host.plan(&plugin, &Asked::default()));
        assert!(
            started.elapsed().as_millis() >= u128::from(milliseconds),
            "{milliseconds} ms"
        );
        assert_eq!(reached(&error, Limit::Time), None);
    }
}

#[test]
fn a_limit_beyond_all_numbers_is_no_limit() {
    let host = Host::limited(|limits| {
        limits.time = std::time::Duration::MAX;
        limits.memory = u64::MAX;
        limits.table_elements = u64::MAX;
        limits.host_calls = u64::MAX;
        limits.data = u64::MAX;
        limits.result = u64::MAX;
        limits.log = u64::MAX;
    });
    let plugin = host.load("log_flood");
    let planned = host
        .engine
        .plan(&crate::host::request(&plugin, &Asked::default()))
        .unwrap();
    assert_eq!(lines(&planned, LogLevel::Info).len(), 1024);
}

#[test]
fn host_call_loop() {
    let host = Host::limited(|limits| limits.host_calls = 500);
    let error = host.breaks("host_call_loop");
    assert_eq!(reached(&error, Limit::HostCalls), None);
    told(
        &error,
        "\"host-call-loop 0.1.0\"",
        Blame::Plugin,
        &["reached its limit of 500 host calls"],
    );
}

#[test]
fn host_call_loop_within_its_calls_runs_out_of_time() {
    let host = Host::limited(|limits| limits.host_calls = u64::MAX);
    assert_eq!(reached(&host.breaks("host_call_loop"), Limit::Time), None);
}

#[test]
fn log_flood() {
    let planned = Host::new().plans("log_flood");
    let kept = lines(&planned, LogLevel::Info);
    assert_eq!(kept.len(), 64, "64 KiB of lines of 1 KiB");
    assert!(kept.iter().all(|line| line.len() == 1023));
    assert_eq!(
        lines(&planned, LogLevel::Warn),
        ["(982080 more bytes of log were dropped: the limit \"log\" is 64Ki)"]
    );
}

#[test]
fn log_flood_then_trap() {
    let error = Host::new().breaks("log_flood_then_trap");
    assert!(matches!(reason(&error), WasmError::Panicked(_)), "{error:?}");
    told(
        &error,
        "log-flood-then-trap 0.1.0",
        Blame::Plugin,
        &["panicked: the disk of the guest is on fire"],
    );
}

#[test]
fn log_newlines() {
    let host = Host::new();
    let error = host.breaks("log_newlines");
    let reason = reason(&error);
    let stopped = matches!(
        reason,
        WasmError::Limit {
            limit: Limit::Time | Limit::HostCalls,
            ..
        }
    );
    assert!(stopped, "{reason:?}");
}

#[test]
fn log_escapes() {
    let planned = Host::new().plans("log_escapes");
    let warned = lines(&planned, LogLevel::Warn);
    assert_eq!(
        warned,
        [
            "\\u{1b}[31mred \\u{1b}]0;title\\u{7} \\u{1b}[2J \\u{9b}1A over\\u{d}written \
             \\u{202e}backwards\\u{2066}\\u{8}"
        ]
    );
}

#[test]
fn memory_bomb() {
    let host = Host::limited(|limits| limits.memory = 8 << 20);
    let error = host.breaks("memory_bomb");
    assert_eq!(reached(&error, Limit::Memory), Some((8 << 20) + (2 << 16)));
    told(
        &error,
        "\"memory-bomb 0.1.0\"",
        Blame::Plugin,
        &["reached its memory limit of 8Mi bytes", "it asked for"],
    );
}

#[test]
fn memory_from_the_start() {
    let error = Host::new().refuses("memory_from_the_start");
    assert_eq!(reached(&error, Limit::Memory), Some(2 << 30));
    told(
        &error,
        "memory_from_the_start.wasm",
        Blame::Plugin,
        &["memory limit of 64Mi bytes", "it asked for 2Gi"],
    );
}

#[test]
fn many_memories() {
    let error = Host::new().breaks("many_memories");
    assert_eq!(reached(&error, Limit::Memory), Some(72 << 20));
    told(
        &error,
        "many-memories 0.1.0",
        Blame::Plugin,
        &["memory limit of 64Mi bytes", "it asked for 72Mi"],
    );
}

#[test]
fn too_many_memories() {
    let error = Host::new().refuses("too_many_memories");
    assert_eq!(reached(&error, Limit::Parts), Some(64));
    told(
        &error,
        "too-many-memories 0.1.0",
        Blame::Plugin,
        &["more than 16 memories"],
    );
}

#[test]
fn too_many_instances() {
    let error = Host::new().breaks("too_many_instances");
    assert_eq!(reached(&error, Limit::Parts), None);
    told(
        &error,
        "too-many-instances 0.1.0",
        Blame::Plugin,
        &["more than 64 memories, tables or instances"],
    );
}

#[test]
fn modest_memory() {
    assert_eq!(Host::new().plans("modest_memory").plan.steps().len(), 1);
}

#[test]
fn table_bomb() {
    let error = Host::new().breaks("table_bomb");
    assert_eq!(reached(&error, Limit::TableElements), Some(20_001));
    told(
        &error,
        "table-bomb 0.1.0",
        Blame::Plugin,
        &["limit of 20000 table elements", "it asked for 20001"],
    );
}

#[test]
fn table_from_the_start() {
    let error = Host::new().refuses("table_from_the_start");
    assert_eq!(reached(&error, Limit::TableElements), Some(10_000_000));
    told(
        &error,
        "table_from_the_start.wasm",
        Blame::Plugin,
        &["limit of 20000 table elements"],
    );
}

#[test]
fn two_tables() {
    assert_eq!(Host::new().plans("two_tables").plan.steps().len(), 1);
}

#[test]
fn deep_recursion() {
    let error = Host::new().breaks("deep_recursion");
    assert_eq!(reached(&error, Limit::Stack), None);
    told(
        &error,
        "deep-recursion 0.1.0",
        Blame::Plugin,
        &["reached its stack limit of 256Ki bytes"],
    );
}

#[test]
fn huge_result() {
    let error = Host::new().breaks("huge_result");
    assert_eq!(reached(&error, Limit::Result), Some((5 << 20) + 23));
    told(
        &error,
        "huge-result 0.1.0",
        Blame::Plugin,
        &["limit of 4Mi bytes in an answer"],
    );
}

#[test]
fn data_bomb() {
    let error = Host::new().breaks("data_bomb");
    assert_eq!(reached(&error, Limit::Data), None);
    told(
        &error,
        "data-bomb 0.1.0",
        Blame::Plugin,
        &["limit of 16Mi bytes handed to the host in one call"],
    );
}

#[test]
fn a_component_that_takes_too_long_to_compile_is_refused() {
    let host = Host::limited(|limits| limits.compile_time = std::time::Duration::from_millis(1));
    let error = host.refuses_bytes("slow", &committed_default());
    assert_eq!(reached(&error, Limit::CompileTime), None);
    told(
        &error,
        "ephemeral 0.1.0",
        Blame::Plugin,
        &["takes longer to compile than the limit of 1ms"],
    );
}

/// A default plugin as a third-party file.
pub(crate) fn committed_default() -> Vec<u8> {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/ephemeral/ephemeral.wasm");
    std::fs::read(path).unwrap()
}
