//! Unused generated names, and the nearest name to a mistyped one.

/// The letters of generated suffixes: without vowels, so that they form no words, and without letters that
/// look alike (the alphabet of Kubernetes' own generated names).
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The number of letters in a generated suffix.
pub const SUFFIX_LENGTH: usize = 5;

/// Encodes a number as a suffix of [`SUFFIX_LENGTH`] letters.
pub fn suffix(mut number: u64) -> String {
    let base = ALPHABET.len() as u64;
    (0..SUFFIX_LENGTH)
        .map(|_| {
            let letter = ALPHABET[(number % base) as usize];
            number /= base;
            letter as char
        })
        .collect()
}

/// Generates `prefix-suffix`, or if that is taken the next unused name in a fixed sequence.
///
/// ```
/// use trocar_sdk::names::unused_name;
/// assert_eq!(unused_name("debugger", "x7k2p", |_| false), "debugger-x7k2p");
/// assert_ne!(unused_name("debugger", "x7k2p", |name| name == "debugger-x7k2p"), "debugger-x7k2p");
/// ```
pub fn unused_name(prefix: &str, first: &str, taken: impl Fn(&str) -> bool) -> String {
    let mut name = format!("{prefix}-{first}");
    let mut state = fnv1a(first.as_bytes());
    while taken(&name) {
        // A linear congruential generator with full period: reaches every suffix, always in the same order.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        name = format!("{prefix}-{}", suffix(state >> 24));
    }
    name
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Finds the known name that a mistyped one most likely meant.
///
/// ```
/// use trocar_sdk::names::nearest;
/// assert_eq!(nearest("imgae", ["image", "name"]), Some("image"));
/// assert_eq!(nearest("zebra", ["image", "name"]), None);
/// ```
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = typed.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(&lower, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= 1 + name.len().max(typed.len()) / 4)
        .min()
        .map(|(_, name)| name)
}

/// Formats names as a list in prose: `"a", "b" and "c"`; an empty list is `none`.
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("{name:?}")).collect();
    match quoted.as_slice() {
        [] => "none".to_owned(),
        [only] => only.clone(),
        [init @ .., last] => format!("{} and {last}", init.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_even_when_many_are_taken() {
        let mut taken = std::collections::BTreeSet::new();
        for _ in 0..1000 {
            let name = unused_name("debugger", "bbbbb", |name| taken.contains(name));
            assert_eq!(name.len(), "debugger-".len() + SUFFIX_LENGTH);
            assert!(taken.insert(name), "a taken name came out");
        }
    }

    #[test]
    fn lists_read_as_people_write_them() {
        assert_eq!(list([]), "none");
        assert_eq!(list(["a"]), r#""a""#);
        assert_eq!(list(["a", "b", "c"]), r#""a", "b" and "c""#);
    }
}
