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
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;

use super::{offsets::Offsets, sure::Sure};
use crate::context::Context;

/// How long a partition that is taken away waits for what is in hand of it. What takes longer is cut short, and
/// repeated by whoever has it next.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(1);
/// How long handlers that are cut short may take to end.
const CUT_WITHIN: Duration = Duration::from_millis(500);
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
    /// Handlers that run are cut short.
    pub(super) cut: CancellationToken,
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
            cut: CancellationToken::new(),
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
    /// One commit is on its way at a time.
    turns: Arc<Semaphore>,
    pub(super) sure: Arc<Sure>,
}

impl Assignment {
    pub(super) fn new(context: Context) -> Self {
        Self {
            context,
            partitions: Mutex::default(),
            turns: Arc::new(Semaphore::new(1)),
            sure: Arc::default(),
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
    pub(super) fn commit(&self, consumer: &BaseConsumer<Self>) -> KafkaResult<()> {
        let commit = Commit::of(&self.all())?;
        commit.map_or(Ok(()), |commit| commit.send(consumer))
    }

    /// The same beside this thread, unless an earlier one is on its way. The client says of a commit that nobody waits
    /// for neither that it was taken nor that it was not.
    pub(super) fn begin_commit(
        &self,
        consumer: &Arc<BaseConsumer<Self>>,
        runtime: &Handle,
        is_for_its_own_sake: bool,
    ) -> KafkaResult<()> {
        let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() else {
            return Ok(());
        };
        let partitions = self.all();
        if is_for_its_own_sake {
            for partition in &partitions {
                partition.offsets.lock().committed(None);
            }
        }
        let Some(commit) = Commit::of(&partitions)? else {
            return Ok(());
        };
        let (consumer, sure) = (Arc::clone(consumer), Arc::clone(&self.sure));
        let began = tokio::time::Instant::now();
        runtime.spawn_blocking(move || {
            match commit.send(&consumer) {
                Ok(()) => sure.as_of(began),
                Err(error) => tracing::debug!(%error, "kafka: offsets are not committed"),
            }
            // Whoever has the next turn has the consumer alone.
            drop(consumer);
            drop(turn);
        });
        Ok(())
    }

    /// Waits until no commit is on its way.
    pub(super) fn turn(&self) -> Option<OwnedSemaphorePermit> {
        let until = Instant::now() + ANSWER_WITHIN;
        loop {
            let turn = Arc::clone(&self.turns).try_acquire_owned();
            if turn.is_ok() || Instant::now() >= until {
                return turn.ok();
            }
            thread::park_timeout(Duration::from_millis(5));
        }
    }

    fn all(&self) -> Vec<Arc<Partition>> {
        self.partitions.lock().values().cloned().collect()
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
        let are_lost = consumer.assignment_lost();
        if !are_lost {
            wait_for(&taken, GIVEN_UP_WITHIN);
        }
        for partition in &taken {
            partition.cut.cancel();
        }
        if are_lost {
            return;
        }
        wait_for(&taken, CUT_WITHIN);
        let Some(_turn) = self.turn() else {
            tracing::warn!("kafka: an earlier commit has no answer: what is done comes once more");
            return;
        };
        match Commit::of(&taken).and_then(|commit| commit.map_or(Ok(()), |it| it.send(consumer))) {
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

/// Waits until no handler of theirs runs.
fn wait_for(partitions: &[Arc<Partition>], within: Duration) {
    let until = Instant::now() + within;
    let is_running = |partition: &Arc<Partition>| partition.running.load(SeqCst) > 0;
    while partitions.iter().any(is_running) && Instant::now() < until {
        // Whoever ends wakes this thread.
        thread::park_timeout(Duration::from_millis(20));
    }
}

/// What stands beside a committed offset. To read what is no text panics in there, and others may have left
/// it.
fn marks_of<'a>(left: &'a TopicPartitionListElem<'_>) -> &'a str {
    catch_unwind(AssertUnwindSafe(|| left.metadata())).unwrap_or_default()
}

/// Offsets to be committed, and what they say of which partition.
struct Commit {
    list: TopicPartitionList,
    told: Vec<(Arc<Partition>, (i64, String))>,
}

impl Commit {
    /// What is new of them, if there is something.
    fn of(partitions: &[Arc<Partition>]) -> KafkaResult<Option<Self>> {
        let (mut list, mut told) = (TopicPartitionList::new(), Vec::new());
        for partition in partitions {
            let Some((offset, marks)) = partition.offsets.lock().to_commit() else {
                continue;
            };
            let mut element = list.add_partition(&partition.topic, partition.number);
            element.set_offset(Offset::Offset(offset))?;
            if !marks.is_empty() {
                element.set_metadata(&marks);
            }
            told.push((Arc::clone(partition), (offset, marks)));
        }
        Ok((!told.is_empty()).then_some(Self { list, told }))
    }

    /// Waits for the broker's word.
    fn send(self, consumer: &BaseConsumer<Assignment>) -> KafkaResult<()> {
        consumer.commit(&self.list, CommitMode::Sync)?;
        for (partition, what) in self.told {
            partition.offsets.lock().committed(Some(what));
        }
        Ok(())
    }
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
}
