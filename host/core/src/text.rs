//! Text of others, made harmless before a person sees it.

/// The longest text for people that is kept of a message, in bytes.
const MAX_MESSAGE: usize = 4 << 10;

/// Text that cannot move a cursor, change a colour or reorder what stands around it: control characters and
/// direction overrides are written as escapes.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        let hidden = letter.is_control() && letter != '\t'
            || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if hidden {
            plain.extend(letter.escape_unicode());
        } else {
            plain.push(letter);
        }
    }
    plain
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
        assert_eq!(plain("a\u{1b}[31mb\u{202e}c\td"), "a\\u{1b}[31mb\\u{202e}c\td");
    }
}
