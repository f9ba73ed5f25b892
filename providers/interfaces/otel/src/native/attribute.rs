//! What the three signals share.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use wrt_contract::Schema;

/// Nanoseconds since 1970 (UTC).
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    Schema,
)]
pub struct Timestamp(pub u64);

/// A word and its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Attribute {
    /// The word.
    pub key: String,
    /// The value.
    pub value: Value,
}

/// A value as the WIT has it: JSON, in which a text behind [a mark](MARKS) is bytes in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Value(pub String);

/// What a [`Value`] says.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    /// Nothing.
    Empty,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Double(f64),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Values in order.
    List(Vec<Decoded>),
    /// Values by name.
    Map(Vec<(String, Decoded)>),
}

/// What telemetry is about.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Schema)]
pub struct Resource {
    /// By which it is known.
    pub attributes: Vec<Attribute>,
    /// Which schema they follow.
    pub schema_url: Option<String>,
}

/// The part of a program that made the telemetry.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Schema)]
pub struct Scope {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
    /// Which schema it follows.
    pub schema_url: Option<String>,
    /// What else is said of it.
    pub attributes: Vec<Attribute>,
}

/// What stands before bytes in a text. The first is the proposal's, the second what guest libraries write.
const MARKS: [&str; 2] = ["{base64}:", "data:application/octet-stream;base64,"];

impl Attribute {
    /// With a text for its value.
    #[must_use]
    pub fn text(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            value: Decoded::Text(value.into()).into(),
        }
    }
}

impl Value {
    /// What it says. What is no JSON is a text as it stands.
    #[must_use]
    pub fn decoded(&self) -> Decoded {
        match serde_json::from_str(&self.0) {
            Ok(json) => Decoded::of(json),
            Err(_no_json) => Decoded::Text(self.0.clone()),
        }
    }
}

impl Decoded {
    fn of(json: serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match json {
            Json::Null => Self::Empty,
            Json::Bool(value) => Self::Bool(value),
            Json::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(integer), _) => Self::Integer(integer),
                // No integer of OTLP holds it, and a double would round it.
                _ if number.is_u64() => Self::Text(number.to_string()),
                (None, Some(double)) => Self::Double(double),
                (None, None) => Self::Text(number.to_string()),
            },
            Json::String(text) => bytes_of(&text).map_or(Self::Text(text), Self::Bytes),
            Json::Array(values) => Self::List(values.into_iter().map(Self::of).collect()),
            Json::Object(values) => {
                let named = |(name, value)| (name, Self::of(value));
                Self::Map(values.into_iter().map(named).collect())
            }
        }
    }

    fn json(self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Self::Empty => Json::Null,
            Self::Bool(value) => Json::Bool(value),
            Self::Integer(value) => Json::from(value),
            // JSON has no word for what is no number.
            Self::Double(value) => Json::from(value),
            Self::Text(text) => Json::String(text),
            Self::Bytes(bytes) => Json::String(format!("{}{}", MARKS[0], STANDARD.encode(bytes))),
            Self::List(values) => Json::Array(values.into_iter().map(Self::json).collect()),
            Self::Map(values) => {
                let named = |(name, value): (String, Self)| (name, value.json());
                Json::Object(values.into_iter().map(named).collect())
            }
        }
    }
}

fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let encoded = MARKS.iter().find_map(|mark| text.strip_prefix(mark))?;
    STANDARD.decode(encoded).ok()
}

impl From<Decoded> for Value {
    fn from(decoded: Decoded) -> Self {
        Self(decoded.json().to_string())
    }
}

impl Resource {
    /// This one, and what `own` says: that counts where both say something.
    #[must_use]
    pub fn with(mut self, own: Resource) -> Self {
        let is_said = |key: &str| own.attributes.iter().any(|it| it.key == key);
        self.attributes.retain(|known| !is_said(&known.key));
        self.attributes.extend(own.attributes);
        self.schema_url = own.schema_url.or(self.schema_url);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_says_what_its_json_does() {
        for (json, expected) in [
            ("null", Decoded::Empty),
            ("true", Decoded::Bool(true)),
            ("-7", Decoded::Integer(-7)),
            ("1.0", Decoded::Double(1.0)),
            (
                "18446744073709551615",
                Decoded::Text("18446744073709551615".into()),
            ),
            ("\"a\"", Decoded::Text("a".into())),
            ("\"{base64}:AAE=\"", Decoded::Bytes(vec![0, 1])),
            (
                "\"data:application/octet-stream;base64,AAE=\"",
                Decoded::Bytes(vec![0, 1]),
            ),
            ("\"{base64}:no\"", Decoded::Text("{base64}:no".into())),
            ("no json", Decoded::Text("no json".into())),
            (
                "[1,[\"a\"],{\"b\":null}]",
                Decoded::List(vec![
                    Decoded::Integer(1),
                    Decoded::List(vec![Decoded::Text("a".into())]),
                    Decoded::Map(vec![("b".into(), Decoded::Empty)]),
                ]),
            ),
        ] {
            let value = Value(json.to_owned());
            assert_eq!(value.decoded(), expected, "{json}");
            assert_eq!(Value::from(expected.clone()).decoded(), expected, "{json}");
        }
    }

    #[test]
    fn what_the_guest_says_of_itself_counts() {
        let of = |said: &[(&str, &str)]| Resource {
            attributes: said.iter().map(|(k, v)| Attribute::text(*k, *v)).collect(),
            schema_url: None,
        };
        let both = of(&[("a", "1"), ("b", "2")]).with(of(&[("b", "3"), ("c", "4")]));
        assert_eq!(both, of(&[("a", "1"), ("b", "3"), ("c", "4")]));
    }
}
