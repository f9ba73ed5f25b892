//! What a call would cost through an actor's mailbox, and what it costs through a gate: `cargo run
//! --release --example call_paths -p wrt-supervision`.

#![allow(clippy::print_stdout, reason = "the figures are what it is for")]

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, call};
use wrt_contract::{CallContext, Gate, GateLimits, async_trait};

const ROUNDS: u32 = 200_000;
const CALLERS: u32 = 64;

/// What is called; `dyn`, as every provider is.
#[async_trait]
trait Add: Send + Sync {
    async fn add(&self, context: &CallContext, number: u64) -> u64;
}

struct Adder;

#[async_trait]
impl Add for Adder {
    async fn add(&self, _: &CallContext, number: u64) -> u64 {
        number + 1
    }
}

struct AddActor;

struct AddMessage(u64, RpcReplyPort<u64>);

impl Actor for AddActor {
    type Msg = AddMessage;
    type State = Arc<dyn Add>;
    type Arguments = Arc<dyn Add>;

    async fn pre_start(
        &self,
        _: ActorRef<AddMessage>,
        adder: Arc<dyn Add>,
    ) -> Result<Arc<dyn Add>, ActorProcessingErr> {
        Ok(adder)
    }

    async fn handle(
        &self,
        _: ActorRef<AddMessage>,
        AddMessage(number, reply): AddMessage,
        adder: &mut Arc<dyn Add>,
    ) -> Result<(), ActorProcessingErr> {
        Ok(reply.send(adder.add(&CallContext::default(), number).await)?)
    }
}

fn main() -> anyhow::Result<()> {
    for workers in [1, 2] {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_all()
            .build()?;
        println!("{workers} worker(s), per call:      one caller   {CALLERS} callers");
        runtime.block_on(async { tokio::spawn(compare()).await? })?;
    }
    Ok(())
}

async fn compare() -> anyhow::Result<()> {
    let adder: Arc<dyn Add> = Arc::new(Adder);
    let (actor, ended) = AddActor::spawn(None, AddActor, Arc::clone(&adder)).await?;
    let gate = Gate::new(GateLimits::default());

    let direct = {
        let adder = Arc::clone(&adder);
        move |number| {
            let adder = Arc::clone(&adder);
            async move { adder.add(&CallContext::default(), number).await }
        }
    };
    report("direct call", direct).await;

    let gated = {
        let (adder, gate) = (Arc::clone(&adder), Arc::clone(&gate));
        move |number| {
            let (adder, gate) = (Arc::clone(&adder), Arc::clone(&gate));
            async move {
                let context = CallContext::default();
                let _permit = gate.admit(&context).await.expect("it is not full");
                adder.add(&context, number).await
            }
        }
    };
    report("through the gate", gated).await;

    let asked = actor.clone();
    let mailbox = move |number| {
        let actor = asked.clone();
        async move { call!(actor, AddMessage, number).expect("it lives") }
    };
    report("through the mailbox", mailbox).await;
    actor.stop(None);
    ended.await?;
    Ok(())
}

async fn report<F>(what: &str, call: impl Fn(u64) -> F + Clone + Send + 'static)
where
    F: Future<Output = u64> + Send,
{
    let alone = measure(1, call.clone()).await;
    let together = measure(CALLERS, call).await;
    println!(
        "{what:<25} {:>10.3} us {:>10.3} us",
        micros(alone),
        micros(together)
    );
}

/// Time for a call, with so many callers that each make their share of the rounds.
async fn measure<F>(callers: u32, call: impl Fn(u64) -> F + Clone + Send + 'static) -> Duration
where
    F: Future<Output = u64> + Send,
{
    let started = Instant::now();
    let callers: Vec<_> = (0..callers)
        .map(|_| {
            let call = call.clone();
            tokio::spawn(async move {
                for number in 0..u64::from(ROUNDS / callers) {
                    black_box(call(black_box(number)).await);
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.expect("no caller panics");
    }
    started.elapsed() / ROUNDS
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
