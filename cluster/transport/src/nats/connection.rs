//! One lane's connection.

use std::{
    future::Future,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_nats::{
    Client, ConnectOptions, Event, PublishError, PublishErrorKind, Subject, Subscriber,
    connection::State,
};
use bytes::Bytes;
use futures::StreamExt;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use wrt_nats_login::{is_refusal, is_told_refusal, is_untrusted};
use wrt_protocol::pack::PackEntry;

use super::{
    NatsOptions,
    options::may_heal,
    outbox::{Outbox, OutgoingMessage},
    refusals::{Refusals, RefusedPublishes, Watched, refused_publish},
    replies::{Answer, Replies},
    reply_to::ReplyTo,
};
use crate::{Lane, TransportError, limits::SUBSCRIBE_WAIT_MAX};

/// Payloads that wait for the socket before `publish` waits.
const CONTROL_PAYLOADS_QUEUED_MAX: usize = 256;
const CALL_PAYLOADS_QUEUED_MAX: usize = 256;
/// Calls and replies that wait before that, to be packed.
const CALLS_WAITING_MAX: usize = 1024;
const BULK_PAYLOADS_QUEUED_MAX: usize = 128;
/// Silence after which the client pings. It gives a connection up at the third ping without a pong.
const PING_INTERVAL: Duration = Duration::from_secs(1);
/// How long one attempt to connect may take.
const HANDSHAKE_WAIT_MAX: Duration = Duration::from_secs(2);
/// The first attempts come quickly: a server that is lost may leave others, and who is with them in time was
/// never away.
const QUICK_ATTEMPTS: usize = 2;
const QUICK_DELAY: Duration = Duration::from_millis(100);
const RECONNECT_DELAY_MIN: Duration = Duration::from_millis(250);
const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(2);

/// A connection, and what is known of it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) lane: Lane,
    pub(super) client: Client,
    pub(super) replies: Arc<Replies>,
    /// Whether it may subscribe to them.
    inbox: Watched,
    /// What waits to go out, on the lane that packs.
    pub(super) outbox: Option<Arc<Outbox>>,
    pub(super) signals: Arc<Signals>,
    /// Set by the close of the whole transport.
    pub(super) closed: CancellationToken,
    up: AtomicBool,
    /// Wakes who waits for room in the queue to the socket.
    went_down: Notify,
}

/// What the client reports from its own task.
#[derive(Debug, Default)]
pub(super) struct Signals {
    /// Something changed.
    pub(super) changed: Notify,
    /// The connection was lost since this was last looked at.
    pub(super) lost: AtomicBool,
    pub(super) dropped_payloads: AtomicU64,
    /// Its servers do not let it in any more, and that was told.
    shut_out: AtomicBool,
    refusals: Arc<Refusals>,
    refused: RefusedPublishes,
    /// Who waits for replies, as soon as somebody can.
    replies: OnceLock<Arc<Replies>>,
}

impl Signals {
    fn take(&self, lane: Lane, event: Event) {
        match event {
            Event::SlowConsumer(_) => {
                self.dropped_payloads.fetch_add(1, Ordering::Relaxed);
            }
            Event::Connected => {
                self.shut_out.store(false, Ordering::Relaxed);
                self.changed.notify_one();
            }
            Event::Closed => self.changed.notify_one(),
            Event::Disconnected => {
                self.lost.store(true, Ordering::Release);
                self.changed.notify_one();
            }
            Event::ServerError(error) => {
                tracing::error!(?lane, %error, "the NATS server reports an error");
                let error = error.to_string();
                self.refusals.take(&error);
                if let Some(subject) = refused_publish(&error) {
                    if let Some(replies) = self.replies.get() {
                        replies.end_refused(subject);
                    }
                    self.refused.tell(subject);
                }
            }
            // At each attempt and on each connection: one word is enough.
            Event::ClientError(error) if is_told_refusal(&error) => {
                if lane == Lane::Control && !self.shut_out.swap(true, Ordering::Relaxed) {
                    tracing::error!(
                        %error,
                        "the NATS server does not let this node in any more, which tries again; if its \
                         login is another one now, restart the node with that"
                    );
                }
            }
            Event::LameDuckMode | Event::Draining | Event::ClientError(_) => {}
        }
    }
}

