//! Host glue: the WIT of two packages over the two traits, wasi:messaging and [`wasmcloud`].
//!
//! A client is a link and a message is a value of the host; neither is a call. So `types` needs no link,
//! and a component that only handles messages has none.

mod component;
mod error;
mod handles;
#[cfg(test)]
mod tests;
mod wasmcloud;

use std::{sync::Arc, time::Duration};

use wasmtime::component::{HasSelf, Linker, Resource};
use wrt_contract::Offer;
use wrt_host::{Host, InstanceState, Package};

use self::bindings::wasi::messaging::{producer, request_reply, types};
use crate::{
    Message, MessageHandlerInterface, MessagingError, MessagingInterface, RequestOptions, Topic,
    native::trace,
};
pub use component::MessageComponent;
use error::HostError;
use handles::Client;

mod bindings {
    #![allow(missing_docs, reason = "written by bindgen")]
    wasmtime::component::bindgen!({
        path: "../../../wit/deps/messaging-0.2.0-draft",
        world: "wasi:messaging/messaging-request-reply",
        imports: { default: async | trappable },
        exports: { default: async },
        with: {
            "wasi:messaging/types.client": crate::host::handles::Client,
            "wasi:messaging/types.message": crate::Message,
            "wasi:messaging/request-reply.request-options": crate::RequestOptions,
        },
        trappable_error_type: {
            "wasi:messaging/types.error" => crate::host::error::HostError,
        },
    });
}

const TYPES: &str = "wasi:messaging/types@0.2.0-draft";
const PRODUCER: &str = "wasi:messaging/producer@0.2.0-draft";
const REQUEST_REPLY: &str = "wasi:messaging/request-reply@0.2.0-draft";

/// `wasi:messaging`: the messages that a component sends, and those that it handles. A component may say the
/// same in the words of `wasmcloud:messaging`.
#[derive(Debug, Clone, Copy, Default)]
pub struct WasiMessaging;

impl Host for WasiMessaging {
    fn describe(package: &mut Package) {
        package.answers(&[TYPES, wasmcloud::TYPES]);
        package.imports::<MessagingInterface>(&[PRODUCER, REQUEST_REPLY, wasmcloud::CONSUMER]);
        package.exports::<MessageHandlerInterface>(component::EXPORTS, |instances, gate| {
            let component = MessageComponent::new(instances)?;
            Ok(component.map(|it| Offer::new::<MessageHandlerInterface>(Arc::new(it), gate)))
        });
    }

    fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
        types::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
        producer::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
        request_reply::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
        wasmcloud::add_to_linker(linker)
    }
}

impl types::Host for InstanceState {
    fn convert_error(&mut self, error: HostError) -> wasmtime::Result<types::Error> {
        error.into_words()
    }
}

impl types::HostClient for InstanceState {
    /// Whether its broker is there shows at the first operation.
    async fn connect(&mut self, name: String) -> Result<Resource<Client>, HostError> {
        let client = Client::of(self, &name)?;
        Ok(self.table().push(client)?)
    }

    async fn disconnect(&mut self, client: Resource<Client>) -> Result<(), HostError> {
        self.table().get_mut(&client)?.disconnect();
        Ok(())
    }

    async fn drop(&mut self, client: Resource<Client>) -> wasmtime::Result<()> {
        self.table().delete(client)?;
        Ok(())
    }
}

impl types::HostMessage for InstanceState {
    async fn new(&mut self, data: Vec<u8>) -> wasmtime::Result<Resource<Message>> {
        handles::push(self, Message::new(data)).map_err(HostError::into_trap)
    }

    async fn topic(&mut self, message: Resource<Message>) -> wasmtime::Result<Option<String>> {
        let topic = self.table().get(&message)?.topic.as_ref();
        Ok(topic.map(|topic| topic.as_str().to_owned()))
    }

    async fn content_type(
        &mut self,
        message: Resource<Message>,
    ) -> wasmtime::Result<Option<String>> {
        Ok(self.table().get(&message)?.content_type.clone())
    }

    async fn set_content_type(
        &mut self,
        message: Resource<Message>,
        content_type: String,
    ) -> wasmtime::Result<()> {
        handles::change(self, &message, |message| {
            message.content_type = Some(content_type);
        })
    }

    async fn data(&mut self, message: Resource<Message>) -> wasmtime::Result<Vec<u8>> {
        Ok(self.table().get(&message)?.data.to_vec())
    }

