//! An open loop that goes on until it is told to stop.

use std::time::{Duration, Instant};

use http::Method;
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use crate::{Client, Sample};

/// Requests at a steady rate, whether or not earlier ones have ended, on a task of their own: what is
/// done meanwhile does not hold them up. Dropping it abandons it.
#[derive(Debug)]
pub struct Load {
    began: Instant,
    stop: watch::Sender<bool>,
    work: JoinHandle<Vec<Sample>>,
}

impl Drop for Load {
    fn drop(&mut self) {
        self.work.abort();
    }
}

impl Load {
    /// Starts it. `request` says what the n-th one is.
    pub fn start(
        client: &Client,
        per_second: u32,
        request: impl Fn(u64) -> (Method, String) + Send + 'static,
    ) -> Self {
        Self::in_bursts(client, 1, Duration::from_secs(1) / per_second, request)
    }

    /// Starts it with `burst` requests at once every `gap`, the first at zero: just after a burst,
    /// most of it is in flight.
    pub fn in_bursts(
        client: &Client,
        burst: u32,
        gap: Duration,
        request: impl Fn(u64) -> (Method, String) + Send + 'static,
    ) -> Self {
        let (began, client) = (Instant::now(), client.clone());
        let (stop, stopped) = watch::channel(false);
        let due = move |n| gap * u32::try_from(n / u64::from(burst)).expect("it ends within years");
        let work = tokio::spawn(send(client, began, due, stopped, request));
        Self { began, stop, work }
    }

    /// How long it has gone on: the time that its samples are in.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Lets it go on until a time of its own.
    pub async fn until(&self, time: Duration) {
        tokio::time::sleep_until((self.began + time).into()).await;
    }

    /// Sends nothing more, and waits for what is under way; the outcomes in the order of sending.
    pub async fn stop(mut self) -> Vec<Sample> {
        self.stop.send_replace(true);
        (&mut self.work).await.expect("a load does not panic")
    }
}

async fn send(
    client: Client,
    began: Instant,
    due: impl Fn(u64) -> Duration,
    mut stopped: watch::Receiver<bool>,
    request: impl Fn(u64) -> (Method, String),
) -> Vec<Sample> {
    let mut running = JoinSet::new();
    let mut samples = Vec::new();
    for n in 0.. {
        let due = due(n);
        let stop = stopped.wait_for(|stop| *stop);
        if tokio::time::timeout_at((began + due).into(), stop)
            .await
            .is_ok()
        {
            break;
        }
        let (method, url) = request(n);
        let client = client.clone();
        running.spawn(async move { client.sample(began, due, method, &url).await });
        while let Some(ended) = running.try_join_next() {
            samples.push(ended.expect("a sample does not panic"));
        }
    }
    while let Some(ended) = running.join_next().await {
        samples.push(ended.expect("a sample does not panic"));
    }
    samples.sort_by_key(|sample| sample.due);
    samples
}
