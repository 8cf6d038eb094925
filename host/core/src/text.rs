//! Text of others, made harmless before a person sees it: the one place that knows which letters are not shown as they are.

/// The longest text for people that is kept of a message, in bytes.
const MAX_MESSAGE: usize = 4 << 10;

/// Returns true if a letter moves a cursor, changes a colour, ends a line, turns the text around it, or is not seen at all.
///
/// Source: `Cc`, the invisible part of `Cf`, `Zl`, `Zp` and `Default_Ignorable_Code_Point` of Unicode 16, and the blank
/// Braille pattern. Of the variation selectors the one that makes a picture of a letter stays: it hides nothing of its own.
pub fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            // The soft hyphen, joiners and fillers of several scripts.
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{3164}'
                | '\u{ffa0}'
                // Zero widths, directions, separators, invisible operators, the blank Braille pattern.
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{2800}'
                // Variation selectors, the byte order mark, annotations.
                | '\u{fe00}'..='\u{fe0e}'
                | '\u{feff}'
                | '\u{fff0}'..='\u{fffb}'
                // Format characters of hieroglyphs, shorthand and music; tags.
                | '\u{13430}'..='\u{1343f}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// One line of text: hidden letters are written as escapes, line ends as well. A tab stays.
pub fn plain(text: &str) -> String {
    // An escape sequence could erase the warnings above a prompt, and a line end could forge a line of ours.
    escaped(text, |letter| letter == '\t')
}

/// Text of several lines: as [`plain`], but its line ends stay.
pub fn lines(text: &str) -> String {
    escaped(text, |letter| matches!(letter, '\t' | '\n'))
}

/// Text of several lines within a message of ours: the lines after the first are indented, further than any of ours, so that
/// none of them can pass for one.
pub fn indented(text: &str) -> String {
    lines(text.trim_end()).replace('\n', "\n    ")
}

fn escaped(text: &str, is_kept: impl Fn(char) -> bool) -> String {
    // Most texts are letters of ASCII, none of which is hidden.
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return text.to_owned();
    }
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
    // Cut before it is escaped, so that megabytes of a guest's text cost nothing.
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
            ("\u{2066}\u{2069}\u{61c}", "\\u{2066}\\u{2069}\\u{61c}"),
            ("\u{3164}\u{115f}\u{2800}", "\\u{3164}\\u{115f}\\u{2800}"),
            ("a heart: \u{2764}\u{fe0f}", "a heart: \u{2764}\u{fe0f}"),
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
        assert_eq!(indented("no\nhint: run this\n"), "no\n    hint: run this");
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
