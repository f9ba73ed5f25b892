//! A table of a manifest, read field by field, so that every problem is found and not only the first.

use std::{cell::RefCell, collections::BTreeMap, ops::RangeInclusive};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use wrt_protocol::Name;

use crate::{Problem, ProblemKind, Span, nearest};

/// The problems found so far.
#[derive(Debug, Default)]
pub(crate) struct Findings(RefCell<Vec<Problem>>);

impl Findings {
    pub(crate) fn add(
        &self,
        kind: ProblemKind,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let (message, help) = (message.into(), help.into());
        self.0.borrow_mut().push(Problem {
            kind,
            span,
            message,
            help,
        });
    }

    pub(crate) fn count(&self) -> usize {
        self.0.borrow().len()
    }

    pub(crate) fn into_list(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// One table, the fields that were asked for so far, and where problems go.
pub(crate) struct Section<'a, 'i> {
    /// How messages call it: ``component `counter` ``.
    pub(crate) title: String,
    /// Where it begins.
    pub(crate) span: Span,
    table: &'a DeTable<'i>,
    known: Vec<&'static str>,
    /// Known, and not to be used any more.
    retired: Vec<&'static str>,
    findings: &'a Findings,
}

/// What [`Section::number_or_word`] has found.
pub(crate) enum NumberOrWord {
    Number(u64),
    Word,
}

impl<'a, 'i> Section<'a, 'i> {
    pub(crate) fn new(
        title: impl Into<String>,
        span: Span,
        table: &'a DeTable<'i>,
        findings: &'a Findings,
    ) -> Self {
        Self {
            title: title.into(),
            span,
            table,
            known: Vec::new(),
            retired: Vec::new(),
            findings,
        }
    }

    pub(crate) fn findings(&self) -> &'a Findings {
        self.findings
    }

    /// A field as it stands; asking for it makes it known.
    pub(crate) fn value(&mut self, field: &'static str) -> Option<&'a Spanned<DeValue<'i>>> {
        self.known.push(field);
        self.table.get(field)
    }

    /// A field that there was once: whoever asks tells of it, and nobody is pointed to it.
    pub(crate) fn retired(
        &mut self,
        field: &'static str,
    ) -> Option<(
        &'a Spanned<std::borrow::Cow<'i, str>>,
        &'a Spanned<DeValue<'i>>,
    )> {
        self.retired.push(field);
        self.table.get_key_value(field)
    }

    pub(crate) fn has(&self, field: &str) -> bool {
        self.table.contains_key(field)
    }

    /// Where a field's key stands, if it is there.
    pub(crate) fn key_span(&self, field: &str) -> Option<Span> {
        self.table.get_key_value(field).map(|(key, _)| key.span())
    }

    pub(crate) fn string(&mut self, field: &'static str) -> Option<Spanned<String>> {
        let value = self.value(field)?;
        self.as_string(field, value)
    }

    pub(crate) fn required_string(
        &mut self,
        field: &'static str,
        example: &str,
    ) -> Option<Spanned<String>> {
        if !self.table.contains_key(field) {
            self.known.push(field);
            let message = format!("{} has no `{field}`", self.title);
            let help = format!("add one, for instance `{field} = {example}`");
            self.findings
                .add(ProblemKind::MissingField, self.span.clone(), message, help);
            return None;
        }
        self.string(field)
    }

    /// Yes or no.
    pub(crate) fn boolean(&mut self, field: &'static str) -> Option<Spanned<bool>> {
        let value = self.value(field)?;
        let DeValue::Boolean(boolean) = value.get_ref() else {
            self.wrong_type(field, value, "true or false");
            return None;
        };
        Some(Spanned::new(value.span(), *boolean))
    }

    /// A whole number within a range.
    pub(crate) fn number(
        &mut self,
        field: &'static str,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        let value = self.value(field)?;
        self.as_number(field, value, range, "a whole number")
    }

    /// A whole number within a range, or one word that stands for something else.
    pub(crate) fn number_or_word(
        &mut self,
        field: &'static str,
        range: RangeInclusive<u64>,
        word: &str,
    ) -> Option<NumberOrWord> {
        let value = self.value(field)?;
        if matches!(value.get_ref(), DeValue::String(text) if text == word) {
            return Some(NumberOrWord::Word);
        }
        let expected = format!("a whole number, or {word:?}");
        self.as_number(field, value, range, &expected)
            .map(NumberOrWord::Number)
    }

    fn as_number(
        &self,
        field: &str,
        value: &Spanned<DeValue<'_>>,
        range: RangeInclusive<u64>,
        expected: &str,
    ) -> Option<u64> {
        let DeValue::Integer(integer) = value.get_ref() else {
            self.wrong_type(field, value, expected);
            return None;
        };
        let number = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.and_then(|number| u64::try_from(number).ok());
        if let Some(number) = number.filter(|number| range.contains(number)) {
            return Some(number);
        }
        let message = format!("`{field}` of {} is out of range", self.title);
        let help = format!(
            "use a number from {} to {}, or leave it out for the default",
            range.start(),
            range.end()
        );
        self.findings
            .add(ProblemKind::OutOfRange, value.span(), message, help);
        None
    }

    /// [`Section::number`] for what fits in 32 bits.
    pub(crate) fn number_u32(
        &mut self,
        field: &'static str,
        range: RangeInclusive<u64>,
    ) -> Option<u32> {
        self.number(field, range)
            .and_then(|number| u32::try_from(number).ok())
    }

    pub(crate) fn strings(&mut self, field: &'static str) -> Option<Spanned<Vec<Spanned<String>>>> {
        let value = self.value(field)?;
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong_type(field, value, "a list of texts");
            return None;
        };
        let texts = array
            .iter()
            .filter_map(|item| self.as_string(field, item))
            .collect();
        Some(Spanned::new(value.span(), texts))
    }

