//! The one path that a call takes over the lattice.
//!
//! ```text
//! caller's node                                         callee's node
//! RequestPath ── route ── attempt ──> bus ──> Exchange ── expiry, epoch ──> Dispatch ──> Gate ...
//!      ^  retry, budget      |  lost? deadline? dropped?      |
//!      +---------------------+<── reply ── bus ──<────────────+
//! Streams  <──────────────── chunks, credit, cancel ────────────────────> Streams
//! ```
//!
//! Invariants (the numbers are those of the rules of a call in the architecture page):
//! - every call ends within its budget and [`BUDGET_GRACE`](wrt_protocol::limits::BUDGET_GRACE),
//!   with an answer or with a fault that says whether the operation ran (1);
//! - a retry happens here and nowhere else (2);
//! - the callee starts nothing whose time is up, and drops what its caller took back (4);
//! - an actor that keeps its thread holds up neither the calls of others nor the cancellation of its own;
//! - nothing in here waits without a deadline or queues without a bound (6); bodies travel on the
//!   bulk lane and calls on theirs (7).
//!
//! Start reading at [`RequestPath`], then [`Exchange`].

mod attempt;
mod counters;
mod exchange;
mod gather;
mod hosted;
mod in_hand;
mod inbound;
mod listen;
mod outside;
mod pace;
mod path;
mod retry;
mod room;
mod route;
mod seat;
mod streams;
mod watch;

pub use counters::{ExchangeCounts, PathCounts};
pub use exchange::{Exchange, ExchangeError};
pub use outside::OutsideCaller;
pub use path::RequestPath;
pub use seat::{Seat, SeatError};
pub use streams::Streams;
