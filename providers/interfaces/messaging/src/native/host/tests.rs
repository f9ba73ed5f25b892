//! The glue as a guest meets it, without a guest.

use std::sync::Arc;

use wasmtime::component::Resource;
use wrt_contract::{CallContext, async_trait};
use wrt_host::InstanceState;
use wrt_protocol::FaultKind;
use wrt_test_kit::{linked_instance, unreachable};

use super::{
    producer::Host as _,
    request_reply::{Host as _, HostRequestOptions},
    types::{self, Host as _, HostClient, HostMessage},
    *,
};
use crate::{
    Messaging, ReplyTo,
    limits::{MESSAGE_BYTES_HELD_MAX, MESSAGE_HANDLES_MAX},
};

/// A broker that answers each request with what it was asked.
#[derive(Default)]
pub(super) struct Mirror {
    sent: parking_lot::Mutex<Vec<(Topic, Message)>>,
    replied: parking_lot::Mutex<Vec<String>>,
    asked: parking_lot::Mutex<Option<RequestOptions>>,
}

impl Mirror {
    pub(super) fn topics(&self) -> Vec<String> {
        let sent = self.sent.lock();
        sent.iter().map(|(topic, _)| topic.to_string()).collect()
    }

    pub(super) fn last(&self) -> Message {
        let sent = self.sent.lock();
        sent.last().expect("something was sent").1.clone()
    }

    /// Where replies went.
    pub(super) fn replied(&self) -> Vec<String> {
        self.replied.lock().clone()
    }

    /// How it was asked last.
    pub(super) fn asked(&self) -> Option<RequestOptions> {
        *self.asked.lock()
    }
}

#[async_trait]
impl Messaging for Mirror {
    async fn send(
        &self,
        _: &CallContext,
        topic: &Topic,
        message: &Message,
    ) -> Result<(), MessagingError> {
        self.sent.lock().push((topic.clone(), message.clone()));
        Ok(())
    }

    async fn request(
        &self,
        _: &CallContext,
        _: &Topic,
        message: &Message,
        options: RequestOptions,
    ) -> Result<Vec<Message>, MessagingError> {
        *self.asked.lock() = Some(options);
        let count = options.expected_replies.unwrap_or(1) as usize;
        Ok(vec![message.clone(); count])
    }

    async fn reply(
        &self,
        _: &CallContext,
        to: &ReplyTo,
        _: &Message,
    ) -> Result<(), MessagingError> {
        self.replied.lock().push(to.address.clone());
        Ok(())
    }
}

pub(super) fn instance(links: &[(&str, &Arc<Mirror>)]) -> InstanceState {
    let links: Vec<(_, Arc<dyn Messaging>)> = links
        .iter()
        .map(|(name, mirror)| (*name, Arc::clone(mirror) as Arc<dyn Messaging>))
        .collect();
    let links: Vec<_> = links.iter().map(|(name, link)| (*name, link)).collect();
    linked_instance::<MessagingInterface>(&links)
}

async fn connect(state: &mut InstanceState, name: &str) -> Result<Resource<Client>, types::Error> {
    let connected = HostClient::connect(state, name.to_owned()).await;
    connected.map_err(|error| state.convert_error(error).expect("no trap"))
}

async fn message(state: &mut InstanceState, data: &str) -> Resource<Message> {
    let made = HostMessage::new(state, data.as_bytes().to_vec()).await;
    made.expect("a message")
}

async fn send(state: &mut InstanceState, client: u32, topic: &str) -> Result<(), types::Error> {
    let message = message(state, topic).await;
    let sent = state.send(Resource::new_borrow(client), topic.to_owned(), message);
    let sent = sent.await;
    sent.map_err(|error| state.convert_error(error).expect("no trap"))
}