    async fn set_data(
        &mut self,
        message: Resource<Message>,
        data: Vec<u8>,
    ) -> wasmtime::Result<()> {
        handles::change(self, &message, |message| message.data = data.into())
    }

    async fn metadata(
        &mut self,
        message: Resource<Message>,
    ) -> wasmtime::Result<Option<types::Metadata>> {
        let metadata = &self.table().get(&message)?.metadata;
        Ok((!metadata.is_empty()).then(|| metadata.clone()))
    }

    async fn add_metadata(
        &mut self,
        message: Resource<Message>,
        key: String,
        value: String,
    ) -> wasmtime::Result<()> {
        handles::change(self, &message, |message| message.add_metadata(key, value))
    }

    async fn set_metadata(
        &mut self,
        message: Resource<Message>,
        metadata: types::Metadata,
    ) -> wasmtime::Result<()> {
        handles::change(self, &message, |message| message.metadata = metadata)
    }

    async fn remove_metadata(
        &mut self,
        message: Resource<Message>,
        key: String,
    ) -> wasmtime::Result<()> {
        self.table().get_mut(&message)?.remove_metadata(&key);
        Ok(())
    }

    async fn drop(&mut self, message: Resource<Message>) -> wasmtime::Result<()> {
        self.table().delete(message)?;
        Ok(())
    }
}

/// The WIT knows no address for replies: that of a message which the guest hands on is not its own.
fn of_the_guest(mut message: Message) -> Message {
    message.reply_to = None;
    message
}

impl producer::Host for InstanceState {
    async fn send(
        &mut self,
        client: Resource<Client>,
        topic: String,
        message: Resource<Message>,
    ) -> Result<(), HostError> {
        let mut message = of_the_guest(self.table().delete(message)?);
        let broker = self.table().get(&client)?.broker()?;
        let topic = Topic::new(&topic)?;
        let context = self.context().clone();
        trace::carry(&mut message, &context);
        message.check()?;
        Ok(broker.send(&context, &topic, &message).await?)
    }
}

impl request_reply::Host for InstanceState {
    async fn request(
        &mut self,
        client: Resource<Client>,
        topic: String,
        message: Resource<Message>,
        options: Option<Resource<RequestOptions>>,
    ) -> Result<Vec<Resource<Message>>, HostError> {
        let options = options.map(|options| self.table().delete(options));
        let options = options.transpose()?.unwrap_or_default();
        let broker = self.table().get(&client)?.broker()?;
        let mut message = of_the_guest(self.table().get(&message)?.clone());
        let topic = Topic::new(&topic)?;
        let context = self.context().clone();
        trace::carry(&mut message, &context);
        message.check()?;
        let replies = broker.request(&context, &topic, &message, options).await?;
        let mut handles = Vec::with_capacity(replies.len());
        for reply in replies {
            handles.push(handles::push(self, reply)?);
        }
        Ok(handles)
    }

    /// To one that nobody waits for a reply to, it is none.
    async fn reply(
        &mut self,
        reply_to: Resource<Message>,
        message: Resource<Message>,
    ) -> Result<(), HostError> {
        let message = of_the_guest(self.table().delete(message)?);
        message.check()?;
        let Some(to) = self.table().get(&reply_to)?.reply_to.clone() else {
            return Ok(());
        };
        let broker = self.link_named::<MessagingInterface>(&to.link);
        let broker = broker.ok_or_else(|| MessagingError::no_such_link(&to.link))?;
        let context = self.context().clone();
        Ok(broker.reply(&context, &to, &message).await?)
    }
}

impl request_reply::HostRequestOptions for InstanceState {
    async fn new(&mut self) -> wasmtime::Result<Resource<RequestOptions>> {
        Ok(self.table().push(RequestOptions::default())?)
    }

    async fn set_timeout_ms(
        &mut self,
        options: Resource<RequestOptions>,
        millis: u32,
    ) -> wasmtime::Result<()> {
        let timeout = Duration::from_millis(millis.into());
        self.table().get_mut(&options)?.timeout = Some(timeout);
        Ok(())
    }

    async fn set_expected_replies(
        &mut self,
        options: Resource<RequestOptions>,
        expected: u32,
    ) -> wasmtime::Result<()> {
        self.table().get_mut(&options)?.expected_replies = Some(expected);
        Ok(())
    }

    async fn drop(&mut self, options: Resource<RequestOptions>) -> wasmtime::Result<()> {
        self.table().delete(options)?;
        Ok(())
    }
}
