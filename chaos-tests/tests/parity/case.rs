//! One behaviour: a request and its answer.

use std::time::Duration;

use bytes::Bytes;
use http::Method;

use crate::{
    answer::{Answer, Fields, answer},
    lattice::Lattice,
    paths::{Guest, Pace, Path},
};

/// A request, whose path is what the guest does (`examples/scripted` has the steps), and its answer.
#[derive(Debug, Clone)]
pub struct Case {
    pub name: &'static str,
    pub method: Method,
    pub script: &'static str,
    pub fields: Vec<(&'static str, &'static str)>,
    /// How long the request's body is; none where it has none.
    pub body_bytes: Option<usize>,
    /// Whether its length is said before.
    pub is_announced: bool,
    pub trailers: Vec<(&'static str, &'static str)>,
    /// How long its client waits for the end of its answer.
    pub patience: Duration,
    /// Whether another request follows on its connection, if that goes on.
    pub is_followed: bool,
    /// Whether the guest is told of a slow client, by its path.
    is_marked: bool,
    only: Option<Guest>,
    answer: Answer,
}

/// Fields that are no part of an answer: they are about its connection.
const OF_THE_CONNECTION: [&str; 3] = ["date", "transfer-encoding", "connection"];
const LENGTH: &str = "content-length";

/// How long a client waits for an answer to end: less than a node waits for a body that stands still.
const PATIENCE: Duration = Duration::from_secs(25);

/// Steps that end badly for whoever shares the instance.
const HARMFUL: [&str; 4] = ["trap", "exit", "stall", "forget"];

impl Case {
    /// A case of a request without a body, answered with an empty 200.
    pub fn new(name: &'static str, script: &'static str) -> Self {
        Self {
            name,
            method: Method::GET,
            script,
            fields: Vec::new(),
            body_bytes: None,
            is_announced: true,
            trailers: Vec::new(),
            patience: PATIENCE,
            is_followed: true,
            is_marked: true,
            only: None,
            answer: Answer {
                status: 200,
                fields: Fields::new(),
                body: Bytes::new(),
                trailers: Fields::new(),
                is_whole: true,
                is_head_alone: false,
            },
        }
    }

    /// With nothing behind it on its connection.
    pub fn alone(mut self) -> Self {
        self.is_followed = false;
        self
    }

    /// To a guest that reads its path as it is.
    pub fn unmarked(mut self) -> Self {
        self.is_marked = false;
        self
    }

