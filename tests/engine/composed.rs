//! Composed components, as some toolchains make them: strings are copied between the memories of the parts within the
//! component.

use trocar::{WasmError, plugin::Plugin};

use crate::{
    guest,
    host::{Asked, Host, broken, reason},
};

/// A library that exports a string from its own memory, and a client that reads it at its start, and traps if it is not the whole
/// string.
const LIBRARY_AND_USER: &str = r#"
(component
  (component $library
    (core module $code
      (memory (export "memory") 1)
      (data (i32.const 0) "\40\00\00\00\09\00\00\00")
      (data (i32.const 64) "across it")
      (func (export "text") (result i32) (i32.const 0)))
    (core instance $code (instantiate $code))
    (func (export "text") (result string)
      (canon lift (core func $code "text") (memory (core memory $code "memory")))))
  (component $user
    (import "text" (func $text (result string)))
    (core module $memory
      (memory (export "memory") 1)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
    (core instance $memory (instantiate $memory))
    (alias core export $memory "memory" (core memory $own))
    (alias core export $memory "realloc" (core func $realloc))
    (core func $text (canon lower (func $text) (memory $own) (realloc $realloc)))
    (core module $code
      (import "" "memory" (memory 1))
      (import "" "text" (func $text (param i32)))
      (func $start
        (call $text (i32.const 0))
        (if (i32.ne (i32.load (i32.const 4)) (i32.const 9)) (then (unreachable)))
        (if (i64.ne (i64.load (i32.load (i32.const 0))) (i64.const 0x692073736f726361)) (then (unreachable))))
      (start $start))
    (core instance (instantiate $code
      (with "" (instance (export "memory" (memory $own)) (export "text" (func $text)))))))
  (instance $library (instantiate $library))
  (instance (instantiate $user (with "text" (func $library "text")))))
"#;

/// A guest that answers only if a string was copied between two other components within it.
fn composed(library_and_user: &str) -> Vec<u8> {
    let nested = wat::parse_str(library_and_user).unwrap();
    let component = guest::with_component(guest::component("modest_memory"), &nested);
    guest::with_section(component, &guest::manifest("modest_memory"))
}

fn plans(host: &Host, plugin: &Plugin) {
    let planned = host.plan(plugin, &Asked::default()).unwrap();
    assert_eq!(planned.plan.steps().len(), 1);
}

#[test]
fn a_component_that_is_composed_of_others_plans() {
    let host = Host::new();
    plans(
        &host,
        &host.load_bytes("composed", &composed(LIBRARY_AND_USER)).unwrap(),
    );
}

#[test]
fn a_composed_component_plans_in_a_pool() {
    let host = Host::pooling();
    plans(
        &host,
        &host.load_bytes("composed", &composed(LIBRARY_AND_USER)).unwrap(),
    );
}

#[test]
fn the_user_gets_the_text_of_the_library_and_no_other() {
    let other = LIBRARY_AND_USER.replace("across it", "other one");
    let host = Host::new();
    let plugin = host.load_bytes("composed", &composed(&other)).unwrap();
    let error = broken("composed", host.plan(&plugin, &Asked::default()));
    assert!(matches!(reason(&error), WasmError::Trapped { .. }), "{error:?}");
}

#[test]
fn two_memories() {
    for host in [Host::new(), Host::pooling()] {
        let planned = host.plans("two_memories");
        assert_eq!(planned.plan.steps()[0].object()["image"], "second");
    }
}
