//! What waits to be sent: bounded by number and by bytes.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};
use wrt_otel::{OtelError, Resource, Scope};

use super::signal::Signal;

/// A record, as it will be sent, and what is told beside it.
pub(crate) struct Item<S: Signal> {
    pub(crate) resource: Resource,
    pub(crate) scope: Scope,
    pub(crate) record: S::Record,
    pub(crate) bytes: usize,
}

/// What has become of records.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) sent: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) retried: AtomicU64,
}

/// The records of a signal. The newest are refused when it is full: those that wait tell how it began.
pub(crate) struct Queue<S: Signal> {
    held: Mutex<Held<S>>,
    changed: Notify,
    count_max: usize,
    bytes_max: usize,
    pub(crate) tally: Tally,
}

struct Held<S: Signal> {
    items: VecDeque<Item<S>>,
    bytes: usize,
    /// Of the batch that is on its way: it still takes its place.
    on_the_way: (usize, usize),
    is_closed: bool,
}

/// What the worker is to do next.
pub(crate) enum Next<S: Signal> {
    /// To send these.
    Send(Vec<Item<S>>),
    /// To wait, at most until then where something waits.
    Wait(Option<Instant>),
    /// To end.
    End,
}

impl<S: Signal> Queue<S> {
    pub(crate) fn new(count_max: usize, bytes_max: usize) -> Self {
        let held = Held {
            items: VecDeque::new(),
            bytes: 0,
            on_the_way: (0, 0),
            is_closed: false,
        };
        Self {
            held: Mutex::new(held),
            changed: Notify::new(),
            count_max,
            bytes_max,
            tally: Tally::default(),
        }
    }

    /// Takes as many as fit, from the first on.
    pub(crate) fn take_in(
        &self,
        items: impl IntoIterator<Item = Item<S>>,
    ) -> Result<(), OtelError> {
        // What it takes to encode them is not done under the lock.
        let items: Vec<_> = items.into_iter().collect();
        let given = items.len();
        let mut taken = 0;
        {
            let mut held = self.held.lock();
            for item in items {
                let (count, bytes) = held.on_the_way;
                let is_full = held.items.len() + count >= self.count_max
                    || held.bytes + bytes + item.bytes > self.bytes_max;
                if is_full || held.is_closed {
                    break;
                }
                held.bytes += item.bytes;
                held.items.push_back(item);
                taken += 1;
            }
        }
        self.changed.notify_one();
        match given - taken {
            0 => Ok(()),
            dropped => {
                self.lose(dropped);
                Err(OtelError::Full {
                    dropped: dropped as u64,
                    given: given as u64,
                })
            }
        }
    }

    /// Counts records that are dropped; the log says so when there are twice as many as it has said.
    pub(crate) fn lose(&self, records: usize) {
        let before = self.tally.dropped.fetch_add(records as u64, Relaxed);
        let after = before + records as u64;
        if after.checked_ilog2() != before.checked_ilog2() {
            let signal = S::NAME;
            tracing::warn!(signal, dropped = after, "telemetry is being dropped");
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        let held = self.held.lock();
        held.items.len() + held.on_the_way.0
    }

    /// Nothing more is taken, and what waits is sent without delay.
    pub(crate) fn close(&self) {
        self.held.lock().is_closed = true;
        self.changed.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.held.lock().is_closed
    }

    /// Waits until something has come, or it is closed.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// A batch, if there is a full one, or if its first record has waited until `due`.
    pub(crate) fn next(
        &self,
        (count_max, bytes_max): (usize, usize),
        due: Option<Instant>,
    ) -> Next<S> {
        let mut held = self.held.lock();
        held.on_the_way = (0, 0);
        if held.items.is_empty() {
            return match held.is_closed {
                true => Next::End,
                false => Next::Wait(None),
            };
        }
        let is_due = due.is_some_and(|due| Instant::now() >= due);
        let is_full = held.items.len() >= count_max || held.bytes >= bytes_max;
        if !is_due && !is_full && !held.is_closed {
            return Next::Wait(due);
        }
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(item) = held.items.front()
            && batch.len() < count_max
            // One that is larger than a batch goes alone.
            && (batch.is_empty() || bytes + item.bytes <= bytes_max)
        {
            let Some(item) = held.items.pop_front() else {
                break;
            };
            bytes += item.bytes;
            batch.push(item);
        }
        held.bytes -= bytes;
        held.on_the_way = (batch.len(), bytes);
        Next::Send(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::signal::Logs, *};

    fn items(sizes: &[usize]) -> Vec<Item<Logs>> {
        let item = |bytes: &usize| Item {
            resource: Resource::default(),
            scope: Scope::default(),
            record: <Logs as Signal>::Record::default(),
            bytes: *bytes,
        };
        sizes.iter().map(item).collect()
    }

    fn sizes(next: Next<Logs>) -> Vec<usize> {
        match next {
            Next::Send(batch) => batch.iter().map(|item| item.bytes).collect(),
            Next::Wait(_) | Next::End => Vec::new(),
        }
    }

    #[tokio::test]
    async fn the_newest_are_refused_also_while_a_batch_is_on_its_way() {
        let queue = Queue::<Logs>::new(4, 100);
        let full = |dropped, given| Err(OtelError::Full { dropped, given });
        assert_eq!(queue.take_in(items(&[1, 2, 3, 4, 5, 6])), full(2, 6));
        assert_eq!(sizes(queue.next((3, 100), None)), [1, 2, 3]);
        assert_eq!(queue.take_in(items(&[7])), full(1, 1));
        assert_eq!(queue.waiting(), 4);
        // The worker asks for the next one when it is done with that.
        assert!(matches!(queue.next((3, 100), None), Next::Wait(None)));
        assert_eq!(queue.take_in(items(&[94, 95])), full(1, 2));
        assert_eq!(queue.tally.dropped.load(Relaxed), 4);
        queue.close();
        assert_eq!(queue.take_in(items(&[1])), full(1, 1));
        assert_eq!(sizes(queue.next((3, 100), None)), [4, 94]);
        assert!(matches!(queue.next((3, 100), None), Next::End));
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_goes_when_it_is_full_or_due() {
        let queue = Queue::<Logs>::new(100, 1000);
        queue.take_in(items(&[10, 10])).unwrap();
        let due = Instant::now() + std::time::Duration::from_secs(1);
        assert!(matches!(queue.next((3, 100), Some(due)), Next::Wait(Some(at)) if at == due));
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        assert_eq!(sizes(queue.next((3, 100), Some(due))), [10, 10]);
        queue.take_in(items(&[60, 60, 500, 1])).unwrap();
        for expected in [&[60][..], &[60], &[500]] {
            assert_eq!(sizes(queue.next((3, 100), None)), expected);
        }
        assert!(matches!(queue.next((3, 100), None), Next::Wait(None)));
    }
}
