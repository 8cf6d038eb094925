//! What is wrong with a command line, in kubectl's words where it has some.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::error::CliError;

/// Says what is wrong with a command line in kubectl's words where it has some. `command` is whose help explains it.
pub(super) fn usage_error(error: &clap::Error, command: &str) -> CliError {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let argument = text(ContextKind::InvalidArg).unwrap_or_default();
    let value = text(ContextKind::InvalidValue).unwrap_or_default();
    let flag = argument.split(['=', ' ', '[', '<']).next().unwrap_or_default();
    let message = match error.kind() {
        ErrorKind::UnknownArgument => match argument.strip_prefix('-').and_then(|flag| flag.chars().next()) {
            Some(letter) if letter != '-' => format!("unknown shorthand flag: {letter:?} in {argument}"),
            _ => format!("unknown flag: {argument}"),
        },
        ErrorKind::ValueValidation => {
            let reason = std::error::Error::source(error)
                .map(ToString::to_string)
                .unwrap_or_default();
            format!("invalid argument {value:?} for {flag:?} flag: {reason}")
        }
        ErrorKind::InvalidValue if value.is_empty() => format!("flag needs an argument: {flag}"),
        ErrorKind::InvalidValue => match error.get(ContextKind::ValidValue) {
            Some(ContextValue::Strings(valid)) => {
                format!(
                    "invalid argument {value:?} for {flag:?} flag: it must be one of {}",
                    valid.join(", ")
                )
            }
            _ => first_line(error),
        },
        ErrorKind::MissingRequiredArgument => match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::Strings(missing)) => format!("{} must be given as well", missing.join(", ")),
            _ => first_line(error),
        },
        _ => first_line(error),
    };
    let failed = CliError::usage(message);
    let failed = match error
        .get(ContextKind::SuggestedArg)
        .or_else(|| error.get(ContextKind::SuggestedValue))
        .or_else(|| error.get(ContextKind::SuggestedSubcommand))
    {
        Some(ContextValue::String(suggested)) => failed.hint(format!("did you mean {suggested}?")),
        Some(ContextValue::Strings(suggested)) if !suggested.is_empty() => {
            failed.hint(format!("did you mean {}?", suggested.join(" or ")))
        }
        _ => failed,
    };
    failed.hint(format!("see '{command} --help' for usage"))
}

/// clap's own message, without its label, its usage and its tips.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}