impl Connection {
    /// Connects, and tries again until `options.connect_timeout`. The second value is the
    /// subscription for [`Replies`].
    pub(super) async fn connect(
        options: &NatsOptions,
        lane: Lane,
        closed: CancellationToken,
    ) -> Result<(Self, Subscriber), TransportError> {
        let signals = Arc::new(Signals {
            refused: options.refused.clone(),
            ..Signals::default()
        });
        let client = connect_client(options, lane, &signals).await?;
        let replies = Arc::new(Replies::new(client.new_inbox()));
        let _first = signals.replies.set(Arc::clone(&replies));
        let watched = signals.refusals.watch(&replies.subject(), &closed);
        let inbox = client
            .subscribe(replies.subject())
            .await
            .map_err(|source| options.refused(source))?;
        let connection = Self {
            lane,
            client,
            replies,
            inbox: watched,
            outbox: (lane == Lane::Calls).then(|| Arc::new(Outbox::new(CALLS_WAITING_MAX))),
            signals,
            closed,
            up: AtomicBool::new(false),
            went_down: Notify::new(),
        };
        Ok((connection, inbox))
    }

    /// Which of its successive connections to the server this is; none while there is none.
    pub(super) fn incarnation(&self) -> Option<u64> {
        let connects = self.client.statistics().connects.load(Ordering::Acquire);
        (self.client.connection_state() == State::Connected).then_some(connects)
    }

    /// Lets calls through, unless the transport was closed.
    pub(super) fn put_up(&self) {
        self.up.store(!self.closed.is_cancelled(), Ordering::SeqCst);
    }

    /// Ends everything that waits on the lost connection.
    pub(super) fn take_down(&self) {
        // Before the sweep: a request looks at it after it has entered the table.
        self.up.store(false, Ordering::SeqCst);
        if let Some(outbox) = &self.outbox {
            outbox.take_back_requests(&self.replies);
        }
        self.replies.end_all();
        self.went_down.notify_waiters();
    }

    fn check_up(&self) -> Result<(), TransportError> {
        match self.up.load(Ordering::SeqCst) {
            true => Ok(()),
            false => Err(self.down(false)),
        }
    }

    fn down(&self, sent: bool) -> TransportError {
        match self.closed.is_cancelled() {
            true => TransportError::Closed,
            false => TransportError::Disconnected { sent },
        }
    }

    fn check_size(&self, payload: &Bytes) -> Result<(), TransportError> {
        let (bytes, bytes_max) = (payload.len(), self.client.max_payload());
        match bytes > bytes_max {
            true => Err(TransportError::TooLarge { bytes, bytes_max }),
            false => Ok(()),
        }
    }

    pub(super) async fn publish(
        &self,
        subject: String,
        payload: Bytes,
    ) -> Result<(), TransportError> {
        self.check_size(&payload)?;
        let outgoing = OutgoingMessage::published(subject, payload);
        // Calls come in bursts, and so do their replies.
        let in_company = matches!(outgoing, OutgoingMessage::Reply(..));
        self.unless_down(self.hand_over(outgoing, in_company)).await
    }

    pub(super) async fn request(
        &self,
        subject: String,
        payload: Bytes,
    ) -> Result<Bytes, TransportError> {
        self.check_size(&payload)?;
        // Shares the text with what is sent.
        let subject = Subject::from(subject);
        let ticket = self.replies.ticket(subject.clone());
        let slot = ticket.slot();
        let request = OutgoingMessage::Request(subject.clone(), PackEntry { slot, payload });
        let in_company = !self.replies.is_calm();
        self.unless_down(self.hand_over(request, in_company))
            .await?;
        match ticket.answer().await {
            Some(Answer::Reply(payload)) => Ok(payload),
            Some(Answer::NoResponders) => Err(TransportError::NoResponders {
                subject: subject.into_string(),
            }),
            Some(Answer::NotSent) => Err(self.down(false)),
            Some(Answer::NotPermitted) => Err(not_permitted("a publish", &subject)),
            None => Err(self.down(true)),
        }
    }

