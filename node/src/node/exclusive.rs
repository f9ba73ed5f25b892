//! Actors that the manifest calls exclusive: of each one replica on the lattice serves at a time, by a lease.
//!
//! The others of a split, and the successor of one that is gone, are brought up and wait. Whoever has the lease
//! serves until it gives it back or cannot renew it: its gate then lets nobody in, ends what runs, and supervision
//! brings it up to wait anew. With the lease goes its epoch, as a fence, through every call that is made while one
//! is served.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use futures::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use wrt_contract::Tenure;
use wrt_protocol::{ActorAddress, Fence};
use wrt_runtime::{Owned, Ownership, Term};
use wrt_supervision::{Close, Probe, Running, Start, StartError};

use super::ownership::LatticeOwnership;

/// What the work of an exclusive actor is called among its works.
const WORK: &str = "exclusive";

/// The leases that this node's exclusive actors have: one that is replaced and the one in its place share one.
#[derive(Default)]
pub(crate) struct Tenancies(Mutex<BTreeMap<ActorAddress, Weak<Tenancy>>>);

/// That an actor is this node's alone, while anybody holds this.
struct Tenancy {
    owned: Owned,
    fence: Fence,
}

/// For how long, as the actor's gate sees it.
#[derive(Debug)]
struct Alone {
    term: Term,
    fence: Fence,
}

impl Tenure for Alone {
    fn fence(&self) -> Fence {
        self.fence.clone()
    }

    fn is_over(&self) -> bool {
        self.term.is_over()
    }

    fn over(&self) -> BoxFuture<'static, ()> {
        let term = self.term.clone();
        async move { term.over().await }.boxed()
    }
}

impl Tenancies {
    /// Waits until `ownership`'s actor is this node's alone.
    ///
    /// # Cancel safety
    /// Dropping the future leaves it to others.
    async fn take(&self, ownership: &LatticeOwnership) -> Arc<Tenancy> {
        if let Some(tenancy) = self.held(&ownership.actor) {
            return tenancy;
        }
        loop {
            let owned = ownership.own(WORK).await;
            let Some(fence) = owned.term().fence().cloned() else {
                // A lattice's leases have names.
                continue;
            };
            let tenancy = Arc::new(Tenancy { owned, fence });
            let mut all = self.0.lock();
            all.retain(|_, tenancy| tenancy.strong_count() > 0);
            all.insert(ownership.actor.clone(), Arc::downgrade(&tenancy));
            return tenancy;
        }
    }

    fn held(&self, actor: &ActorAddress) -> Option<Arc<Tenancy>> {
        let tenancy = self.0.lock().get(actor)?.upgrade()?;
        (!tenancy.owned.term().is_over()).then_some(tenancy)
    }
}

/// Brings an actor up, and lets it serve when no other replica of it does; as many as there are where it is not
/// exclusive.
pub(crate) struct Exclusive<S> {
    pub(crate) start: S,
    /// None where it is not, or where there is no lattice and so nobody else.
    pub(crate) lease: Option<LatticeOwnership>,
    pub(crate) tenancies: Arc<Tenancies>,
}

impl<S: Start> Start for Exclusive<S> {
    fn start(&self) -> BoxFuture<'_, Result<Running, StartError>> {
        async {
            let running = self.start.start().await?;
            let Some(lease) = &self.lease else {
                return Ok(running);
            };
            tracing::info!(actor = %lease.actor, "waits until it is the only one that serves");
            let tenancy = self.tenancies.take(lease).await;
            tracing::info!(actor = %lease.actor, epoch = tenancy.owned.epoch(), "serves alone");
            Ok(held(running, tenancy))
        }
        .boxed()
    }
}

/// `running`, for as long as `tenancy` lasts; it is given back with the end of the last that has it.
fn held(running: Running, tenancy: Arc<Tenancy>) -> Running {
    let alone = Alone {
        term: tenancy.owned.term(),
        fence: tenancy.fence.clone(),
    };
    running.gate.belongs_to(Arc::new(alone));
    let Running {
        offers,
        probe,
        close,
        gate,
    } = running;
    Running {
        offers,
        probe: Some(probed(tenancy.owned.term(), probe)),
        close: Some(closed(tenancy, close)),
        gate,
    }
}

fn probed(term: Term, probe: Option<Probe>) -> Probe {
    Arc::new(move || {
        if term.is_over() {
            let over = "its lease is over, and another replica may serve".to_owned();
            return async { Err(over) }.boxed();
        }
        match &probe {
            Some(probe) => probe(),
            None => async { Ok(()) }.boxed(),
        }
    })
}

fn closed(tenancy: Arc<Tenancy>, close: Option<Close>) -> Close {
    let tenancy = Mutex::new(Some(tenancy));
    Arc::new(move || {
        let tenancy = tenancy.lock().take();
        let close = close.as_ref().map(|close| close());
        async move {
            if let Some(close) = close {
                close.await;
            }
            // The one in its place goes on with it.
            if let Some(Tenancy { owned, .. }) = tenancy.and_then(Arc::into_inner) {
                owned.give_back().await;
            }
        }
        .boxed()
    })
}
