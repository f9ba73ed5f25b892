//! The supervision tree: keeps a node's share of components and providers running.
//!
//! ```text
//! Supervision (handle, status) ··> supervisor ─┬─ replica: starting, ready, failing, draining
//!                                              └─ replica ...
//! ```
//!
//! A replica is an actor with a life of its own: it starts what it stands for, offers it, probes it,
//! takes the offers back and starts anew when it fails, with backoff and for ever; and drains it when
//! it is to stop. The supervisor starts a replica again that fails itself.
//!
//! Invariants:
//! - it is not on the path of a call: calls go through an [`Offer`](wrt_contract::Offer)'s gate, and
//!   would cost several times as much through a mailbox (see `examples/call_paths.rs`);
//! - the actors' mailboxes have no bound of their own, so they are bounded by who writes to them:
//!   only this crate does. The supervisor gets one coalesced `Reconcile` at a time, one event for
//!   each child and one timer for each failed child; a replica gets the answers of its one attempt
//!   and its one probe, and one message for each `run` or `stop` of its address;
//! - nothing here ends with the first failure, and nothing outlives [`Supervision::shutdown`].
//!
//! Start reading at [`Supervision`], then [`Start`].

mod backoff;
mod board;
mod life;
mod options;
mod replica;
mod start;
mod supervision;
mod supervisor;

pub use options::SupervisionOptions;
pub use start::{Close, OfferChange, OnChange, Probe, Running, Start, StartError};
pub use supervision::{RunError, Supervision};
