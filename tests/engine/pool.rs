//! An engine with a pool, as in servers: the same limits hold, calls wait for each other instead of failing, and no instance sees
//! data of another.

use std::{sync::PoisonError, thread};

use trocar::{Blame, Limit, PlanError};

use crate::{
    guest,
    host::{Asked, CROWD, Host, broken, reached, request, told},
};

/// More than the capacity of the pool.
const CALLERS: usize = 20;

/// Plans on many threads at once.
fn all_at_once<T: Send>(call: impl Fn() -> T + Sync) -> Vec<T> {
    let _crowd = CROWD.write().unwrap_or_else(PoisonError::into_inner);
    thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(&call)).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    })
}

#[test]
fn many_plans_at_once_are_all_made() {
    let host = Host::pooling();
    let plugin = host.load("remembers");
    let asked = Asked::default();
    let documents = all_at_once(|| {
        let plan = host.engine.plan(&request(&plugin, &asked)).unwrap().plan;
        plan.document().to_string()
    });
    assert!(documents.iter().all(|document| document == &documents[0]));
}

#[test]
fn calls_wait_for_a_full_pool() {
    let host = Host::pooling();
    let plugin = host.load("endless_loop");
    let asked = Asked::default();
    // Each keeps its place until its time limit, so some callers certainly have to wait.
    let errors = all_at_once(|| host.engine.plan(&request(&plugin, &asked)));
    for error in errors {
        assert_eq!(reached(&broken("endless_loop", error), Limit::Time), None);
    }
    assert_eq!(host.plans("modest_memory").plan.steps().len(), 1);
}

#[test]
fn a_component_of_several_memories_waits_for_all_of_them() {
    let host = Host::pooling();
    let component = guest::with_more_memories(guest::component("remembers"), 6);
    let plugin = host
        .load_bytes(
            "large",
            &guest::with_section(component, &guest::manifest("remembers")),
        )
        .unwrap();
    let small = host.load("endless_loop");
    let asked = Asked::default();
    let answers = all_at_once(|| {
        drop(host.engine.plan(&request(&small, &asked)));
        host.engine.plan(&request(&plugin, &asked))
    });
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

#[test]
fn a_component_that_no_pool_has_room_for_is_refused() {
    let host = Host::pooling();
    let component = guest::with_more_memories(guest::component("remembers"), 16);
    let error = host.refuses_bytes(
        "larger",
        &guest::with_section(component, &guest::manifest("remembers")),
    );
    assert_eq!(reached(&error, Limit::Parts), Some(17));
    told(
        &error,
        "remembers 0.1.0",
        Blame::Plugin,
        &["more than 16 memories"],
    );
}

#[test]
fn the_same_limits_hold() {
    let host = Host::pooling();
    for (guest, limit) in [
        ("endless_loop", Limit::Time),
        ("memory_bomb", Limit::Memory),
        ("table_bomb", Limit::TableElements),
        ("deep_recursion", Limit::Stack),
        ("many_memories", Limit::Memory),
        ("too_many_instances", Limit::Parts),
        ("data_bomb", Limit::Data),
    ] {
        reached(&host.breaks(guest), limit);
    }
    for (guest, limit) in [
        ("memory_from_the_start", Limit::Memory),
        ("table_from_the_start", Limit::TableElements),
    ] {
        reached(&host.refuses(guest), limit);
    }
    for guest in ["modest_memory", "two_tables", "log_flood", "wasi_looks_around"] {
        assert_eq!(host.plans(guest).plan.steps().len(), 1, "{guest}");
    }
}

#[test]
fn leaves_traces() {
    let host = Host::pooling();
    let plugin = host.load("leaves_traces");
    for _ in 0..40 {
        let planned = host.plan(&plugin, &Asked::default());
        assert!(
            planned.is_ok(),
            "it found what another instance left: {planned:?}"
        );
    }
    // And the guest does detect traces if there are any.
    let asked = Asked {
        settings: "twice".into(),
        ..Asked::default()
    };
    assert!(matches!(host.plan(&plugin, &asked), Err(PlanError::Plugin(_))));
}

#[test]
fn limits_need_not_be_round() {
    let host = Host::made(
        |limits| {
            limits.memory = 10_000_001;
            limits.table_elements = 12_345;
        },
        |config| config.pooling = true,
    );
    assert_eq!(host.plans("modest_memory").plan.steps().len(), 1);
    reached(&host.breaks("memory_bomb"), Limit::Memory);
    reached(&host.breaks("table_bomb"), Limit::TableElements);
}
