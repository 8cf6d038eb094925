//! Failing pulls: killed at any point, on a full disk, or two at once. Only complete plugins are used, and the next pull repairs the
//! store.

use std::{
    fs,
    path::Path,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use rustix::process::Signal;
use trocar::registry::digest;
use trocar_test_support::{CommandOutput, PATIENCE, TestEnv, registry::FakeRegistry};

use crate::{POD_YAML, guest, offline};

const PLUGIN: &str = "team/lists";

/// A plugin of more than 200 KB: a component with a section that nothing reads.
fn large_plugin() -> Vec<u8> {
    let padding = vec![7; 200_000];
    let mut component = guest::plugin("modest_memory");
    let mut section = vec![3, b'p', b'a', b'd'];
    section.extend(padding);
    component.push(0);
    let mut length = section.len();
    while length >= 0x80 {
        component.push((length as u8 & 0x7f) | 0x80);
        length >>= 7;
    }
    component.push(length as u8);
    component.extend(section);
    component
}

/// Pushes a plugin. Returns its reference with the digest.
fn push(registry: &FakeRegistry, plugin: &[u8]) -> String {
    let env = offline();
    env.write_bytes("lists.wasm", plugin);
    let pushed = env.run(&format!(
        "plugin push lists.wasm oci://{}/{PLUGIN}:1",
        registry.host()
    ));
    assert_eq!(pushed.code, 0, "{pushed}");
    format!("oci://{}", pushed.stdout.trim_end())
}

fn plan(env: &TestEnv, pinned: &str) -> CommandOutput {
    env.write("pod.yaml", POD_YAML);
    env.run(&format!(
        "plan -f pod.yaml --image=busybox:1 --strategy={pinned} -o json"
    ))
}

/// Checks that the plugin is used completely or reported as missing.
#[track_caller]
fn is_used(env: &TestEnv, pinned: &str) -> bool {
    let plan = plan(env, pinned);
    if plan.code == 0 {
        return true;
    }
    assert!(plan.stderr.contains("is not on this machine"), "{plan}");
    false
}

/// The temporary files below a folder.
fn unfinished(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        if entry.path().is_dir() {
            found.extend(unfinished(&entry.path()));
        } else if entry.path().extension().is_some_and(|end| end == "tmp") {
            found.push(entry.path().display().to_string());
        }
    }
    found
}

#[test]
fn a_pull_that_is_killed_at_any_request_leaves_nothing_that_is_used_half() {
    let (count, wanted) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(usize::MAX)),
    );
    let (reached, at_request) = mpsc::channel();
    let go_on = Arc::new(Mutex::new(()));
    let registry = FakeRegistry::with_hook(digest, {
        let (count, wanted, go_on) = (count.clone(), wanted.clone(), go_on.clone());
        move |_| {
            if count.fetch_add(1, Ordering::SeqCst) == wanted.load(Ordering::SeqCst) {
                reached.send(()).ok();
                // Until the program is gone.
                drop(go_on.lock());
            }
            None
        }
    });
    let pinned = push(&registry, &large_plugin());
    count.store(0, Ordering::SeqCst);
    assert_eq!(offline().run(&format!("plugin pull {pinned}")).code, 0);
    let requests = count.load(Ordering::SeqCst);
    assert!(requests > 2, "a manifest, a component, signatures");
    for request in 0..requests {
        let env = offline();
        count.store(0, Ordering::SeqCst);
        wanted.store(request, Ordering::SeqCst);
        let held = go_on.lock().unwrap();
        let mut pull = env.start(&format!("plugin pull {pinned}"));
        at_request.recv_timeout(PATIENCE).unwrap();
        pull.signal(Signal::KILL);
        drop(pull.finish());
        drop(held);
        wanted.store(usize::MAX, Ordering::SeqCst);
        assert!(!is_used(&env, &pinned), "killed at request {request}");
        let again = env.run(&format!("plugin pull {pinned}"));
        assert_eq!(again.code, 0, "after request {request}: {again}");
        assert!(is_used(&env, &pinned), "after request {request}");
    }
}

#[test]
fn a_full_disk_is_reported_and_leaves_no_files() {
    let registry = FakeRegistry::start(digest);
    // Limits on files in blocks of 512 bytes: too small for the component, then for the compiled code.
    for (plugin, blocks, what) in [
        (large_plugin(), 100, "make room in"),
        (guest::plugin("modest_memory"), 20, "make room in"),
    ] {
        let pinned = push(&registry, &plugin);
        let env = offline();
        let full = format!("trap '' XFSZ; ulimit -f {blocks}");
        let pulled = env.run_limited(&full, &format!("plugin pull {pinned}"));
        assert_eq!(
            (pulled.code, pulled.stdout.as_str()),
            (1, ""),
            "{blocks}: {pulled}"
        );
        assert!(pulled.stderr.contains(what), "{blocks}: {pulled}");
        assert_eq!(unfinished(env.folder()), Vec::<String>::new(), "{blocks}");
        is_used(&env, &pinned);
        let again = env.run(&format!("plugin pull {pinned}"));
        assert_eq!(again.code, 0, "{blocks}: {again}");
        assert!(is_used(&env, &pinned));
    }
}

#[test]
fn two_pulls_at_once_both_end_well() {
    let both = Arc::new(Barrier::new(2));
    let component = digest(&large_plugin());
    let registry = FakeRegistry::with_hook(digest, {
        move |asked| {
            // Neither gets the component before both have requested it.
            if asked.method == "GET" && asked.path.ends_with(&component) {
                both.wait();
            }
            None
        }
    });
    let pinned = push(&registry, &large_plugin());
    let env = offline();
    let pull = format!("plugin pull {pinned}");
    let running = [env.start(&pull), env.start(&pull)];
    for pulled in running.map(|running| running.finish()) {
        assert_eq!(pulled.code, 0, "{pulled}");
    }
    assert!(is_used(&env, &pinned));
    assert_eq!(unfinished(env.folder()), Vec::<String>::new());
}
