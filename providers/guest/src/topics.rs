//! Messages that come in, by their topics, and JSON in them.
//!
//! ```ignore
//! use wrt_guest::topics::{self, Failure, Incoming, Topics};
//!
//! topics::export!(handlers);
//!
//! fn handlers() -> Topics {
//!     Topics::new().on("orders.*", placed)
//! }
//!
//! fn placed(message: &Incoming) -> Result<(), Failure> {
//!     let order: Order = message.json()?;
//!     topics::send_json("mails.wanted", &Mail::of(&order))?;
//!     Ok(())
//! }
//! ```
//!
//! Which messages come at all is said by the manifest, where the provider names the component
//! (`calls = [{ component = "shop", topics = ["orders.*"] }]`). A message is done with when its handler returns ok.
//! Otherwise it comes again, and is a dead letter after its last attempt; so it is also with one that can never
//! succeed, as bad JSON: `wasi:messaging` has no word for that. A message may come twice; what its handler does must
//! bear it.

mod failure;
mod incoming;

use serde::Serialize;

use crate::{
    messaging::{Client, Error, Message, send},
    topic_filter::matches,
};
pub use failure::Failure;
pub use incoming::Incoming;

/// Makes the component handle messages, as `wasi:messaging/incoming-handler`, with the [`Topics`] that a function
/// returns: `topics::export!(handlers);`. Once in a component.
pub use crate::__export_topics as export;

/// The link that messages go by where nothing else is said.
const LINK: &str = "default";

type Handler = Box<dyn Fn(&Incoming) -> Result<(), Failure>>;

/// Topics, and who handles their messages.
#[derive(Default)]
pub struct Topics(Vec<(&'static str, Handler)>);

impl Topics {
    /// Handles nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Has `handler` handle the messages of a topic. `*` stands for one word of it, and a last `>` for one or more.
    /// The first that fits, in the order of these calls, gets a message.
    #[must_use]
    pub fn on(
        mut self,
        topic: &'static str,
        handler: impl Fn(&Incoming) -> Result<(), Failure> + 'static,
    ) -> Self {
        self.0.push((topic, Box::new(handler)));
        self
    }

    #[doc(hidden)]
    pub fn handle(&self, message: Message) -> Result<(), Error> {
        let message = Incoming::new(message);
        let topic = message.topic();
        let handler = self.0.iter().find(|(filter, _)| matches(filter, topic));
        let handled = match handler {
            Some((_, handler)) => handler(&message),
            None => Err(Failure::new(format!("nobody handles {topic:?} here"))),
        };
        handled.map_err(Error::from)
    }
}

/// Sends a value as JSON, by the link `default`.
///
/// # Errors
/// A value that cannot be JSON, a topic that is none, and whatever the broker says; nothing was sent then, or it
/// is not known.
pub fn send_json<T: Serialize>(topic: &str, value: &T) -> Result<(), Failure> {
    Ok(send(&Client::connect(LINK)?, topic, json_message(value)?)?)
}

fn json_message<T: Serialize>(value: &T) -> Result<Message, Failure> {
    let message = Message::new(&serde_json::to_vec(value)?);
    message.set_content_type("application/json");
    Ok(message)
}

/// See `topics::export!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_topics {
    ($topics:path) => {
        const _: () = {
            struct Exported;

            impl $crate::messaging::Guest for Exported {
                fn handle(
                    message: $crate::messaging::Message,
                ) -> Result<(), $crate::messaging::Error> {
                    $topics().handle(message)
                }
            }

            $crate::messaging::export!(Exported);
        };
    };
}
