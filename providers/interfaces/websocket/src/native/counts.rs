//! What a listener counts of its peers.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$docs:meta])* $name:ident,)*) => {
        /// What became of peers and messages since the listener began.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct PeerCounts {
            $($(#[$docs])* pub $name: u64,)*
        }

        /// The counters behind [`PeerCounts`].
        #[derive(Debug, Default)]
        pub struct PeerCounter {
            $($(#[$docs])* pub $name: AtomicU64,)*
        }

        impl PeerCounter {
            /// Where they stand.
            #[must_use]
            pub fn counts(&self) -> PeerCounts {
                PeerCounts { $($name: self.$name.load(Relaxed),)* }
            }

            /// The same by name, as an operator sees them.
            #[must_use]
            pub fn by_name(&self) -> Vec<(&'static str, u64)> {
                vec![$((concat!("peers_", stringify!($name)), self.$name.load(Relaxed)),)*]
            }
        }
    };
}

counters! {
    /// Peers that were accepted, or connected to.
    accepted,
    /// Peers that were not.
    refused,
    /// Peers that are gone, of those that were in.
    closed,
    /// Messages of peers that were handled.
    messages_handled,
    /// Messages of peers whose handler failed, or may have run without anybody's knowing.
    messages_failed,
    /// Times that a message was handed over again, because it was not executed.
    put_back,
    /// Messages of peers that were given up because no handler came back in time.
    messages_given_up,
    /// Messages that were queued for peers.
    messages_queued,
    /// Messages that were queued for peers, and went with them unsent.
    messages_dropped,
    /// Peers that were closed because their queue was full.
    overrun,
    /// Peers that gave no sign of life.
    silent,
    /// Peers that broke the protocol, or sent what is too large.
    at_fault,
    /// Ends of peers that no handler was told of.
    closes_given_up,
}

/// One more.
pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
