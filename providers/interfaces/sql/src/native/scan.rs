//! What of a statement's text is code: not in quotes, and no comment.

/// The parts of a text that are code, in their order, each with the place where it begins. What closes
/// nowhere goes to the end.
///
/// It knows what the databases have in common: `'...'`, `"..."` and `` `...` `` with doubled quotes in
/// them, `E'...'` with backslashes, `$tag$...$tag$`, `-- ...` and `/* ... */`, also one in another.
pub(crate) fn code(text: &str) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let (mut at, mut start) = (0, 0);
    while at < text.len() {
        let Some(end) = end_of_quoted(text, at) else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
            continue;
        };
        if start < at {
            parts.push((start, &text[start..at]));
        }
        (at, start) = (end, end);
    }
    if start < text.len() {
        parts.push((start, &text[start..]));
    }
    parts
}

/// Where the quotes, or the comment, end that begin there, if some do.
fn end_of_quoted(text: &str, at: usize) -> Option<usize> {
    let rest = &text.as_bytes()[at..];
    let within = |length: usize| Some(at + length);
    match rest {
        [b'-', b'-', ..] => {
            let line = rest.iter().position(|byte| *byte == b'\n');
            within(line.map_or(rest.len(), |newline| newline + 1))
        }
        [b'/', b'*', ..] => within(comment_length(rest)),
        [quote @ (b'\'' | b'"' | b'`'), ..] => {
            let escapes = *quote == b'\'' && is_escaping(&text.as_bytes()[..at]);
            within(quoted_length(rest, *quote, escapes))
        }
        [b'$', ..] if !follows_a_name(&text.as_bytes()[..at]) => {
            dollar_length(&text[at..]).map(|length| at + length)
        }
        _ => None,
    }
}

fn comment_length(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at + 1 < rest.len() {
        match &rest[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" if depth == 1 => return at + 2,
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    rest.len()
}

fn quoted_length(rest: &[u8], quote: u8, escapes: bool) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' if escapes => at += 2,
            byte if byte == quote && rest.get(at + 1) == Some(&quote) => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Whether an `E` stands before the quote, and is no end of a name.
fn is_escaping(before: &[u8]) -> bool {
    match before {
        [before @ .., b'e' | b'E'] => !follows_a_name(before),
        _ => false,
    }
}

fn follows_a_name(before: &[u8]) -> bool {
    let last = before.last();
    last.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 128..))
}

/// Of `$tag$...$tag$`; a `$1` is none.
fn dollar_length(rest: &str) -> Option<usize> {
    let tag_end = rest[1..].find('$')? + 2;
    let tag = &rest[..tag_end];
    let name = &tag[1..tag_end - 1];
    let legal = |character: char| character.is_alphanumeric() || character == '_';
    if !name.chars().all(legal) || name.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let close = rest[tag_end..].find(tag);
    Some(close.map_or(rest.len(), |close| tag_end + close + tag_end))
}

/// The first word of a statement, in capitals, and the second one; what stands before it is left out.
pub(crate) fn first_words(text: &str) -> (String, String) {
    let code = code(text);
    let code: Vec<_> = code.iter().map(|(_, part)| *part).collect();
    // A quoted thing parts words as a blank does.
    let code = code.join(" ");
    let code = code.trim_start_matches(|first: char| first.is_whitespace() || "(;".contains(first));
    let mut words = code
        .split(|character: char| !character.is_alphanumeric() && character != '_')
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_uppercase);
    (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    )
}

/// Whether code follows a semicolon.
pub(crate) fn has_more_behind_a_semicolon(text: &str) -> bool {
    let mut is_behind = false;
    for character in code(text).iter().flat_map(|(_, part)| part.chars()) {
        match character {
            ';' => is_behind = true,
            other if is_behind && !other.is_whitespace() => return true,
            _ => {}
        }
    }
    false
}

/// A text with `$1`, `$2` and so on in place of each `?` of its code; as it is where its code has such
/// parameters already.
pub(crate) fn with_numbered_parameters(text: &str) -> String {
    let parts = code(text);
    let is_number = |(at, _): &(usize, &str), part: &str| {
        part[at + 1..].starts_with(|next: char| next.is_ascii_digit())
    };
    let has_numbers = parts.iter().any(|(_, part)| {
        let mut dollars = part.match_indices('$');
        dollars.any(|found| is_number(&found, part))
    });
    if has_numbers {
        return text.to_owned();
    }
    let (mut numbered, mut number, mut copied) = (String::with_capacity(text.len()), 0, 0);
    for (start, part) in parts {
        for (at, _) in part.match_indices('?') {
            number += 1;
            numbered.push_str(&text[copied..start + at]);
            numbered.push_str(&format!("${number}"));
            copied = start + at + 1;
        }
    }
    numbered.push_str(&text[copied..]);
    numbered
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_statement_is_known_by_its_first_word() {
        for (text, expected) in [
            ("begin", "BEGIN"),
            (" \n;; Commit work", "COMMIT"),
            ("-- select\nrollback", "ROLLBACK"),
            ("/* a /* b */ select */ BEGIN", "BEGIN"),
            ("/**/begin", "BEGIN"),
            ("((select 1))", "SELECT"),
            ("'begin'", ""),
            ("\"begin\" x", "X"),
            ("", ""),
            ("beginning", "BEGINNING"),
        ] {
            assert_eq!(first_words(text).0, expected, "{text}");
        }
        assert_eq!(first_words("set local a = 1").1, "LOCAL");
    }

    #[test]
    fn only_the_question_marks_of_code_are_parameters() {
        for (text, expected) in [
            ("a = ? and b = ?", "a = $1 and b = $2"),
            ("'?' || ? -- ?\n|| ?", "'?' || $1 -- ?\n|| $2"),
            (r"E'\'?' || ? || 'a\'", r"E'\'?' || $1 || 'a\'"),
            ("'it''s ?' = ?", "'it''s ?' = $1"),
            ("\"?\" = ? /* ? */", "\"?\" = $1 /* ? */"),
            ("$a$ ? ' $a$ || ?", "$a$ ? ' $a$ || $1"),
            ("$$?$$ || ?", "$$?$$ || $1"),
            ("a = $1 and b ? 'key'", "a = $1 and b ? 'key'"),
            ("'$1' = ?", "'$1' = $1"),
            ("'never closed ?", "'never closed ?"),
        ] {
            assert_eq!(with_numbered_parameters(text), expected);
        }
    }

    #[test]
    fn a_second_statement_is_seen() {
        for (text, expected) in [
            ("select 1", false),
            ("select 1; ", false),
            ("select 1; -- more", false),
            ("select ';x'", false),
            ("select 1; drop table a", true),
        ] {
            assert_eq!(has_more_behind_a_semicolon(text), expected, "{text}");
        }
    }

    proptest! {
        /// Whatever it is, it is parted without a loss at characters' bounds.
        #[test]
        fn any_text_is_scanned(text in "[-/*'\"`$;?eE\\\\a1\u{e9} \n]{0,40}") {
            let mut end = 0;
            for (start, part) in code(&text) {
                prop_assert!(start >= end);
                end = start + part.len();
                prop_assert_eq!(&text[start..end], part);
            }
            first_words(&text);
            with_numbered_parameters(&text);
        }
    }
}
