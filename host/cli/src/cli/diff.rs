//! Two texts as a unified diff.

use imara_diff::{Algorithm, BasicLineDiffPrinter, Diff, InternedInput, UnifiedDiffConfig};

/// The differences between two texts, line by line; empty where there are none.
pub(crate) fn unified(before: &str, after: &str, name_before: &str, name_after: &str) -> String {
    let input = InternedInput::new(before, after);
    let mut diff = Diff::compute(Algorithm::Histogram, &input);
    diff.postprocess_lines(&input);
    let printer = BasicLineDiffPrinter(&input.interner);
    let hunks = diff
        .unified_diff(&printer, UnifiedDiffConfig::default(), &input)
        .to_string();
    if hunks.is_empty() {
        return hunks;
    }
    // Of an empty text no line is the first one.
    let hunks = match (before.is_empty(), after.is_empty()) {
        (true, _) => hunks.replacen("@@ -1,0 ", "@@ -0,0 ", 1),
        (_, true) => hunks.replacen(" +1,0 @@", " +0,0 @@", 1),
        _ => hunks,
    };
    format!("--- {name_before}\n+++ {name_after}\n{hunks}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_is_one_that_patch_understands() {
        assert_eq!(
            unified("a\nb\nc\n", "a\nx\nc\n", "old", "new"),
            "--- old\n+++ new\n@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n"
        );
        assert_eq!(
            unified("", "a\n", "/dev/null", "new"),
            "--- /dev/null\n+++ new\n@@ -0,0 +1,1 @@\n+a\n"
        );
        assert_eq!(
            unified("a\n", "", "old", "/dev/null"),
            "--- old\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-a\n"
        );
        assert_eq!(unified("a\n", "a\n", "old", "new"), "");
    }
}