    /// Sends a message, or lets it wait for others to go with. One that comes alone, while nothing
    /// waits, has nothing to gain from that.
    async fn hand_over(
        &self,
        outgoing: OutgoingMessage,
        in_company: bool,
    ) -> Result<(), TransportError> {
        match &self.outbox {
            Some(outbox) if in_company || !outbox.is_idle() => {
                outbox.put(outgoing).await;
                Ok(())
            }
            _ => self.send(outgoing).await,
        }
    }

    /// Hands a message to the client.
    pub(super) async fn send(&self, outgoing: OutgoingMessage) -> Result<(), TransportError> {
        let sent = match outgoing {
            OutgoingMessage::Request(to, PackEntry { slot, payload }) => {
                let reply = self.replies.subject_of(ReplyTo::Slot(slot));
                self.client.publish_with_reply(to, reply, payload).await
            }
            OutgoingMessage::Requests(to, number, payload) => {
                let reply = self.replies.subject_of(ReplyTo::Pack(number));
                self.client.publish_with_reply(to, reply, payload).await
            }
            OutgoingMessage::Reply(inbox, PackEntry { slot, payload }) => {
                let to = ReplyTo::Slot(slot).subject(&inbox);
                self.client.publish(to, payload).await
            }
            OutgoingMessage::Plain(to, payload) => self.client.publish(to, payload).await,
        };
        sent.map_err(|error| not_published(&error, self))
    }

    pub(super) async fn subscribe(
        &self,
        subject: String,
        group: Option<String>,
    ) -> Result<(Subscriber, Watched), TransportError> {
        self.check_up()?;
        let watched = self.signals.refusals.watch(&subject, &self.closed);
        let refused = |source: Box<dyn std::error::Error + Send + Sync>| TransportError::Refused {
            what: format!("a subscription to {subject:?}"),
            source,
        };
        let confirmed = async {
            let subscriber = match group {
                Some(group) => self.client.queue_subscribe(subject.clone(), group).await,
                None => self.client.subscribe(subject.clone()).await,
            };
            let subscriber = subscriber.map_err(|source| refused(Box::new(source)))?;
            self.round_trip().await?;
            Ok(subscriber)
        };
        let subscriber = timeout(SUBSCRIBE_WAIT_MAX, confirmed)
            .await
            .map_err(|late| refused(Box::new(late)))??;
        match watched.ended.is_cancelled() && !self.closed.is_cancelled() {
            true => Err(not_permitted("a subscription", &subject)),
            false => Ok((subscriber, watched)),
        }
    }

    /// Sends a payload to itself. When it is back, the server has handled everything that was sent
    /// before on this connection: `Client::flush` only says that the socket took it.
    pub(super) async fn round_trip(&self) -> Result<(), TransportError> {
        let ticket = self.replies.round_trip();
        let own = self.replies.subject_of(ReplyTo::Slot(ticket.slot()));
        self.hand_over(
            OutgoingMessage::Plain(own.clone().into(), Bytes::new()),
            false,
        )
        .await?;
        match ticket.answer().await {
            Some(Answer::NotPermitted) => Err(not_permitted("a publish", &own)),
            Some(_) => Ok(()),
            None => Err(self.down(true)),
        }
    }

    /// The first round trip, which fails at once where this client may not listen to its own inbox.
    ///
    /// # Errors
    /// That, and when the connection is lost.
    pub(super) async fn first_round_trip(&self) -> Result<(), TransportError> {
        tokio::select! {
            back = self.round_trip() => back,
            () = self.inbox.ended.cancelled() => {
                Err(not_permitted("a subscription", &self.replies.subject()))
            }
        }
    }

    /// Hands something to the client, and gives up when the connection is lost while its queue is
    /// full: without that it would wait for as long as the server is away.
    async fn unless_down(
        &self,
        send: impl Future<Output = Result<(), TransportError>>,
    ) -> Result<(), TransportError> {
        // Made before the check, so that no loss goes unnoticed between the two.
        let went_down = self.went_down.notified();
        self.check_up()?;
        tokio::select! {
            biased;
            sent = send => sent,
            () = went_down => Err(self.down(false)),
        }
    }
}

