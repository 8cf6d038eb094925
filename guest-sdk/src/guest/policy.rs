//! The world `policy-plugin`.

use serde::de::DeserializeOwned;

use crate::{
    Diagnostic, Failure,
    policy::{Amendment, Decision, Operation, Review, Verdict},
};

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "generated from guest-sdk/wit"
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "policy-plugin",
        pub_export_macro: true,
        export_macro_name: "export_policy",
        default_bindings_module: "trocar_sdk::guest::policy::bindings",
        with: {
            "trocar:plugin/types@0.1.0": crate::guest::strategy::bindings::trocar::plugin::types,
            "trocar:plugin/log@0.1.0": crate::guest::strategy::bindings::trocar::plugin::log,
            "trocar:plugin/cluster@0.1.0": crate::guest::strategy::bindings::trocar::plugin::cluster,
        },
    });
}

use super::strategy::bindings::trocar::plugin::types;
use bindings::exports::trocar::plugin::policy as abi;

/// A policy's function, as its author writes it.
pub type Policy<T> = fn(&Review<T>) -> Result<Decision, Failure>;

pub fn evaluate<T: DeserializeOwned>(
    policy: Policy<T>,
    review: abi::Review,
) -> Result<abi::Decision, types::Failure> {
    super::report_panics();
    let review = Review::parse(
        review.plan,
        review.target,
        review.options,
        review.actor,
        review.settings,
        review.context,
    )
    .map_err(super::failure)?;
    let decision = policy(&review);
    if let Some(malformed) = review.malformed() {
        return Err(super::failure(malformed.clone()));
    }
    let decision = decision.map_err(super::failure)?;
    let verdict = match decision.verdict() {
        Verdict::Allow => abi::Verdict::Allow,
        Verdict::Amend => abi::Verdict::Amend(decision.amendments.into_iter().map(amendment).collect()),
        Verdict::Deny => abi::Verdict::Deny,
    };
    Ok(abi::Decision {
        verdict,
        diagnostics: super::diagnostics(decision.diagnostics),
    })
}

pub fn validate_settings<T: DeserializeOwned>(
    _: Policy<T>,
    check: fn(&T) -> Vec<Diagnostic>,
    settings: String,
) -> Result<Vec<types::Diagnostic>, types::Failure> {
    super::validate_settings(check, settings)
}

fn amendment(amendment: Amendment) -> abi::Amendment {
    abi::Amendment {
        operation: match amendment.operation {
            Operation::Add => abi::Operation::Add,
            Operation::Remove => abi::Operation::Remove,
            Operation::Replace => abi::Operation::Replace,
        },
        at: amendment.at,
        value: amendment.value.map(|value| value.to_string()),
    }
}

/// Exports a function `fn(&Review<T>) -> Result<Decision, Failure>` as a policy plugin, where `T` is the type of its
/// settings: `serde_json::Value` for a policy without settings.
///
/// With `settings: check`, where `check` is a `fn(&T) -> Vec<Diagnostic>`, settings are checked beyond their type when the
/// policy is configured.
#[macro_export]
macro_rules! policy {
    ($evaluate:path) => {
        $crate::policy!($evaluate, settings: $crate::guest::no_further_check);
    };
    ($evaluate:path, settings: $check:path) => {
        const _: () = {
            use $crate::guest::{policy::bindings as abi, strategy::bindings::trocar::plugin::types};
            struct Plugin;
            impl abi::exports::trocar::plugin::policy::Guest for Plugin {
                fn validate_settings(settings: String) -> Result<Vec<types::Diagnostic>, types::Failure> {
                    $crate::guest::policy::validate_settings($evaluate, $check, settings)
                }
                fn evaluate(
                    review: abi::exports::trocar::plugin::policy::Review,
                ) -> Result<abi::exports::trocar::plugin::policy::Decision, types::Failure> {
                    $crate::guest::policy::evaluate($evaluate, review)
                }
            }
            abi::export_policy!(Plugin with_types_in abi);
        };
    };
}
