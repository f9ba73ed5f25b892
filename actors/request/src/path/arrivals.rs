//! Calls that wait for an actor that is on its way.
//!
//! ```text
//! nobody serves it ─┬─ a node reports it as starting ────────────────────────┐
//!                   ├─ expected, and reported by nobody: it is about to be ──┴─> waits, in a bounded number,
//!                   │                                                            until served, or its time is up
//!                   └─ anything else: failing, draining, nowhere ──────────────> refused as ever
//! ```
//!
//! What waits is a call that nothing has been done for. Its arguments are not encoded, and its body stays
//! where it is, so that it takes none of this node's memory.

use std::{collections::HashSet, sync::Arc};

use futures::{FutureExt, future::BoxFuture};
use tokio::{sync::OwnedSemaphorePermit, time::timeout_at};
use wrt_contract::{Arrivals, CallContext};
use wrt_membership::View;
use wrt_protocol::{ActorAddress, Fault, FaultKind, Hop, limits::CALLS_PARKED_MAX};
use wrt_transport::LinkState;

use super::RequestPath;

impl RequestPath {
    /// Says which actors somebody is about to serve, as far as this node knows: one of them that nobody
    /// reports yet is waited for.
    pub fn set_expected(&self, expected: HashSet<ActorAddress>) {
        self.expected.send_if_modified(|known| {
            let changes = *known != expected;
            *known = expected;
            changes
        });
    }

    /// Whether a call of `actor` has nowhere to go now, and soon may have.
    fn is_on_its_way(&self, view: &View, actor: &ActorAddress) -> bool {
        if !view.candidates(actor).is_empty() {
            return false;
        }
        view.starts_here(actor) || self.comes_elsewhere(view, actor)
    }

    /// The same for other nodes, of an actor that no node serves.
    pub(super) fn comes_elsewhere(&self, view: &View, actor: &ActorAddress) -> bool {
        // Of what others do, nothing is heard.
        if view.is_isolated() || *self.link.borrow() == LinkState::Down {
            return false;
        }
        view.starts_elsewhere(actor)
            || (self.expected.borrow().contains(actor) && !view.is_reported(actor))
    }

    async fn parked(
        &self,
        actor: &ActorAddress,
        context: &CallContext,
        _place: OwnedSemaphorePermit,
    ) -> Result<(), Fault> {
        let mut changes = self.membership.changes();
        let (mut expected, mut link) = (self.expected.subscribe(), self.link.clone());
        loop {
            // Before it is looked, so that no change goes unnoticed.
            changes.mark_unchanged();
            expected.mark_unchanged();
            link.mark_unchanged();
            if !self.is_on_its_way(&self.membership.view(), actor) {
                return Ok(());
            }
            let changed = async {
                tokio::select! {
                    changed = changes.changed() => changed,
                    changed = expected.changed() => changed,
                    changed = link.changed() => changed,
                }
            };
            match timeout_at(context.deadline(), changed).await {
                Ok(Ok(())) => {}
                // The node is about to end.
                Ok(Err(_closed)) => return Ok(()),
                Err(_elapsed) => {
                    self.counters.parked_in_vain.add_one();
                    let detail = "it was still starting when the call's time was up";
                    let kind = FaultKind::DeadlineExceeded;
                    return Err(Fault::not_executed(kind, Hop::Route, detail));
                }
            }
        }
    }
}

impl Arrivals for RequestPath {
    fn expect<'a>(
        &'a self,
        actor: &'a ActorAddress,
        context: &'a CallContext,
    ) -> Option<BoxFuture<'a, Result<(), Fault>>> {
        if !self.is_on_its_way(&self.membership.view(), actor) {
            return None;
        }
        let Ok(place) = Arc::clone(&self.parking).try_acquire_owned() else {
            self.counters.parking_refused.add_one();
            let detail = format!("it is starting, and {CALLS_PARKED_MAX} calls wait already");
            let kind = FaultKind::Overloaded {
                retry_after_ms: 1000,
            };
            let fault = Fault::not_executed(kind, Hop::Route, detail);
            return Some(std::future::ready(Err(fault)).boxed());
        };
        self.counters.parked.add_one();
        Some(self.parked(actor, context, place).boxed())
    }
}
