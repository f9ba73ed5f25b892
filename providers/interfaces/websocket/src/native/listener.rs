//! The traits over a table of peers, and the other listeners of a provider.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use futures::{StreamExt, future::ready, stream};
use wrt_contract::{CallContext, Lease, async_trait};
use wrt_protocol::Incarnation;
use wrt_runtime::{Siblings, State};

use crate::{
    Connected, Connecting, Kind, Limit, PeerTable, Peers, PeersHere, PeersHereInterface, Reached,
    WebSocketError,
    limits::{MESSAGE_BYTES_MAX, REASON_BYTES_MAX, RECEIVERS_MAX},
};

/// Listeners that are asked at a time.
const ASKED_AT_A_TIME: usize = 64;

/// What a server offers that has peers.
#[derive(Default)]
pub struct Listener {
    table: Arc<PeerTable>,
    others: OnceLock<Others>,
}

struct Others {
    siblings: Arc<dyn Siblings>,
    /// To any of them; none where there are none.
    way: Option<Arc<dyn PeersHere>>,
}

impl Listener {
    /// Says who else listens. The first word counts.
    pub fn joins(&self, state: &impl State) {
        let _first = self.others.set(Others {
            siblings: state.siblings(),
            way: state.itself::<PeersHereInterface>(),
        });
    }

    /// Its own peers.
    #[must_use]
    pub fn table(&self) -> &Arc<PeerTable> {
        &self.table
    }

    /// Where its sockets are.
    #[must_use]
    pub fn home(&self) -> Option<Incarnation> {
        self.others.get()?.siblings.home()
    }

    /// Asks the others; what became of it for their peers, and how many of them did not answer.
    async fn send_elsewhere(
        &self,
        context: &CallContext,
        route: &str,
        kind: &Kind,
        data: &Bytes,
    ) -> Reached {
        let Some((others, way)) = self
            .others
            .get()
            .and_then(|it| Some((it, it.way.as_ref()?)))
        else {
            return Reached::default();
        };
        let homes = stream::iter(others.siblings.others());
        let answers = homes.map(|home| async {
            let listener = Lease::on_replica(Some(home));
            let sent = way.send_here(context, &listener, route, kind, data.clone());
            sent.await.unwrap_or_else(|error| {
                tracing::debug!(%error, "a listener did not answer");
                Reached {
                    unanswered: 1,
                    ..Reached::default()
                }
            })
        });
        let answers = answers.buffer_unordered(ASKED_AT_A_TIME);
        answers
            .fold(Reached::default(), |sum, answer| ready(sum + answer))
            .await
    }
}

/// Refuses what no peer can be sent.
///
/// # Errors
/// What is over a limit, no code, or no text.
pub(crate) fn check(kind: &Kind, data: &Bytes) -> Result<(), WebSocketError> {
    Limit::MessageBytes.check(data.len(), MESSAGE_BYTES_MAX)?;
    match kind {
        Kind::Binary => Ok(()),
        Kind::Text => std::str::from_utf8(data)
            .map(drop)
            .map_err(|_bytes| WebSocketError::NotText),
        Kind::Close(closing) if !closing.is_sendable() => {
            Err(WebSocketError::BadCode(closing.code))
        }
        Kind::Close(closing) => Limit::ReasonBytes.check(closing.reason.len(), REASON_BYTES_MAX),
    }
}

#[async_trait]
impl Peers for Listener {
    async fn send(
        &self,
        _: &CallContext,
        _: &Lease,
        to: &[u64],
        kind: &Kind,
        data: Bytes,
    ) -> Result<Vec<bool>, WebSocketError> {
        check(kind, &data)?;
        Limit::Receivers.check(to.len(), RECEIVERS_MAX)?;
        let outcomes = to.iter().map(|peer| self.table.put(*peer, kind, &data));
        Ok(outcomes.collect())
    }

    async fn send_to_all(
        &self,
        context: &CallContext,
        route: &str,
        kind: &Kind,
        data: Bytes,
    ) -> Result<Reached, WebSocketError> {
        check(kind, &data)?;
        let here = self.table.put_to_all(route, kind, &data);
        let elsewhere = self.send_elsewhere(context, route, kind, &data).await;
        Ok(here + elsewhere)
    }

    /// Who only listens connects to nobody.
    async fn connect(
        &self,
        _: &CallContext,
        connecting: &Connecting,
    ) -> Result<Connected, WebSocketError> {
        Err(WebSocketError::NoSuchRoute(connecting.route.clone()))
    }
}

#[async_trait]
impl PeersHere for Listener {
    async fn send_here(
        &self,
        _: &CallContext,
        _: &Lease,
        route: &str,
        kind: &Kind,
        data: Bytes,
    ) -> Result<Reached, WebSocketError> {
        check(kind, &data)?;
        Ok(self.table.put_to_all(route, kind, &data))
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Listener({} peers)", self.table.count())
    }
}
