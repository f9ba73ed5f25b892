//! Who is on the lattice, in what incarnation, and how loaded: heartbeats in, [`View`]s out.
//!
//! ```text
//!              beats               3 missed                silent for DEAD_AFTER
//! (unknown) ---------> Alive ---------------------> Suspect --------------------> Dead
//!                       ^ |   its `lost` is cancelled   |   its share moves         ^ |
//!                       | +---- 1 missed, and the bus knows nobody there, twice ----+ |
//!                       +------ heard again: Alive with a fresh `lost` token ---------+
//! ```
//!
//! Invariants:
//! - it never sends a call and starts nothing: it says what it heard, others act on it;
//! - [`MemberTable`] decides everything and is pure: heartbeats and instants in, a view out;
//! - a [`View`] does not change once it is published; readers never wait for a lock;
//! - a node that cannot hear the others blames itself first: while its own link is down, or it does
//!   not hear even itself, or most members fell silent at once, it suspects them (calls must not
//!   wait) and declares nobody dead;
//! - one who is silent is asked on the bus whether it is there. That nobody subscribes where it would makes
//!   it dead long before its silence does, unless something may be amiss with the bus: see [`Question`];
//! - a heartbeat says what has changed: [`Telling`]. Whoever misses something changes nothing by what it hears,
//!   and asks for all of it: [`Wholes`];
//! - no peer can make it panic or grow without bound: see [`MemberTable::observe`].
//!
//! Start reading at [`Membership`], then [`MemberTable`].

mod clock;
mod counters;
mod interval;
mod member;
mod membership;
mod table;
mod telling;
mod view;
mod wholes;

pub use clock::{ClockOffset, NodeClock};
pub use counters::MembershipCounts;
pub use interval::{
    MASS_DEATH_HOLD, claimed_interval, dead_after, heartbeat_interval, mass_death_hold,
    missed_after, plausible_interval, suspect_after,
};
pub use member::{Liveness, Member};
pub use membership::{Membership, MembershipError, MembershipOptions, Report};
pub use table::{MemberTable, Observed, Presence, Question, ViewChange};
pub use telling::{Described, Precision, Telling};
pub use view::{Candidate, View};
pub use wholes::Wholes;
