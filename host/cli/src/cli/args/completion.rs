//! What can be typed after `trocar completion`.

use clap::{Args, ValueEnum};

/// `trocar completion`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Complete in this shell
  source <(trocar completion bash)
  source <(trocar completion zsh)
  trocar completion fish | source

  # Complete kubectl trocar
  trocar completion kubectl > ~/.local/bin/kubectl_complete-trocar && chmod +x ~/.local/bin/kubectl_complete-trocar")]
pub(crate) struct CompletionArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub(crate) shell: CompletionShell,
}

/// What completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompletionShell {
    /// bash 4 or newer
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
    /// PowerShell 7.3 or newer
    Powershell,
    /// kubectl, for kubectl trocar
    Kubectl,
}
