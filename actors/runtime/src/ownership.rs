//! Work that one replica of an actor does at a time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use tokio::sync::watch;
use wrt_contract::CallContext;
use wrt_protocol::{Epoch, Fence, LeaseName};

use crate::{Record, record::Kept};

/// Sees to it that one replica on the lattice does a work at a time.
pub trait Ownership: Send + Sync + 'static {
    /// Waits until this replica alone does the work `name` of its actor, for as long as it takes.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the work to others.
    fn own<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Owned>;

    /// What is known of the work `name` from one who does it to the next.
    fn record(&self, name: &str) -> Arc<dyn Record>;
}

/// That a work is this replica's own. Dropping it leaves the work to others when its time is over;
/// [`Owned::give_back`] does so at once.
pub struct Owned {
    epoch: u64,
    term: Term,
    give_back: Option<GiveBack>,
}

type GiveBack = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send + Sync>;

/// For how long a work is this replica's own. Nothing of it may be done afterwards. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Term {
    /// When it is over, which moves on as it is renewed.
    ends_at: watch::Receiver<Option<Instant>>,
    fence: Option<Fence>,
}

impl Owned {
    /// That of `epoch`, until the time that `ends_at` says last; it is over as well when that says none.
    pub fn new(
        epoch: u64,
        ends_at: watch::Receiver<Option<Instant>>,
        give_back: impl FnOnce() -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        Self {
            epoch,
            term: Term {
                ends_at,
                fence: None,
            },
            give_back: Some(Box::new(give_back)),
        }
    }

    /// By a lease of the lattice: so calls that are made for the work are fenced off, once another replica
    /// does it.
    #[must_use]
    pub fn by(mut self, lease: LeaseName) -> Self {
        self.term.fence = Some(Fence::new(lease, Epoch(self.epoch)));
        self
    }

    /// Grows with each replica that does the work.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// For how long.
    #[must_use]
    pub fn term(&self) -> Term {
        self.term.clone()
    }

    /// Leaves the work to others at once. For one who has stopped doing it.
    pub async fn give_back(mut self) {
        if let Some(give_back) = self.give_back.take() {
            give_back().await;
        }
    }
}

impl Term {
    /// The context of a call that is made for the work now, and may take `budget`; none when it is over. It
    /// carries the lease and its epoch, so that who has seen a call of the next owner refuses this one, should
    /// it come late.
    #[must_use]
    pub fn context(&self, budget: Duration) -> Option<CallContext> {
        // In this order: its deadline is no more than a budget behind the term's end, however long this thread
        // stands still in between. What callees remember of epochs rests on that.
        let context = CallContext::with_budget(budget).with_fence(self.fence.clone());
        (!self.is_over()).then_some(context)
    }

    /// What calls that are made for the work carry; none where no lease of a lattice is behind it.
    #[must_use]
    pub fn fence(&self) -> Option<&Fence> {
        self.fence.as_ref()
    }

    /// Whether it is over now: asked right before what must not be done afterwards.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.ends_at.borrow().is_none_or(|at| at <= Instant::now())
    }

    /// Waits until it is over.
    pub async fn over(&self) {
        let mut told = self.ends_at.clone();
        loop {
            let Some(at) = *told.borrow_and_update() else {
                return;
            };
            tokio::select! {
                () = tokio::time::sleep_until(at.into()) => {
                    if !told.has_changed().unwrap_or(false) {
                        return;
                    }
                }
                changed = told.changed() => {
                    if changed.is_err() {
                        // Nobody renews it: what is left is its time.
                        tokio::time::sleep_until(at.into()).await;
                        return;
                    }
                }
            }
        }
    }
}

/// In a process without a lattice there is nobody else.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl Ownership for Alone {
    fn own<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Owned> {
        Box::pin(async {
            let (always, ends_at) = watch::channel(Some(Instant::now()));
            // As long as any clock runs.
            always.send_replace(Instant::now().checked_add(FOR_EVER));
            Owned::new(1, ends_at, move || Box::pin(async move { drop(always) }))
        })
    }

    fn record(&self, _: &str) -> Arc<dyn Record> {
        Arc::new(Kept::default())
    }
}

const FOR_EVER: std::time::Duration = std::time::Duration::from_secs(60 * 60 * 24 * 365 * 30);

#[cfg(test)]
mod tests {
    use super::*;

    fn until(at: Instant) -> (watch::Sender<Option<Instant>>, Term) {
        let (told, ends_at) = watch::channel(Some(at));
        let owned = Owned::new(7, ends_at, || Box::pin(async {}));
        (told, owned.term())
    }

    #[tokio::test]
    async fn it_is_over_at_its_end_which_moves_on() {
        let began = Instant::now();
        let (told, owned) = until(began + Duration::from_millis(50));
        told.send_replace(Some(began + Duration::from_millis(150)));
        assert!(!owned.is_over());
        owned.over().await;
        assert!(began.elapsed() >= Duration::from_millis(150) && owned.is_over());

        let (told, owned) = until(Instant::now() + Duration::from_secs(60));
        told.send_replace(None);
        owned.over().await;
        assert!(owned.is_over(), "it was taken back");

        let (told, owned) = until(Instant::now() + Duration::from_millis(50));
        drop(told);
        owned.over().await;
        assert!(owned.is_over(), "nobody renews it");
    }

    #[tokio::test]
    async fn a_call_for_the_work_is_under_its_lease() {
        let (told, ends_at) = watch::channel(Some(Instant::now() + Duration::from_secs(60)));
        let lease = LeaseName::new("provider.shop.bus.work").unwrap();
        let owned = Owned::new(7, ends_at, || Box::pin(async {})).by(lease.clone());
        let term = owned.term();
        let context = term.context(Duration::from_secs(5)).expect("it is had");
        assert_eq!(context.fence(), Some(&Fence::new(lease, Epoch(7))));
        told.send_replace(None);
        assert!(term.context(Duration::from_secs(5)).is_none());
    }

    #[tokio::test]
    async fn alone_everything_is_ones_own() {
        let owned = Alone.own("work").await;
        let term = owned.term();
        assert!(!term.is_over());
        let context = term.context(Duration::from_secs(5)).expect("it is had");
        assert_eq!(context.fence(), None, "there is nobody else");
        let over = tokio::time::timeout(Duration::from_millis(20), term.over()).await;
        assert!(over.is_err());
        owned.give_back().await;
    }
}
