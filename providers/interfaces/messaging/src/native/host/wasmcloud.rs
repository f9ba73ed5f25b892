//! `wasmcloud:messaging@0.2.0`, over the same traits.
//!
//! It has no clients: everything goes by the link `default`. It has no content type and no metadata either:
//! a component neither sees nor sends them. And a reply is a message that is published at the address that
//! another one names. So an address is a string of the guest's, and may be a topic:
//!
//! | published at | goes |
//! |---|---|
//! | the address of the message in hand | as a reply, by the subscription's link |
//! | where somebody waits, from wherever the guest has it | as a reply |
//! | any other subject | as a message to that topic |

#[cfg(test)]
mod tests;

use std::time::Duration;

use wasmtime::component::{HasSelf, Linker};
use wrt_host::InstanceState;

use self::bindings::wasmcloud::messaging::{
    consumer,
    types::{self, BrokerMessage},
};
pub(super) use bindings::exports::wasmcloud::messaging::handler::GuestIndices;

use crate::{
    Message, MessagingError, MessagingInterface, ReplyTo, RequestOptions, Topic, native::trace,
};

mod bindings {
    #![allow(missing_docs, reason = "written by bindgen")]
    wasmtime::component::bindgen!({
        inline: "
            package wrt:messaging-wasmcloud;

            world component {
                import wasmcloud:messaging/consumer@0.2.0;
                export wasmcloud:messaging/handler@0.2.0;
            }
        ",
        path: "../../../wit/deps/wasmcloud-messaging-0.2.0",
        world: "wrt:messaging-wasmcloud/component",
        imports: { default: async | trappable },
        exports: { default: async },
    });
}

pub(super) const TYPES: &str = "wasmcloud:messaging/types@0.2.0";
pub(super) const CONSUMER: &str = "wasmcloud:messaging/consumer@0.2.0";
pub(super) const HANDLER: &str = "wasmcloud:messaging/handler@0.2.0";

/// The link by which a guest sends.
const LINK: &str = "default";

pub(super) fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
    types::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    consumer::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

/// Where a reply to the message that is handled goes. The guest has the address alone.
#[derive(Default)]
struct InHand(Option<ReplyTo>);

/// A message as the guest is given it, whose reply will find its way.
pub(super) fn taken_in_hand(state: &mut InstanceState, message: Message) -> BrokerMessage {
    state.extension::<InHand>().0.clone_from(&message.reply_to);
    shown(message)
}

/// A reply came in on no topic.
fn shown(message: Message) -> BrokerMessage {
    BrokerMessage {
        subject: message.topic.map_or_else(String::new, |it| it.to_string()),
        body: message.data.into(),
        reply_to: message.reply_to.map(|to| to.address),
    }
}

impl types::Host for InstanceState {}

impl consumer::Host for InstanceState {
    async fn request(
        &mut self,
        subject: String,
        body: Vec<u8>,
        timeout_ms: u32,
    ) -> wasmtime::Result<Result<BrokerMessage, String>> {
        let options = RequestOptions {
            timeout: Some(Duration::from_millis(timeout_ms.into())),
            expected_replies: Some(1),
        };
        let reply = request(self, &subject, Message::new(body), options).await;
        Ok(reply.map(shown).map_err(in_words))
    }

    async fn publish(&mut self, message: BrokerMessage) -> wasmtime::Result<Result<(), String>> {
        Ok(publish(self, message).await.map_err(in_words))
    }
}

fn in_words(error: MessagingError) -> String {
    if let MessagingError::Fault(fault) = &error {
        tracing::debug!(%fault, "a messaging call failed");
    }
    error.to_string()
}

async fn request(
    state: &mut InstanceState,
    subject: &str,
    mut message: Message,
    options: RequestOptions,
) -> Result<Message, MessagingError> {
    let broker = state.link_named::<MessagingInterface>(LINK);
    let broker = broker.ok_or_else(|| MessagingError::no_such_link(LINK))?;
    let topic = Topic::new(subject)?;
    let context = state.context().clone();
    trace::carry(&mut message, &context);
    message.check()?;
    let replies = broker.request(&context, &topic, &message, options).await?;
    replies.into_iter().next().ok_or(MessagingError::Timeout)
}

async fn publish(state: &mut InstanceState, sent: BrokerMessage) -> Result<(), MessagingError> {
    let mut message = Message::new(sent.body);
    message.reply_to = match sent.reply_to {
        None => None,
        Some(address) => Some(address_for_replies(address)?),
    };
    let context = state.context().clone();
    trace::carry(&mut message, &context);
    message.check()?;
    let to = as_reply(state, &sent.subject);
    let link = to.as_ref().map_or(LINK, |to| &to.link);
    let broker = state.link_named::<MessagingInterface>(link);
    let broker = broker.ok_or_else(|| MessagingError::no_such_link(link))?;
    match to {
        Some(to) => broker.reply(&context, &to, &message).await,
        None => {
            let topic = Topic::new(&sent.subject)?;
            broker.send(&context, &topic, &message).await
        }
    }
}

/// Where a guest wants to have replies: a topic, or where somebody waits already.
fn address_for_replies(address: String) -> Result<ReplyTo, MessagingError> {
    let to = ReplyTo {
        address,
        link: String::new(),
    };
    if !to.is_inbox() {
        Topic::new(&to.address)?;
    }
    Ok(to)
}

/// What is published at `subject`, as the reply that it is; none where it is no reply.
fn as_reply(state: &mut InstanceState, subject: &str) -> Option<ReplyTo> {
    let in_hand = state.extension::<InHand>().0.as_ref();
    if let Some(to) = in_hand.filter(|to| to.address == subject) {
        return Some(to.clone());
    }
    let to = ReplyTo {
        address: subject.to_owned(),
        link: LINK.to_owned(),
    };
    to.is_inbox().then_some(to)
}
