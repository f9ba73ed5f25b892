//! What replicas offer, and how much of it the bus knows.

use std::collections::BTreeMap;

use wrt_contract::Offer;
use wrt_protocol::ActorAddress;

/// A state of the offers of one replica. No two have the same, those of a replica that has ended and of
/// the next one under its address included: the bus may be told of one while the other is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(u64);

/// What each replica offers.
#[derive(Default)]
pub(super) struct Offered {
    actors: BTreeMap<ActorAddress, OfferedActor>,
    versions: u64,
}

struct OfferedActor {
    offers: Vec<Offer>,
    version: Version,
    /// Its first.
    since: Version,
    /// The last that the bus knows; none where it knows none.
    known: Option<Version>,
}

/// What came of it that the bus was told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It is known.
    Known,
    /// The replica has ended meanwhile.
    Gone,
    /// It has ended, and another one has taken its place, of which the bus knows nothing.
    Replaced,
}

impl Offered {
    pub(super) fn offer(&mut self, actor: &ActorAddress, offers: &[Offer]) {
        self.versions += 1;
        let version = Version(self.versions);
        let offered = self
            .actors
            .entry(actor.clone())
            .or_insert_with(|| OfferedActor {
                offers: Vec::new(),
                version,
                since: version,
                known: None,
            });
        offered.offers = offers.to_vec();
        offered.version = version;
    }

    /// Takes offers back; answers whether none is left.
    pub(super) fn withdraw(&mut self, actor: &ActorAddress, gone: &[Offer]) -> bool {
        let is_gone = |offer: &Offer| gone.iter().any(|g| g.interface() == offer.interface());
        let Some(offered) = self.actors.get_mut(actor) else {
            return false;
        };
        offered.offers.retain(|offer| !is_gone(offer));
        if offered.offers.is_empty() {
            self.actors.remove(actor);
            return true;
        }
        false
    }

    /// What the bus is to be told.
    pub(super) fn unknown(&self) -> Vec<(ActorAddress, Vec<Offer>, Version)> {
        let offered = self.actors.iter();
        offered
            .filter(|(_, offered)| offered.known != Some(offered.version))
            .map(|(actor, offered)| (actor.clone(), offered.offers.clone(), offered.version))
            .collect()
    }

    /// Takes in that the bus was told of a version.
    pub(super) fn told(&mut self, actor: &ActorAddress, version: Version) -> Told {
        match self.actors.get_mut(actor) {
            None => Told::Gone,
            Some(offered) if version < offered.since => Told::Replaced,
            Some(offered) => {
                offered.known = Some(version);
                Told::Known
            }
        }
    }

    /// Whether the bus knows the replica that is there.
    pub(super) fn is_known(&self, actor: &ActorAddress) -> bool {
        let offered = self.actors.get(actor);
        offered.is_some_and(|offered| offered.known.is_some())
    }
}

#[cfg(test)]
mod tests {
    use wrt_protocol::Name;

    use super::*;

    fn actor() -> ActorAddress {
        let name = |text| Name::new(text).expect("a legal name");
        ActorAddress::component(name("shop"), name("cart"))
    }

    fn only(offered: &Offered) -> Version {
        match offered.unknown().as_slice() {
            [(_, _, version)] => *version,
            other => panic!("{} to be told", other.len()),
        }
    }

    #[test]
    fn what_is_new_is_told_once() {
        let mut offered = Offered::default();
        offered.offer(&actor(), &[]);
        assert!(!offered.is_known(&actor()));
        let first = only(&offered);
        // Replaced while the bus is told: it goes on to know the one before.
        offered.offer(&actor(), &[]);
        assert_eq!(offered.told(&actor(), first), Told::Known);
        assert!(offered.is_known(&actor()));
        let second = only(&offered);
        assert_eq!(offered.told(&actor(), second), Told::Known);
        assert!(offered.unknown().is_empty());
        assert!(offered.withdraw(&actor(), &[]));
        assert_eq!(offered.told(&actor(), second), Told::Gone);
    }

    /// Its versions began anew, so that the first was taken for the third: heartbeats said ready, and
    /// the bus led to the one that had ended.
    #[test]
    fn one_that_ended_and_came_back_is_told_anew() {
        let mut offered = Offered::default();
        offered.offer(&actor(), &[]);
        let ended = only(&offered);
        assert!(offered.withdraw(&actor(), &[]));
        offered.offer(&actor(), &[]);
        assert_eq!(offered.told(&actor(), ended), Told::Replaced);
        assert!(!offered.is_known(&actor()));
        let now = only(&offered);
        assert_eq!(offered.told(&actor(), now), Told::Known);
        assert!(offered.unknown().is_empty());
    }
}
