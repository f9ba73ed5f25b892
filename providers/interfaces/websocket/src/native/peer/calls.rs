//! Calls of the handler for one peer.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use tokio::time::{Instant, sleep, timeout};
use wrt_contract::{CallContext, SpanKind};

use crate::{Closing, PeerCounter, PeerRoute, WebSocketError, count};

/// The first pause before a call that was not executed is made again; they double.
const PAUSE_MIN: Duration = Duration::from_millis(20);
/// The longest one: as long as that a component may be back unnoticed.
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// How long a component may take to be told of a peer's end while its server drains.
const DRAINING_PATIENCE: Duration = Duration::from_secs(3);

/// The handler of a peer, and what it is told with.
#[derive(Clone)]
pub(super) struct Calls {
    pub(super) route: Arc<PeerRoute>,
    pub(super) peer: Arc<str>,
    pub(super) counter: Arc<PeerCounter>,
}

impl Calls {
    /// Hands over a message. None: no handler came back in time, and it was not handed over.
    pub(super) async fn receive(self, is_text: bool, data: Bytes) -> Option<()> {
        let (route, peer) = (Arc::clone(&self.route), Arc::clone(&self.peer));
        let call = move |context: CallContext| {
            let (route, peer, data) = (Arc::clone(&route), Arc::clone(&peer), data.clone());
            async move { route.handler.receive(&context, &peer, is_text, data).await }.boxed()
        };
        match self.patiently("receive", call).await {
            Ok(()) => count(&self.counter.messages_handled),
            Err(error) if error.is_not_executed() => {
                count(&self.counter.messages_given_up);
                tracing::warn!(peer = &*self.peer, %error, "nobody takes a peer's message");
                return None;
            }
            Err(error) => {
                count(&self.counter.messages_failed);
                tracing::warn!(peer = &*self.peer, %error, "a peer's message was not handled");
            }
        }
        Some(())
    }

    /// Tells it that the peer is gone. Where the server drains it may be that the component does as well, on the
    /// same node, and comes back nowhere: that is found out soon.
    pub(super) async fn close(&self, closing: &Closing, is_draining: bool) {
        let call = |context: CallContext| {
            let (route, peer) = (Arc::clone(&self.route), Arc::clone(&self.peer));
            let closing = closing.clone();
            async move { route.handler.close(&context, &peer, &closing).await }.boxed()
        };
        let told = self.patiently("close", call);
        let told = match is_draining {
            true => timeout(DRAINING_PATIENCE, told).await,
            false => Ok(told.await),
        };
        let Ok(told) = told else {
            count(&self.counter.closes_given_up);
            tracing::debug!(
                peer = &*self.peer,
                "nobody was there to be told that a peer is gone"
            );
            return;
        };
        if let Err(error) = told {
            count(&self.counter.closes_given_up);
            tracing::warn!(peer = &*self.peer, %error, "nobody was told that a peer is gone");
        }
    }

    /// Makes a call until it was executed, or may have been. All attempts are one trace, which begins here.
    async fn patiently(
        &self,
        what: &str,
        call: impl Fn(CallContext) -> BoxFuture<'static, Result<(), WebSocketError>>,
    ) -> Result<(), WebSocketError> {
        let options = &self.route.options;
        let until = Instant::now() + options.handler_patience();
        let mut pause = PAUSE_MIN;
        let mut whole = CallContext::default();
        let name = || format!("{what} {}", self.route.name);
        let mut span = whole.begin_trace(SpanKind::Consumer, name);
        loop {
            let context = CallContext::with_budget(options.handler_timeout())
                .with_trace(whole.trace().cloned());
            match call(context).await {
                Err(error) if error.is_not_executed() && Instant::now() + pause < until => {
                    count(&self.counter.put_back);
                    tracing::debug!(peer = &*self.peer, %error, "handed over again");
                }
                told => {
                    span.judge(&told);
                    return told;
                }
            }
            sleep(pause).await;
            pause = (2 * pause).min(PAUSE_MAX);
        }
    }
}
