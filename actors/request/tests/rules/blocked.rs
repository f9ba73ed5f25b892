//! An actor that keeps its thread, from decoding to encoding, holds up only itself: its node goes on to
//! take in calls and cancellations, to answer, and to beat.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use bytes::Bytes;
use futures::{FutureExt, future::join_all};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    time::timeout,
};
use wrt_contract::Interface;
use wrt_protocol::{Fault, FaultKind};
use wrt_transport::Lane;

use super::lattice::{
    holder::{HolderInterface, TAG as PINNED_TAG},
    nodes::{Bus, Node, PATIENCE, budget, eventually, target},
    probe::How,
};

/// How often it is tried: which thread watches the sockets when a call comes is a matter of chance.
const ROUNDS: u64 = 4;
/// How often at most, until the reader has taken the step that blocks: it takes what was quick the last
/// time, and on a busy machine that is seldom.
const ROUNDS_MAX: u64 = 100;
/// Rounds that go on until the node has beaten twice.
const ROUNDS_WITH_HEARTBEATS: u64 = 2;
const BUDGET_MS: u64 = 60_000;
/// Calls that are sent together with the one that blocks.
const COMPANY: u64 = 16;
/// Over what travels inside a message.
const LARGE_BYTES: usize = 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_blocks_delays_nobody() {
    while_blocked(Bus::loopback(), Way::Chosen).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_blocks_delays_nobody_over_nats() {
    while_blocked(Bus::nats(), Way::Chosen).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_called_by_the_queue_group_that_blocks_delays_nobody() {
    while_blocked(Bus::loopback(), Way::QueueGroup).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_called_by_the_queue_group_that_blocks_delays_nobody_over_nats() {
    while_blocked(Bus::nats(), Way::QueueGroup).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pinned_call_that_blocks_delays_nobody() {
    while_blocked(Bus::loopback(), Way::Pinned).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pinned_call_that_blocks_delays_nobody_over_nats() {
    while_blocked(Bus::nats(), Way::Pinned).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_one_way_call_that_blocks_delays_nobody() {
    while_blocked(Bus::loopback(), Way::Unanswered).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_one_way_call_that_blocks_delays_nobody_over_nats() {
    while_blocked(Bus::nats(), Way::Unanswered).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_whose_arguments_stream_and_that_blocks_delays_nobody() {
    while_blocked(Bus::loopback(), Way::LargeArguments).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_whose_arguments_stream_and_that_blocks_delays_nobody_over_nats() {
    while_blocked(Bus::nats(), Way::LargeArguments).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_slow_to_encode_delays_nobody() {
    while_blocked(Bus::loopback(), Way::SlowAnswer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_slow_to_encode_delays_nobody_over_nats() {
    while_blocked(Bus::nats(), Way::SlowAnswer).await;
}

/// How the call that blocks comes to its actor, or where it blocks.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Chosen,
    QueueGroup,
    Pinned,
    Unanswered,
    LargeArguments,
    SlowAnswer,
}

/// A caller, and a callee on a runtime of its own with two threads, as a node has on a small machine.
struct Pair {
    caller: Node,
    b: Node,
    _bus: Arc<Bus>,
    _workers: TwoThreads,
}

impl Pair {
    async fn start(bus: Bus, way: Way) -> Self {
        let (bus, workers) = (Arc::new(bus), TwoThreads::start());
        let caller = bus.caller().await;
        let b = {
            let bus = Arc::clone(&bus);
            let joined = workers.0.spawn(async move { bus.host("b").await });
            joined.await.expect("b joins")
        };
        caller.knows(1).await;
        if way == Way::QueueGroup {
            b.say_nothing();
            caller.knows(0).await;
        }
        Self {
            caller,
            b,
            _bus: bus,
            _workers: workers,
        }
    }

    async fn call(&self, way: Way, tag: u64) -> Result<(), Fault> {
        let caller = &self.caller;
        match way {
            Way::Chosen | Way::QueueGroup => {
                caller.act(BUDGET_MS, tag, How::AtOnce).await.map(drop)
            }
            Way::Pinned => self.step(How::AtOnce).await,
            Way::Unanswered => caller.note(BUDGET_MS, tag, Bytes::new()).await,
            Way::LargeArguments => {
                let bytes = vec![0; LARGE_BYTES].into();
                caller.mirror(BUDGET_MS, tag, bytes).await.map(drop)
            }
            Way::SlowAnswer => caller.slow_answer(BUDGET_MS, tag).await,
        }
    }

    /// Lets the next call that comes like this block, if it has that tag.
    fn block(&self, way: Way, tag: u64) {
        let tag = if way == Way::Pinned { PINNED_TAG } else { tag };
        self.b.record.block_at(tag);
    }

    /// Makes the call that blocks, and waits for its end.
    async fn blocks(&self, way: Way, tag: u64) {
        while let Err(fault) = self.call(way, tag).await {
            assert!(is_of_a_busy_machine(&fault), "{fault}");
            if !self.b.record.is_to_block() {
                break;
            }
        }
    }

    async fn is_blocked(&self) {
        eventually("a blocked thread", || self.b.record.blocked() == 1).await;
    }

    /// Calls until it is served: on a machine that is busy enough a node is taken for lost.
    async fn is_served(&self, way: Way, tag: u64) {
        let served = async {
            while let Err(fault) = self.call(way, tag).await {
                assert!(is_of_a_busy_machine(&fault), "{fault}");
            }
        };
        let served = timeout(PATIENCE, served).await;
        served.unwrap_or_else(|_| panic!("in vain: {way:?} {tag}"));
    }

    /// What must work meanwhile.
    async fn works(&self, tag: u64) {
        self.is_served(Way::Chosen, tag).await;
        self.is_served(Way::Pinned, tag + 1).await;
        self.is_served(Way::Unanswered, tag + 2).await;
        eventually("the one-way call", || self.b.record.runs(tag + 2) >= 1).await;
        self.is_served(Way::LargeArguments, tag + 3).await;
        self.takes_back(tag + 4).await;
    }

    /// Checks that a call which is given up is dropped.
    async fn takes_back(&self, tag: u64) {
        let record = &self.b.record;
        let dropped = record.dropped.load(Relaxed);
        loop {
            let runs = record.runs(tag);
            tokio::select! {
                ended = self.caller.act(BUDGET_MS, tag, How::Never) => {
                    let fault = ended.unwrap_err();
                    assert!(is_of_a_busy_machine(&fault), "{fault}");
                }
                () = eventually("a call in hand", || record.runs(tag) > runs) => break,
            }
        }
        let is_taken_back = || record.dropped.load(Relaxed) > dropped;
        eventually("the cancellation", is_taken_back).await;
    }

    /// A pinned call, by a lease of its own.
    async fn step(&self, how: How) -> Result<(), Fault> {
        let context = budget(BUDGET_MS);
        let path = Arc::clone(&self.caller.path);
        let holder = HolderInterface::remote(path as _, target().into());
        let lease = holder.open(&context).await?;
        holder.step(&context, how, &lease).await?;
        holder.close(&context, &lease).await
    }

    async fn beats(&self) {
        let beats = || {
            let sent = self.b.wire.sent();
            sent.iter().filter(|it| it.lane == Lane::Control).count()
        };
        let before = beats();
        eventually("two heartbeats", || beats() >= before + 2).await;
    }
}

/// A node that is not heard of for a while is taken for lost; what it had in hand has left leases.
fn is_of_a_busy_machine(fault: &Fault) -> bool {
    fault.is_overloaded() || matches!(fault.kind(), FaultKind::NodeLost | FaultKind::Unavailable)
}

/// One of the callee's threads is blocked: in every other round by an operation that was quick until then,
/// which is taken for one that the reader of the bus may take the first step of. It comes in company, which
/// is answered all the same.
///
/// Fails when nobody relieves the reader, over NATS also when nobody wakes the other thread (the blocked one
/// may be who watched the sockets) or sends what the blocked one was to send.
async fn while_blocked(bus: Bus, way: Way) {
    let pair = Pair::start(bus, way).await;
    for round in 0..ROUNDS {
        let tag = 1000 * (round + 1);
        if round % 2 == 1 {
            for tag in tag + 100..tag + 103 {
                pair.is_served(way, tag).await;
            }
        }
        pair.block(way, tag);
        let answered = AtomicUsize::new(0);
        let company = |first: u64| {
            join_all((first..first + COMPANY / 2).map(|tag| {
                let answered = &answered;
                let served = pair.is_served(Way::Chosen, tag);
                served.map(move |()| answered.fetch_add(1, Relaxed))
            }))
        };
        let others = async {
            pair.is_blocked().await;
            pair.works(tag + 300).await;
            let all = COMPANY as usize;
            eventually("its company", || answered.load(Relaxed) == all).await;
            if round < ROUNDS_WITH_HEARTBEATS {
                pair.beats().await;
            }
            assert_eq!(pair.b.record.blocked(), 1, "it was blocked all the time");
            pair.b.record.let_go();
        };
        let (before, behind) = (company(tag + 200), company(tag + 250));
        tokio::join!(before, pair.blocks(way, tag), behind, others);
    }
    pair.b.is_idle().await;
}

/// Fails when the entry of a call that the reader of the bus has begun is not there to be taken back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_blocks_is_taken_back() {
    let pair = Pair::start(Bus::loopback(), Way::Chosen).await;
    let cancelled = || pair.b.exchange.counts().cancelled;
    let relieved = || pair.b.exchange.counts().relieved;
    for round in 0..ROUNDS_MAX {
        if round >= ROUNDS && relieved() > 0 {
            break;
        }
        let (tag, before) = (10 * (round + 1), cancelled());
        pair.is_served(Way::Chosen, tag + 1).await;
        pair.block(Way::Chosen, tag);
        tokio::select! {
            () = pair.blocks(Way::Chosen, tag) => panic!("it is blocked"),
            () = pair.is_blocked() => {}
        }
        eventually("the cancellation", || cancelled() == before + 1).await;
        eventually("nothing in hand", || pair.b.exchange.in_hand() == 0).await;
        assert_eq!(pair.b.record.blocked(), 1);
        pair.b.record.let_go();
        eventually("its end", || pair.b.record.blocked() == 0).await;
    }
    assert!(relieved() > 0);
}

/// Fails when the reader goes on to take first steps although the last one was not quick: each of them
/// would hold it up until it is relieved.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_slow_once_does_not_keep_the_reader_again() {
    let pair = Pair::start(Bus::loopback(), Way::Chosen).await;
    for tag in 1..=3 {
        pair.block(Way::Chosen, tag);
        let let_go = async {
            pair.is_blocked().await;
            pair.beats().await;
            pair.b.record.let_go();
        };
        tokio::join!(pair.blocks(Way::Chosen, tag), let_go);
    }
    assert_eq!(pair.b.exchange.counts().relieved, 0);
}

/// A runtime that is ended without waiting for its threads.
struct TwoThreads(Handle, Option<Runtime>);

impl TwoThreads {
    fn start() -> Self {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        Self(runtime.handle().clone(), Some(runtime))
    }
}

impl Drop for TwoThreads {
    fn drop(&mut self) {
        if let Some(runtime) = self.1.take() {
            runtime.shutdown_background();
        }
    }
}
