//! Texts of Postgres with others in quotes: arrays, `hstore` and `tsvector`.

use std::fmt::Write as _;

use super::types::{Lexeme, LexemeWeight};

/// The elements of an array as the server writes it; those that are none are NULL. There are none where it has
/// more than one dimension, or begins elsewhere than at its first place.
pub(super) fn elements(text: &str, delimiter: char) -> Option<Vec<Option<String>>> {
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    let mut elements = Vec::new();
    let mut rest = inner;
    while !rest.is_empty() {
        let (element, behind) = match rest.starts_with('"') {
            true => {
                let (element, behind) = unquoted(rest, '"')?;
                (Some(element), behind)
            }
            false => {
                let end = rest.find(delimiter).unwrap_or(rest.len());
                let (word, behind) = rest.split_at(end);
                if word.starts_with('{') {
                    return None;
                }
                ((word != "NULL").then(|| word.to_owned()), behind)
            }
        };
        elements.push(element);
        rest = match behind.strip_prefix(delimiter) {
            Some("") => return None,
            Some(next) => next,
            None if behind.is_empty() => behind,
            None => return None,
        };
    }
    Some(elements)
}

/// The text in quotes at the beginning of another, without them, and what is behind it. A quote in it is
/// doubled, or has a backslash before it.
fn unquoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut inner = String::new();
    let mut characters = text.strip_prefix(quote)?.char_indices();
    let behind = &text[quote.len_utf8()..];
    while let Some((at, character)) = characters.next() {
        if character == '\\' {
            inner.push(characters.next()?.1);
        } else if character == quote {
            let rest = &behind[at + quote.len_utf8()..];
            if !rest.starts_with(quote) {
                return Some((inner, rest));
            }
            characters.next();
            inner.push(quote);
        } else {
            inner.push(character);
        }
    }
    None
}

/// A text in quotes, with a backslash before each of its own, and before each backslash.
fn quoted(text: &str, quote: char) -> String {
    let mut whole = String::from(quote);
    for character in text.chars() {
        if character == quote || character == '\\' {
            whole.push('\\');
        }
        whole.push(character);
    }
    whole.push(quote);
    whole
}

/// `"a"=>"1", "b"=>NULL`
pub(super) fn hstore_text(pairs: &[(String, Option<String>)]) -> String {
    let pairs = pairs.iter().map(|(key, value)| {
        let value = value
            .as_ref()
            .map_or("NULL".to_owned(), |value| quoted(value, '"'));
        format!("{}=>{value}", quoted(key, '"'))
    });
    pairs.collect::<Vec<_>>().join(", ")
}

pub(super) fn hstore_of(text: &str) -> Option<Vec<(String, Option<String>)>> {
    let (mut pairs, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let (key, behind) = unquoted(rest, '"')?;
        let behind = behind.strip_prefix("=>")?;
        let (value, behind) = match behind.strip_prefix("NULL") {
            Some(behind) => (None, behind),
            None => {
                let (value, behind) = unquoted(behind, '"')?;
                (Some(value), behind)
            }
        };
        pairs.push((key, value));
        rest = match behind.strip_prefix(", ") {
            Some(next) => next,
            None if behind.is_empty() => behind,
            None => return None,
        };
    }
    Some(pairs)
}

/// `'a':1A 'b'`
///
/// # Errors
/// A weight of no place, in words.
pub(super) fn lexemes_text(lexemes: &[Lexeme]) -> Result<String, String> {
    let mut text = String::new();
    for Lexeme {
        position,
        weight,
        data,
    } in lexemes
    {
        let separator = if text.is_empty() { "" } else { " " };
        text.push_str(separator);
        text.push_str(&quoted(data, '\''));
        let weight = weight.map_or("", |weight| match weight {
            LexemeWeight::A => "A",
            LexemeWeight::B => "B",
            LexemeWeight::C => "C",
            LexemeWeight::D => "D",
        });
        match position {
            Some(position) => write!(text, ":{position}{weight}").expect("a string takes any text"),
            None if weight.is_empty() => {}
            None => return Err(format!("the lexeme {data:?} has a weight, and no position")),
        }
    }
    Ok(text)
}

