//! A subscription that does not end before its listener does.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use wrt_transport::{Inbound, Lane, Subscription, Transport, TransportError};

/// Pause before a subscription that the bus has ended is made again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What is listened to.
pub(crate) struct Listening {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) lane: Lane,
    pub(crate) subject: String,
    pub(crate) group: Option<String>,
}

impl Listening {
    /// # Errors
    /// When the bus refuses the subscription.
    pub(crate) async fn subscribe(&self) -> Result<Subscription, TransportError> {
        let (subject, group) = (self.subject.clone(), self.group.clone());
        self.transport.subscribe(self.lane, subject, group).await
    }

    /// Hands on what arrives until `take` answers false or the transport is closed. A subscription
    /// that ends before, because a server took back its permission, is made again: a node must not
    /// be deaf while its heartbeats say that it listens.
    pub(crate) async fn keep(
        self,
        mut arriving: Subscription,
        mut take: impl FnMut(Inbound) -> bool,
    ) {
        loop {
            while let Some(inbound) = arriving.next().await {
                if !take(inbound) {
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
