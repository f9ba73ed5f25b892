//! What an actor does is on a task of its own, from decoding to encoding: however long it keeps its
//! thread, its node goes on to take in calls and cancellations.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use tokio::runtime::{Builder, Handle, Runtime};
use wrt_protocol::Fault;

use super::lattice::{
    nodes::{Bus, Node, eventually},
    probe::How,
};

/// How often it is tried: which thread watches the sockets when a call comes is a matter of chance.
const ROUNDS: u64 = 20;
const BUDGET_MS: u64 = 60_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_blocks_delays_nobody() {
    while_blocked(Bus::loopback(), Blocks::Operation).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_blocks_delays_nobody_over_nats() {
    while_blocked(Bus::nats(), Blocks::Operation).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_slow_to_encode_delays_nobody() {
    while_blocked(Bus::loopback(), Blocks::Encoder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_slow_to_encode_delays_nobody_over_nats() {
    while_blocked(Bus::nats(), Blocks::Encoder).await;
}

#[derive(Clone, Copy)]
enum Blocks {
    Operation,
    Encoder,
}

/// The callee has a runtime of its own with two threads, as a node has on a small machine, and one of
/// them is blocked. Fails when the task that reads the bus takes the first step of a call: the callee
/// hears nothing more. Fails over NATS when that task does not yield behind a call that it has handed
/// on: the blocked thread may be the one that watches the sockets.
async fn while_blocked(bus: Bus, blocks: Blocks) {
    let (bus, workers) = (Arc::new(bus), TwoThreads::start());
    let caller = bus.caller().await;
    let b = {
        let bus = Arc::clone(&bus);
        let joined = workers.0.spawn(async move { bus.host("b").await });
        joined.await.expect("b joins")
    };
    caller.knows(1).await;
    for round in 0..ROUNDS {
        let tag = 10 * round;
        let slow = block(&caller, tag, blocks);
        let others = async {
            eventually("a blocked thread", || b.record.blocked() == 1).await;
            let answer = caller.act(BUDGET_MS, tag + 1, How::AtOnce).await;
            assert_eq!(answer.unwrap(), "b");
            let dropped = b.record.dropped.load(Relaxed);
            tokio::select! {
                _ = caller.act(BUDGET_MS, tag + 2, How::Never) => panic!("it never ends"),
                () = eventually("a call in hand", || b.record.runs(tag + 2) == 1) => {}
            }
            let is_taken_back = || b.record.dropped.load(Relaxed) == dropped + 1;
            eventually("the cancellation", is_taken_back).await;
            assert_eq!(b.record.blocked(), 1, "it was blocked all the time");
            b.record.let_go();
        };
        let (slow, ()) = tokio::join!(slow, others);
        slow.unwrap();
    }
}

async fn block(caller: &Node, tag: u64, blocks: Blocks) -> Result<(), Fault> {
    match blocks {
        Blocks::Operation => caller.act(BUDGET_MS, tag, How::Block).await.map(drop),
        Blocks::Encoder => caller.block_encoder(BUDGET_MS, tag).await,
    }
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