/// A lexeme with several places is several; the weight D is not written.
pub(super) fn lexemes_of(text: &str) -> Option<Vec<Lexeme>> {
    let (mut lexemes, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let (data, behind) = unquoted(rest, '\'')?;
        let (places, next) = behind.split_once(' ').unwrap_or((behind, ""));
        if places.is_empty() {
            lexemes.push(Lexeme {
                position: None,
                weight: None,
                data,
            });
        } else {
            for place in places.strip_prefix(':')?.split(',') {
                let digits = place.trim_end_matches(['A', 'B', 'C', 'D']);
                let weight = match &place[digits.len()..] {
                    "" => None,
                    "A" => Some(LexemeWeight::A),
                    "B" => Some(LexemeWeight::B),
                    "C" => Some(LexemeWeight::C),
                    "D" => Some(LexemeWeight::D),
                    _ => return None,
                };
                let position = Some(digits.parse().ok()?);
                lexemes.push(Lexeme {
                    position,
                    weight,
                    data: data.clone(),
                });
            }
        }
        rest = next;
    }
    Some(lexemes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_array_of_one_dimension_has_its_elements() {
        let all = |text: &str| {
            elements(text, ',').map(|all| {
                all.into_iter()
                    .map(|it| it.unwrap_or_else(|| "-".to_owned()))
                    .collect::<Vec<_>>()
            })
        };
        let texts =
            |texts: &[&str]| Some(texts.iter().map(|&it| it.to_owned()).collect::<Vec<_>>());
        assert_eq!(all("{}"), texts(&[]));
        assert_eq!(
            all("{a,NULL,\"NULL\",\"x\\\"\\\\,y\"}"),
            texts(&["a", "-", "NULL", "x\"\\,y"])
        );
        for none in [
            "{{a},{b}}",
            "[2:3]={a,b}",
            "{a,}",
            "{\"a\"b}",
            "{\"a",
            "a",
            "",
        ] {
            assert_eq!(all(none), None, "{none}");
        }
        let boxes = elements("{(1,1),(0,0);(2,2),(1,1)}", ';').expect("boxes");
        assert_eq!(boxes.len(), 2);
    }

    #[test]
    fn lexemes_have_their_places() {
        let lexemes = lexemes_of("'it''s':2A,5 'b\\\\' 'c d':16383").expect("lexemes");
        let shown: Vec<_> = lexemes
            .iter()
            .map(|it| (&*it.data, it.position, it.weight))
            .collect();
        assert_eq!(
            shown,
            [
                ("it's", Some(2), Some(LexemeWeight::A)),
                ("it's", Some(5), None),
                ("b\\", None, None),
                ("c d", Some(16_383), None),
            ]
        );
        let text = lexemes_text(&lexemes).expect("places");
        assert_eq!(text, r"'it\'s':2A 'it\'s':5 'b\\' 'c d':16383");
        let nowhere = Lexeme {
            position: None,
            weight: Some(LexemeWeight::B),
            data: "x".into(),
        };
        assert!(lexemes_text(&[nowhere]).is_err());
        for none in ["a", "'a", "'a':x", "'a':1E", "'a'1"] {
            assert_eq!(lexemes_of(none).map(|it| it.len()), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn pairs_are_read_as_they_were_written(
            pairs in prop::collection::vec((".{0,6}", prop::option::of(".{0,6}")), 0..4)
        ) {
            prop_assert_eq!(hstore_of(&hstore_text(&pairs)), Some(pairs));
        }

        #[test]
        fn any_text_is_looked_at(text in "[{}\"'\\\\,;: aN=>1A\u{e9}]{0,20}") {
            elements(&text, ',');
            hstore_of(&text);
            lexemes_of(&text);
        }
    }
}
