//! Where a scenario plays.

use std::time::{Duration, Instant};

use http::Method;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{Client, Cluster, ClusterError, LatticeStatus, Manifest, Outcome, Profile};

/// How long a client waits: longer than any budget, so that it sees how each call ends.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long the cluster may take to get to where it should be.
const SETTLE_LIMIT: Duration = Duration::from_secs(15);

/// The stage, on which scenarios of a process play at a time. Most wait for most of their time, so that
/// two need one core together, and three where nothing is under load; what measures, or loads a cluster as
/// far as it goes, has the stage for itself.
const WHOLE: u32 = 6;
const HALF: u32 = WHOLE / 2;
const THIRD: u32 = WHOLE / 3;

static STAGE: Semaphore = Semaphore::const_new(WHOLE as usize);

/// A cluster with an app on it, HTTP in front of the app on node `edge`, and a client.
pub struct Scene {
    /// The cluster.
    pub cluster: Cluster,
    /// A client that sees how each request ends.
    pub client: Client,
    address: String,
    // Declared last: the cluster is gone when the next scenario begins.
    _stage: SemaphorePermit<'static>,
}

/// A scene on which a scenario cannot play.
#[derive(Debug, thiserror::Error)]
pub enum SceneError {
    /// The cluster did not do what it was told.
    #[error("the cluster failed")]
    Cluster(#[from] ClusterError),
    /// A state that was waited for.
    #[error("within {limit:?} it did not become true that {what}; the last seen: {last}")]
    TooLate {
        /// What.
        what: String,
        /// How long.
        limit: Duration,
        /// What was seen instead.
        last: String,
    },
}

impl Scene {
    /// Starts the servers and `nodes`, when at most one other scenario of this process plays.
    ///
    /// # Errors
    /// When something of it does not start.
    pub async fn start(nodes: &[&str]) -> Result<Self, SceneError> {
        Self::on(HALF, nodes).await
    }

    /// The same, for what puts no load on it, when at most two such play.
    ///
    /// # Errors
    /// When something of it does not start.
    pub async fn without_load(nodes: &[&str]) -> Result<Self, SceneError> {
        Self::on(THIRD, nodes).await
    }

    /// The same, when no other one plays.
    ///
    /// # Errors
    /// When something of it does not start.
    pub async fn alone(nodes: &[&str]) -> Result<Self, SceneError> {
        Self::on(WHOLE, nodes).await
    }

    async fn on(share: u32, nodes: &[&str]) -> Result<Self, SceneError> {
        let stage = STAGE.acquire_many(share).await;
        let stage = stage.expect("nobody closes the stage");
        let cluster = Cluster::start(Profile::Dev)?;
        cluster.start_nodes(nodes)?;
        Ok(Self {
            address: cluster.free_address()?,
            client: Client::new(PATIENCE),
            cluster,
            _stage: stage,
        })
    }

    /// The counter: HTTP on `edge`, the component on `a` and `b`, Redis by way of `c` and `d`. Each
    /// request has `budget`.
    ///
    /// # Errors
    /// When something of it does not start.
    pub async fn counter(budget: Duration) -> Result<Self, SceneError> {
        let scene = Self::start(&["edge", "a", "b", "c", "d"]).await?;
        let manifest = Manifest::counter(&["a", "b"])?.redis(&["c", "d"], &scene.redis_url());
        scene.deploy(manifest.budget(budget)).await?;
        Ok(scene)
    }

    /// Deploys an app with HTTP on `edge`, and waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn deploy(&self, manifest: Manifest) -> Result<(), SceneError> {
        let manifest = manifest.http("edge", &self.address);
        tokio::task::block_in_place(|| self.cluster.up(&manifest))?;
        Ok(())
    }

    /// The URL of Redis.
    pub fn redis_url(&self) -> String {
        self.cluster.redis().url()
    }

