//! Which nodes an actor prefers: rendezvous hashing, and turns for the values of a label.
//!
//! A score depends on one actor and one node and on nothing else. Nodes are in groups, one for each
//! value of the label that replicas are spread over, or all of them in one. In each round every group
//! gives its best node that is left, the better ones first: so the groups' counts differ by at most
//! one, but for groups that have no more nodes. The order is one list, and a number of replicas takes
//! its beginning: a node that comes puts itself into it and moves one other over the end, one that
//! goes lets one other in.

use std::{cmp::Reverse, collections::BinaryHeap};

use wrt_protocol::ActorAddress;

/// A node as an actor ranks it: score, then place in the order of names, which breaks a tie, so that
/// all nodes break it alike.
pub(super) type Ranked = (u64, usize);

/// What of a score depends on the actor alone.
pub(super) fn seed(actor: &ActorAddress) -> u64 {
    mix(fnv1a(&actor.to_string()))
}

/// How much the node whose name has the hash `node` is preferred for the actor of `seed`. Part of the
/// protocol: nodes of different builds must agree, so neither the hash nor the text that it is made of
/// may change.
pub(super) fn score(seed: u64, node: u64) -> u64 {
    mix(seed ^ node)
}

/// FNV-1a, 64 bits: <http://www.isthe.com/chongo/tech/comp/fnv/>.
pub(super) fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The finaliser of SplitMix64: every bit of the input moves about half of those of the output.
fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The best of a group, as many as can be needed.
pub(super) struct Best {
    limit: usize,
    /// No lower score is among them. Nearly all nodes are turned away by it, without a look at the heap:
    /// this is where the time of a decision goes.
    floor: u64,
    heap: BinaryHeap<Reverse<Ranked>>,
}

impl Best {
    pub(super) fn of(limit: usize) -> Self {
        Self {
            limit,
            floor: 0,
            heap: BinaryHeap::new(),
        }
    }

    /// Whether `ranked` is among them, if it may be.
    pub(super) fn takes(&self, ranked: Ranked) -> bool {
        let (score, _) = ranked;
        if score < self.floor || self.limit == 0 {
            return false;
        }
        let least = self.heap.peek().filter(|_| self.heap.len() >= self.limit);
        least.is_none_or(|Reverse(least)| ranked > *least)
    }

    pub(super) fn take(&mut self, ranked: Ranked) {
        self.heap.push(Reverse(ranked));
        if self.heap.len() > self.limit {
            self.heap.pop();
        }
        if let Some(Reverse((score, _))) =
            self.heap.peek().filter(|_| self.heap.len() == self.limit)
        {
            self.floor = *score;
        }
    }

    /// The best one first.
    pub(super) fn in_order(self) -> Vec<Ranked> {
        let ranked = self.heap.into_sorted_vec();
        ranked.into_iter().map(|Reverse(ranked)| ranked).collect()
    }
}

/// The first `limit` nodes of groups whose best come first.
pub(super) fn in_rounds(groups: &[Vec<Ranked>], limit: usize) -> Vec<usize> {
    let mut nodes = Vec::new();
    for round in 0.. {
        let mut turn: Vec<Ranked> = groups
            .iter()
            .filter_map(|group| group.get(round).copied())
            .collect();
        if turn.is_empty() || nodes.len() >= limit {
            break;
        }
        turn.sort_unstable_by_key(|ranked| Reverse(*ranked));
        nodes.extend(turn.into_iter().map(|(_, node)| node));
    }
    nodes.truncate(limit);
    nodes
}

#[cfg(test)]
mod tests {
    use wrt_protocol::Name;

    use super::*;

    /// Nodes of different builds must agree: the score is part of the protocol.
    #[test]
    fn the_score_does_not_change() {
        let actor = ActorAddress::component(Name::new("shop").unwrap(), Name::new("cart").unwrap());
        let scores = ["a", "b", "node-1"].map(|name| score(seed(&actor), fnv1a(name)));
        insta::assert_debug_snapshot!(scores);
    }

    #[test]
    fn the_best_are_kept_in_their_order() {
        let mut best = Best::of(2);
        for ranked in [(3, 0), (9, 1), (1, 2), (9, 3), (4, 4)] {
            if best.takes(ranked) {
                best.take(ranked);
            }
        }
        assert_eq!(best.in_order(), [(9, 3), (9, 1)]);
        assert!(!Best::of(0).takes((1, 1)));
    }

    #[test]
    fn groups_take_turns_and_the_better_one_begins() {
        let groups = [
            vec![(5, 0), (4, 1), (3, 2)],
            vec![(9, 3)],
            vec![(2, 4), (1, 5)],
        ];
        assert_eq!(in_rounds(&groups, 9), [3, 0, 4, 1, 5, 2]);
        assert_eq!(in_rounds(&groups, 2), [3, 0]);
        assert_eq!(in_rounds(&[], 2), [0_usize; 0]);
    }
}
