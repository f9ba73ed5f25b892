//! Requests that count, and whether the count is right afterwards.

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use http::Method;
use tokio::task::JoinSet;
use wrt_chaos_tests::{Client, Outcome, Sample, outage::percentile};

/// How long a client waits for one answer.
const PATIENCE: Duration = Duration::from_secs(12);

/// A client of the counter that knows two addresses, and tries the other one when a connection is
/// refused or breaks: what a load balancer does.
#[derive(Clone)]
pub struct Visits {
    client: Client,
    addresses: [String; 2],
}

/// What a load has shown.
pub struct Figures {
    samples: Vec<Sample>,
    second_tries: usize,
    killed_after: Duration,
    before: u64,
    after: u64,
}

impl Visits {
    /// A client of the counters at `addresses`.
    pub fn new(addresses: [String; 2]) -> Self {
        Self {
            client: Client::new(PATIENCE),
            addresses,
        }
    }

    /// Makes one visit and says what came of it.
    pub async fn show_one(&self, n: usize) -> anyhow::Result<String> {
        let url = format!("{}/visits", self.addresses[n % 2]);
        let started = Instant::now();
        match self.client.send(Method::POST, &url).await {
            Outcome::Answered { status, body, .. } if status.is_success() => {
                let (count, took) = (String::from_utf8_lossy(&body), started.elapsed());
                Ok(format!(
                    "POST {url} -> {count} ({:.1} ms)",
                    took.as_secs_f64() * 1e3
                ))
            }
            other => bail!("POST {url} failed: {other:?}"),
        }
    }

    /// Makes `rate` visits a second for `duration`, to both addresses in turn.
    pub async fn load(
        &self,
        rate: u32,
        killed_after: Duration,
        duration: Duration,
    ) -> anyhow::Result<Figures> {
        let before = self.count().await?;
        let began = Instant::now();
        let gap = Duration::from_secs(1) / rate;
        let total = u32::try_from(duration.as_millis() * u128::from(rate) / 1000)?;
        let mut running = JoinSet::new();
        for n in 0..total {
            let due = gap * n;
            tokio::time::sleep_until((began + due).into()).await;
            let visits = self.clone();
            running.spawn(async move { visits.visit(n as usize, began, due).await });
        }
        let ended = running.join_all().await;
        let second_tries = ended.iter().filter(|(_, second)| *second).count();
        let samples = ended.into_iter().map(|(sample, _)| sample).collect();
        let after = self.count().await?;
        Ok(Figures {
            samples,
            second_tries,
            killed_after,
            before,
            after,
        })
    }

    async fn visit(&self, n: usize, began: Instant, due: Duration) -> (Sample, bool) {
        let url = |n: usize| format!("{}/visits", self.addresses[n % 2]);
        let first = self.client.sample(began, due, Method::POST, &url(n)).await;
        if !matches!(first.outcome, Outcome::Broken { .. }) {
            return (first, false);
        }
        (
            self.client
                .sample(began, due, Method::POST, &url(n + 1))
                .await,
            true,
        )
    }

    /// The count, from the node that stays.
    async fn count(&self) -> anyhow::Result<u64> {
        let url = format!("{}/visits", self.addresses[0]);
        match self.client.send(Method::GET, &url).await {
            Outcome::Answered { status, body, .. } if status.is_success() => {
                Ok(std::str::from_utf8(&body)?.trim().parse()?)
            }
            other => bail!("GET {url} failed: {other:?}"),
        }
    }
}

impl Figures {
    fn acknowledged(&self) -> usize {
        self.samples
            .iter()
            .filter(|sample| sample.is_success())
            .count()
    }

    fn counted(&self) -> u64 {
        self.after.saturating_sub(self.before)
    }

    /// Nothing acknowledged is lost, and nothing is counted that was not asked for.
    pub fn check(&self) -> anyhow::Result<()> {
        let (acknowledged, counted) = (self.acknowledged() as u64, self.counted());
        ensure!(
            counted >= acknowledged,
            "{acknowledged} visits were acknowledged, {counted} counted"
        );
        // A visit whose connection broke may have counted, and so may its second try.
        let at_most = self.samples.len() + self.second_tries;
        ensure!(
            counted <= at_most as u64,
            "{counted} visits counted, at most {at_most} were made"
        );
        Ok(())
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        let failed: Vec<_> = self
            .samples
            .iter()
            .filter(|sample| !sample.is_success())
            .collect();
        let last_failed = failed.iter().map(|sample| sample.due).max();
        let until = last_failed.map(|due| due.saturating_sub(self.killed_after));
        let longest = self
            .samples
            .iter()
            .map(|sample| sample.took)
            .max()
            .unwrap_or_default();
        writeln!(f, "visits made          {}", self.samples.len())?;
        writeln!(f, "acknowledged         {}", self.acknowledged())?;
        writeln!(f, "counted by the store {}", self.counted())?;
        writeln!(f, "failed               {}", failed.len())?;
        writeln!(
            f,
            "sent to the other node after a broken connection {}",
            self.second_tries
        )?;
        writeln!(
            f,
            "median               {:.1} ms",
            ms(percentile(&self.samples, 0.5))
        )?;
        writeln!(f, "longest              {:.1} ms", ms(longest))?;
        match until {
            Some(until) => write!(f, "all succeed again    {:.0} ms after the kill", ms(until)),
            None => write!(f, "all succeed again    at once: none failed"),
        }
    }
}
