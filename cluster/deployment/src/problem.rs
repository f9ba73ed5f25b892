//! What is wrong with a manifest, and where.

use std::{fmt, ops::Range};

use serde::{Serialize, ser::SerializeStruct as _};

use crate::limits::PROBLEMS_MAX;

/// Characters of a line that are shown beside a problem.
const LINE_CHARS_MAX: usize = 160;

/// A part of a manifest's text, in bytes.
pub type Span = Range<usize>;

/// The kinds of problem; the names are stable, for programs that read the JSON form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// The text is no TOML.
    Syntax,
    /// A field that does not exist.
    UnknownField,
    /// A field that must be there and is not.
    MissingField,
    /// A value of another type than the field's.
    WrongType,
    /// A name that is none, or that is used twice.
    BadName,
    /// A number outside of its range.
    OutOfRange,
    /// Settings that exclude each other.
    Conflict,
    /// A backend that does not exist.
    UnknownBackend,
    /// A configuration that its backend refuses.
    BadConfig,
    /// A component that cannot be read.
    BadSource,
    /// A limit below what a component needs to start.
    LimitTooLow,
    /// An interface that does not exist.
    UnknownInterface,
    /// A link to a provider or component that does not exist.
    UnknownProvider,
    /// A link to a provider that does not offer the interface.
    WrongProvider,
    /// An import that nobody serves.
    UnservedImport,
    /// An import that must be linked and is not.
    MissingLink,
    /// A link for an interface that the component does not import.
    UnusedLink,
    /// A target that is no component.
    UnknownComponent,
    /// A target or a link's end that is a component without the export that is called.
    WrongComponent,
    /// A target of a provider whose backend calls nothing.
    UnusedTarget,
    /// A selection that the backend refuses.
    BadSelection,
    /// Components whose links lead in a circle.
    LinkCycle,
    /// Vaults whose settings are secrets of each other.
    VaultCycle,
    /// A provider or component to be kept apart from that does not exist.
    UnknownActor,
    /// An address that another provider has.
    AddressTaken,
    /// A variable that no environment can hold.
    BadEnvironment,
    /// More than a manifest may hold.
    TooLarge,
}

impl ProblemKind {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::UnknownField => "unknown-field",
            Self::MissingField => "missing-field",
            Self::WrongType => "wrong-type",
            Self::BadName => "bad-name",
            Self::OutOfRange => "out-of-range",
            Self::Conflict => "conflict",
            Self::UnknownBackend => "unknown-backend",
            Self::BadConfig => "bad-config",
            Self::BadSource => "bad-source",
            Self::LimitTooLow => "limit-too-low",
            Self::UnknownInterface => "unknown-interface",
            Self::UnknownProvider => "unknown-provider",
            Self::WrongProvider => "wrong-provider",
            Self::UnservedImport => "unserved-import",
            Self::MissingLink => "missing-link",
            Self::UnusedLink => "unused-link",
            Self::UnknownComponent => "unknown-component",
            Self::WrongComponent => "wrong-component",
            Self::UnusedTarget => "unused-target",
            Self::BadSelection => "bad-selection",
            Self::LinkCycle => "link-cycle",
            Self::VaultCycle => "vault-cycle",
            Self::UnknownActor => "unknown-actor",
            Self::AddressTaken => "address-taken",
            Self::BadEnvironment => "bad-environment",
            Self::TooLarge => "too-large",
        }
    }
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its kind.
    pub kind: ProblemKind,
    /// Where in the text.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// What to do next.
    pub help: String,
}

/// All problems of one manifest; at least one.
///
/// Its `Display` is for people: each problem with its file, line, column and the line itself. Its
/// JSON is for programs: a list of `{kind, file, line, column, message, help}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    file: String,
    text: String,
    list: Vec<Problem>,
    omitted: usize,
}

impl Problems {
    /// `list`, found in the `text` of `file`; in the order of the text.
    #[must_use]
    pub fn new(file: &str, text: &str, mut list: Vec<Problem>) -> Self {
        list.sort_by_key(|problem| (problem.span.start, problem.span.end));
        list.dedup();
        let omitted = list.len().saturating_sub(PROBLEMS_MAX);
        list.truncate(PROBLEMS_MAX);
        Self {
            file: file.to_owned(),
            text: text.to_owned(),
            list,
            omitted,
        }
    }

    /// The problems.
    #[must_use]
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// Line and column of a problem, both from 1; the column counts characters.
    #[must_use]
    pub fn place(&self, problem: &Problem) -> (usize, usize) {
        let place = Place::of(&self.text, &problem.span);
        (place.line, place.column)
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.list {
            self.write(f, problem)?;
        }
        let count = self.list.len() + self.omitted;
        let (noun, omitted) = (
            if count == 1 { "problem" } else { "problems" },
            self.omitted,
        );
        write!(f, "{}: {count} {noun}; nothing was started", self.file)?;
        if omitted > 0 {
            write!(f, " ({omitted} of them not shown)")?;
        }
        Ok(())
    }
}

