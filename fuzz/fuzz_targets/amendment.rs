//! A policy's change: the pointer on the first line, then the value.
#![no_main]

mod scene;

use trocar_core::planning::{Decision, Proposal};
use trocar_sdk::policy::{Operation, Verdict};

libfuzzer_sys::fuzz_target!(|data: (u8, &str)| {
    let (kind, text) = data;
    let (at, value) = text.split_once('\n').unwrap_or((text, "null"));
    let operation = match kind % 3 {
        0 => Operation::Add,
        1 => Operation::Replace,
        _ => Operation::Remove,
    };
    let container = r#"{"name": "dbg", "image": "busybox", "env": [{"name": "A"}], "securityContext": {}}"#;
    scene::plan(scene::Answers {
        proposal: Proposal {
            steps: vec![("add-ephemeral-container".into(), container.into())],
            ..Proposal::default()
        },
        decision: Some(Decision {
            verdict: Verdict::Amend,
            changes: vec![(operation, at.to_owned(), Some(value.to_owned()))],
            diagnostics: Vec::new(),
        }),
    });
});
