//! Actors that are on their way.

use std::{
    pin::pin,
    sync::{Arc, OnceLock},
};

use futures::future::BoxFuture;
use tokio::sync::Notify;
use wrt_protocol::{ActorAddress, Fault, Incarnation};

use crate::{CallContext, LocalSlot, Replica};

/// Who knows, on a node, which actors are on their way: nobody serves them yet, and somebody is about
/// to.
pub trait Arrivals: Send + Sync + 'static {
    /// The wait for `actor`, if it is on its way. It ends when a call has somewhere to go, or nowhere
    /// any more.
    ///
    /// # Errors
    /// *Not executed*: too many wait already, or the call's time is up.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place.
    fn expect<'a>(
        &'a self,
        actor: &'a ActorAddress,
        context: &'a CallContext,
    ) -> Option<BoxFuture<'a, Result<(), Fault>>>;
}

/// A wait for a replica: the one that has come to this node, if that is where it ended.
type Arrival<'a, T> = BoxFuture<'a, Result<Option<Arc<Replica<T>>>, Fault>>;

/// What the slots of a node share.
#[derive(Default)]
pub(crate) struct Home {
    /// The incarnation of the node, once it is on a lattice.
    pub(crate) incarnation: OnceLock<Incarnation>,
    pub(crate) arrivals: OnceLock<Arc<dyn Arrivals>>,
    /// A slot was filled.
    pub(crate) filled: Notify,
}

impl<T: ?Sized + Send + Sync> LocalSlot<T> {
    /// The wait for the actor of an empty slot, if it is on its way: for its replica here, or for
    /// whatever else ends it. Nothing of the call is encoded or read meanwhile, its body least of all.
    ///
    /// # Errors
    /// As [`Arrivals::expect`].
    ///
    /// # Cancel safety
    /// Dropping the future gives up the wait.
    pub fn arrival<'a>(&'a self, context: &'a CallContext) -> Option<Arrival<'a, T>> {
        let wait = self.home().arrivals.get()?.expect(self.actor()?, context)?;
        let arrival = async move {
            let mut wait = pin!(wait);
            loop {
                let mut filled = pin!(self.home().filled.notified());
                // Before the slot is looked at, so that nothing goes unnoticed between the two.
                filled.as_mut().enable();
                if let Some(replica) = self.get() {
                    return Ok(Some(replica));
                }
                tokio::select! {
                    biased;
                    waited = &mut wait => return waited.map(|()| self.get()),
                    () = filled => {}
                }
            }
        };
        Some(Box::pin(arrival))
    }
}
