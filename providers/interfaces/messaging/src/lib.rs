//! `wasi:messaging` on the lattice: messages to topics, requests and their replies, and the components
//! that handle what comes in.
//!
//! ```text
//! wasi:messaging                    Messaging       a component imports it, a provider serves it
//! wasi:messaging/incoming-handler   MessageHandler  a component exports it, a provider calls it
//! ```
//!
//! A component may speak `wasmcloud:messaging@0.2.0` instead, `consumer` for the one and `handler` for the other:
//! the same traits, links and subscriptions under the same names. It is given no metadata and no content type.
//!
//! What a subscription promises, by provider:
//!
//! | | `memory` | `nats`, `at-least-once` | `nats`, `at-most-once` and `broadcast` |
//! |---|---|---|---|
//! | a message that was sent is kept | in the provider's memory, up to `messages_max` | by the stream that holds its topic, as that is set up; a topic of no stream is refused | nowhere |
//! | acknowledged | after the handler has returned ok | after the handler has returned ok | before it is called |
//! | the handler fails | again, after a pause that grows | again, after a pause that grows | dropped and counted |
//! | *not executed* (full, draining, nobody there) | put back, not an attempt | put back, not an attempt | dropped and counted |
//! | after the last attempt | a dead letter in the provider's memory, up to `dead_letters_max` | in the stream of dead letters, stored there first | - |
//! | a node dies or stands still | its messages are gone | another has them in hand within 5 s, as no attempt | its messages are gone |
//! | several replicas | each has its own messages | share them | share them; with `broadcast` each replica of the provider gets all |
//! | order | none; with `order = "key"` one message of a key at a time, as they were sent | the same, by one replica of the provider that owns the subscription | none |
//! | in hand at a time | `in_hand_max` for each subscription, and what its component has permits for | `in_hand_max` for each subscription and replica of the provider, and what its component has permits for | `in_hand_max`, and as many that wait |
//!
//! | | `kafka`, `at-least-once` | `kafka`, `at-most-once` | `kafka`, `broadcast` |
//! |---|---|---|---|
//! | a message that was sent is kept | by its topic, as that is set up; one that is not there is refused, or made where that is asked for | the same | the same |
//! | acknowledged | after the handler has returned ok: the contiguous prefix of a partition is committed, and beside it what is done behind that | before it is called | never |
//! | the handler fails | again, after a pause that grows; no other message waits for it | dropped and counted | dropped and counted |
//! | *not executed* (full, draining, nobody there) | put back, not an attempt | dropped and counted | dropped and counted |
//! | after the last attempt | in the topic of dead letters, stored there first | - | - |
//! | a node dies or stands still | another has them in hand, as no attempt: within 5 s where the broker allows sessions of 2.5 s (`group.min.session.timeout.ms`, 6 s by default; of the protocol `consumer`: `group.consumer.session.timeout.ms`, 45 s by default) | what it had in hand is gone | what it had in hand is gone |
//! | several replicas | share them by partitions: no more of them have messages than there are partitions | the same | each gets all that is sent from then on |
//! | order | none; with `order = "key"` one message of a key at a time, as its partition has them | none | none |
//! | in hand at a time | `in_hand_max` for each subscription and replica of the provider, and what its component has permits for | the same | `in_hand_max`, and as many that wait |
//!
//! *Permits* are those of the component's gate (`concurrency_max` of its limits). Where it has a replica on the
//! node of the provider's, messages go to that one, and as many are taken as it has permits that nobody else holds.
//! Otherwise all replicas count, as their nodes report them, and the replicas of the provider without one beside
//! them share what is free. So what is too much for a component stays with the broker and not at a gate. One
//! message may always be in hand.
//!
//! *In order by key* a message is tried again before those behind it, and holds up its own key only. `key` names
//! the entry of metadata that is the key; a message without it has no order. Up to 4096 messages may overtake a key
//! that pauses. On NATS one replica owns the subscription under a lease, and no partition of its keys: a server
//! that finds keys in metadata by itself is not to be had, so each owner of a part would read the whole stream. The
//! lease is taken over within 5 s when its owner is gone, and the next one goes on where it was: what the owner had
//! in hand is handled once more, and hardly more than that. A handler is called under that lease, and what it calls
//! late is refused by whoever the next owner's handlers have called ([`CallContext::fence`](wrt_contract::CallContext::fence)).
//! The stream must keep its messages (retention `limits`).
//! On Kafka `key` is `"key"`, the entry that is a record's own key: those of a key are in one partition, and that has
//! one owner in the group. An owner that has not heard from the group's broker for 1.5 s has another message in
//! hand only when it has heard again, and stops those that are. The lattice has no lease for it, and calls have no fence.
//!
//! *Dead letters* are listed, shown, replayed and dropped by `wrt letters`, through the provider
//! ([`DeadLetters`](wrt_runtime::DeadLetters)). `wrt down` leaves them and a subscription's place with the broker,
//! and `wrt down --purge` drops both ([`Subscriptions`](wrt_runtime::Subscriptions)): on NATS the durable consumer and the
//! position of one in order, on Kafka the group's committed offsets, and on both the component's letters. What is put
//! back, redelivered, dropped, given up or recognised as a duplicate is counted, and shown by `wrt ps`. With Kafka
//! a letter that is replayed or dropped is marked so in its topic, and deleted when none before it is left.
//!
//! A handler may get a message more than once wherever it gets it at least once: an acknowledgement may
//! be lost. A message that is sent again under its idempotency key is stored once by a stream of NATS, for
//! as long as that remembers ids (its `duplicate_window`). A message is *acknowledged* to its sender when the provider's service has it, which says
//! nothing of that service's disk.
//!
//! Invariants:
//! - what a guest sets is what the handler gets: data, content type and metadata, byte for byte, but for
//!   the order of entries with different names;
//! - only a handler that ran is an attempt: an outage makes no dead letters ([`Delivery`] decides it);
//! - each limit is in [`limits`], and every provider refuses the same things with the same error;
//! - a failure of the lattice never traps a guest.
//!
//! Start reading at [`Messaging`] and [`MessageHandler`].
//!
//! Built for `wasm32` the crate is the other side: what a guest calls, and none of the above.

#[cfg(any(target_arch = "wasm32", wrt_guest))]
mod guest;
#[cfg(not(any(target_arch = "wasm32", wrt_guest)))]
mod native;

#[cfg(any(target_arch = "wasm32", wrt_guest))]
pub use guest::*;
#[cfg(not(any(target_arch = "wasm32", wrt_guest)))]
pub use native::*;
