//! Who is on the lattice, in what incarnation, and how loaded: heartbeats in, [`View`]s out.
//!
//! ```text
//!              beats               3 missed                silent for DEAD_AFTER
//! (unknown) ---------> Alive ---------------------> Suspect --------------------> Dead
//!                        ^   its `lost` is cancelled   |   its share moves          |
//!                        +----- heard again: Alive with a fresh `lost` token -------+
//! ```
//!
//! Invariants:
//! - it never sends a call and starts nothing: it says what it heard, others act on it;
//! - [`MemberTable`] decides everything and is pure: heartbeats and instants in, a view out;
//! - a [`View`] does not change once it is published; readers never wait for a lock;
//! - a node that cannot hear the others blames itself first: while its own link is down, or it does
//!   not hear even itself, or most members fell silent at once, it suspects them (calls must not
//!   wait) and declares nobody dead;
//! - no peer can make it panic or grow without bound: see [`MemberTable::observe`].
//!
//! Start reading at [`Membership`], then [`MemberTable`].

mod clock;
mod counters;
mod interval;
mod member;
mod membership;
mod table;
mod view;

pub use clock::{ClockOffset, NodeClock};
pub use counters::MembershipCounts;
pub use interval::{
    MASS_DEATH_HOLD, claimed_interval, dead_after, heartbeat_interval, mass_death_hold,
    plausible_interval, suspect_after,
};
pub use member::{Liveness, Member};
pub use membership::{Membership, MembershipError, MembershipOptions, Report};
pub use table::{MemberTable, Observed, ViewChange};
pub use view::{Candidate, View};