    /// Where an app has HTTP, on node `edge`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A URL of the app, on node `edge`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The n-th request of a load that reads and increments a counter in turns.
    pub fn reads_and_increments(&self, key: &str) -> impl Fn(u64) -> (Method, String) + use<> {
        let url = self.url(key);
        move |n| {
            let method = if n % 2 == 0 {
                Method::GET
            } else {
                Method::POST
            };
            (method, url.clone())
        }
    }

    /// What a counter says.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn count(&self, key: &str) -> Result<u64, SceneError> {
        self.count_at(&self.url(key)).await
    }

    /// Reads a counter several times at once.
    ///
    /// # Errors
    /// When one of them fails.
    pub async fn reads_at_once(&self, key: &str) -> Result<(), SceneError> {
        let read = || self.count(key);
        tokio::try_join!(read(), read(), read(), read())?;
        Ok(())
    }

    async fn count_at(&self, url: &str) -> Result<u64, SceneError> {
        let outcome = self.client.send(Method::GET, url).await;
        let count = outcome.text().trim().parse().ok();
        let count = count.filter(|_| outcome.is_success());
        count.ok_or_else(|| too_late("the counter can be read", PATIENCE, format!("{outcome:?}")))
    }

    /// Waits until a request succeeds; answers how long that took.
    ///
    /// # Errors
    /// When it does not within `limit`.
    pub async fn succeeds(&self, url: &str, limit: Duration) -> Result<Duration, SceneError> {
        let took = self.client.until_success(Method::GET, url, limit).await;
        took.map_err(|last: Outcome| {
            too_late(&format!("{url} answers"), limit, format!("{last:?}"))
        })
    }

    /// Waits until `wrt ps` shows what is expected.
    ///
    /// # Errors
    /// When it does not.
    pub async fn shows(
        &self,
        what: &str,
        is_so: impl Fn(&LatticeStatus) -> bool,
    ) -> Result<LatticeStatus, SceneError> {
        let began = Instant::now();
        loop {
            let status = tokio::task::block_in_place(|| self.cluster.status());
            match status {
                Ok(status) if is_so(&status) => return Ok(status),
                last if began.elapsed() > SETTLE_LIMIT => {
                    return Err(too_late(what, SETTLE_LIMIT, format!("{last:?}")));
                }
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Waits until each of `nodes` serves, and all that runs there is ready.
    ///
    /// # Errors
    /// When they do not.
    pub async fn is_ready(&self, nodes: &[&str]) -> Result<LatticeStatus, SceneError> {
        self.shows("all is ready", |status| status.is_ready(nodes))
            .await
    }

    /// Sends requests until the replica of `actor` on `node` has taken one more.
    ///
    /// # Errors
    /// When it takes none.
    pub async fn takes_calls(&self, node: &str, actor: &str, url: &str) -> Result<(), SceneError> {
        let handled = |status: &LatticeStatus| status.replica(node, actor).map(|r| r.handled);
        let what = format!("{actor} runs on {node}");
        let before = self
            .shows(&what, |status| handled(status).is_some())
            .await?;
        for _ in 0..REQUESTS_UNTIL_TAKEN {
            self.succeeds(url, SETTLE_LIMIT).await?;
        }
        let what = format!("{actor} takes calls on {node}");
        self.shows(&what, |status| handled(status) > handled(&before))
            .await?;
        Ok(())
    }

    /// Looks at the counter behind a URL for a while: it must not move.
    ///
    /// # Errors
    /// When it does.
    pub async fn stays_at(
        &self,
        url: &str,
        count: u64,
        how_long: Duration,
    ) -> Result<(), SceneError> {
        let began = Instant::now();
        while began.elapsed() < how_long {
            let now = self.count_at(url).await?;
            if now != count {
                let what = format!("the counter stays at {count}");
                return Err(too_late(&what, began.elapsed(), now.to_string()));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

/// With two replicas to choose between, one that is never chosen in so many requests is not a choice.
const REQUESTS_UNTIL_TAKEN: usize = 40;

fn too_late(what: &str, limit: Duration, last: String) -> SceneError {
    SceneError::TooLate {
        what: what.to_owned(),
        limit,
        last,
    }
}
