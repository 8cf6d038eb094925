//! From `--inherit` as it was typed to what is taken over.

use trocar::{
    inherit::{Inherit, Mounts},
    names,
};

use super::error::CliError;

const KNOWN: [&str; 7] = [
    "env",
    "mounts",
    "mounts:ro",
    "user",
    "workdir",
    "resources",
    "all",
];

/// Reads the words of `--inherit`. The user is not part of `all` where the container is to run as root.
pub(super) fn inherit(typed: &[String], as_root: bool) -> Result<Inherit, CliError> {
    let mut inherit = Inherit::default();
    for word in typed {
        match word.as_str() {
            "env" => inherit.env = true,
            "mounts" => inherit.mounts = inherit.mounts.or(Some(Mounts::AsTheyAre)),
            "mounts:ro" => inherit.mounts = Some(Mounts::ReadOnly),
            "user" => inherit.user = true,
            "workdir" => inherit.workdir = true,
            "resources" => inherit.resources = true,
            "all" => {
                inherit = Inherit {
                    env: true,
                    mounts: inherit.mounts.or(Some(Mounts::AsTheyAre)),
                    user: inherit.user || !as_root,
                    workdir: true,
                    resources: true,
                }
            }
            unknown => {
                let failed = CliError::usage(format!(
                    "--inherit={unknown} is unknown; known are {}",
                    names::list(KNOWN)
                ));
                return Err(match names::nearest(unknown, KNOWN) {
                    Some(nearest) => failed.hint(format!("did you mean --inherit={nearest}?")),
                    None => failed,
                });
            }
        }
    }
    Ok(inherit)
}
