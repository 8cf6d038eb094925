//! The WebAssembly side: generated bindings, conversion to and from the ABI, and the macros that export a plugin.
//!
//! Plugin logic never touches anything in here; it is a pure function that runs natively in tests.

use crate::{Diagnostic, Failure, FailureKind, Plan, Request, Severity};

#[doc(hidden)]
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "generated from guest-sdk/wit"
)]
pub mod strategy_bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "strategy-plugin",
        pub_export_macro: true,
        export_macro_name: "export_strategy",
        default_bindings_module: "trocar_sdk::guest::strategy_bindings",
        generate_all,
    });
}

use strategy_bindings::{
    exports::trocar::plugin::strategy as abi,
    trocar::plugin::{log, types},
};

/// Writes a line to the host's log, where `-v` shows it.
pub fn log(level: LogLevel, message: &str) {
    if cfg!(target_family = "wasm") {
        log::log(level.into(), message);
    }
}

/// How important a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Every step.
    Trace,
    /// For the plugin's author.
    Debug,
    /// For the curious user.
    Info,
    /// Perhaps a mistake.
    Warn,
    /// A mistake; shown as the reason if the plugin traps next.
    Error,
}

impl From<LogLevel> for log::Level {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Trace => Self::Trace,
            LogLevel::Debug => Self::Debug,
            LogLevel::Info => Self::Info,
            LogLevel::Warn => Self::Warn,
            LogLevel::Error => Self::Error,
        }
    }
}

/// Sends the text of a panic to the host before the trap: the trap itself carries none.
#[doc(hidden)]
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| log(LogLevel::Error, &panic.to_string())));
}

#[doc(hidden)]
pub fn make_plan(
    strategy: fn(Request) -> Result<Plan, Failure>,
    request: abi::Request,
) -> Result<abi::Plan, types::Failure> {
    report_panics();
    let request = Request::parse(
        &request.target,
        &request.options,
        request.settings,
        &request.context,
    )
    .map_err(failure)?;
    let plan = strategy(request).map_err(failure)?;
    Ok(abi::Plan {
        steps: plan.steps.into_iter().map(step).collect(),
        attach: plan.attach,
        diagnostics: diagnostics(plan.diagnostics),
    })
}

#[doc(hidden)]
pub fn validate_settings<T: serde::de::DeserializeOwned>(
    check: fn(&T) -> Vec<Diagnostic>,
    settings: String,
) -> Result<Vec<types::Diagnostic>, types::Failure> {
    report_panics();
    let settings = crate::request::Settings(settings).read().map_err(failure)?;
    Ok(diagnostics(check(&settings)))
}

fn step(step: crate::plan::Step) -> abi::Step {
    abi::Step {
        action: step.action().to_owned(),
        object: step.into_object().to_string(),
    }
}

fn diagnostics(found: Vec<Diagnostic>) -> Vec<types::Diagnostic> {
    found.into_iter().map(diagnostic).collect()
}

fn diagnostic(found: Diagnostic) -> types::Diagnostic {
    types::Diagnostic {
        severity: match found.severity {
            Severity::Error => types::Severity::Error,
            Severity::Warning => types::Severity::Warning,
            Severity::Info => types::Severity::Info,
        },
        code: found.code,
        at: found.at,
        message: found.message,
        help: found.help,
    }
}

fn failure(failure: Failure) -> types::Failure {
    types::Failure {
        kind: match failure.kind {
            FailureKind::InvalidSettings => types::FailureKind::InvalidSettings,
            FailureKind::InvalidRequest => types::FailureKind::InvalidRequest,
            FailureKind::UnsupportedTarget => types::FailureKind::UnsupportedTarget,
            FailureKind::Unavailable => types::FailureKind::Unavailable,
            FailureKind::Internal => types::FailureKind::Internal,
        },
        code: failure.code,
        message: failure.message,
        diagnostics: diagnostics(failure.diagnostics),
    }
}

/// Exports a function `fn(Request) -> Result<Plan, Failure>` as a strategy plugin.
///
/// With `settings: check`, where `check` is a `fn(&T) -> Vec<Diagnostic>`, settings are read as `T` and checked
/// when the plugin is configured.
#[macro_export]
macro_rules! strategy {
    ($make_plan:path) => {
        $crate::strategy!($make_plan, settings: $crate::guest::any_settings);
    };
    ($make_plan:path, settings: $check:path) => {
        const _: () = {
            struct Plugin;
            impl $crate::guest::strategy_bindings::exports::trocar::plugin::strategy::Guest for Plugin {
                fn validate_settings(
                    settings: String,
                ) -> Result<
                    Vec<$crate::guest::strategy_bindings::trocar::plugin::types::Diagnostic>,
                    $crate::guest::strategy_bindings::trocar::plugin::types::Failure,
                > {
                    $crate::guest::validate_settings($check, settings)
                }
                fn make_plan(
                    request: $crate::guest::strategy_bindings::exports::trocar::plugin::strategy::Request,
                ) -> Result<
                    $crate::guest::strategy_bindings::exports::trocar::plugin::strategy::Plan,
                    $crate::guest::strategy_bindings::trocar::plugin::types::Failure,
                > {
                    $crate::guest::make_plan($make_plan, request)
                }
            }
            $crate::guest::strategy_bindings::export_strategy!(Plugin with_types_in $crate::guest::strategy_bindings);
        };
    };
}

#[doc(hidden)]
pub fn any_settings(_: &serde_json::Value) -> Vec<Diagnostic> {
    Vec::new()
}
