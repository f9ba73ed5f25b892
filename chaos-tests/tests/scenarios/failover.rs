//! How long nobody serves when the node of the only replica is lost. Three trials of each loss, or as many as
//! `WRT_TRIALS` says: `WRT_TRIALS=50 cargo test -p wrt-chaos-tests --test scenarios failover -- --nocapture
//! --test-threads=1`.

use std::{collections::BTreeMap, fmt, time::Duration};

use http::Method;
use wrt_chaos_tests::{
    ClusterError, LatticeStatus, Manifest, Proxy, Sample, Scene, invariants, load::Load,
};

const TRIALS: usize = 3;
const WORKERS: [&str; 3] = ["a", "b", "c"];
const PROBE: &str = "component/probe/probe";

/// A request is sent so often, and waits for as long as nobody serves.
const PER_SECOND: u32 = 50;
const BUDGET: Duration = Duration::from_secs(8);
const FAULT_AFTER: Duration = Duration::from_millis(500);
/// What is due after this cannot have been served before the fault took effect.
const SLIP: Duration = Duration::from_millis(50);
/// Trials differ in when the fault comes between two heartbeats.
const STAGGER: Duration = Duration::from_millis(37);

/// How long another node may take to have the code ready.
const CODE_READY_LIMIT: Duration = Duration::from_secs(60);
const CODE_READY: &str = "code is ready that this node would run next";

/// A loss of a node, how it ends, and how long nobody may serve meanwhile. A machine that is busy with other
/// tests makes single trials longer.
struct Loss {
    name: &'static str,
    lasts: Duration,
    median_max: Duration,
    max: Duration,
    begin: fn(&Stage, &str) -> Result<(), ClusterError>,
    end: fn(&Stage, &str) -> Result<(), ClusterError>,
}

/// Its connections are gone, and the bus knows: within a second, and with its silence alone it would be two.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_killed_node() -> anyhow::Result<()> {
    let loss = Loss {
        name: "kill -9",
        lasts: Duration::from_secs(3),
        median_max: Duration::from_millis(1600),
        max: Duration::from_millis(2900),
        begin: |stage, node| stage.scene.cluster.kill_node(node),
        end: Stage::start_node,
    };
    again_and_again(loss).await
}

/// Its connections stand, and only its silence tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_stopped_node() -> anyhow::Result<()> {
    let loss = Loss {
        name: "SIGSTOP",
        lasts: Duration::from_secs(4),
        median_max: Duration::from_millis(3000),
        max: Duration::from_millis(3900),
        begin: |stage, node| stage.scene.cluster.pause_node(node),
        end: |stage, node| stage.scene.cluster.resume_node(node),
    };
    again_and_again(loss).await
}

/// The same when it is cut off from the bus, and the bus does not see that.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_node_that_is_cut_off() -> anyhow::Result<()> {
    let loss = Loss {
        name: "partition",
        lasts: Duration::from_secs(4),
        median_max: Duration::from_millis(3000),
        max: Duration::from_millis(3900),
        begin: |stage, node| {
            stage.cables[node].stall();
            Ok(())
        },
        end: |stage, node| {
            stage.cables[node].heal();
            Ok(())
        },
    };
    again_and_again(loss).await
}

/// The workers, each behind a cable of its own, with the probe on one of them.
struct Stage {
    scene: Scene,
    cables: BTreeMap<&'static str, Proxy>,
    /// The worker to which the probe goes while all are there.
    owner: &'static str,
}

impl Stage {
    async fn set() -> anyhow::Result<Self> {
        let scene = Scene::start(&["edge"]).await?;
        let mut cables = BTreeMap::new();
        for node in WORKERS {
            let cable = Proxy::start(scene.cluster.nats().port()).await?;
            cables.insert(node, cable);
        }
        let mut stage = Self {
            scene,
            cables,
            owner: WORKERS[0],
        };
        for node in WORKERS {
            stage.start_node(node)?;
        }
        let manifest = Manifest::probe(&[])?.anywhere(1, Some("worker"));
        stage.scene.deploy(manifest.budget(BUDGET)).await?;
        // Then nothing has changed for a while, and nothing will.
        stage.code_is_ready().await?;
        stage.owner = stage.runs_on(|_| true).await?;
        Ok(stage)
    }

