//! A peer, from its acceptance to its end.
//!
//! ```text
//! socket ─┬─ inbox: one message at a time to the handler, one read ahead
//!         └─ outbox: what is queued for the peer, and pings
//! any end ─ what is in hand goes on to its end ─ closing handshake ─ close
//! ```

mod calls;
mod ended;
mod inbox;
mod options;
mod outbox;

use std::sync::Arc;

use futures::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};
use tokio_util::sync::CancellationToken;

use crate::{Closing, Kind, PeerHandler, Place, count, limits::CLOSE_PATIENCE};
use calls::Calls;
use ended::Ended;
use inbox::Inbox;
pub use options::PeerOptions;
use outbox::{Outbox, Pulse, close_frame};

/// What the peers of one route have in common.
pub struct PeerRoute {
    /// As components know it.
    pub name: Arc<str>,
    /// How they are served.
    pub options: PeerOptions,
    /// Who answers them.
    pub handler: Arc<dyn PeerHandler>,
}

/// One that is to come in, or is in.
pub struct Peer {
    calls: Calls,
    place: Place,
}

impl Peer {
    /// A peer of `route`, which its handler knows by `id`.
    #[must_use]
    pub fn new(route: Arc<PeerRoute>, place: Place, id: &str) -> Self {
        let calls = Calls {
            route,
            peer: id.into(),
            counter: Arc::clone(place.counter()),
        };
        Self { calls, place }
    }

    /// Its route.
    #[must_use]
    pub fn route(&self) -> &Arc<PeerRoute> {
        &self.calls.route
    }

    /// It does not come in.
    pub fn is_refused(&self) {
        count(&self.calls.counter.refused);
    }

    /// It is in.
    pub fn enter(&self) {
        count(&self.calls.counter.accepted);
        self.place.enter();
    }

    /// Serves it to its end, and tells the component of that. After `draining` it is closed, behind what is
    /// queued for it. When both sides have said goodbye, `hang_up` closes the connection.
    pub fn serve<S, F>(
        self,
        socket: WebSocketStream<S>,
        draining: &CancellationToken,
        hang_up: impl FnOnce(S) -> F,
    ) -> impl Future<Output = ()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
        F: Future,
    {
        // Before the future begins: it would keep the room for the whole socket, and most peers are idle.
        let (sink, stream) = socket.split();
        async move {
            let ended = self.talk(sink, stream, draining, hang_up).await;
            self.leave(&ended, draining).await;
        }
    }

    /// Its connection is gone before it could be served.
    pub async fn is_lost(self, draining: &CancellationToken) {
        self.leave(&Ended::Lost, draining).await;
    }

    async fn leave(self, ended: &Ended, draining: &CancellationToken) {
        if matches!(ended, Ended::Silent) {
            count(&self.calls.counter.silent);
        }
        count(&self.calls.counter.closed);
        self.place.leave();
        let is_draining = draining.is_cancelled();
        self.calls.close(&ended.closing(), is_draining).await;
    }

    async fn talk<S, F>(
        &self,
        sink: SplitSink<WebSocketStream<S>, Message>,
        stream: SplitStream<WebSocketStream<S>>,
        draining: &CancellationToken,
        hang_up: impl FnOnce(S) -> F,
    ) -> Ended
    where
        S: AsyncRead + AsyncWrite + Unpin,
        F: Future,
    {
        let pulse = Pulse::new();
        let mut inbox = Inbox::new(stream, &self.calls, &pulse);
        let mut outbox = Outbox {
            sink,
            queue: Arc::clone(self.place.queue()),
            options: &self.calls.route.options,
            pulse: &pulse,
        };
        let ended = tokio::select! {
            // What the handler has answered goes out before more is read.
            biased;
            ended = outbox.run() => ended,
            ended = inbox.run() => ended,
            () = draining.cancelled() => {
                let restart = Closing::new(1012, "the server restarts");
                let _unless_it_ends_anyhow =
                    self.place.queue().put(&Kind::Close(restart.clone()), &Default::default());
                let ended = timeout(CLOSE_PATIENCE, outbox.run()).await;
                ended.unwrap_or(Ended::Closed(restart))
            }
        };
        self.place.leave();
        let (stream, in_hand) = inbox.into_parts();
        // The handler goes on to the end of what it has in hand: it may be who has closed the peer.
        tokio::join!(part(&ended, outbox.sink, stream, hang_up), async {
            if let Some(in_hand) = in_hand {
                let _whatever = in_hand.await;
            }
        });
        ended
    }
}

/// The closing handshake, and the end of the connection.
async fn part<S, F>(
    ended: &Ended,
    mut sink: SplitSink<WebSocketStream<S>, Message>,
    mut stream: SplitStream<WebSocketStream<S>>,
    hang_up: impl FnOnce(S) -> F,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Future,
{
    let said = timeout(CLOSE_PATIENCE, say_goodbye(ended, &mut sink, &mut stream)).await;
    if said.is_ok_and(|is_heard| is_heard)
        && let Ok(socket) = sink.reunite(stream)
    {
        let _closed = timeout(CLOSE_PATIENCE, hang_up(socket.into_inner())).await;
    }
}

/// The closing handshake; whether there is anybody to close the connection for.
async fn say_goodbye<S: AsyncRead + AsyncWrite + Unpin>(
    ended: &Ended,
    sink: &mut SplitSink<WebSocketStream<S>, Message>,
    stream: &mut SplitStream<WebSocketStream<S>>,
) -> bool {
    match ended {
        Ended::Lost | Ended::Silent => return false,
        Ended::Left(_) => {}
        Ended::Closed(closing) => {
            if sink.send(close_frame(closing)).await.is_err() {
                return false;
            }
        }
    }
    // Its answer, or the end of ours: reading sends that.
    while let Some(Ok(_late)) = stream.next().await {}
    true
}
