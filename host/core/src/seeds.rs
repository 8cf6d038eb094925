//! Properties with fixed seeds: the same cases on every machine and in every run.

use proptest::test_runner::{Config, RngSeed};

/// A configuration of some cases that a seed decides.
pub(crate) fn fixed(seed: u64, cases: u32) -> Config {
    Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..Config::default()
    }
}
