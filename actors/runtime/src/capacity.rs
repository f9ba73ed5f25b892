//! How much the replicas of a component can take in hand.

use std::{sync::Arc, time::Duration};

use wrt_contract::LocalSlot;
use wrt_protocol::ActorAddress;

/// How much the replicas of one component can take in hand, as far as this node knows: for servers that can
/// leave with their broker what there is no room for.
pub trait Capacity: Send + Sync + 'static {
    /// As of now; none where it is not known.
    fn now(&self) -> Option<Vacancy>;
}

/// The permits of a component's replicas that calls from here may go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vacancy {
    /// All of them, free or not. None where no replica takes calls.
    pub permits: u32,
    /// Calls that run there or wait for a permit, whoever has sent them.
    pub busy: u32,
    /// Those who share what is free: this one, and others who want as much as they can get.
    pub sharers: u32,
    /// Which of them this one is, from 0: what cannot be shared evenly goes to the first.
    pub rank: u32,
    /// How old `busy` may be. Zero: it is exact, with all that was sent from here.
    pub stale_by: Duration,
}

impl Vacancy {
    /// What is free of it for this one. Less than nothing where more wait than run.
    #[must_use]
    pub fn share(&self) -> i64 {
        let free = i64::from(self.permits) - i64::from(self.busy);
        let sharers = i64::from(self.sharers.max(1));
        let odd = free.rem_euclid(sharers);
        free.div_euclid(sharers) + i64::from(i64::from(self.rank) < odd)
    }
}

/// What other nodes say of a component's replicas.
pub trait Reports: Send + Sync + 'static {
    /// As they said it last.
    fn of(&self, component: &ActorAddress) -> Vacancy;
}

/// The capacity of one component. Where it has a replica on this node calls go to that one, and wait at its
/// gate although another one may be free: so that alone counts. Otherwise all those count that others report.
pub(crate) struct OfComponent<T: ?Sized> {
    pub(crate) component: ActorAddress,
    pub(crate) here: LocalSlot<T>,
    pub(crate) elsewhere: Option<Arc<dyn Reports>>,
}

impl<T: ?Sized + Send + Sync + 'static> Capacity for OfComponent<T> {
    fn now(&self) -> Option<Vacancy> {
        if let Some(replica) = self.here.get() {
            let load = replica.gate().load();
            return Some(Vacancy {
                permits: load.concurrency_max,
                busy: load.running.saturating_add(load.waiting),
                sharers: 1,
                rank: 0,
                stale_by: Duration::ZERO,
            });
        }
        let elsewhere = self.elsewhere.as_ref()?;
        Some(elsewhere.of(&self.component))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_make_up_what_is_free() {
        for (permits, busy, sharers) in [(16, 0, 3), (4, 3, 3), (4, 4, 2), (4, 9, 3), (0, 0, 1)] {
            let share = |rank| {
                Vacancy {
                    permits,
                    busy,
                    sharers,
                    rank,
                    stale_by: Duration::ZERO,
                }
                .share()
            };
            let shares: Vec<_> = (0..sharers).map(share).collect();
            let free = i64::from(permits) - i64::from(busy);
            assert_eq!(shares.iter().sum::<i64>(), free, "{shares:?}");
            let (least, most) = (shares.iter().min(), shares.iter().max());
            assert!(
                most.zip(least)
                    .is_some_and(|(most, least)| most - least <= 1)
            );
        }
    }
}
