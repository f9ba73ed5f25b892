//! How much there may be.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::BlobstoreError;

/// What an object or a container takes beside its bytes and its name, roughly; it also bounds their
/// number.
pub(super) const ENTRY_OVERHEAD_BYTES: u64 = 128;

/// Room for bytes.
#[derive(Debug)]
pub(super) struct Room {
    used: AtomicU64,
    bytes_max: u64,
}

/// A part of it, given back when dropped.
#[derive(Debug)]
pub(super) struct Taken {
    room: Arc<Room>,
    bytes: u64,
}

impl Room {
    pub(super) fn of(bytes_max: u64) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicU64::new(0),
            bytes_max,
        })
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    /// What a name needs.
    pub(super) fn take_entry(self: &Arc<Self>, name: &str) -> Result<Taken, BlobstoreError> {
        let mut taken = self.take_nothing();
        taken.grow(name.len() as u64 + ENTRY_OVERHEAD_BYTES)?;
        Ok(taken)
    }

    pub(super) fn take_nothing(self: &Arc<Self>) -> Taken {
        Taken {
            room: Arc::clone(self),
            bytes: 0,
        }
    }
}

impl Taken {
    /// Takes more.
    pub(super) fn grow(&mut self, bytes: u64) -> Result<(), BlobstoreError> {
        let max = self.room.bytes_max;
        let grown = |used: u64| used.checked_add(bytes).filter(|used| *used <= max);
        let taken = self.room.used.fetch_update(Relaxed, Relaxed, grown);
        if taken.is_err() {
            let text = format!("the store holds at most {max} bytes");
            return Err(BlobstoreError::full(text));
        }
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.room.used.fetch_sub(self.bytes, Relaxed);
    }
}
