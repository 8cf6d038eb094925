//! A strategy's answer: the action on the first line, then the object.
#![no_main]

mod scene;

use trocar_core::planning::Proposal;

libfuzzer_sys::fuzz_target!(|data: &str| {
    let (action, object) = data.split_once('\n').unwrap_or(("add-ephemeral-container", data));
    scene::plan(scene::Answers {
        proposal: Proposal {
            steps: vec![(action.to_owned(), object.to_owned())],
            ..Proposal::default()
        },
        decision: None,
    });
});
