//! The exit codes, as docs/cli.md documents them.

/// Something failed or was refused.
pub(crate) const FAILED: u8 = 1;

/// The command line is not valid, for every command. Nothing was done.
pub(crate) const USAGE: u8 = 2;

/// A policy denies what was planned.
pub(crate) const DENIED: u8 = 3;

/// The reader of the output has gone away: the code of a program that SIGPIPE ended.
pub(crate) const BROKEN_PIPE: u8 = 141;

/// `trocar debug` itself failed, or a policy denies it. Any other code may be the program's own.
///
/// Source: the same code of `docker run` and `podman run`.
pub(crate) const DEBUG_FAILED: u8 = 125;