#[tokio::test]
async fn a_name_picks_its_link_and_no_other() {
    let (default, orders) = (Arc::default(), Arc::default());
    let mut state = instance(&[("default", &default), ("orders", &orders)]);
    for (name, topic) in [("", "a"), ("orders", "b"), ("default", "c")] {
        let client = connect(&mut state, name).await.expect("linked");
        send(&mut state, client.rep(), topic).await.expect("sent");
    }
    let topics = |mirror: &Arc<Mirror>| mirror.topics();
    assert_eq!(
        (topics(&default), topics(&orders)),
        (vec!["a".to_owned(), "c".to_owned()], vec!["b".to_owned()])
    );
    let unknown = connect(&mut state, "order")
        .await
        .expect_err("a slip of the pen");
    assert!(
        matches!(&unknown, types::Error::Connection(text) if text.contains("\"order\"")),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn setters_set() {
    let mirror = Arc::default();
    let mut state = instance(&[("default", &mirror)]);
    let client = connect(&mut state, "").await.expect("linked");
    let made = message(&mut state, "first").await;
    let this = || Resource::<Message>::new_borrow(made.rep());
    assert_eq!(state.topic(this()).await.unwrap(), None);
    assert_eq!(state.content_type(this()).await.unwrap(), None);
    assert_eq!(state.metadata(this()).await.unwrap(), None);
    let entry = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    state.set_data(this(), b"second".to_vec()).await.unwrap();
    state
        .set_content_type(this(), "text/plain".to_owned())
        .await
        .unwrap();
    state
        .set_metadata(this(), vec![entry("a", "1"), entry("b", "2")])
        .await
        .unwrap();
    state
        .add_metadata(this(), "c".to_owned(), "3".to_owned())
        .await
        .unwrap();
    state
        .add_metadata(this(), "a".to_owned(), "4".to_owned())
        .await
        .unwrap();
    state.remove_metadata(this(), "b".to_owned()).await.unwrap();
    let expected = vec![entry("c", "3"), entry("a", "4")];
    assert_eq!(
        state.metadata(this()).await.unwrap(),
        Some(expected.clone())
    );
    let topic = "t".to_owned();
    state
        .send(Resource::new_borrow(client.rep()), topic, made)
        .await
        .expect("sent");
    let (_, sent) = mirror.sent.lock().remove(0);
    assert_eq!(
        (&sent.data[..], sent.content_type.as_deref(), sent.metadata),
        (&b"second"[..], Some("text/plain"), expected)
    );
}

#[tokio::test]
async fn a_client_that_has_disconnected_sends_nothing() {
    let mirror = Arc::default();
    let mut state = instance(&[("default", &mirror)]);
    let client = connect(&mut state, "").await.expect("linked");
    let gone = state.disconnect(Resource::new_borrow(client.rep())).await;
    gone.expect("it can");
    let sent = send(&mut state, client.rep(), "t").await;
    assert!(matches!(sent, Err(types::Error::Connection(_))), "{sent:?}");
    assert!(mirror.sent.lock().is_empty());
}

#[tokio::test]
async fn what_no_broker_takes_is_told_before_it_is_sent() {
    let mirror = Arc::default();
    let mut state = instance(&[("default", &mirror)]);
    let client = connect(&mut state, "").await.expect("linked");
    for topic in ["", "a..b", "a b", "a.>", "x\r\n"] {
        let sent = send(&mut state, client.rep(), topic).await;
        assert!(
            matches!(sent, Err(types::Error::Other(_))),
            "{topic:?}: {sent:?}"
        );
    }
    assert!(mirror.sent.lock().is_empty());
}

#[tokio::test]
async fn options_are_handed_on_and_replies_are_messages() {
    let mirror = Arc::default();
    let mut state = instance(&[("default", &mirror)]);
    let client = connect(&mut state, "").await.expect("linked");
    let asked = message(&mut state, "question").await;
    let options = HostRequestOptions::new(&mut state).await.expect("options");
    let these = || Resource::<RequestOptions>::new_borrow(options.rep());
    state.set_expected_replies(these(), 3).await.expect("set");
    state.set_timeout_ms(these(), 7).await.expect("set");
    let held = state.table().get(&options).expect("held");
    assert_eq!(held.timeout, Some(Duration::from_millis(7)));
    let (client, borrowed) = (
        Resource::new_borrow(client.rep()),
        Resource::new_borrow(asked.rep()),
    );
    let replies = state
        .request(client, "t".to_owned(), borrowed, Some(options))
        .await;
    let replies = replies.expect("three");
    assert_eq!(replies.len(), 3);
    for reply in replies {
        assert_eq!(
            HostMessage::data(&mut state, reply).await.unwrap(),
            b"question"
        );
    }
}

#[tokio::test]
async fn a_reply_goes_by_the_link_that_its_message_names() {
    let (default, other) = (Arc::default(), Arc::default());
    let mut state = instance(&[("default", &default), ("other", &other)]);
    for (link, address) in [(Some("other"), "back"), (None, "nowhere")] {
        let mut asked = Message::new("?");
        asked.reply_to = link.map(|link| ReplyTo {
            address: address.to_owned(),
            link: link.to_owned(),
        });
        let asked = state.table().push(asked).expect("room");
        let answer = message(&mut state, "!").await;
        state.reply(asked, answer).await.expect("nobody may wait");
    }
    assert!(default.replied().is_empty());
    assert_eq!(other.replied(), ["back"]);
}

/// This package has no words for it, so it is not the guest's own.
#[tokio::test]
async fn a_message_that_is_handed_on_asks_for_no_reply() {
    let mirror = Arc::default();
    let mut state = instance(&[("default", &mirror)]);
    let client = connect(&mut state, "").await.expect("linked");
    let mut asked = Message::new("?");
    asked.reply_to = Some(ReplyTo {
        address: "back".to_owned(),
        link: "default".to_owned(),
    });
    let asked = state.table().push(asked).expect("room");
    let sent = state.send(Resource::new_borrow(client.rep()), "t".to_owned(), asked);
    sent.await.expect("sent");
    assert_eq!(mirror.last().reply_to, None);
}

#[tokio::test]
async fn a_fault_is_told_and_too_many_messages_are_a_trap() {
    let nobody = unreachable::<MessagingInterface>(FaultKind::Unavailable);
    let mut state = linked_instance::<MessagingInterface>(&[("default", &nobody)]);
    let client = connect(&mut state, "").await.expect("linked");
    let sent = send(&mut state, client.rep(), "t").await;
    assert!(
        matches!(&sent, Err(types::Error::Connection(text)) if text.contains("nobody is there")),
        "{sent:?}"
    );
    for _ in 0..MESSAGE_HANDLES_MAX {
        message(&mut state, "").await;
    }
    assert!(HostMessage::new(&mut state, Vec::new()).await.is_err());
}

/// A message lies outside of the guest's memory, and so outside of what bounds that.
#[tokio::test]
async fn what_an_instance_holds_is_bounded_in_bytes() {
    let mirror = Arc::default();
    let mut state = instance(&[("default", &mirror)]);
    let large = MESSAGE_BYTES_HELD_MAX / 2;
    let mut held = Vec::new();
    for bytes in [large, large] {
        let made = HostMessage::new(&mut state, vec![0; bytes]).await;
        held.push(made.expect("there is room"));
    }
    let refused = HostMessage::new(&mut state, vec![0; 1]).await;
    assert!(refused.is_err(), "more than it may hold");
    let this = || Resource::<Message>::new_borrow(held[0].rep());
    let larger = state.set_data(this(), vec![0; large + 1]).await;
    assert!(larger.is_err(), "by a setter as well");
    state.set_data(this(), Vec::new()).await.expect("less");
    // Entries without a byte in them take room too.
    let entries = vec![(String::new(), String::new()); large / 40];
    assert!(state.set_metadata(this(), entries).await.is_err());
    state
        .set_metadata(this(), Vec::new())
        .await
        .expect("none at all");
    HostMessage::drop(&mut state, held.remove(0))
        .await
        .expect("its own");
    let made = HostMessage::new(&mut state, vec![0; large]).await;
    made.expect("what is dropped is held no more");
}