fn not_permitted(what: &str, subject: &str) -> TransportError {
    TransportError::NotPermitted {
        what: format!("{what} to {subject:?}"),
    }
}

fn not_published(error: &PublishError, connection: &Connection) -> TransportError {
    match error.kind() {
        // Its queue is gone: the client has ended.
        PublishErrorKind::Send => connection.down(false),
        PublishErrorKind::MaxPayloadExceeded | PublishErrorKind::InvalidSubject => {
            TransportError::Refused {
                what: "a payload".to_owned(),
                source: error.to_string().into(),
            }
        }
    }
}

/// Hands replies to those who wait, until the client ends.
pub(super) async fn take_replies(connection: Arc<Connection>, mut inbox: Subscriber) {
    while let Some(message) = inbox.next().await {
        if !connection.replies.take(message) {
            // Somebody made it up, or speaks another version and was asked by one of this.
            connection
                .signals
                .dropped_payloads
                .fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn connect_client(
    options: &NatsOptions,
    lane: Lane,
    signals: &Arc<Signals>,
) -> Result<Client, TransportError> {
    let servers = options.addresses()?;
    let give_up_at = Instant::now() + options.connect_timeout;
    let mut attempt = 0;
    loop {
        let with_login = client_options(options, lane, Arc::clone(signals));
        let with_login = options.login.apply(with_login, &servers).await;
        let client_options = with_login.map_err(|source| options.not_let_in(source))?;
        let error = match client_options.connect(&servers).await {
            Ok(client) => return Ok(client),
            Err(error) if is_refusal(error.kind()) => return Err(options.not_let_in(error)),
            Err(error) if is_untrusted(&error) => return Err(options.not_trusted(error)),
            Err(error) => error,
        };
        attempt += 1;
        let pause = reconnect_delay(attempt);
        if !may_heal(error.kind()) || Instant::now() + pause > give_up_at {
            return Err(options.refused(error));
        }
        tracing::debug!(?lane, attempt, %error, "no NATS server yet");
        sleep(pause).await;
    }
}

fn client_options(options: &NatsOptions, lane: Lane, signals: Arc<Signals>) -> ConnectOptions {
    let (label, queued_max) = match lane {
        Lane::Control => ("control", CONTROL_PAYLOADS_QUEUED_MAX),
        Lane::Calls => ("calls", CALL_PAYLOADS_QUEUED_MAX),
        Lane::Bulk => ("bulk", BULK_PAYLOADS_QUEUED_MAX),
    };
    let client_options = match &options.inbox_prefix {
        Some(prefix) => ConnectOptions::new().custom_inbox_prefix(prefix),
        None => ConnectOptions::new(),
    };
    client_options
        .name(format!("wrt/{}/{label}", options.node))
        .subscription_capacity(lane.payloads_buffered_max())
        .client_capacity(queued_max)
        .ping_interval(PING_INTERVAL)
        .connection_timeout(HANDSHAKE_WAIT_MAX)
        .max_reconnects(None)
        .reconnect_delay_callback(reconnect_delay)
        .event_callback(move |event| {
            signals.take(lane, event);
            std::future::ready(())
        })
}

/// Doubles up to a limit, and spreads: when a server comes back, all nodes want it.
fn reconnect_delay(attempt: usize) -> Duration {
    let slow_attempts = attempt.saturating_sub(QUICK_ATTEMPTS);
    let delay = match slow_attempts.checked_sub(1) {
        None => QUICK_DELAY,
        Some(doublings) => RECONNECT_DELAY_MIN
            .saturating_mul(1 << doublings.min(8))
            .min(RECONNECT_DELAY_MAX),
    };
    delay.mul_f64(rand::random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_quick_at_first_and_then_bounded() {
        for (attempt, millis) in [
            (0, 100),
            (1, 100),
            (2, 100),
            (3, 250),
            (4, 500),
            (5, 1000),
            (6, 2000),
            (7, 2000),
            (usize::MAX, 2000),
        ] {
            let delay = reconnect_delay(attempt);
            let longest = Duration::from_millis(millis);
            assert!(
                delay >= longest / 2 && delay <= longest,
                "{attempt}: {delay:?}"
            );
        }
    }
}
