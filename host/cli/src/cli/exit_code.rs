//! The exit codes, as docs/cli.md documents them.

/// Something failed or was refused.
pub(crate) const FAILED: u8 = 1;

/// The command line makes no sense, whatever the command. Nothing was done.
pub(crate) const USAGE: u8 = 2;

/// A policy denies what was planned.
pub(crate) const DENIED: u8 = 3;

/// Whoever read our output has gone away: as if the signal that says so had ended us.
pub(crate) const NOBODY_READS: u8 = 141;

/// `trocar debug` itself failed, or a policy denies it. Any other code may be the program's own.
///
/// Source: the same code of `docker run` and `podman run`.
pub(crate) const DEBUG_FAILED: u8 = 125;
