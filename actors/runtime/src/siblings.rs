//! The replicas of a provider, as one of them knows them.

use wrt_protocol::Incarnation;

/// Who else is a replica of this provider.
pub trait Siblings: Send + Sync + 'static {
    /// Where this replica is; none in a process without a lattice.
    fn home(&self) -> Option<Incarnation>;

    /// Where the others are that serve, and those that did when they were last heard: who is taken for dead may
    /// only have been stopped. Not who has left, has started anew, or was not heard for long.
    fn others(&self) -> Vec<Incarnation>;
}

impl Siblings for crate::Alone {
    fn home(&self) -> Option<Incarnation> {
        None
    }

    fn others(&self) -> Vec<Incarnation> {
        Vec::new()
    }
}
