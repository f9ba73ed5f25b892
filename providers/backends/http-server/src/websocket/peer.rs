//! A peer, from its acceptance to its end.

use std::sync::Arc;

use futures::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::{io::AsyncWriteExt, time::timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{Role, WebSocketConfig},
    },
};
use tokio_util::sync::CancellationToken;
use wrt_websocket::{
    Closing, Kind, PeerCounter, PeerHandler, Place, count, limits::CLOSE_PATIENCE,
};

use super::{
    Socket, WebSocketOptions,
    calls::Calls,
    ended::Ended,
    inbox::Inbox,
    outbox::{Outbox, Pulse, close_frame},
};
use crate::connection_use::ConnectionUse;

/// Of each direction; what is larger is had for as long as it passes. Most peers are idle, for days.
const BUFFER_BYTES: usize = 4 * 1024;

/// One that asks to come in, or is in.
pub(super) struct Peer {
    calls: Calls,
    place: Place,
}

type Socketed = WebSocketStream<TokioIo<Upgraded>>;

impl Peer {
    pub(super) fn new(
        socket: Arc<Socket>,
        place: Place,
        peer: Arc<str>,
        counter: Arc<PeerCounter>,
    ) -> Self {
        let calls = Calls {
            socket,
            peer,
            counter,
        };
        Self { calls, place }
    }

    pub(super) fn options(&self) -> &WebSocketOptions {
        &self.calls.socket.options
    }

    pub(super) fn handler(&self) -> &Arc<dyn PeerHandler> {
        &self.calls.socket.handler
    }

    pub(super) fn is_refused(&self) {
        count(&self.calls.counter.refused);
    }

    pub(super) fn enter(&self) {
        count(&self.calls.counter.accepted);
        self.place.enter();
    }

    /// Serves it to its end, and tells the component of that. After `draining` it is closed, behind what is
    /// queued for it.
    pub(super) async fn serve(
        self,
        upgrade: OnUpgrade,
        draining: CancellationToken,
        connection: Arc<ConnectionUse>,
    ) {
        let ended = match upgrade.await {
            Ok(upgraded) => self.talk(upgraded, &draining, &connection).await,
            Err(error) => {
                tracing::debug!(peer = &*self.calls.peer, %error, "a peer left before it was in");
                Ended::Lost
            }
        };
        if matches!(ended, Ended::Silent) {
            count(&self.calls.counter.silent);
        }
        count(&self.calls.counter.closed);
        self.place.leave();
        let is_draining = draining.is_cancelled();
        self.calls.close(&ended.closing(), is_draining).await;
    }

    async fn talk(
        &self,
        upgraded: Upgraded,
        draining: &CancellationToken,
        connection: &ConnectionUse,
    ) -> Ended {
        let bytes_max = Some(self.options().message_bytes_max());
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(BUFFER_BYTES)
            .max_message_size(bytes_max)
            .max_frame_size(bytes_max);
        let stream = TokioIo::new(upgraded);
        let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
        let (sink, stream) = socket.split();
        let pulse = Pulse::new();
        let mut inbox = Inbox::new(stream, &self.calls, &pulse);
        let mut outbox = Outbox {
            sink,
            queue: Arc::clone(self.place.queue()),
            options: self.options(),
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
        tokio::join!(part(&ended, outbox.sink, stream, connection), async {
            if let Some(in_hand) = in_hand {
                let _whatever = in_hand.await;
            }
        });
        ended
    }
}

/// The closing handshake, and the end of the connection.
async fn part(
    ended: &Ended,
    mut sink: SplitSink<Socketed, Message>,
    mut stream: SplitStream<Socketed>,
    connection: &ConnectionUse,
) {
    let said = timeout(CLOSE_PATIENCE, say_goodbye(ended, &mut sink, &mut stream)).await;
    if said.is_ok_and(|is_heard| is_heard)
        && let Ok(socket) = sink.reunite(stream)
    {
        // What it still sends, a message that is too large, must not reset the connection before it has read
        // why.
        connection.leave_a_body();
        let _closed = timeout(CLOSE_PATIENCE, socket.into_inner().shutdown()).await;
    }
}

/// The closing handshake; whether there is anybody to close the connection for.
async fn say_goodbye(
    ended: &Ended,
    sink: &mut SplitSink<Socketed, Message>,
    stream: &mut SplitStream<Socketed>,
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
