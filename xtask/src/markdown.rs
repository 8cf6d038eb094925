//! What is read of a page in Markdown: its links, and the anchors that its headings make.

use std::ops::Range;

/// Where the targets of links `[text](target)` stand. Code, in blocks and within lines, has none.
pub(crate) fn links(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut fence = Fence::default();
    for line in text.split_inclusive('\n') {
        if !fence.passes(line) {
            found.extend(links_of_line(line).map(|link| link.start + start..link.end + start));
        }
        start += line.len();
    }
    found
}

fn links_of_line(line: &str) -> impl Iterator<Item = Range<usize>> {
    let opened = line.match_indices("](").map(|(at, opener)| at + opener.len());
    opened
        // After an odd number of backticks, the link is within code.
        .filter(|start| line[..*start].matches('`').count().is_multiple_of(2))
        .filter_map(|start| Some(start..start + line[start..].find(')')?))
}

/// The anchors of the headings, as forges and mdBook make them.
pub(crate) fn anchors(text: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    let mut fence = Fence::default();
    for line in text.lines() {
        if fence.passes(line) || !line.starts_with('#') {
            continue;
        }
        let slug = slug(line.trim_start_matches('#').trim());
        // Forges number the anchors of equal headings.
        let earlier = anchors.iter().filter(|anchor| **anchor == slug).count();
        anchors.push(if earlier == 0 {
            slug
        } else {
            format!("{slug}-{earlier}")
        });
    }
    anchors
}

fn slug(heading: &str) -> String {
    heading
        .chars()
        .filter_map(|letter| match letter {
            ' ' => Some('-'),
            '-' | '_' => Some(letter),
            letter if letter.is_alphanumeric() => Some(letter.to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}

/// Whether a line is part of a block of code.
#[derive(Default)]
struct Fence {
    is_open: bool,
}

impl Fence {
    /// Takes the next line; says whether it is code, or the fence of code.
    fn passes(&mut self, line: &str) -> bool {
        let is_fence = line.trim_start().starts_with("```");
        self.is_open ^= is_fence;
        is_fence || self.is_open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_but_not_those_in_code() {
        let text = "[a](b.md#c) and `[not](this)`\n```rust\n[nor](that)\n```\n[d](e)";
        let found: Vec<&str> = links(text).into_iter().map(|link| &text[link]).collect();
        assert_eq!(found, ["b.md#c", "e"]);
    }

    #[test]
    fn anchors_are_those_of_forges() {
        let text =
            "# Pods, nodes and `jobs`\n## Windows\n```\n# no heading\n```\n## Windows\n## `trocar debug`\n";
        let wanted = ["pods-nodes-and-jobs", "windows", "windows-1", "trocar-debug"];
        assert_eq!(anchors(text), wanted);
    }
}
