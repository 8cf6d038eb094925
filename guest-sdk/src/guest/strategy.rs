//! The world `strategy-plugin`.

use crate::{Diagnostic, Failure, Plan, Request};

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "generated from guest-sdk/wit"
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "strategy-plugin",
        pub_export_macro: true,
        export_macro_name: "export_strategy",
        default_bindings_module: "trocar_sdk::guest::strategy::bindings",
        generate_all,
    });
}

use bindings::{exports::trocar::plugin::strategy as abi, trocar::plugin::types};

pub fn make_plan(
    strategy: fn(Request) -> Result<Plan, Failure>,
    request: abi::Request,
) -> Result<abi::Plan, types::Failure> {
    super::report_panics();
    let request = Request::parse(
        &request.target,
        &request.options,
        request.settings,
        &request.context,
    )
    .map_err(super::failure)?;
    let plan = strategy(request).map_err(super::failure)?;
    Ok(abi::Plan {
        steps: plan.steps.into_iter().map(step).collect(),
        attach: plan.attach,
        diagnostics: super::diagnostics(plan.diagnostics),
    })
}

pub fn validate_settings<T: serde::de::DeserializeOwned>(
    check: fn(&T) -> Vec<Diagnostic>,
    settings: String,
) -> Result<Vec<types::Diagnostic>, types::Failure> {
    super::validate_settings(check, settings)
}

pub fn any_settings(_: &serde_json::Value) -> Vec<Diagnostic> {
    Vec::new()
}

fn step(step: crate::plan::Step) -> abi::Step {
    abi::Step {
        action: step.action().to_owned(),
        object: step.into_object().to_string(),
    }
}

/// Exports a function `fn(Request) -> Result<Plan, Failure>` as a strategy plugin.
///
/// With `settings: check`, where `check` is a `fn(&T) -> Vec<Diagnostic>`, settings are read as `T` and checked
/// when the plugin is configured.
#[macro_export]
macro_rules! strategy {
    ($make_plan:path) => {
        $crate::strategy!($make_plan, settings: $crate::guest::strategy::any_settings);
    };
    ($make_plan:path, settings: $check:path) => {
        const _: () = {
            use $crate::guest::strategy::bindings as abi;
            struct Plugin;
            impl abi::exports::trocar::plugin::strategy::Guest for Plugin {
                fn validate_settings(
                    settings: String,
                ) -> Result<Vec<abi::trocar::plugin::types::Diagnostic>, abi::trocar::plugin::types::Failure> {
                    $crate::guest::strategy::validate_settings($check, settings)
                }
                fn make_plan(
                    request: abi::exports::trocar::plugin::strategy::Request,
                ) -> Result<abi::exports::trocar::plugin::strategy::Plan, abi::trocar::plugin::types::Failure> {
                    $crate::guest::strategy::make_plan($make_plan, request)
                }
            }
            abi::export_strategy!(Plugin with_types_in abi);
        };
    };
}
