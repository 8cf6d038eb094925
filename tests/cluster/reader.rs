//! The capability to read the cluster, with a strategy that uses it.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
