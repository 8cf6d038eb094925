//! Files that are part of the program: the contract, the SDKs in source, and the examples from which new plugins start.

/// All of them, by name and text.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The files below a folder, by their names from there.
pub(crate) fn below(folder: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    FILES
        .iter()
        .filter_map(move |(name, text)| Some((name.strip_prefix(folder)?, *text)))
}

pub(crate) fn text(name: &str) -> &'static str {
    let found = FILES.iter().find(|(known, _)| *known == name);
    found.map_or("", |(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_new_plugins_are_made_of_is_there_and_nothing_else() {
        for name in [
            "wit/strategy.wit",
            "rust/lib.rs",
            "python/py.typed",
            "javascript/index.d.ts",
            "examples/rust/strategy/src/lib.rs",
            "examples/python/policy/tests/test_plugin.py",
            "plugin-manifest.schema.json",
        ] {
            assert!(FILES.iter().any(|(known, _)| *known == name), "{name}");
        }
        let total: usize = FILES.iter().map(|(_, text)| text.len()).sum();
        assert!(total < 400_000, "{total} bytes in every program");
        let left_over =
            |name: &str| name.contains("/.") || name.contains("__pycache__") || name.ends_with(".wasm");
        assert!(FILES.iter().all(|(name, _)| !left_over(name)));
    }
}
