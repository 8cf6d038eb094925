//! `trocar completion`: the scripts by which shells complete.

use crate::cli::{
    args::{CompletionArgs, CompletionShell},
    error::CliError,
    ui,
};

pub(crate) fn run(args: &CompletionArgs) -> Result<(), CliError> {
    ui::output(match args.shell {
        CompletionShell::Bash => include_str!("../completion/scripts/trocar.bash"),
        CompletionShell::Zsh => include_str!("../completion/scripts/trocar.zsh"),
        CompletionShell::Fish => include_str!("../completion/scripts/trocar.fish"),
        CompletionShell::Powershell => include_str!("../completion/scripts/trocar.ps1"),
        CompletionShell::Kubectl => include_str!("../completion/scripts/kubectl_complete-trocar"),
    })
}
