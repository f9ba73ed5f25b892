//! What is counted: every drop, every refusal, every retry.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add_one(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

macro_rules! counts {
    ($(#[$doc:meta])* $snapshot:ident from $live:ident { $($(#[$field_doc:meta])* $field:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct $snapshot {
            $($(#[$field_doc])* pub $field: u64,)*
        }

        impl $snapshot {
            /// Each of them, with its name.
            pub fn by_name(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($field), self.$field),)*].into_iter()
            }
        }

        #[derive(Debug, Default)]
        pub(crate) struct $live {
            $(pub(crate) $field: Counter,)*
        }

        impl $live {
            pub(crate) fn snapshot(&self) -> $snapshot {
                $snapshot { $($field: self.$field.get(),)* }
            }
        }
    };
}

counts! {
    /// What a node's callers have seen since it started.
    PathCounts from PathCounters {
        /// Calls made.
        calls,
        /// Calls that ended in a fault.
        faults,
        /// Attempts after the first.
        retries,
        /// Retries that the retry budget did not allow.
        retries_refused,
        /// Results for which this node had no room.
        answers_refused,
        /// Calls that have waited for an actor that was starting.
        parked,
        /// Of these, those whose time was up before it came.
        parked_in_vain,
        /// Calls of an actor that was starting for which there was no room to wait.
        parking_refused,
        /// Calls that were dropped by whoever made them.
        abandoned,
        /// Attempts that the bus, and not a chosen node, gave to a replica.
        by_queue_group,
    }
}

counts! {
    /// What has come in to a node since it started.
    ExchangeCounts from ExchangeCounters {
        /// Calls that came in.
        received,
        /// Calls handed to an actor.
        dispatched,
        /// Calls dropped unrun because their time was up.
        expired,
        /// Calls for an earlier incarnation of this node.
        stale,
        /// Calls over [`wrt_protocol::limits::CALLS_IN_HAND_MAX`].
        overloaded,
        /// Messages that are none of this protocol.
        malformed,
        /// Calls that their callers took back while they ran.
        cancelled,
        /// Operations that panicked.
        crashed,
        /// Replies that could not be sent.
        replies_lost,
        /// Calls from nodes of the build before, which do not say who makes them.
        unnamed,
        /// Times that a call kept the task that read the bus, and another one read on.
        relieved,
    }
}
