//! The warnings that an API server sends beside its answers, in headers: Pod Security, deprecations, webhooks. Pure.
//!
//! Source: RFC 7234, section 5.5, and `ParseWarningHeaders` of Kubernetes' apimachinery: code 299 alone is the server's own.

use http::{HeaderMap, header};

/// How many warnings of one answer are read.
const MAX_WARNINGS: usize = 64;

/// The longest warning, in bytes.
const MAX_BYTES: usize = 4096;

/// The texts of the warnings in an answer's headers. What is malformed is left out.
pub(super) fn warnings(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::WARNING).into_iter();
    let values = values.filter_map(|value| std::str::from_utf8(value.as_bytes()).ok());
    values.flat_map(of_value).take(MAX_WARNINGS).collect()
}

/// Reads one header: warnings of the form `299 agent "text" ["date"]`, with commas between them.
fn of_value(mut rest: &str) -> Vec<String> {
    let mut found = Vec::new();
    while found.len() < MAX_WARNINGS {
        let Some((warning, after)) = next(rest) else { break };
        found.extend(warning);
        rest = after;
    }
    found
}

/// The next warning, where it is one of the server's, and what stands behind it.
fn next(text: &str) -> Option<(Option<String>, &str)> {
    let text = text.trim_start_matches([' ', '\t', ',']);
    let (code, rest) = text.split_once(' ')?;
    let (_agent, rest) = rest.split_once(' ')?;
    let (said, rest) = quoted(rest.trim_start())?;
    // A date may follow, quoted as well.
    let rest = match quoted(rest.trim_start()) {
        Some((_, after)) => after,
        None => rest,
    };
    let is_servers = code == "299" && !said.is_empty();
    Some((is_servers.then_some(said), rest))
}

/// Reads a quoted text, and gives what stands behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut said = String::new();
    let mut letters = inner.char_indices();
    while let Some((at, letter)) = letters.next() {
        let letter = match letter {
            '"' => return Some((said, &inner[at + 1..])),
            '\\' => letters.next()?.1,
            letter => letter,
        };
        if said.len() < MAX_BYTES {
            said.push(letter);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_warnings_of_an_answer_are_read_as_client_go_reads_them() {
        for (value, wanted) in [
            (
                r#"299 - "would violate PodSecurity""#,
                vec!["would violate PodSecurity"],
            ),
            (
                r#"299 - "say \"hi\"" "Mon, 01 Jan 2026 00:00:00 GMT", 299 a "two""#,
                vec!["say \"hi\"", "two"],
            ),
            (r#"199 - "of a proxy", 299 - "own""#, vec!["own"]),
            (r#"299 - "not closed"#, vec![]),
            (r#"299 - unquoted"#, vec![]),
            ("", vec![]),
            (r#"299 - """#, vec![]),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::WARNING, HeaderValue::from_str(value).unwrap());
            assert_eq!(warnings(&headers), wanted, "{value}");
        }
    }

    #[test]
    fn a_flood_of_warnings_is_bounded() {
        let mut headers = HeaderMap::new();
        let one = format!("299 - \"{}\",", "x".repeat(MAX_BYTES * 2));
        headers.append(header::WARNING, HeaderValue::from_str(&one).unwrap());
        for _ in 0..MAX_WARNINGS {
            headers.append(
                header::WARNING,
                HeaderValue::from_str(&"299 - \"y\",".repeat(10)).unwrap(),
            );
        }
        let found = warnings(&headers);
        assert_eq!((found.len(), found[0].len()), (MAX_WARNINGS, MAX_BYTES));
    }
}
