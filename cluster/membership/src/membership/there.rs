//! The task that answers whether this node is there, and what it says of itself.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use tokio::time::timeout;
use wrt_protocol::{heartbeat::WholeQuestion, limits::HEARTBEAT_INTERVAL};
use wrt_transport::{Inbound, Lane, Subscription, Transport};

use super::{MembershipError, Shared};

pub(super) struct There {
    shared: Arc<Shared>,
    transport: Arc<dyn Transport>,
    questions: Subscription,
    wholes: Subscription,
}

impl There {
    /// Listens from now on, on the lane of the heartbeats.
    pub(super) async fn listen(
        shared: Arc<Shared>,
        transport: Arc<dyn Transport>,
    ) -> Result<Self, MembershipError> {
        let node = &shared.options.node;
        let listen = async |subject: String| {
            let questions = transport.subscribe(Lane::Control, subject, None).await;
            questions.map_err(|source| MembershipError::Subscribe {
                node: node.clone(),
                source,
            })
        };
        let questions = listen(shared.subjects.presence(node)).await?;
        let wholes = listen(shared.subjects.whole(node)).await?;
        Ok(Self {
            shared,
            transport,
            questions,
            wholes,
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
        loop {
            let (question, answer) = tokio::select! {
                biased;
                Some(question) = self.questions.next() => (question, Bytes::new()),
                Some(question) = self.wholes.next() => match self.whole(&question) {
                    Some(whole) => (question, whole),
                    None => continue,
                },
                else => return,
            };
            let Some(reply) = question.reply else {
                continue;
            };
            let answer = self.transport.publish(Lane::Control, reply.0, answer);
            // One that is late says nothing any more.
            if !matches!(timeout(HEARTBEAT_INTERVAL, answer).await, Ok(Ok(()))) {
                tracing::debug!("a question of another node was not answered");
            }
        }
    }

    /// What is answered to who asks for all that this node says; none to who asks otherwise.
    fn whole(&self, question: &Inbound) -> Option<Bytes> {
        let counters = &self.shared.counters;
        let Ok(WholeQuestion { first }) = WholeQuestion::decode(&question.payload) else {
            counters.malformed.add_one();
            return None;
        };
        let beat = self
            .shared
            .tell_whole(first, self.transport.payload_bytes_max());
        counters.wholes_told.add_one();
        beat.encode().ok()
    }
}
