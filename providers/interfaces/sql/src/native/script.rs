//! A text of several statements.

use super::scan::{code, first_words};

/// What the whole of a text is in, where it says so itself.
const OPENS: &[&str] = &["BEGIN", "START"];
const CLOSES: &[&str] = &["COMMIT", "END"];

/// What may stand beside that, and changes nothing.
const FILLS: &[&str] = &["", "TRANSACTION", "WORK"];

/// The statements of a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Script<'a> {
    /// In their order; an empty one is none.
    pub(crate) statements: Vec<&'a str>,
    /// It says that it is one transaction: its `BEGIN` and its `COMMIT` are not among the statements.
    pub(crate) is_a_transaction: bool,
}

impl<'a> Script<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        let mut statements = apart(text);
        let opens = |text: &&str| is_plain(text, OPENS);
        let closes = |text: &&str| is_plain(text, CLOSES);
        let is_a_transaction = statements.len() > 1
            && statements.first().is_some_and(opens)
            && statements.last().is_some_and(closes);
        if is_a_transaction {
            statements.pop();
            statements.remove(0);
        }
        Self {
            statements,
            is_a_transaction,
        }
    }
}

/// Whether a statement is one of those words, and asks for nothing more.
fn is_plain(text: &str, words: &[&str]) -> bool {
    let (first, second) = first_words(text);
    let code: String = code(text).into_iter().map(|(_, part)| part).collect();
    words.contains(&&*first)
        && FILLS.contains(&&*second)
        && code.split_whitespace().count() == 1 + usize::from(!second.is_empty())
}

fn apart(text: &str) -> Vec<&str> {
    let (mut statements, mut start) = (Vec::new(), 0);
    let mut nesting = Nesting::default();
    for (at, part) in code(text) {
        let mut word = at;
        for (offset, character) in part.char_indices() {
            let here = at + offset;
            if character.is_alphanumeric() || character == '_' {
                continue;
            }
            nesting.word(&text[word..here]);
            word = here + character.len_utf8();
            match character {
                '(' => nesting.parentheses += 1,
                ')' => nesting.parentheses = nesting.parentheses.saturating_sub(1),
                ';' if nesting.is_none() => {
                    statements.push(&text[start..here]);
                    start = word;
                    nesting = Nesting::default();
                }
                _ => {}
            }
        }
        nesting.word(&text[word..at + part.len()]);
    }
    statements.push(&text[start..]);
    let trimmed = statements.into_iter().map(str::trim);
    trimmed.filter(|text| !is_empty(text)).collect()
}

/// Whether it is nothing but a comment.
fn is_empty(text: &str) -> bool {
    let has_code = || code(text).iter().any(|(_, part)| !part.trim().is_empty());
    text.is_empty() || ((text.starts_with("--") || text.starts_with("/*")) && !has_code())
}

/// What a semicolon may stand in. The body of a function, a procedure or a trigger may have statements of its own,
/// between `BEGIN` and `END`.
#[derive(Default)]
struct Nesting {
    parentheses: usize,
    blocks: usize,
    words: usize,
    creates: bool,
    has_a_body: bool,
}

impl Nesting {
    fn is_none(&self) -> bool {
        self.parentheses == 0 && self.blocks == 0
    }

    fn word(&mut self, word: &str) {
        /// What may stand before the kind of what is created.
        const KIND_AT_MOST: usize = 4;

        if word.is_empty() {
            return;
        }
        let word = word.to_ascii_uppercase();
        self.words += 1;
        match &*word {
            "CREATE" if self.words == 1 => self.creates = true,
            "FUNCTION" | "PROCEDURE" | "TRIGGER" if self.words <= KIND_AT_MOST => {
                self.has_a_body = self.creates;
            }
            _ if !self.has_a_body || self.parentheses > 0 => {}
            "BEGIN" => self.blocks += 1,
            "CASE" if self.blocks > 0 => self.blocks += 1,
            "END" => self.blocks = self.blocks.saturating_sub(1),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_is_parted_where_a_statement_ends() {
        for (text, expected) in [
            ("", &[][..]),
            (" ;; -- nothing;\n;/* ; */", &[]),
            ("select 1", &["select 1"]),
            (
                "select ';'; select \";\" ; -- end;",
                &["select ';'", "select \";\""],
            ),
            (
                "select $$;$$;select $a$;$a$",
                &["select $$;$$", "select $a$;$a$"],
            ),
            (
                "create rule r as on insert to t do (delete from a; delete from b); x",
                &[
                    "create rule r as on insert to t do (delete from a; delete from b)",
                    "x",
                ],
            ),
            (
                "create or replace function f() returns int begin atomic select 1; end; y",
                &[
                    "create or replace function f() returns int begin atomic select 1; end",
                    "y",
                ],
            ),
            (
                "CREATE TEMP TRIGGER g AFTER INSERT ON t BEGIN SELECT CASE WHEN 1 THEN 2 END; SELECT 3; END; z",
                &[
                    "CREATE TEMP TRIGGER g AFTER INSERT ON t BEGIN SELECT CASE WHEN 1 THEN 2 END; SELECT 3; END",
                    "z",
                ],
            ),
            (
                "create table begin_(a int); select case when true then 1 end; t",
                &[
                    "create table begin_(a int)",
                    "select case when true then 1 end",
                    "t",
                ],
            ),
            (
                "-- first;\ncreate table a(b int);",
                &["-- first;\ncreate table a(b int)"],
            ),
            ("'no statement'; x", &["'no statement'", "x"]),
            ("); x", &[")", "x"]),
        ] {
            let script = Script::of(text);
            assert_eq!(script.statements, expected, "{text}");
            assert!(!script.is_a_transaction, "{text}");
        }
    }

    #[test]
    fn a_text_that_is_a_transaction_is_known() {
        for (text, is_one, count) in [
            ("begin; a; b; commit;", true, 2),
            ("/* x */ BEGIN TRANSACTION; a; END work", true, 1),
            ("start transaction; commit", true, 0),
            ("begin isolation level serializable; a; commit", false, 3),
            ("begin; a; rollback", false, 3),
            ("begin; a; commit and chain", false, 3),
            ("begin; a", false, 2),
            ("begin", false, 1),
        ] {
            let script = Script::of(text);
            assert_eq!(
                (script.is_a_transaction, script.statements.len()),
                (is_one, count),
                "{text}"
            );
        }
    }

    proptest! {
        /// Nothing but semicolons, blanks and comments is left out.
        #[test]
        fn any_text_is_parted(text in "[a;'\"$()/* \n-]{0,40}|(begin|end|create|trigger|;| |case){0,12}") {
            for statement in apart(&text) {
                prop_assert!(text.contains(statement) && !statement.is_empty());
            }
            Script::of(&text);
        }
    }
}