impl Problems {
    fn write(&self, f: &mut fmt::Formatter<'_>, problem: &Problem) -> fmt::Result {
        let place = Place::of(&self.text, &problem.span);
        let margin = " ".repeat(place.line.to_string().len());
        let message = printable(&problem.message);
        writeln!(f, "error[{}]: {message}", problem.kind.as_str())?;
        writeln!(
            f,
            "{margin}--> {}:{}:{}",
            self.file, place.line, place.column
        )?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{} | {}", place.line, printable(&place.text))?;
        writeln!(f, "{margin} | {}{}", place.indent, "^".repeat(place.width))?;
        // What it tells to write stands below it, and nothing breaks its lines, so that it can be copied.
        let help: Vec<String> = problem.help.split('\n').map(printable).collect();
        let help = help.join(&format!("\n{margin}           "));
        writeln!(f, "{margin} = help: {help}\n")
    }
}

/// The text without what a terminal would obey: a character for a character.
fn printable(text: &str) -> String {
    let obeyed = |c: char| c.is_control() && c != '\t';
    text.replace(obeyed, "\u{fffd}")
}

impl Serialize for Problems {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.list.iter().map(|problem| PlacedProblem(self, problem)))
    }
}

struct PlacedProblem<'a>(&'a Problems, &'a Problem);

impl Serialize for PlacedProblem<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(problems, problem) = self;
        let (line, column) = problems.place(problem);
        let mut object = serializer.serialize_struct("Problem", 6)?;
        object.serialize_field("kind", &problem.kind)?;
        object.serialize_field("file", &problems.file)?;
        object.serialize_field("line", &line)?;
        object.serialize_field("column", &column)?;
        object.serialize_field("message", &problem.message)?;
        object.serialize_field("help", &problem.help)?;
        object.end()
    }
}

/// A span's first line, for people.
struct Place {
    line: usize,
    column: usize,
    /// The line, or the part of it around the span.
    text: String,
    /// As wide as what stands before the span; a tab stays a tab.
    indent: String,
    width: usize,
}

impl Place {
    fn of(text: &str, span: &Span) -> Self {
        let start = floor_char_boundary(text, span.start);
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let end = floor_char_boundary(text, span.end).clamp(start, line_end);
        let lead = &text[line_start..start];
        let column = lead.chars().count();
        let width = text[start..end].chars().count().max(1);
        let line = text[line_start..line_end].trim_end_matches('\r');
        let (excerpt, cut) = excerpt(line, column);
        let indent = excerpt.chars().take(column - cut);
        Self {
            line: before.matches('\n').count() + 1,
            column: column + 1,
            indent: indent.map(|c| if c == '\t' { '\t' } else { ' ' }).collect(),
            width: width.min(LINE_CHARS_MAX.saturating_sub(column - cut).max(1)),
            text: excerpt,
        }
    }
}

/// The part of a line around a column, and how many characters it lacks before that.
fn excerpt(line: &str, column: usize) -> (String, usize) {
    if line.chars().nth(LINE_CHARS_MAX).is_none() {
        return (line.to_owned(), 0);
    }
    let cut = column.saturating_sub(LINE_CHARS_MAX / 3);
    let rest: Vec<char> = line.chars().skip(cut).collect();
    let mut shown: String = rest.iter().take(LINE_CHARS_MAX).collect();
    if rest.len() > LINE_CHARS_MAX {
        shown.push('…');
    }
    if cut == 0 {
        return (shown, 0);
    }
    (format!("…{shown}"), cut - 1)
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_placed_also_at_the_edges() {
        for (text, span, expected) in [
            ("", 0..0, (1, 1, 1)),
            ("ab", 9..12, (1, 3, 1)),
            ("a\nbc\n", 2..4, (2, 1, 2)),
            ("a\nbc\n", 3..99, (2, 2, 1)),
            ("ä = ü", 5..7, (1, 5, 1)),
            ("ü", 1..2, (1, 1, 1)),
        ] {
            let place = Place::of(text, &span);
            assert_eq!(
                (place.line, place.column, place.width),
                expected,
                "{text:?} {span:?}"
            );
        }
    }
    #[test]
    fn of_a_long_line_the_part_around_the_span_is_shown() {
        let text = format!("{}\"wrong\"{}", "x".repeat(1000), "y".repeat(1000));
        let place = Place::of(&text, &(1000..1007));
        assert_eq!((place.column, place.width), (1001, 7));
        assert!(place.text.chars().count() <= LINE_CHARS_MAX + 2);
        let marked: String = place
            .text
            .chars()
            .skip(place.indent.len())
            .take(7)
            .collect();
        assert_eq!(marked, "\"wrong\"");
        assert!(place.text.starts_with('…') && place.text.ends_with('…'));

        let whole = Place::of(&text, &(0..2007));
        assert_eq!((whole.column, whole.indent.len()), (1, 0));
        assert_eq!(whole.width, LINE_CHARS_MAX);
    }

    #[test]
    fn a_terminal_is_told_nothing_by_a_manifest() {
        let problem = Problem {
            kind: ProblemKind::Syntax,
            span: 0..1,
            message: "a\u{1b}[2J".to_owned(),
            help: "b\r\nc\u{7}".to_owned(),
        };
        let told = Problems::new("app.toml", "\u{1b}]0;x\u{7}", vec![problem]).to_string();
        assert!(
            !told.contains(|c: char| c.is_control() && c != '\n'),
            "{told:?}"
        );
        assert_eq!(told.matches('\u{fffd}').count(), 5, "{told}");
    }
}
