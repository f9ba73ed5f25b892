//! The peers of one listener.

use std::{collections::HashMap, fmt, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::{Kind, PeerCounter, Queue, QueueLimits, Reached};

/// Who is there. It holds as many peers as its listener lets in, which bounds its connections.
#[derive(Debug, Default)]
pub struct PeerTable {
    peers: Mutex<HashMap<u64, Entry>>,
    counter: Arc<PeerCounter>,
}

#[derive(Debug)]
struct Entry {
    queue: Arc<Queue>,
    route: Arc<str>,
    /// One that is still being asked for gets what is sent to it, and not what is sent to all.
    is_in: bool,
}

/// A peer's place, as its listener has it. It goes with this.
pub struct Place {
    table: Arc<PeerTable>,
    number: u64,
    queue: Arc<Queue>,
}

impl PeerTable {
    /// What it counts.
    #[must_use]
    pub fn counter(&self) -> &Arc<PeerCounter> {
        &self.counter
    }

    /// A place for one who asks to come in.
    #[must_use]
    pub fn add(self: &Arc<Self>, route: Arc<str>, limits: QueueLimits) -> Place {
        let queue = Arc::new(Queue::new(limits, Arc::clone(&self.counter)));
        let mut peers = self.peers.lock();
        let mut number = rand::random();
        while peers.contains_key(&number) {
            number = rand::random();
        }
        let entry = Entry {
            queue: Arc::clone(&queue),
            route,
            is_in: false,
        };
        peers.insert(number, entry);
        Place {
            table: Arc::clone(self),
            number,
            queue,
        }
    }

    /// Hands something to one of them; whether it is there.
    #[must_use]
    pub fn put(&self, number: u64, kind: &Kind, data: &Bytes) -> bool {
        let queue = self
            .peers
            .lock()
            .get(&number)
            .map(|it| Arc::clone(&it.queue));
        queue.is_some_and(|queue| queue.put(kind, data))
    }

    /// Hands something to those of a route that are in.
    #[must_use]
    pub fn put_to_all(&self, route: &str, kind: &Kind, data: &Bytes) -> Reached {
        let queues: Vec<_> = {
            let peers = self.peers.lock();
            let of_route = peers.values().filter(|it| it.is_in && &*it.route == route);
            of_route.map(|it| Arc::clone(&it.queue)).collect()
        };
        let got = queues.iter().filter(|queue| queue.put(kind, data));
        let queued = got.count();
        Reached {
            queued: queued as u64,
            gone: (queues.len() - queued) as u64,
            unanswered: 0,
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.peers.lock().len()
    }
}

impl Place {
    pub(crate) fn counter(&self) -> &Arc<PeerCounter> {
        &self.table.counter
    }

    /// Which of the listener's peers it is.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What waits to be sent to it.
    #[must_use]
    pub fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    /// It is in: what is sent to all of its route is for it as well.
    pub fn enter(&self) {
        if let Some(entry) = self.table.peers.lock().get_mut(&self.number) {
            entry.is_in = true;
        }
    }

    /// Nothing can be sent to it any more.
    pub fn leave(&self) {
        self.table.peers.lock().remove(&self.number);
        self.queue.close();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({:016x})", self.number)
    }
}
