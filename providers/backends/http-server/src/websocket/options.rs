//! What the manifest says of a route that is a websocket.

use serde::Deserialize;
use toml::{Table, Value};
use wrt_protocol::Name;
use wrt_websocket::PeerOptions;

/// A route's own settings, beside those of its peers: `websocket = {}` takes the default of each.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Table")]
pub struct WebSocketOptions {
    /// The component's link that leads back to this provider.
    pub link: Name,
    /// Pages of which origins may connect, as browsers name them: `https://shop.example`; `*` is any.
    /// Without it only pages of the host that the request names. Who is no browser names none, and may.
    pub origins: Option<Vec<String>>,
    /// How its peers are served.
    pub peers: PeerOptions,
}

impl Default for WebSocketOptions {
    fn default() -> Self {
        Self {
            link: Name::new("default").expect("a legal name"),
            origins: None,
            peers: PeerOptions::default(),
        }
    }
}

/// All lie in one table, and what is none of a route's own is refused where the rest is read.
impl TryFrom<Table> for WebSocketOptions {
    type Error = toml::de::Error;

    fn try_from(mut table: Table) -> Result<Self, Self::Error> {
        let link = table.remove("link").map(Value::try_into).transpose()?;
        let origins = table.remove("origins").map(Value::try_into).transpose()?;
        Ok(Self {
            link: link.unwrap_or(Self::default().link),
            origins,
            peers: Value::Table(table).try_into()?,
        })
    }
}

impl WebSocketOptions {
    /// # Errors
    /// The first that makes no sense, in words.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.peers.check()?;
        let is_origin = |origin: &&String| {
            let has_host = |rest: &str| !rest.is_empty() && !rest.contains('/');
            *origin == "*"
                || origin
                    .split_once("://")
                    .is_some_and(|(_, rest)| has_host(rest))
        };
        let mut origins = self.origins.iter().flatten();
        match origins.find(|origin| !is_origin(origin)) {
            Some(origin) => Err(format!(
                "{origin:?} is no origin: write `https://shop.example`, without a path, or `*`"
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_table_is_enough_and_what_is_wrong_is_named() {
        let read = |text: &str| toml::from_str::<WebSocketOptions>(text);
        let default = read("").expect("each has a default");
        assert_eq!(default, WebSocketOptions::default());
        assert_eq!(default.check(), Ok(()));
        let slip = read("origin = \"*\"").expect_err("a slip of the pen");
        assert!(slip.message().contains("`origin`"), "{slip}");
        assert!(read("link = \"A b\"").is_err());
        for (text, named) in [
            ("message_bytes_max = 0", "message_bytes_max"),
            ("message_bytes_max = 16777217", "message_bytes_max"),
            ("queue_messages_max = 0", "queue_messages_max"),
            ("ping_timeout_ms = 0", "ping_timeout_ms"),
            ("origins = [\"shop.example\"]", "shop.example"),
            ("origins = [\"https://shop.example/\"]", "shop.example"),
        ] {
            let told = read(text).expect("it is read").check().unwrap_err();
            assert!(told.contains(named), "{text}: {told}");
        }
        let any = read("origins = [\"*\", \"http://a.test:8080\"]");
        assert_eq!(any.expect("it is read").check(), Ok(()));
    }
}