    /// A table of texts, its keys as they are.
    pub(crate) fn string_table(
        &mut self,
        field: &'static str,
    ) -> BTreeMap<String, (Span, Spanned<String>)> {
        let Some(section) = self.section(field) else {
            return BTreeMap::new();
        };
        let entries = section.table.iter().filter_map(|(key, value)| {
            let text = section.as_string(key.get_ref(), value)?;
            Some((key.get_ref().to_string(), (key.span(), text)))
        });
        entries.collect()
    }

    /// A table within this one.
    pub(crate) fn section(&mut self, field: &'static str) -> Option<Section<'a, 'i>> {
        self.known.push(field);
        let (key, value) = self.table.get_key_value(field)?;
        let DeValue::Table(table) = value.get_ref() else {
            self.wrong_type(field, value, "a table");
            return None;
        };
        let title = format!("`{field}` of {}", self.title);
        Some(Section::new(title, key.span(), table, self.findings))
    }

    /// The tables within this one, each under a name of its own: `[component.<name>]`.
    pub(crate) fn named_sections(
        &mut self,
        field: &'static str,
    ) -> Vec<(Spanned<Name>, Section<'a, 'i>)> {
        let Some(outer) = self.section(field) else {
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (key, value) in outer.table {
            let DeValue::Table(table) = value.get_ref() else {
                let message = format!("`{field}.{}` is {}", key.get_ref(), type_name(value));
                let help = format!("make it a table: `[{field}.<name>]` and its fields below");
                self.findings
                    .add(ProblemKind::WrongType, value.span(), message, help);
                continue;
            };
            let Some(name) = self.findings.name(key.get_ref(), key.span()) else {
                continue;
            };
            let title = format!("{field} `{}`", name.get_ref());
            sections.push((name, Section::new(title, key.span(), table, self.findings)));
        }
        sections
    }

    /// The tables of a list, titled by `noun`.
    pub(crate) fn sections(&mut self, field: &'static str, noun: &str) -> Vec<Section<'a, 'i>> {
        let Some(value) = self.value(field) else {
            return Vec::new();
        };
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong_type(field, value, "a list of tables");
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in array.iter() {
            match item.get_ref() {
                DeValue::Table(table) => {
                    let title = format!("{noun} of {}", self.title);
                    sections.push(Section::new(title, item.span(), table, self.findings));
                }
                _ => self.wrong_type(field, item, "a list of tables"),
            }
        }
        sections
    }

    /// Every entry of the table, its keys not checked against anything.
    pub(crate) fn entries(
        &self,
    ) -> impl Iterator<
        Item = (
            &'a Spanned<std::borrow::Cow<'i, str>>,
            &'a Spanned<DeValue<'i>>,
        ),
    > + use<'a, 'i> {
        self.table.iter()
    }

    /// Reports every field that nobody asked for.
    pub(crate) fn finish(self) {
        for key in self.table.keys() {
            let field = key.get_ref().as_ref();
            if self.known.contains(&field) || self.retired.contains(&field) {
                continue;
            }
            let help = match nearest(field, self.known.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("it has: {}", self.known.join(", ")),
            };
            let message = format!("{} has no field `{field}`", self.title);
            self.findings
                .add(ProblemKind::UnknownField, key.span(), message, help);
        }
    }

    pub(crate) fn wrong_type(&self, field: &str, value: &Spanned<DeValue<'_>>, expected: &str) {
        let message = format!("`{field}` of {} is {}", self.title, type_name(value));
        let help = format!("make it {expected}");
        self.findings
            .add(ProblemKind::WrongType, value.span(), message, help);
    }

    fn as_string(&self, field: &str, value: &Spanned<DeValue<'_>>) -> Option<Spanned<String>> {
        if let DeValue::String(text) = value.get_ref() {
            return Some(Spanned::new(value.span(), text.to_string()));
        }
        self.wrong_type(field, value, "a text in quotes");
        None
    }
}

impl Findings {
    /// Checks a name.
    pub(crate) fn name(&self, text: &str, span: Span) -> Option<Spanned<Name>> {
        match Name::new(text) {
            Ok(name) => Some(Spanned::new(span, name)),
            Err(error) => {
                let help = match suggested_name(text) {
                    Some(name) => format!("for instance `{name}`"),
                    None => "give it a short name in lower case".to_owned(),
                };
                self.add(ProblemKind::BadName, span, error.to_string(), help);
                None
            }
        }
    }
}

/// The name that somebody who wrote `text` may have meant.
fn suggested_name(text: &str) -> Option<Name> {
    let lower = text.trim().to_lowercase().replace([' ', '.', '/'], "-");
    let legal: String = lower
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .collect();
    Name::new(legal.trim_start_matches(['-', '_'])).ok()
}

fn type_name(value: &Spanned<DeValue<'_>>) -> &'static str {
    match value.get_ref() {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