    fn start_node(&self, node: &str) -> Result<(), ClusterError> {
        let lattice = self.cables[node].nats_url();
        let arguments = ["--lattice", &lattice, "--label", "role=worker"];
        self.scene.cluster.start_node_with(node, &[], &arguments)
    }

    /// The one worker that runs the probe, as soon as all are there and it is one that is wanted.
    async fn runs_on(&self, is_wanted: impl Fn(&str) -> bool) -> anyhow::Result<&'static str> {
        let runs_on = |status: &LatticeStatus| -> Vec<&'static str> {
            let runs = |node: &&str| status.replica(node, PROBE).is_some();
            WORKERS.iter().copied().filter(runs).collect()
        };
        let what = "all workers serve, and one runs the probe";
        let settled = |status: &LatticeStatus| match runs_on(status)[..] {
            [one] => status.is_ready(&WORKERS) && is_wanted(one),
            _ => false,
        };
        let status = self.scene.shows(what, settled).await?;
        Ok(runs_on(&status)[0])
    }

    /// Waits until a worker has the code that does not run it.
    async fn code_is_ready(&self) -> anyhow::Result<()> {
        let has_code = |node: &&str| self.scene.cluster.node_log(node).contains(CODE_READY);
        let ready = async {
            while !WORKERS.iter().any(has_code) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let in_time = tokio::time::timeout(CODE_READY_LIMIT, ready).await;
        in_time.map_err(|_late| anyhow::anyhow!("nobody has made the code ready: {CODE_READY:?}"))
    }

    /// How long nobody serves when the node with the probe is lost; as long as that lasts, at the most.
    async fn trial(&self, loss: &Loss, number: u32) -> anyhow::Result<Duration> {
        let owner = self.runs_on(|node| node == self.owner).await?;
        let url = self.scene.url("/hello");
        let load = Load::start(&self.scene.client, PER_SECOND, move |_| {
            (Method::GET, url.clone())
        });
        load.until(FAULT_AFTER + STAGGER * (number % 7)).await;
        let fault = load.now();
        (loss.begin)(self, owner)?;
        let took_effect = load.now() + SLIP;
        load.until(fault + loss.lasts).await;
        let samples = load.stop().await;
        (loss.end)(self, owner)?;
        invariants::all_end_within(&samples, BUDGET)?;
        let served = |sample: &&Sample| sample.due > took_effect && sample.is_success();
        let first = samples.iter().filter(served).map(Sample::ended).min();
        // Behind its end it is the node itself that serves again.
        let first = first.unwrap_or(fault + loss.lasts);
        Ok(first.saturating_sub(fault).min(loss.lasts))
    }
}

/// How long nobody served, in order.
struct Outages(Vec<Duration>);

impl Outages {
    /// The least that is not exceeded by that share of them.
    fn at(&self, share: f64) -> Duration {
        let rank = (self.0.len() as f64 * share).ceil() as usize;
        self.0[rank.saturating_sub(1)]
    }
}

impl fmt::Display for Outages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |share| self.at(share).as_millis();
        write!(
            f,
            "nobody serves for {} ms (median), {} ms (p95), {} ms (max of {})",
            millis(0.5),
            millis(0.95),
            millis(1.0),
            self.0.len()
        )
    }
}

async fn again_and_again(loss: Loss) -> anyhow::Result<()> {
    let trials = std::env::var("WRT_TRIALS").ok();
    let trials = trials.map_or(Ok(TRIALS), |text| text.parse())?;
    anyhow::ensure!(trials > 0, "no trial");
    let stage = Stage::set().await?;
    let mut outages = Vec::new();
    for number in (0..).take(trials) {
        outages.push(stage.trial(&loss, number).await?);
    }
    println!("{}: {outages:?}", loss.name);
    outages.sort_unstable();
    let outages = Outages(outages);
    println!("{}: {outages}", loss.name);
    anyhow::ensure!(
        outages.at(0.5) <= loss.median_max && outages.at(1.0) <= loss.max,
        "{}: {outages}, at most {:?} and {:?}",
        loss.name,
        loss.median_max,
        loss.max
    );
    Ok(())
}
