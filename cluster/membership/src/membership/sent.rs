//! What this node has sent, to tell its own heartbeats from those of a namesake.

use std::collections::VecDeque;

use wrt_protocol::{NodeMicros, heartbeat::Pulse};

/// Heartbeats that are remembered: what comes back later than all of them says nothing.
const REMEMBERED: usize = 1024;

/// The last heartbeats that this node has sent.
#[derive(Debug, Default)]
pub(super) struct SentBeats {
    beats: VecDeque<(u64, NodeMicros)>,
}

/// Whose heartbeat it is that has this node's name and epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    /// This node's: it came back from the bus.
    Own,
    /// A namesake's, and it is this node that gives way.
    NamesakeThatStays,
    /// A namesake's, which gives way when it hears this node.
    NamesakeThatGives,
    /// That is not known any more.
    Unknown,
}

impl SentBeats {
    /// Takes in what is about to be sent.
    pub(super) fn insert(&mut self, pulse: &Pulse) {
        if self.beats.len() == REMEMBERED {
            self.beats.pop_front();
        }
        self.beats.push_back((pulse.sequence, pulse.sent_at));
    }

    /// Whose heartbeat has `pulse`. Of two namesakes the one that has beaten more often stays. Where both have
    /// beaten as often, it is the one that sent its last later by its own clock; and nobody, where
    /// those are the same.
    pub(super) fn sender(&self, pulse: &Pulse) -> Sender {
        let Some((last, _)) = self.beats.back() else {
            return Sender::NamesakeThatStays;
        };
        let sent = self
            .beats
            .iter()
            .find(|(sequence, _)| *sequence == pulse.sequence);
        match sent {
            Some((_, sent_at)) if *sent_at == pulse.sent_at => Sender::Own,
            _ if pulse.sequence > *last => Sender::NamesakeThatStays,
            Some((sequence, sent_at)) if sequence == last && *sent_at < pulse.sent_at => {
                Sender::NamesakeThatStays
            }
            Some(_) => Sender::NamesakeThatGives,
            None => Sender::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use wrt_protocol::{Epoch, NodeId, heartbeat::NodeState};

    use super::*;

    fn beat(sequence: u64, sent_at: u64) -> Pulse {
        Pulse {
            node: NodeId::new("a").unwrap(),
            epoch: Epoch(1),
            sequence,
            sent_at: NodeMicros(sent_at),
            interval_ms: 250,
            state: NodeState::Serving,
        }
    }

    fn sent(beats: impl IntoIterator<Item = (u64, u64)>) -> SentBeats {
        let mut sent = SentBeats::default();
        for (sequence, sent_at) in beats {
            sent.insert(&beat(sequence, sent_at));
        }
        sent
    }

    #[test]
    fn what_comes_back_is_ones_own() {
        let sent = sent([(0, 10), (1, 20), (2, 30)]);
        for (sequence, sent_at, expected) in [
            (0, 10, Sender::Own),
            (2, 30, Sender::Own),
            (3, 40, Sender::NamesakeThatStays),
            (2, 31, Sender::NamesakeThatStays),
            (2, 29, Sender::NamesakeThatGives),
            (1, 21, Sender::NamesakeThatGives),
        ] {
            let sender = sent.sender(&beat(sequence, sent_at));
            assert_eq!(sender, expected, "({sequence}, {sent_at})");
        }
    }

    #[test]
    fn what_is_forgotten_is_nobodys() {
        let sent = sent((0..2000).map(|n| (n, n)));
        assert_eq!(sent.beats.len(), REMEMBERED);
        assert_eq!(sent.sender(&beat(5, 77)), Sender::Unknown);
    }

    /// In whatever order they hear each other, one of them gives way.
    #[test]
    fn of_two_one_gives_way() {
        for (one, other) in [(3, 3), (3, 4), (3, 100)] {
            let (a, b) = (
                sent((0..one).map(|n| (n, 10 * n))),
                sent((0..other).map(|n| (n, 10 * n + 1))),
            );
            let of_b = a.sender(&beat(other - 1, 10 * (other - 1) + 1));
            let of_a = b.sender(&beat(one - 1, 10 * (one - 1)));
            let senders = [of_b, of_a];
            let give_way = senders
                .iter()
                .filter(|sender| **sender == Sender::NamesakeThatStays);
            assert_eq!(give_way.count(), 1, "{one} {other}: {senders:?}");
        }
    }
}
