//! Looking at the files again: a new configuration or certificate is used when it is whole and good, and the old one until
//! then.
//!
//! Their contents are compared, and no file is watched: what is mounted of a Secret or ConfigMap changes by a link that is
//! replaced as a whole, of which a watched file learns nothing.

use std::sync::{Arc, PoisonError};

use serde_json::json;

use super::{ServerOptions, Shared, TlsFiles, log, record};
use crate::rules::Rules;

/// Looks at the files at each interval.
pub(super) async fn run(shared: Arc<Shared>, options: ServerOptions) {
    let mut last = [None, None];
    loop {
        tokio::time::sleep(options.reload).await;
        let (of_worker, options) = (shared.clone(), options.clone());
        // Reading files and compiling plugins takes its time.
        let looking = tokio::task::spawn_blocking(move || {
            let config = config(&of_worker, &options);
            let certificate = options
                .tls
                .as_ref()
                .map_or(Looked::Same, |files| certificate(&of_worker, files));
            [config, certificate]
        });
        let Ok(looked) = looking.await else { continue };
        for ((what, looked), last) in ["config", "certificate"].into_iter().zip(looked).zip(&mut last) {
            tell(&shared, what, looked, last);
        }
    }
}

enum Looked {
    /// What is in force is what is there.
    Same,
    /// Something else is in force now.
    Taken,
    /// Something else is there that cannot be used.
    Bad(String),
}

/// Says what changed, and of what stays wrong not each time.
fn tell(shared: &Shared, what: &'static str, looked: Looked, last: &mut Option<String>) {
    match looked {
        Looked::Same if last.is_none() => {}
        Looked::Same => {
            *last = None;
            shared.metrics.reloaded(what, true);
            log(
                "info",
                "what is mounted is in force again",
                &json!({"what": what}),
            );
        }
        Looked::Taken => {
            *last = None;
            shared.metrics.reloaded(what, true);
            log("info", "reloaded", &json!({"what": what}));
        }
        Looked::Bad(problem) => {
            shared.metrics.reloaded(what, false);
            // Once for each problem: it is found again at each interval.
            if last.as_ref() != Some(&problem) {
                let facts = json!({"what": what, "problem": problem});
                log(
                    "error",
                    "the mounted files cannot be used, the old ones stay in force",
                    &facts,
                );
            }
            *last = Some(problem);
        }
    }
}

fn config(shared: &Shared, options: &ServerOptions) -> Looked {
    if shared.rules().are_current() {
        return Looked::Same;
    }
    match Rules::load(&shared.engine, &options.config, shared.reader.as_ref(), record) {
        Ok(rules) => {
            *shared.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
            Looked::Taken
        }
        Err(error) => Looked::Bad(error.to_string()),
    }
}

fn certificate(shared: &Shared, files: &TlsFiles) -> Looked {
    let Some(tls) = &shared.tls else {
        return Looked::Same;
    };
    let before = tls.read().unwrap_or_else(PoisonError::into_inner).clone();
    match files.load_again(&before) {
        Ok(None) => Looked::Same,
        Ok(Some(loaded)) => {
            shared.metrics.certificate_ends(loaded.ends);
            *tls.write().unwrap_or_else(PoisonError::into_inner) = loaded;
            Looked::Taken
        }
        Err(error) => Looked::Bad(error.to_string()),
    }
}
