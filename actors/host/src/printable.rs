//! Text from others, fit for one line of a log or a terminal.

use std::fmt::{self, Write as _};

/// Shows a text with everything escaped that could end its line, move a cursor, change colours or
/// turn the direction of writing: what a guest, a peer or a broker says must not look like something
/// that the node says.
#[derive(Debug, Clone, Copy)]
pub struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(must_be_escaped) {
            let (plain, after) = rest.split_at(at);
            f.write_str(plain)?;
            let mut characters = after.chars();
            for escaped in characters.next().into_iter().flat_map(char::escape_default) {
                f.write_char(escaped)?;
            }
            rest = characters.as_str();
        }
        f.write_str(rest)
    }
}

fn must_be_escaped(character: char) -> bool {
    // A tab moves the cursor as well, and no further than text does.
    let is_control = character.is_control() && character != '\t';
    let ends_line = matches!(character, '\u{2028}' | '\u{2029}');
    let turns = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    is_control || ends_line || turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_plain_text_is_escaped() {
        for (text, shown) in [
            ("", ""),
            (
                "plain, \u{e9} and \u{1F980}, \"quoted\" \\ and\ttabbed",
                "plain, \u{e9} and \u{1F980}, \"quoted\" \\ and\ttabbed",
            ),
            ("\u{1b}[31mred\u{1b}[0m", "\\u{1b}[31mred\\u{1b}[0m"),
            ("one\r\ntwo\n", "one\\r\\ntwo\\n"),
            ("\0\u{7f}\u{9b}2J", "\\u{0}\\u{7f}\\u{9b}2J"),
            ("a\u{2028}b\u{202e}c", "a\\u{2028}b\\u{202e}c"),
        ] {
            assert_eq!(Printable(text).to_string(), shown);
        }
    }
}
