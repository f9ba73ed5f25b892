//! The partitions that a consumer has, and what becomes of them when a group shares them out anew.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance},
    error::{KafkaError, KafkaResult},
    topic_partition_list::TopicPartitionListElem,
};
use tokio_util::sync::CancellationToken;

use super::offsets::Offsets;
use crate::context::Context;

/// How long a partition that is taken away waits for what is in hand of it. What takes longer is repeated by
/// whoever has it next.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(1);
/// How long the group's broker may take to say what was committed.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A partition, for as long as the consumer has it. One that comes again is another.
pub(super) struct Partition {
    topic: String,
    number: i32,
    pub(super) offsets: Mutex<Offsets>,
    /// Handlers that run.
    running: AtomicUsize,
    /// Nothing more of it is begun or committed.
    pub(super) lost: CancellationToken,
    /// It was given up, and what had been taken of it is committed.
    is_given: AtomicBool,
}

/// A handler of a partition's message runs for as long as this lives.
pub(super) struct Runs<'a>(&'a Partition);

impl Drop for Runs<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
    }
}

impl Partition {
    fn of(topic: String, number: i32, offsets: Offsets) -> Self {
        Self {
            topic,
            number,
            offsets: Mutex::new(offsets),
            running: AtomicUsize::new(0),
            lost: CancellationToken::new(),
            is_given: AtomicBool::new(false),
        }
    }

    /// A handler begins; none where another may have the message. What is committed before it is handled
    /// (where it is not `is_kept`) nobody else has.
    pub(super) fn begin(&self, is_kept: bool) -> Option<Runs<'_>> {
        self.running.fetch_add(1, SeqCst);
        let runs = Runs(self);
        let is_ours = !is_kept && self.is_given.load(SeqCst);
        (is_ours || !self.lost.is_cancelled()).then_some(runs)
    }
}

/// The partitions that a consumer has. Called by the thread that polls it.
pub(super) struct Assignment {
    context: Context,
    partitions: Mutex<HashMap<(String, i32), Arc<Partition>>>,
    /// A commit has failed.
    is_unsure: AtomicBool,
}

impl Assignment {
    pub(super) fn new(context: Context) -> Self {
        Self {
            context,
            partitions: Mutex::default(),
            is_unsure: AtomicBool::new(false),
        }
    }

    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    pub(super) fn partition(&self, topic: &str, number: i32) -> Option<Arc<Partition>> {
        let partitions = self.partitions.lock();
        partitions.get(&(topic.to_owned(), number)).cloned()
    }

    /// Commits what is done of all partitions.
    pub(super) fn commit(
        &self,
        consumer: &BaseConsumer<Self>,
        mode: CommitMode,
    ) -> KafkaResult<()> {
        let partitions: Vec<_> = self.partitions.lock().values().cloned().collect();
        if self.is_unsure.swap(false, SeqCst) {
            for partition in &partitions {
                partition.offsets.lock().committed(None);
            }
        }
        commit(consumer, &partitions, mode)
    }

    /// A partition in the place of one whose offsets have begun again: what is known of that says nothing of
    /// this. None where they have not: the partition is longer than that, and the client only gives once more
    /// what it gave while it was about to pause.
    ///
    /// # Errors
    /// It is not known.
    pub(super) fn begin_again(
        &self,
        consumer: &BaseConsumer<Self>,
        partition: &Partition,
    ) -> KafkaResult<Option<Arc<Partition>>> {
        let (topic, number) = (partition.topic.clone(), partition.number);
        let (_, end) = consumer.fetch_watermarks(&topic, number, ANSWER_WITHIN)?;
        if !partition.offsets.lock().goes_back_to(end) {
            return Ok(None);
        }
        tracing::warn!(
            topic,
            number,
            "kafka: a partition goes back: its topic was made anew, or has lost messages"
        );
        partition.lost.cancel();
        let again = Arc::new(Partition::of(topic.clone(), number, Offsets::default()));
        let mut partitions = self.partitions.lock();
        partitions.insert((topic, number), Arc::clone(&again));
        Ok(Some(again))
    }

