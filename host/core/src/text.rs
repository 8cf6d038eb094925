//! Text of others, made harmless before a person sees it: the one place that knows which letters are not shown as they are.

/// The longest text for people that is kept of a message, in bytes.
const MAX_MESSAGE: usize = 4 << 10;

/// Returns true if a letter moves a cursor, changes a colour, ends a line, turns the text around it, or is not seen at all.
///
/// Control characters, the separators of lines and paragraphs, and Unicode's format characters that programs have no use
/// for: directions, zero widths, invisible operators, tags.
pub fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// One line of text: hidden letters are written as escapes, line ends as well. A tab stays.
pub fn plain(text: &str) -> String {
    escaped(text, |letter| letter == '\t')
}

/// Text of several lines: as [`plain`], but its line ends stay.
pub fn lines(text: &str) -> String {
    escaped(text, |letter| matches!(letter, '\t' | '\n'))
}

/// Text of several lines within a message of ours: the lines after the first are indented, so that none of them can pass
/// for one of ours.
pub fn indented(text: &str) -> String {
    lines(text.trim_end()).replace('\n', "\n  ")
}

fn escaped(text: &str, is_kept: impl Fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_hidden(letter) && !is_kept(letter) {
            escaped.extend(letter.escape_unicode());
        } else {
            escaped.push(letter);
        }
    }
    escaped
}

/// Text for people: of a bounded length, without anything that a terminal would obey.
pub fn message(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_MESSAGE);
    if end == text.len() {
        return plain(text);
    }
    format!("{} … ({} bytes dropped)", plain(&text[..end]), text.len() - end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_line_reaches_the_terminal_as_a_command() {
        for (given, wanted) in [
            ("a\u{1b}[31mb\u{202e}c\td", "a\\u{1b}[31mb\\u{202e}c\td"),
            ("up\u{1b}[1A\u{1b}[2K", "up\\u{1b}[1A\\u{1b}[2K"),
            ("a\nWarning: forged", "a\\u{a}Warning: forged"),
            ("a\rb\u{2028}c\u{85}d", "a\\u{d}b\\u{2028}c\\u{85}d"),
            ("ad\u{200b}min\u{feff}", "ad\\u{200b}min\\u{feff}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("tag\u{e0041}", "tag\\u{e0041}"),
            (
                "ordinary: äöü 漢字 🙂 \"quoted\"",
                "ordinary: äöü 漢字 🙂 \"quoted\"",
            ),
        ] {
            assert_eq!(plain(given), wanted);
        }
    }

    #[test]
    fn lines_of_others_cannot_pass_for_ours() {
        assert_eq!(lines("a\nb\u{1b}"), "a\nb\\u{1b}");
        assert_eq!(indented("no\nhint: run this\n"), "no\n  hint: run this");
    }

    #[test]
    fn a_long_message_is_cut_and_says_so() {
        let shown = message(&"é".repeat(MAX_MESSAGE));
        assert!(
            shown.ends_with("(4096 bytes dropped)"),
            "{}",
            &shown[shown.len() - 40..]
        );
    }
}
