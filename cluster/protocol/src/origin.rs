//! Who makes a call.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ActorAddress;

/// Who makes a call. The node on which a call begins says it, for a guest cannot; a callee looks for the
/// link that lets the origin in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Origin {
    /// An actor: a component by one of its links, or a provider that its manifest lets call.
    Actor(ActorAddress),
    /// Whoever operates the lattice or the node. It needs no link: what lets it in is what the bus permits
    /// it to publish.
    Operator,
}

impl From<ActorAddress> for Origin {
    fn from(actor: ActorAddress) -> Self {
        Self::Actor(actor)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Actor(actor) => actor.fmt(f),
            Self::Operator => f.write_str("an operator"),
        }
    }
}
