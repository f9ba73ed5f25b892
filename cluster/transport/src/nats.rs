//! The bus between machines: NATS, one connection for each lane.

mod connection;
mod link;
mod options;
mod outbox;
mod packer;
mod payloads;
mod refusals;
mod replies;
mod reply_to;
mod service;

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt, StreamExt, future::join_all};
use serde_json::Value;
use tokio::{sync::watch, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use wrt_nats_login::Discovery;

use self::{
    connection::{Connection, take_replies},
    link::{Link, watch_connection},
    packer::{send_outbox, send_when_told},
    payloads::Payloads,
};
use crate::{
    Lane, LinkState, Subscription, Transport, TransportError,
    limits::{CLOSE_WAIT_MAX, SUBSCRIBE_WAIT_MAX},
};

pub use options::NatsOptions;
pub use refusals::RefusedPublishes;
pub use service::{SERVICE_NAME, ServiceHandle, ServiceInfo};

/// The lattice's bus over NATS servers.
///
/// A lost connection is made again for ever. While it is away nothing is buffered: publishes and
/// requests fail at once, and requests in flight end.
///
/// What the server knows of subscriptions is certain for one server. In a cluster of servers a new
/// subscription reaches the others a moment later; a request in between finds no responder.
///
/// Requests in flight together may travel in one message, and so may their replies; see
/// `cluster/ARCHITECTURE.md`. A message that a full buffer drops counts as one payload, whatever was
/// in it.
///
/// The client reports each payload that it drops through a short queue: when it drops thousands at
/// once, [`Transport::dropped_payloads`] counts fewer than were lost, never more.
pub struct Nats {
    /// In the order of [`Lane`].
    connections: [Arc<Connection>; 3],
    link: Arc<Link>,
    closed: CancellationToken,
    /// Aborted when the transport is dropped.
    _tasks: JoinSet<()>,
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats")
            .field("link", &*self.link.state().borrow())
            .finish_non_exhaustive()
    }
}

impl Nats {
    /// Connects all lanes.
    ///
    /// # Errors
    /// [`TransportError::Refused`] when no server answers within
    /// [`NatsOptions::connect_timeout`], and at once [`TransportError::NotLetIn`] when one does not
    /// take the login, or there is none to be made of what was given, [`TransportError::NotTrusted`]
    /// when nobody vouches for one, and [`TransportError::NotPermitted`] when it may not hear replies.
    pub async fn connect(options: NatsOptions) -> Result<Arc<Self>, TransportError> {
        let closed = CancellationToken::new();
        let connect = |lane| Connection::connect(&options, lane, closed.clone());
        let (control, calls, bulk) = tokio::try_join!(
            connect(Lane::Control),
            connect(Lane::Calls),
            connect(Lane::Bulk),
        )?;
        let mut tasks = JoinSet::new();
        let connections = [control, calls, bulk].map(|(connection, inbox)| {
            let connection = Arc::new(connection);
            tasks.spawn(take_replies(Arc::clone(&connection), inbox));
            if let Some(outbox) = &connection.outbox {
                tasks.spawn(send_outbox(Arc::clone(&connection), Arc::clone(outbox)));
                tasks.spawn(send_when_told(Arc::clone(&connection), Arc::clone(outbox)));
            }
            connection
        });
        for connection in &connections {
            let late = |source| TransportError::Refused {
                what: "an inbox".to_owned(),
                source: Box::new(source),
            };
            timeout(SUBSCRIBE_WAIT_MAX, connection.first_round_trip())
                .await
                .map_err(late)??;
            connection.put_up();
        }
        let servers = options.addresses()?;
        let clients = connections.iter().map(|it| it.client.clone()).collect();
        tasks.spawn(Discovery::new(options.login, servers).run(clients));
        let link = Arc::new(Link::up());
        for connection in &connections {
            tasks.spawn(watch_connection(Arc::clone(connection), Arc::clone(&link)));
        }
        Ok(Arc::new(Self {
            connections,
            link,
            closed,
            _tasks: tasks,
        }))
    }

    /// The client of the control lane, for what is NATS's own: JetStream and its key-value stores.
    #[must_use]
    pub fn control_client(&self) -> async_nats::Client {
        self.connection(Lane::Control).client.clone()
    }

    /// The client of the bulk lane, for large objects.
    #[must_use]
    pub fn bulk_client(&self) -> async_nats::Client {
        self.connection(Lane::Bulk).client.clone()
    }

    /// Announces the node to NATS's tools: it answers `PING`, `INFO` and `STATS` of the service
    /// protocol, and its endpoint `status` answers with the JSON of `stats`, or to a question that has a
    /// payload, and that `answer` knows, with the JSON of that.
    ///
    /// # Errors
    /// When the version is no semantic version, or the link is down.
    pub async fn announce(
        &self,
        info: ServiceInfo,
        stats: impl Fn() -> Value + Send + Sync + 'static,
        answer: impl Fn(&[u8]) -> Option<Value> + Send + Sync + 'static,
    ) -> Result<ServiceHandle, TransportError> {
        let (stats, answer) = (Arc::new(stats), Arc::new(answer));
        service::announce(self.connection(Lane::Control), info, stats, answer).await
    }

    /// Requests that wait for a reply. Zero when nobody waits: nothing leaks.
    #[must_use]
    pub fn requests_waiting(&self) -> usize {
        self.connections.iter().map(|c| c.replies.waiting()).sum()
    }

    fn connection(&self, lane: Lane) -> &Connection {
        &self.connections[lane as usize]
    }
}

#[async_trait]
impl Transport for Nats {
    async fn publish(
        &self,
        lane: Lane,
        subject: String,
        payload: Bytes,
    ) -> Result<(), TransportError> {
        self.connection(lane).publish(subject, payload).await
    }

    async fn request(&self, subject: String, payload: Bytes) -> Result<Bytes, TransportError> {
        self.connection(Lane::Calls).request(subject, payload).await
    }

    async fn subscribe(
        &self,
        lane: Lane,
        subject: String,
        group: Option<String>,
    ) -> Result<Subscription, TransportError> {
        let (subscriber, watched) = self.connection(lane).subscribe(subject, group).await?;
        Ok(Subscription::new(
            Payloads::new(subscriber, watched).boxed(),
        ))
    }

    fn link(&self) -> watch::Receiver<LinkState> {
        self.link.state()
    }

    fn payload_bytes_max(&self) -> usize {
        self.connection(Lane::Calls).client.max_payload()
    }

    fn dropped_payloads(&self) -> u64 {
        let dropped = |connection: &Arc<Connection>| {
            connection.signals.dropped_payloads.load(Ordering::Relaxed)
        };
        self.connections.iter().map(dropped).sum()
    }

    fn relieve(&self) {
        for connection in &self.connections {
            if let Some(outbox) = &connection.outbox {
                outbox.tell_if_left_alone();
            }
        }
    }

    async fn close(&self) {
        self.closed.cancel();
        // After a round trip the server has everything; a plain close could lose what the socket
        // still holds.
        let sent = join_all(self.connections.iter().map(|c| c.round_trip()));
        let _in_time = timeout(CLOSE_WAIT_MAX, sent).await;
        for connection in &self.connections {
            connection.take_down();
            self.link.report(connection, false);
            // Without room in its queue the client has lost its server; it ends with its last handle.
            let _ended = connection.client.drain().now_or_never();
        }
    }
}
