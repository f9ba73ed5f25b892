//! What a server must permit the user that a provider logs in as.
//!
//! Guests name their buckets and containers, and each is a stream; which streams hold a topic the server says. A
//! permission knows whole words of a subject and no beginnings of one, so where a stream's name is not the
//! provider's own any is permitted: an account of its own is what keeps a provider from the streams of others.

use std::collections::BTreeSet;

use wrt_blobstore::BlobstoreInterface;
use wrt_config::ConfigStoreInterface;
use wrt_contract::Interface as _;
use wrt_keyvalue::KeyValueInterface;
use wrt_messaging::{MessageHandlerInterface, MessagingInterface, Subscription};
use wrt_runtime::{ServicePermissions, Usage};

use crate::{NatsConfig, keyvalue::answers_stream_name};

/// Replies, to it and by it.
const INBOXES: &str = "_INBOX.>";

/// What reading a stream takes, whichever it is.
const READ: [&str; 4] = [
    "STREAM.INFO.*",
    "STREAM.MSG.GET.*",
    "DIRECT.GET.*",
    "DIRECT.GET.*.>",
];

/// To list what is in a stream, by a consumer for the time.
const LISTED: [&str; 4] = [
    "CONSUMER.CREATE.*",
    "CONSUMER.CREATE.*.>",
    "CONSUMER.MSG.NEXT.*.*",
    "CONSUMER.DELETE.*.*",
];

pub(crate) fn least(config: &NatsConfig, usage: &Usage<'_>) -> ServicePermissions {
    let mut least = Least::default();
    // By this the provider is probed.
    least.asks(["INFO"]);
    least.subscribe.insert(INBOXES.to_owned());
    if config.deduplicate_for_ms.is_some() {
        let answers = answers_stream_name(&config.bucket_prefix);
        least.asks(["INFO", "CREATE", "UPDATE"].map(|what| format!("STREAM.{what}.{answers}")));
    }
    for interface in usage.interfaces {
        match interface {
            it if *it == KeyValueInterface::NAME => least.buckets(),
            it if *it == BlobstoreInterface::NAME => least.containers(),
            it if *it == ConfigStoreInterface::NAME => least.settings(config),
            it if *it == MessagingInterface::NAME => least.sends(config, usage),
            it if *it == MessageHandlerInterface::NAME => least.handles(config, usage),
            _ => {}
        }
    }
    let Least { publish, subscribe } = least;
    ServicePermissions { publish, subscribe }
}

#[derive(Default)]
struct Least {
    publish: BTreeSet<String>,
    subscribe: BTreeSet<String>,
}

impl Least {
    /// Asks JetStream for these.
    fn asks(&mut self, what: impl IntoIterator<Item = impl std::fmt::Display>) {
        let asked = what.into_iter().map(|what| format!("$JS.API.{what}"));
        self.publish.extend(asked);
    }

    fn buckets(&mut self) {
        self.asks(READ);
        self.asks(LISTED);
        self.asks(["STREAM.NAMES", "STREAM.CREATE.*"]);
        self.publish.insert("$KV.*.>".to_owned());
    }

    fn containers(&mut self) {
        self.asks(READ);
        self.asks(LISTED);
        self.asks(
            ["NAMES", "CREATE.*", "DELETE.*", "PURGE.*"].map(|what| format!("STREAM.{what}")),
        );
        self.publish.insert("$O.*.>".to_owned());
    }

    /// To follow one bucket.
    fn settings(&mut self, config: &NatsConfig) {
        let Some(bucket) = &config.config_bucket else {
            return;
        };
        let stream = format!("KV_{bucket}");
        let named = |what: &str| what.replacen('*', &stream, 1);
        self.asks(READ.map(named));
        self.asks(LISTED.map(named));
        self.asks([format!("CONSUMER.INFO.{stream}.*")]);
        self.publish.insert(format!("$JS.FC.{stream}.>"));
    }

    /// To topics of the app's own subscriptions, and to those that no stream holds. Of others nobody knows but
    /// who writes the guests.
    fn sends(&mut self, config: &NatsConfig, usage: &Usage<'_>) {
        self.asks(["STREAM.NAMES", "STREAM.INFO.*"]);
        self.publish.insert(INBOXES.to_owned());
        self.publish.extend(topics(usage));
        let unheld = config.at_most_once_topics.iter().map(ToString::to_string);
        self.publish.extend(unheld);
    }

    fn handles(&mut self, config: &NatsConfig, usage: &Usage<'_>) {
        self.asks(READ);
        self.asks(LISTED);
        self.asks(["STREAM.NAMES", "CONSUMER.INFO.*.*"]);
        self.publish.insert("$JS.ACK.>".to_owned());
        self.publish.insert(INBOXES.to_owned());
        self.subscribe.extend(topics(usage));
        let letters = &config.dead_letter_stream;
        self.asks(["CREATE", "MSG.DELETE", "PURGE"].map(|what| format!("STREAM.{what}.{letters}")));
        let components = usage.calls.iter().map(|(component, _)| component);
        self.publish
            .extend(components.map(|component| format!("{letters}.{component}")));
        // What failed, and how far an order has come.
        for bucket in ["attempts", "positions"] {
            let bucket = format!("{}_-{bucket}", config.bucket_prefix);
            self.asks(["CREATE", "PURGE"].map(|what| format!("STREAM.{what}.KV_{bucket}")));
            self.publish.insert(format!("$KV.{bucket}.>"));
        }
    }
}

fn topics(usage: &Usage<'_>) -> Vec<String> {
    let selections = usage.calls.iter().map(|(_, selection)| selection.clone());
    let subscriptions = selections.filter_map(|it| it.try_into::<Subscription>().ok());
    let topics = subscriptions.flat_map(|subscription| subscription.topics);
    topics.map(|topic| topic.to_string()).collect()
}
