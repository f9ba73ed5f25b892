//! Puts questions to those who are silent.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{task::JoinSet, time::timeout};
use wrt_transport::{Transport, TransportError};

use super::Shared;
use crate::{Presence, Question, ViewChange};

/// How long somebody has to answer that it is there.
const ANSWER_WAIT_MAX: Duration = Duration::from_millis(200);

/// The questions on their way; dropping it forgets them. As many as the table asks for at once, for as
/// long as each may take.
pub(super) struct Asker {
    shared: Arc<Shared>,
    transport: Arc<dyn Transport>,
    on_their_way: JoinSet<()>,
}

impl Asker {
    pub(super) fn new(shared: Arc<Shared>, transport: Arc<dyn Transport>) -> Self {
        Self {
            shared,
            transport,
            on_their_way: JoinSet::new(),
        }
    }

    /// Puts them, and tells the table what becomes of each.
    pub(super) fn ask(&mut self, questions: Vec<Question>) {
        while self.on_their_way.try_join_next().is_some() {}
        for question in questions {
            self.shared.counters.asked.add_one();
            let (shared, transport) = (Arc::clone(&self.shared), Arc::clone(&self.transport));
            self.on_their_way.spawn(async move {
                let presence = put(&shared, &*transport, &question).await;
                if presence == Presence::Unknown {
                    tracing::info!(
                        node = %question.node,
                        "the bus knows nobody where a silent node would listen"
                    );
                }
                shared.update(ViewChange::Membership, |table, now| {
                    table.observe_presence(&question, presence, now);
                });
            });
        }
    }
}

async fn put(shared: &Shared, transport: &dyn Transport, question: &Question) -> Presence {
    let subject = shared.subjects.presence(&question.node);
    let answer = transport.request(subject, Bytes::new());
    match timeout(ANSWER_WAIT_MAX, answer).await {
        Ok(Ok(_there)) => Presence::There,
        Ok(Err(TransportError::NoResponders { .. })) => Presence::Unknown,
        Ok(Err(_unsent)) => Presence::NotAsked,
        Err(_late) => Presence::Unanswered,
    }
}
