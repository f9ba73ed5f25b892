//! The calls that a node has in hand.

use std::{collections::HashMap, sync::Arc};

use parking_lot::{Mutex, MutexGuard};
use tokio::task::AbortHandle;
use wrt_protocol::{CallId, NodeId, limits::CALLS_IN_HAND_MAX};

/// Who makes a call, and its id there.
pub(crate) type CallKey = (NodeId, CallId);

/// The table, at most [`CALLS_IN_HAND_MAX`] long.
#[derive(Default)]
pub(crate) struct InHand(Mutex<HashMap<CallKey, Option<AbortHandle>>>);

/// Why a call is not in the table.
pub(crate) enum NoEntry {
    /// It is full.
    Full,
    /// One of the same id is there: two under one entry could not be counted, nor taken back.
    Twice,
}

/// A call's place in the table, until it is dropped.
pub(crate) struct Entry {
    table: Arc<InHand>,
    key: CallKey,
}

impl InHand {
    /// Makes room for a call.
    pub(crate) fn enter(self: &Arc<Self>, key: CallKey) -> Result<Entry, NoEntry> {
        let mut calls = self.lock();
        if calls.contains_key(&key) {
            return Err(NoEntry::Twice);
        }
        if calls.len() >= CALLS_IN_HAND_MAX {
            return Err(NoEntry::Full);
        }
        calls.insert(key.clone(), None);
        let table = Arc::clone(self);
        Ok(Entry { table, key })
    }

    /// Drops a call's work; false if it has ended.
    pub(crate) fn take_back(&self, key: &CallKey) -> bool {
        let taken_back = self.lock().remove(key);
        if let Some(Some(work)) = &taken_back {
            work.abort();
        }
        taken_back.is_some()
    }

    /// Whether a call is there: it has neither ended nor been taken back.
    pub(crate) fn has(&self, key: &CallKey) -> bool {
        self.lock().contains_key(key)
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CallKey, Option<AbortHandle>>> {
        self.0.lock()
    }
}

impl Entry {
    /// Starts the call's work. The entry ends with it, however it ends.
    pub(crate) fn spawn(self, work: impl Future<Output = ()> + Send + 'static) {
        let (table, key) = (Arc::clone(&self.table), self.key.clone());
        let work = tokio::spawn(async move {
            let _entry = self;
            work.await;
        });
        let work = work.abort_handle();
        let kept = match table.lock().get_mut(&key) {
            Some(handle) => handle.replace(work.clone()).is_none(),
            None => false,
        };
        if !kept {
            // It has ended, or was taken back before it began.
            work.abort();
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.table.lock().remove(&self.key);
    }
}
