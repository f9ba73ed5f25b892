//! A message sent through a co-located link and acknowledged by JetStream, beside the bare client: both under
//! an id, by which the server knows one that comes again.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use async_nats::{
    HeaderMap,
    header::NATS_MESSAGE_ID,
    jetstream::{self, stream::Config},
};
use bytes::Bytes;
use wrt_contract::CallContext;
use wrt_messaging::{Message, Messaging, MessagingInterface, Topic};
use wrt_nats::{Nats, NatsConfig};
use wrt_runtime::{Backend as _, ServiceAddress};
use wrt_test_servers::NatsServer;

use crate::{colocated::linked, rounds::in_turns, row::Row};

const DATA_BYTES: usize = 128;
const WORK: &str = "message sent and acknowledged, co-located link, nats";
const BESIDE: &str = "the bare client";
const TOPIC: &str = "sent.bench";

/// Measures at one in flight and at 64.
pub async fn measure() -> anyhow::Result<Vec<Row>> {
    let server = NatsServer::start()?;
    let client = async_nats::connect(server.url()).await?;
    let jetstream = jetstream::new(client.clone());
    let stream = Config {
        name: "SENT".to_owned(),
        subjects: vec!["sent.>".to_owned()],
        // What is sent is soon gone: the rounds must not find more and more of it.
        max_messages: 100_000,
        // The ids of a few rounds, and not of all of them.
        duplicate_window: Duration::from_secs(1),
        ..Config::default()
    };
    jetstream.create_stream(stream).await?;

    let (linked, topic) = (provider(&server).await?, Topic::new(TOPIC)?);
    let message = Message::new(vec![b'm'; DATA_BYTES]);
    let ours = async || {
        let context = CallContext::default();
        let sent = linked.send(&context, &topic, &message).await;
        sent.context("through the link")
    };
    let data = message.data.clone();
    let theirs = async || {
        let id = client.new_inbox();
        publish(&jetstream, &id, data.clone()).await
    };
    let (our_one, their_one) = in_turns(20, 1_000, 1, ours, theirs).await?;
    let (our_many, their_many) = in_turns(20, 12_800, 64, ours, theirs).await?;
    let row =
        |metric, unit, ours, theirs| Row::beside((WORK, metric, unit), ours, (BESIDE, theirs));
    let (one, many) = ("p50, 1 in flight", "p50, 64 in flight");
    let throughput = "throughput, 64 in flight";
    Ok(vec![
        row(one, "us", our_one.p50_micros, their_one.p50_micros),
        row(many, "us", our_many.p50_micros, their_many.p50_micros),
        row(
            throughput,
            "1/s",
            our_many.per_second,
            their_many.per_second,
        ),
    ])
}

async fn provider(server: &NatsServer) -> anyhow::Result<Arc<dyn Messaging>> {
    let config = NatsConfig {
        url: ServiceAddress::new(server.url()),
        ..NatsConfig::default()
    };
    linked::<MessagingInterface>(Arc::new(Nats::connect_with(config).await?))
}

async fn publish(jetstream: &jetstream::Context, id: &str, data: Bytes) -> anyhow::Result<()> {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_MESSAGE_ID, id);
    let sent = jetstream.publish_with_headers(TOPIC, headers, data);
    sent.await?.await?;
    Ok(())
}
