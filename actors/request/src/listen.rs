//! A subscription that does not end before its listener does.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt};
use tokio::task::unconstrained;
use tokio_util::sync::CancellationToken;
use wrt_transport::{Inbound, Lane, Subscription, Transport, TransportError};

/// Pause before a subscription that the bus has ended is made again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What is listened to.
pub(crate) struct Listening {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) lane: Lane,
    pub(crate) subject: String,
    pub(crate) group: Option<String>,
    /// Ends it.
    pub(crate) left: CancellationToken,
}

impl Listening {
    /// # Errors
    /// When the bus refuses the subscription.
    pub(crate) async fn subscribe(&self) -> Result<Subscription, TransportError> {
        let (subject, group) = (self.subject.clone(), self.group.clone());
        self.transport.subscribe(self.lane, subject, group).await
    }

    /// Hands on what arrives until `take` answers false, the transport is closed, or it has left and
    /// what had arrived by then is handed on too: its senders would wait for nothing. A subscription
    /// that ends before, because a server took back its permission, is made again: a node must not
    /// be deaf while its heartbeats say that it listens.
    pub(crate) async fn keep(
        self,
        mut arriving: Subscription,
        mut take: impl FnMut(Inbound) -> bool,
    ) {
        loop {
            let handed_on = async {
                while let Some(inbound) = arriving.next().await {
                    if !take(inbound) {
                        return false;
                    }
                }
                true
            };
            match self.left.run_until_cancelled(handed_on).await {
                Some(true) => {}
                Some(false) => return,
                None => {
                    // More cannot have arrived, however fast they come.
                    for _ in 0..self.lane.payloads_buffered_max() {
                        // Not by the turn that this task has used up on them.
                        let arrived = unconstrained(arriving.next()).now_or_never().flatten();
                        if !arrived.is_some_and(&mut take) {
                            break;
                        }
                    }
                    return;
                }
            }
            arriving = loop {
                tokio::time::sleep(AGAIN_AFTER).await;
                match self.subscribe().await {
                    Ok(arriving) => break arriving,
                    Err(TransportError::Closed) => return,
                    Err(error) => {
                        let subject = &self.subject;
                        tracing::warn!(subject, ?error, "cannot listen again yet");
                    }
                }
            };
        }
    }
}
