//! Names and numbers that identify things on the lattice.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize};

use crate::limits::NAME_BYTES_MAX;

/// A name that is one token of a subject: `[a-z0-9]`, then `[a-z0-9_-]`, at most
/// [`NAME_BYTES_MAX`] bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Name(Arc<str>);

/// Why a text is not a [`Name`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name:?} is not a name: use 1 to {NAME_BYTES_MAX} of a-z, 0-9, '-' and '_', first a letter or \
     a digit"
)]
pub struct NameError {
    name: Box<str>,
}

impl Name {
    /// Checks `text` and makes it a name.
    ///
    /// # Errors
    /// [`NameError`] when `text` could not be one token of a subject.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let legal = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        let first = text
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric());
        if first && text.len() <= NAME_BYTES_MAX && text.bytes().all(legal) {
            Ok(Self(text.into()))
        } else {
            // A peer's text may be long; the error keeps what a reader can use.
            Err(NameError {
                name: text.chars().take(NAME_BYTES_MAX).collect(),
            })
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// So that a table of names can be asked with a text.
impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name of a-z, 0-9, '-' and '_'")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Name, E> {
                Name::new(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

macro_rules! name_newtype {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(Name);

        impl $type {
            /// Checks `text` and makes it this kind of name.
            ///
            /// # Errors
            /// [`NameError`] when `text` could not be one token of a subject.
            pub fn new(text: &str) -> Result<Self, NameError> {
                Name::new(text).map(Self)
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl From<Name> for $type {
            fn from(name: Name) -> Self {
                Self(name)
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

name_newtype! {
    /// The lattice that a node belongs to; lattices on one bus do not hear each other.
    LatticeName
}
name_newtype! {
    /// A node, by the name that its operator gave it. One live node has it at a time: of two, the
    /// one with the greater [`Epoch`] stays.
    NodeId
}
/// An incarnation of a node, or a holder of a lease on the lattice. Grows each time that the node starts,
/// or that another takes the lease; a message for, or of, an older one is refused, so that a stale owner
/// cannot act.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// One incarnation of a node: where a replica runs, and when it is no longer the same one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Incarnation {
    /// The node.
    pub node: NodeId,
    /// Its epoch.
    pub epoch: Epoch,
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in epoch {}", self.node, self.epoch)
    }
}

/// A moment on one node's own monotonic clock: microseconds since that incarnation started.
/// Meaningless on another node except through the offset that heartbeats give.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct NodeMicros(pub u64);

macro_rules! random_id {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(#[serde(with = "postcard::fixint::le")] pub u128);

        impl $type {
            /// Mints one at random; two are never the same in practice.
            #[must_use]
            pub fn mint() -> Self {
                Self(rand::random())
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

random_id! {
    /// One attempt of a call. A retry has another.
    CallId
}
random_id! {
    /// One intent of a caller: minted once, above any retry, so that all attempts share it.
    IdempotencyKey
}
random_id! {
    /// One lease of a replica; chosen by the replica.
    LeaseId
}
random_id! {
    /// One body in flight between two nodes; chosen by its sender.
    StreamId
}
