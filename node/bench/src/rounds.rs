//! Two things in turns, many times, so that a noisy machine is noisy for both.

use std::time::{Duration, Instant};

use anyhow::Context;
use futures::future::join_all;
use tokio::task::JoinSet;

/// Median latency and throughput of one of the two.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// The median over all calls of all rounds, in microseconds.
    pub p50_micros: f64,
    /// The 99th percentile, in microseconds.
    pub p99_micros: f64,
    /// The median over the rounds, in calls a second.
    pub per_second: f64,
}

/// One side's samples.
#[derive(Default)]
struct Side {
    calls: Vec<Duration>,
    rates: Vec<f64>,
}

impl Side {
    fn add(&mut self, round: Round) {
        self.calls.extend(round.calls);
        self.rates.push(round.per_second);
    }

    fn figures(mut self) -> Figures {
        self.calls.sort_unstable();
        self.rates.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| {
            let last = self.calls.len().saturating_sub(1) as f64;
            let call = self
                .calls
                .get((last * share) as usize)
                .copied()
                .unwrap_or_default();
            call.as_secs_f64() * 1e6
        };
        let per_second = self
            .rates
            .get(self.rates.len() / 2)
            .copied()
            .unwrap_or_default();
        Figures {
            p50_micros: at(0.5),
            p99_micros: at(0.99),
            per_second,
        }
    }
}

/// What one round of a side has shown.
struct Round {
    calls: Vec<Duration>,
    per_second: f64,
}

/// Makes `calls` of each in each of `rounds`, `in_flight` at a time, in turns; who begins changes
/// from round to round. The first round warms up and does not count. All calls are made on the task of
/// whoever measures.
pub async fn in_turns(
    rounds: u32,
    calls: u32,
    in_flight: u32,
    ours: impl AsyncFn() -> anyhow::Result<()>,
    theirs: impl AsyncFn() -> anyhow::Result<()>,
) -> anyhow::Result<(Figures, Figures)> {
    let ours = async || on_one_task(calls, in_flight, &ours).await;
    let theirs = async || on_one_task(calls, in_flight, &theirs).await;
    alternate(rounds, ours, theirs).await
}

/// The same with a task for each that is in flight, as the invocations of a node have.
pub async fn in_turns_on_tasks<Ours, Theirs>(
    rounds: u32,
    calls: u32,
    in_flight: u32,
    ours: impl Fn() -> Ours + Clone + Send + 'static,
    theirs: impl Fn() -> Theirs + Clone + Send + 'static,
) -> anyhow::Result<(Figures, Figures)>
where
    Ours: Future<Output = anyhow::Result<()>> + Send + 'static,
    Theirs: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let ours = async || on_tasks(calls, in_flight, &ours).await;
    let theirs = async || on_tasks(calls, in_flight, &theirs).await;
    alternate(rounds, ours, theirs).await
}

/// Median rates of the two, in calls a second.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// Of ours.
    pub ours: f64,
    /// Of theirs.
    pub theirs: f64,
}

/// Two things that measure a round by themselves, in turns as above.
pub async fn rates_in_turns(
    rounds: u32,
    ours: impl AsyncFn() -> anyhow::Result<f64>,
    theirs: impl AsyncFn() -> anyhow::Result<f64>,
) -> anyhow::Result<Rates> {
    let round = |per_second| Round {
        calls: Vec::new(),
        per_second,
    };
    let ours = async || ours().await.map(round);
    let theirs = async || theirs().await.map(round);
    let (ours, theirs) = alternate(rounds, ours, theirs).await?;
    Ok(Rates {
        ours: ours.per_second,
        theirs: theirs.per_second,
    })
}

async fn alternate(
    rounds: u32,
    ours: impl AsyncFn() -> anyhow::Result<Round>,
    theirs: impl AsyncFn() -> anyhow::Result<Round>,
) -> anyhow::Result<(Figures, Figures)> {
    let (mut our_side, mut their_side) = (Side::default(), Side::default());
    for round in 0..=rounds {
        if round % 2 == 0 {
            our_side.add(ours().await?);
            their_side.add(theirs().await?);
        } else {
            their_side.add(theirs().await?);
            our_side.add(ours().await?);
        }
        if round == 0 {
            (our_side, their_side) = (Side::default(), Side::default());
        }
    }
    Ok((our_side.figures(), their_side.figures()))
}

async fn on_one_task(
    calls: u32,
    in_flight: u32,
    call: &impl AsyncFn() -> anyhow::Result<()>,
) -> anyhow::Result<Round> {
    let began = Instant::now();
    let lane = async || -> anyhow::Result<Vec<Duration>> {
        let mut took = Vec::with_capacity((calls / in_flight) as usize);
        for _ in 0..calls / in_flight {
            let began = Instant::now();
            call().await?;
            took.push(began.elapsed());
        }
        Ok(took)
    };
    let lanes = join_all((0..in_flight).map(|_| lane())).await;
    Round::of(calls, began, lanes)
}

async fn on_tasks<Called>(
    calls: u32,
    in_flight: u32,
    call: &(impl Fn() -> Called + Clone + Send + 'static),
) -> anyhow::Result<Round>
where
    Called: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let began = Instant::now();
    let mut lanes = JoinSet::new();
    for _ in 0..in_flight {
        let call = call.clone();
        lanes.spawn(async move {
            let mut took = Vec::with_capacity((calls / in_flight) as usize);
            for _ in 0..calls / in_flight {
                let began = Instant::now();
                call().await?;
                took.push(began.elapsed());
            }
            anyhow::Ok(took)
        });
    }
    let mut done = Vec::new();
    while let Some(lane) = lanes.join_next().await {
        done.push(lane.context("a lane panicked")?);
    }
    Round::of(calls, began, done)
}

impl Round {
    fn of(
        calls: u32,
        began: Instant,
        lanes: Vec<anyhow::Result<Vec<Duration>>>,
    ) -> anyhow::Result<Self> {
        let per_second = f64::from(calls) / began.elapsed().as_secs_f64();
        let lanes = lanes.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self {
            calls: lanes.concat(),
            per_second,
        })
    }
}
