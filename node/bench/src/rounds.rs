//! Two things in turns, many times, so that a noisy machine is noisy for both.

use std::time::{Duration, Instant};

use futures::future::join_all;

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

/// Makes `calls` of each in each of `rounds`, `in_flight` at a time, in turns; who begins changes
/// from round to round. The first round warms up and does not count.
pub async fn in_turns(
    rounds: u32,
    calls: u32,
    in_flight: u32,
    ours: impl AsyncFn() -> anyhow::Result<()>,
    theirs: impl AsyncFn() -> anyhow::Result<()>,
) -> anyhow::Result<(Figures, Figures)> {
    let (mut our_side, mut their_side) = (Side::default(), Side::default());
    for round in 0..=rounds {
        if round % 2 == 0 {
            turn(&mut our_side, calls, in_flight, &ours).await?;
            turn(&mut their_side, calls, in_flight, &theirs).await?;
        } else {
            turn(&mut their_side, calls, in_flight, &theirs).await?;
            turn(&mut our_side, calls, in_flight, &ours).await?;
        }
        if round == 0 {
            (our_side, their_side) = (Side::default(), Side::default());
        }
    }
    Ok((our_side.figures(), their_side.figures()))
}

async fn turn(
    side: &mut Side,
    calls: u32,
    in_flight: u32,
    call: &impl AsyncFn() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
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
    side.rates
        .push(f64::from(calls) / began.elapsed().as_secs_f64());
    for took in lanes {
        side.calls.extend(took?);
    }
    Ok(())
}
