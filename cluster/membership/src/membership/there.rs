//! The task that answers whether this node is there.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use tokio::time::timeout;
use wrt_protocol::limits::HEARTBEAT_INTERVAL;
use wrt_transport::{Lane, Subscription, Transport};

use super::{MembershipError, Shared};

pub(super) struct There {
    shared: Arc<Shared>,
    transport: Arc<dyn Transport>,
    questions: Subscription,
}

impl There {
    /// Listens from now on, on the lane of the heartbeats.
    pub(super) async fn listen(
        shared: Arc<Shared>,
        transport: Arc<dyn Transport>,
    ) -> Result<Self, MembershipError> {
        let node = shared.options.node.clone();
        let subject = shared.subjects.presence(&node);
        let questions = transport.subscribe(Lane::Control, subject, None).await;
        let questions = questions.map_err(|source| MembershipError::Subscribe { node, source })?;
        Ok(Self {
            shared,
            transport,
            questions,
        })
    }

    /// Answers until the node is stopped or fenced: then the name is another one's.
    pub(super) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        tokio::select! {
            () = shared.stop.cancelled() => {}
            () = shared.fenced.cancelled() => {}
            () = self.answer() => {}
        }
    }

    async fn answer(&mut self) {
        while let Some(question) = self.questions.next().await {
            let Some(reply) = question.reply else {
                continue;
            };
            let answer = self.transport.publish(Lane::Control, reply.0, Bytes::new());
            // One that is late says nothing any more.
            if !matches!(timeout(HEARTBEAT_INTERVAL, answer).await, Ok(Ok(()))) {
                tracing::debug!("that this node is there was not said");
            }
        }
    }
}
