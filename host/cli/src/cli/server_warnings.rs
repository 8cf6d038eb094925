//! Warnings of the API server: each is shown once, as kubectl shows it, and counted for `--warnings-as-errors`.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{error::CliError, ui};

/// How many different warnings are shown: a server that says more is not listened to.
const MAX_SHOWN: usize = 100;

static SHOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

static ARE_ERRORS: AtomicBool = AtomicBool::new(false);

/// From now on the program fails at its end where the server warned.
pub(crate) fn are_errors(are_errors: bool) {
    ARE_ERRORS.store(are_errors, Ordering::Relaxed);
}

/// Shows a warning, where it was not shown before.
pub(crate) fn show(warning: &str) {
    let mut shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    // A warning comes with every answer of the server, a retry included.
    if shown.len() < MAX_SHOWN && shown.insert(warning.to_owned()) {
        ui::warning(warning);
    }
}

/// What the program fails with where warnings count as errors and there were some.
///
/// Source: kubectl's root command.
pub(crate) fn as_error() -> Option<CliError> {
    let count = SHOWN.lock().unwrap_or_else(PoisonError::into_inner).len();
    let plural = if count == 1 { "" } else { "s" };
    (ARE_ERRORS.load(Ordering::Relaxed) && count > 0)
        .then(|| CliError::new(format!("{count} warning{plural} received")))
}
