//! The seed of property tests: fixed, so that runs are reproducible. New seeds are for soak
//! tests.

use std::{
    env,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::LazyLock,
};

/// The default seed.
const FIXED: u64 = 0x7472_6f63_6172;

static SEED: LazyLock<u64> = LazyLock::new(|| chosen(env::var("TROCAR_TEST_SEED").ok().as_deref()));

/// Returns the seed: that in `TROCAR_TEST_SEED`, a new one for each run if that is `new`, and a fixed one without it. A new one
/// is printed, so that a counterexample can be reproduced.
///
/// # Panics
/// Panics if `TROCAR_TEST_SEED` is neither a number nor `new`.
#[expect(clippy::print_stderr, reason = "a soak is of no use whose seed is not known")]
pub fn seed() -> u64 {
    if *SEED != FIXED {
        eprintln!("TROCAR_TEST_SEED={}", *SEED);
    }
    *SEED
}

fn chosen(wanted: Option<&str>) -> u64 {
    match wanted {
        None => FIXED,
        Some("new") => RandomState::new().build_hasher().finish(),
        Some(number) => number
            .parse()
            .unwrap_or_else(|_| panic!("TROCAR_TEST_SEED is a number or \"new\", not {number:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_the_same_seed_unless_another_is_wanted() {
        assert_eq!([chosen(None), chosen(Some("7"))], [FIXED, 7]);
        assert_ne!(chosen(Some("new")), chosen(Some("new")));
    }
}