    /// Makes them known, with what was left by whoever had them before.
    fn add(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let committed = consumer.committed_offsets(list.clone(), ANSWER_WITHIN);
        if let Err(error) = &committed {
            tracing::warn!(%error, "kafka: what is done is not known: messages may come once more");
        }
        let mut partitions = self.partitions.lock();
        for element in list.elements() {
            let (topic, number) = (element.topic().to_owned(), element.partition());
            let committed = committed.as_ref().ok();
            let left = committed.and_then(|list| list.find_partition(&topic, number));
            let offsets = match left.as_ref().map(|left| (left.offset(), marks_of(left))) {
                Some((Offset::Offset(offset), marks)) => Offsets::with_marks(offset, marks),
                _ => Offsets::default(),
            };
            let partition = Partition::of(topic.clone(), number, offsets);
            partitions.insert((topic, number), Arc::new(partition));
        }
    }

    /// Waits for what is in hand, for a while, and commits what is done. From then on they are another's.
    fn give_up(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let key = |element: &TopicPartitionListElem<'_>| {
            (element.topic().to_owned(), element.partition())
        };
        let taken: Vec<_> = {
            let mut partitions = self.partitions.lock();
            let keys = list.elements();
            keys.iter()
                .filter_map(|element| partitions.remove(&key(element)))
                .collect()
        };
        for partition in &taken {
            partition.lost.cancel();
        }
        // The client remembers of a partition that it was paused, also when it comes back after somebody else had
        // it: nobody would resume it.
        if let Err(error) = consumer.resume(list) {
            tracing::warn!(%error, "kafka: partitions that come back may stand still");
        }
        // The group has gone on without this consumer: somebody else has them already.
        if consumer.assignment_lost() {
            return;
        }
        let until = Instant::now() + GIVEN_UP_WITHIN;
        let is_running = |partition: &Arc<Partition>| partition.running.load(SeqCst) > 0;
        while taken.iter().any(is_running) && Instant::now() < until {
            // Whoever ends wakes this thread.
            thread::park_timeout(Duration::from_millis(20));
        }
        for partition in &taken {
            // An earlier one may be on its way still.
            partition.offsets.lock().committed(None);
        }
        match commit(consumer, &taken, CommitMode::Sync) {
            Ok(()) => {
                for partition in &taken {
                    partition.is_given.store(true, SeqCst);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "kafka: what is done is not committed: it comes once more");
            }
        }
    }
}

/// What stands beside a committed offset. To read what is no text panics in there, and others may have left
/// it.
fn marks_of<'a>(left: &'a TopicPartitionListElem<'_>) -> &'a str {
    catch_unwind(AssertUnwindSafe(|| left.metadata())).unwrap_or_default()
}

fn commit(
    consumer: &BaseConsumer<Assignment>,
    partitions: &[Arc<Partition>],
    mode: CommitMode,
) -> KafkaResult<()> {
    let mut list = TopicPartitionList::new();
    let mut told = Vec::new();
    for partition in partitions {
        let Some((offset, marks)) = partition.offsets.lock().to_commit() else {
            continue;
        };
        let mut element = list.add_partition(&partition.topic, partition.number);
        element.set_offset(Offset::Offset(offset))?;
        if !marks.is_empty() {
            element.set_metadata(&marks);
        }
        told.push((partition, (offset, marks)));
    }
    if told.is_empty() {
        return Ok(());
    }
    consumer.commit(&list, mode)?;
    for (partition, what) in told {
        partition.offsets.lock().committed(Some(what));
    }
    Ok(())
}

impl ClientContext for Assignment {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, text: &str) {
        self.context.log(level, fac, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.context.error(error, reason);
    }
}

impl ConsumerContext for Assignment {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => self.add(consumer, list),
            Rebalance::Revoke(list) => self.give_up(consumer, list),
            Rebalance::Error(error) => tracing::warn!(%error, "kafka: a group is not shared out"),
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!(%error, "kafka: offsets are not committed");
            self.is_unsure.store(true, SeqCst);
        }
    }
}
