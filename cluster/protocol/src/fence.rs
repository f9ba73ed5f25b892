//! Under which lease of the lattice a call is made.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Epoch, limits::LEASE_NAME_BYTES_MAX};

/// The name of a lease on the lattice: 1 to [`LEASE_NAME_BYTES_MAX`] of `[-/_=.a-zA-Z0-9]`, as a key of
/// the bucket that holds it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct LeaseName(Arc<str>);

/// Why a text is not a [`LeaseName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a text of {bytes} bytes is not the name of a lease: use 1 to {LEASE_NAME_BYTES_MAX} of a-z, A-Z, \
     0-9, '-', '/', '_', '=' and '.'"
)]
pub struct LeaseNameError {
    bytes: usize,
}

impl LeaseName {
    /// Checks `text` and makes it a lease's name.
    ///
    /// # Errors
    /// [`LeaseNameError`] when no lease could have that name.
    pub fn new(text: &str) -> Result<Self, LeaseNameError> {
        let legal = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'/' | b'_' | b'=' | b'.')
        };
        let bytes = text.len();
        match (1..=LEASE_NAME_BYTES_MAX).contains(&bytes) && text.bytes().all(legal) {
            true => Ok(Self(text.into())),
            false => Err(LeaseNameError { bytes }),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LeaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for LeaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl<'de> Deserialize<'de> for LeaseName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = LeaseName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a lease")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<LeaseName, E> {
                LeaseName::new(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// What fences off a holder that has lost its lease: the lease, and which of its holders makes the call.
/// It goes along with the calls that are made while that one is served. Whoever has seen a later epoch
/// of the lease refuses it.
///
/// Behind a pointer, since most calls have none, and each has room for one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fence(Arc<Parts>);

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Parts {
    lease: LeaseName,
    epoch: Epoch,
}

impl Fence {
    /// That of the holder of `lease` in `epoch`.
    #[must_use]
    pub fn new(lease: LeaseName, epoch: Epoch) -> Self {
        Self(Arc::new(Parts { lease, epoch }))
    }

    /// The lease.
    #[must_use]
    pub fn lease(&self) -> &LeaseName {
        &self.0.lease
    }

    /// Grows with each that takes the lease.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.0.epoch
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in epoch {}", self.0.lease, self.0.epoch)
    }
}

impl fmt::Debug for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fence({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let longest = "a".repeat(LEASE_NAME_BYTES_MAX);
        for (text, is_one) in [
            ("provider.shop.bus.order.shop=mail.4f52", true),
            (&*longest, true),
            (&*format!("{longest}a"), false),
            ("", false),
            ("a b", false),
            ("a*", false),
            ("ä", false),
        ] {
            assert_eq!(LeaseName::new(text).is_ok(), is_one, "{text}");
            let bytes = postcard::to_stdvec(text).unwrap();
            assert_eq!(postcard::from_bytes::<LeaseName>(&bytes).is_ok(), is_one);
        }
    }
}
