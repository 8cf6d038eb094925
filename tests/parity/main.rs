//! Parity with `kubectl debug`: every file of `cases` is two named tests.
//!
//! A case names objects (of `objects`, or as they are changed), a command line, and what kubectl 1.37 made of them on a recording server. `offline::NAME` plans from
//! the same objects without a cluster and applies the plan in memory; `binary::NAME` runs `trocar debug` against a server.
//! For differences on purpose, the case has the expected outcome and the reason, or `divergence.rs` does if only messages differ.

mod binary;
mod case;
mod compare;
mod divergence;
mod offline;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use case::Case;

/// The program under test.
const TROCAR: &str = env!("CARGO_BIN_EXE_trocar");

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let cases = case::all();
    let mut trials = vec![Trial::test("every_divergence_names_a_case", {
        let names: Vec<String> = cases.iter().map(|case| case.name.clone()).collect();
        move || Ok(divergence::check_names(&names)?)
    })];
    for case in cases {
        let planned = case.clone();
        trials.push(Trial::test(format!("offline::{}", case.name), move || {
            verdict(&planned, &offline::differences(&planned))
        }));
        trials.push(Trial::test(format!("binary::{}", case.name), move || {
            let outcome = binary::run(&case);
            verdict(&case, &outcome.differences)?;
            verdict_of_words(&case, &outcome.other_words)
        }));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Checks that an outcome is as expected.
fn verdict(case: &Case, differences: &[String]) -> Result<(), Failed> {
    match differences {
        [] => Ok(()),
        _ => Err(format!("{}\n{}", case.command_line(), differences.join("\n")).into()),
    }
}

/// Checks messages, which must differ exactly in the known cases.
fn verdict_of_words(case: &Case, other_words: &[String]) -> Result<(), Failed> {
    match divergence::expected_difference(&case.name) {
        None => verdict(case, other_words),
        Some(_) if !other_words.is_empty() => Ok(()),
        Some(reason) => {
            Err(format!("the words do not differ any more; divergence.rs says that they do: {reason}").into())
        }
    }
}
