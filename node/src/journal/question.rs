//! What a node is asked for, and what it answers, as JSON on its status subject. A node of an earlier build
//! answers with its status, which is no [`Page`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use wrt_protocol::{ActorAddress, Epoch, Name};

use super::{Journal, Read};

/// Where a reader goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// In what this incarnation has said; another one has begun anew.
    pub epoch: Epoch,
    /// With the entry of this number.
    pub number: u64,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// Its log.
    Logs(LogQuestion),
    /// What has happened.
    Events(EventQuestion),
}

/// Which lines of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogQuestion {
    /// From here on; without it the last ones.
    pub after: Option<Cursor>,
    /// How many of these.
    pub tail: usize,
    /// Of this app.
    pub app: Option<Name>,
    /// Of this component or provider of it.
    pub name: Option<Name>,
    /// That matter as much at least.
    pub level: LogLevel,
}

/// Which events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventQuestion {
    /// From here on; without it the last ones.
    pub after: Option<Cursor>,
    /// How many of these.
    pub tail: usize,
    /// Of this app.
    pub app: Option<Name>,
    /// Of this component or provider of it.
    pub name: Option<Name>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// What was asked for.
    pub entries: Vec<T>,
    /// Where to go on.
    pub next: Cursor,
    /// Entries that were gone before they could be read.
    pub missed: u64,
}

/// How much a line of the log matters, the least first.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Each step.
    #[default]
    Trace,
    /// For those who look for a mistake.
    Debug,
    /// For those who watch.
    Info,
    /// Something that may go wrong.
    Warn,
    /// Something that went wrong.
    Error,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When, by the node's clock.
    pub unix_nanos: u64,
    pub level: LogLevel,
    /// Which part of the program says so.
    pub target: String,
    pub text: String,
    /// What is said beside that: `app` and `component` where a guest speaks.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
    #[serde(default)]
    pub trace: Option<String>,
}

/// Something that has happened. Its kind is a word, so that a reader passes on one that it does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventLine {
    /// When, by the node's clock.
    pub unix_nanos: u64,
    pub kind: String,
    #[serde(default)]
    pub app: Option<String>,
    #[serde(default)]
    pub actor: Option<String>,
    /// Which node it is about, if it is about another one than says it.
    #[serde(default)]
    pub about: Option<String>,
    #[serde(default)]
    pub revision: Option<u64>,
    /// In words.
    pub text: String,
}

impl LogLine {
    fn is_of(&self, app: &Name, name: Option<&Name>) -> bool {
        let field = |key: &str| self.fields.get(key).map(String::as_str);
        if let Some(actor) = field("actor").and_then(|actor| actor.parse::<ActorAddress>().ok()) {
            return actor.app == *app && name.is_none_or(|name| actor.name == *name);
        }
        let is_named = name.is_none_or(|name| field("component") == Some(name.as_str()));
        field("app") == Some(app.as_str()) && is_named
    }
}

impl LogQuestion {
    fn wants(&self, line: &LogLine) -> bool {
        let app = self.app.as_ref();
        line.level >= self.level && app.is_none_or(|app| line.is_of(app, self.name.as_ref()))
    }
}

impl EventQuestion {
    fn wants(&self, line: &EventLine) -> bool {
        let Some(app) = &self.app else { return true };
        let Some(name) = &self.name else {
            return line.app.as_deref() == Some(app.as_str());
        };
        let actor = line.actor.as_deref();
        let actor = actor.and_then(|actor| actor.parse::<ActorAddress>().ok());
        actor.is_some_and(|actor| actor.app == *app && actor.name == *name)
    }
}

impl Question {
    /// The answer of a node that has these journals; nothing to what is no question.
    pub fn answered(
        asked: &[u8],
        epoch: Epoch,
        logs: &Journal<LogLine>,
        events: &Journal<EventLine>,
    ) -> Option<serde_json::Value> {
        match serde_json::from_slice(asked).ok()? {
            Self::Logs(question) => {
                let (after, tail) = (question.after, question.tail);
                page(logs, epoch, (after, tail), |line| question.wants(line))
            }
            Self::Events(question) => {
                let (after, tail) = (question.after, question.tail);
                page(events, epoch, (after, tail), |line| question.wants(line))
            }
        }
    }
}

fn page<T: Clone + Serialize + DeserializeOwned>(
    journal: &Journal<T>,
    epoch: Epoch,
    (after, tail): (Option<Cursor>, usize),
    is_wanted: impl Fn(&T) -> bool,
) -> Option<serde_json::Value> {
    let Read {
        entries,
        next,
        missed,
    } = match after {
        None => journal.last(tail, is_wanted),
        Some(cursor) if cursor.epoch == epoch => journal.from(cursor.number, is_wanted),
        Some(_) => journal.from(0, is_wanted),
    };
    let next = Cursor {
        epoch,
        number: next,
    };
    let page = Page {
        entries,
        next,
        missed,
    };
    serde_json::to_value(page).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(level: LogLevel, fields: &[(&str, &str)]) -> LogLine {
        let fields = fields.iter();
        LogLine {
            unix_nanos: 1,
            level,
            target: "wrt::guest".to_owned(),
            text: "hello".to_owned(),
            fields: fields
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            trace: None,
        }
    }

    #[test]
    fn a_log_is_asked_for_by_app_component_and_level() {
        let cart = line(LogLevel::Info, &[("app", "shop"), ("component", "cart")]);
        let store = line(LogLevel::Warn, &[("actor", "provider/shop/store")]);
        let own = line(LogLevel::Error, &[]);
        let wanted = |app: &str, name: Option<&str>, level| {
            let question = LogQuestion {
                app: Name::new(app).ok(),
                name: name.map(|name| Name::new(name).unwrap()),
                level,
                ..LogQuestion::default()
            };
            [&cart, &store, &own].map(|line| question.wants(line))
        };
        assert_eq!(wanted("", None, LogLevel::Trace), [true, true, true]);
        assert_eq!(wanted("", None, LogLevel::Warn), [false, true, true]);
        assert_eq!(wanted("shop", None, LogLevel::Trace), [true, true, false]);
        assert_eq!(
            wanted("shop", Some("store"), LogLevel::Trace),
            [false, true, false]
        );
        assert_eq!(
            wanted("shop", Some("cart"), LogLevel::Warn),
            [false, false, false]
        );
        assert_eq!(wanted("blog", None, LogLevel::Trace), [false, false, false]);
    }

    #[test]
    fn a_reader_of_another_incarnation_begins_anew_and_nonsense_is_no_question() {
        let (logs, events) = (Journal::new(9, 9000), Journal::new(9, 9000));
        for _ in 0..3 {
            logs.push(line(LogLevel::Info, &[]), 5);
        }
        let ask = |epoch, number| {
            let after = Some(Cursor {
                epoch: Epoch(epoch),
                number,
            });
            let question = Question::Logs(LogQuestion {
                after,
                ..LogQuestion::default()
            });
            let asked = serde_json::to_vec(&question).unwrap();
            let answer = Question::answered(&asked, Epoch(7), &logs, &events).unwrap();
            let page: Page<LogLine> = serde_json::from_value(answer).unwrap();
            (page.entries.len(), page.next.number)
        };
        assert_eq!((ask(7, 2), ask(6, 2)), ((1, 3), (3, 3)));
        assert_eq!(Question::answered(b"{}", Epoch(7), &logs, &events), None);
        assert_eq!(Question::answered(b"", Epoch(7), &logs, &events), None);
    }
}