    /// With a client that waits for so long.
    pub fn waits(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// What is asked behind each case on its connection.
    pub fn again() -> Self {
        Self::new(
            "the next one",
            "/field:x-next:1/length:5/head/write:5/finish",
        )
        .gets_field("x-next", "1")
        .gets_field(LENGTH, "5")
        .gets_letters(5)
    }

    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    pub fn field(mut self, name: &'static str, value: &'static str) -> Self {
        self.fields.push((name, value));
        self
    }

    /// With a body of so many letters, whose length is said.
    pub fn posts(mut self, bytes: usize) -> Self {
        self.method = Method::POST;
        self.body_bytes = Some(bytes);
        self
    }

    /// With a body whose length is not said.
    pub fn posts_unannounced(self, bytes: usize) -> Self {
        Self {
            is_announced: false,
            ..self.posts(bytes)
        }
    }

    pub fn trailer(mut self, name: &'static str, value: &'static str) -> Self {
        self.trailers.push((name, value));
        self
    }

    /// Of one version of wasi:http, where the two mean different things.
    pub fn only(mut self, guest: Guest) -> Self {
        self.only = Some(guest);
        self
    }

    pub fn gets(mut self, status: u16) -> Self {
        self.answer.status = status;
        self
    }

    pub fn gets_field(mut self, name: &str, value: &str) -> Self {
        let field = (name.to_owned(), value.to_owned());
        self.answer.fields.push(field);
        self.answer.fields.sort();
        self
    }

    /// An answer of the server's own.
    pub fn gets_told(self, status: u16, text: &str) -> Self {
        self.gets(status)
            .gets_field("content-type", "text/plain; charset=utf-8")
            .gets_field(LENGTH, &text.len().to_string())
            .gets_text(text)
    }

    pub fn gets_text(mut self, text: &str) -> Self {
        self.answer.body = Bytes::copy_from_slice(text.as_bytes());
        self
    }

    pub fn gets_letters(mut self, bytes: usize) -> Self {
        self.answer.body = letters(bytes);
        self
    }

    pub fn gets_trailer(mut self, name: &str, value: &str) -> Self {
        self.answer
            .trailers
            .push((name.to_owned(), value.to_owned()));
        self
    }

    /// An answer whose head says that it is all.
    pub fn gets_head_alone(mut self) -> Self {
        self.answer.is_head_alone = true;
        self
    }

    /// An answer that breaks off behind its body.
    pub fn breaks(mut self) -> Self {
        self.answer.is_whole = false;
        self
    }

    pub fn is_for(&self, guest: Guest) -> bool {
        let (version, is_shared) = match guest {
            Guest::P3Shared => (Guest::P3, true),
            alone => (alone, false),
        };
        self.only.is_none_or(|only| only == version) && !(is_shared && self.harms_others())
    }

    /// Whether the guest fails, or waits for what never comes: requests of other cases are in the same
    /// instance.
    fn harms_others(&self) -> bool {
        let mut steps = self.script.split('/');
        steps.any(|step| HARMFUL.contains(&step.split(':').next().unwrap_or(step)))
    }

    pub fn target(&self, pace: Pace) -> String {
        match pace {
            Pace::Quick => self.script.to_owned(),
            Pace::Slow if !self.is_marked => self.script.to_owned(),
            Pace::Slow if self.script.contains('?') => format!("{}&slow", self.script),
            Pace::Slow => format!("{}?slow", self.script),
        }
    }

    /// Runs it on a path.
    ///
    /// # Errors
    /// How the answer differs.
    pub async fn check(&self, lattice: &Lattice, path: Path) -> Result<(), String> {
        let address = lattice.address(path.guest, path.place);
        let answer = answer(address, path.protocol, path.pace, self).await?;
        self.compare(answer, &self.target(path.pace))
    }

    /// # Errors
    /// How the answer differs.
    pub fn compare(&self, answer: Answer, target: &str) -> Result<(), String> {
        let mut answer = answer;
        let mut expected = self.answer.clone();
        // What a guest has seen has the target in it, which a slow one has another of.
        let text = String::from_utf8_lossy(&expected.body).replace("{target}", target);
        expected.body = text.into_bytes().into();
        let is_length = |(name, _): &(String, String)| name == LENGTH;
        if let Some((_, length)) = answer.fields.iter().find(|field| is_length(field)) {
            let bytes = answer.body.len().to_string();
            let is_right = *length == bytes || !answer.is_whole || self.method == Method::HEAD;
            if !is_right || [204, 304].contains(&self.answer.status) {
                return Err(format!("{LENGTH}: {length} of {bytes} bytes"));
            }
        }
        let has_length = expected.fields.iter().any(is_length);
        answer.fields.retain(|(name, value)| {
            !OF_THE_CONNECTION.contains(&name.as_str())
                && (has_length || !is_length(&(name.clone(), value.clone())))
        });
        // Where it is not asked for, it depends on how soon the body has ended.
        answer.is_head_alone &= expected.is_head_alone;
        // How much of a body comes before it breaks off is the network's to say.
        if !expected.is_whole && expected.body.starts_with(&answer.body) {
            answer.body = expected.body.clone();
        }
        match answer == expected {
            true => Ok(()),
            false => Err(format!(
                "\n     got {answer:.300?}\n  instead {expected:.300?}"
            )),
        }
    }
}

/// What the guest writes, and what a client sends.
pub fn letters(bytes: usize) -> Bytes {
    let alphabet: Vec<u8> = (b'a'..=b'z').collect();
    // In pieces: one by one, megabytes hold up whoever shares the thread for seconds.
    let mut letters = alphabet.repeat(bytes / alphabet.len() + 1);
    letters.truncate(bytes);
    letters.into()
}
