//! Peers of several servers, and what became of something for each of them.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt, stream};
use wrt_contract::{CallContext, InterfaceError, Lease};
use wrt_protocol::{Execution, Fault, FaultKind, Hop, Incarnation, Name};

use super::bindings::wrt::websocket::peers::Outcome;
use crate::{Kind, PeerId, Peers, WebSocketError};

/// Servers that are called at a time.
const CALLED_AT_A_TIME: usize = 64;

/// Peers by the listener that each is at.
pub(super) struct Receivers {
    count: usize,
    at: HashMap<(Name, Option<Incarnation>), Group>,
}

/// Those of one listener.
struct Group {
    server: Arc<dyn Peers>,
    /// Their places among all, and their numbers there.
    places: Vec<usize>,
    numbers: Vec<u64>,
}

impl Receivers {
    /// Sorts `peers`. A text that is no peer's id is taken for a peer that is gone.
    ///
    /// # Errors
    /// [`WebSocketError::NoSuchLink`] where `server` knows no server for the link of one of them.
    pub(super) fn of(
        peers: &[String],
        server: impl Fn(&str) -> Option<Arc<dyn Peers>>,
    ) -> Result<Self, WebSocketError> {
        let mut at: HashMap<_, Group> = HashMap::new();
        for (place, text) in peers.iter().enumerate() {
            let Ok(PeerId { link, home, number }) = text.parse::<PeerId>() else {
                continue;
            };
            let listener = (link, home);
            if !at.contains_key(&listener) {
                let link = listener.0.as_str();
                let server = server(link);
                let server = server.ok_or_else(|| WebSocketError::NoSuchLink(link.to_owned()))?;
                let group = Group {
                    server,
                    places: Vec::new(),
                    numbers: Vec::new(),
                };
                at.insert(listener.clone(), group);
            }
            if let Some(group) = at.get_mut(&listener) {
                group.places.push(place);
                group.numbers.push(number);
            }
        }
        Ok(Self {
            count: peers.len(),
            at,
        })
    }

    /// Hands something to all of them.
    ///
    /// # Errors
    /// What every listener would say.
    pub(super) async fn hand_over(
        self,
        context: &CallContext,
        kind: &Kind,
        data: &Bytes,
    ) -> Result<Vec<Outcome>, WebSocketError> {
        let mut outcomes = vec![Outcome::Gone; self.count];
        let calls = self.at.into_iter().map(|((_, home), group)| async move {
            let listener = Lease::on_replica(home);
            let sent = group
                .server
                .send(context, &listener, &group.numbers, kind, data.clone());
            (sent.await, group.places)
        });
        // All are heard of, whatever one of them says.
        let mut calls = stream::iter(calls).buffer_unordered(CALLED_AT_A_TIME);
        let mut refused = None;
        while let Some((sent, places)) = calls.next().await {
            match sent {
                Ok(queued) => {
                    for (place, is_queued) in places.into_iter().zip(queued) {
                        if is_queued {
                            outcomes[place] = Outcome::Queued;
                        }
                    }
                }
                Err(error) => match error.as_fault() {
                    Some(fault) => {
                        let outcome = outcome_of(fault);
                        places
                            .into_iter()
                            .for_each(|place| outcomes[place] = outcome);
                    }
                    None => refused = Some(error),
                },
            }
        }
        refused.map_or(Ok(outcomes), Err)
    }
}

/// What a fault of a pinned call says of the peers that it was for: they go with the incarnation of the node
/// that has their sockets, and with the listener there. A node that is taken for dead may only have been stopped,
/// or cut off, and have them still when it is heard again.
fn outcome_of(fault: &Fault) -> Outcome {
    match (fault.execution(), fault.kind()) {
        (Execution::NotExecuted, FaultKind::StaleEpoch | FaultKind::Draining) => Outcome::Gone,
        (Execution::NotExecuted, FaultKind::Unavailable) if fault.hop() == Hop::Gate => {
            Outcome::Gone
        }
        (Execution::NotExecuted, _) => Outcome::NotSent,
        _ => Outcome::MaybeSent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_cannot_be_there_any_more_is_gone() {
        use Execution::{Executed, MaybeExecuted, NotExecuted};
        for (kind, execution, hop, expected) in [
            // It may only have been stopped.
            (
                FaultKind::NodeLost,
                NotExecuted,
                Hop::Route,
                Outcome::NotSent,
            ),
            (
                FaultKind::StaleEpoch,
                NotExecuted,
                Hop::Route,
                Outcome::Gone,
            ),
            (FaultKind::Draining, NotExecuted, Hop::Gate, Outcome::Gone),
            (
                FaultKind::Unavailable,
                NotExecuted,
                Hop::Gate,
                Outcome::Gone,
            ),
            // The node is silent.
            (
                FaultKind::Unavailable,
                NotExecuted,
                Hop::Route,
                Outcome::NotSent,
            ),
            (
                FaultKind::Disconnected,
                NotExecuted,
                Hop::Caller,
                Outcome::NotSent,
            ),
            (
                FaultKind::NodeLost,
                MaybeExecuted,
                Hop::Caller,
                Outcome::MaybeSent,
            ),
            (
                FaultKind::DeadlineExceeded,
                MaybeExecuted,
                Hop::Caller,
                Outcome::MaybeSent,
            ),
            (
                FaultKind::TooLarge,
                Executed,
                Hop::Caller,
                Outcome::MaybeSent,
            ),
        ] {
            let fault = Fault::new(kind, execution, hop, "");
            assert_eq!(outcome_of(&fault), expected, "{fault}");
        }
    }
}
