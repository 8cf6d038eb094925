//! Rust source, cut into what the checks look at: code without comments and texts, and the texts. Unit tests are left out.

/// The code of a file, and the texts in it.
pub(crate) struct Source {
    /// The code up to the unit tests: comments and the insides of texts are blank, lines are where they were.
    pub(crate) code: String,
    /// The texts: line, and what stands between the quotes.
    pub(crate) texts: Vec<(usize, String)>,
}

/// A file up to its unit tests, which stand at its end: a module with a body. One that is only named, at the top, ends nothing.
pub(crate) fn without_tests(text: &str) -> &str {
    let has_body = |(at, attribute): &(usize, &str)| {
        let next = text[at + attribute.len()..].trim_start();
        let head = next.lines().next().unwrap_or_default();
        head.starts_with("mod ") && head.contains('{')
    };
    let tests = text.match_indices("#[cfg(test)]").find(has_body);
    tests.map_or(text, |(at, _)| &text[..at])
}

/// Reads a file up to its unit tests.
pub(crate) fn read(text: &str) -> Source {
    let text = without_tests(text);
    let mut source = Source {
        code: String::with_capacity(text.len()),
        texts: Vec::new(),
    };
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some((start, end)) = quoted(rest, &source.code) {
            let line = source.code.matches('\n').count() + 1;
            source.texts.push((line, rest[start..end].to_owned()));
            source.code.push('"');
            end + 1
        } else if let Some(length) = letter(rest) {
            length
        } else {
            source.code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        let skipped = &rest[..length.min(rest.len())];
        source.code.extend(
            skipped
                .chars()
                .map(|letter| if letter == '\n' { '\n' } else { ' ' }),
        );
        rest = &rest[skipped.len()..];
    }
    source
}

/// Where a text begins and ends, between its quotes, if one is next: `"…"`, or a raw one such as `r#"…"#`.
fn quoted(rest: &str, before: &str) -> Option<(usize, usize)> {
    if let Some(inside) = rest.strip_prefix('"') {
        let mut escaped = false;
        let end = inside.char_indices().find(|(_, letter)| {
            let is_end = *letter == '"' && !escaped;
            escaped = *letter == '\\' && !escaped;
            is_end
        });
        return Some((1, end.map_or(rest.len() - 1, |(index, _)| index + 1)));
    }
    // The `r` may be the end of a name, and not the beginning of a raw text.
    let is_name = before.ends_with(|letter: char| letter.is_alphanumeric() || letter == '_');
    let raw = rest.strip_prefix('r').filter(|_| !is_name)?;
    let hashes = raw.len() - raw.trim_start_matches('#').len();
    let start = hashes + 2;
    let inside = raw[hashes..].strip_prefix('"')?;
    let end = inside.find(&format!("\"{}", "#".repeat(hashes)))?;
    Some((start, start + end))
}

/// The length of a letter between single quotes, if one is next; a lifetime is none.
fn letter(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('\'')?;
    if let Some(escape) = inside.strip_prefix('\\') {
        let end = escape.get(1..)?.find('\'')?;
        return Some(end + 4);
    }
    let letter = inside.chars().next()?;
    inside[letter.len_utf8()..]
        .starts_with('\'')
        .then_some(letter.len_utf8() + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_texts_are_told_from_code() {
        let source = read(
            "use a; // \"no\"\nfn f<'a>(x: &'a str) -> char { let q = '\"'; let e = '\\''; g(\"say \\\"hi\\\" {x}\", r#\"raw \"x\"\"#); }\n\
             #[cfg(test)]\nmod tests { const T: &str = \"test\"; }",
        );
        assert_eq!(
            source.texts,
            [(2, "say \\\"hi\\\" {x}".to_owned()), (2, "raw \"x\"".to_owned())]
        );
        assert!(source.code.starts_with("use a;"), "{}", source.code);
        assert!(source.code.contains("fn f<'a>(x: &'a str)"), "{}", source.code);
        for gone in ["no", "hi", "raw", "test", "// "] {
            assert!(!source.code.contains(gone), "{gone}: {}", source.code);
        }
        assert_eq!(source.code.lines().count(), 2);
    }
}
