//! The exit codes, as docs/cli.md documents them.

/// Something failed or was refused.
pub(crate) const FAILED: u8 = 1;

/// The command line makes no sense.
pub(crate) const USAGE: u8 = 2;
