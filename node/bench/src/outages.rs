//! What killing and stopping nodes costs, under steady open-loop load.

use std::time::Duration;

use http::Method;
use wrt_chaos_tests::{Client, Cluster, Manifest, Profile, load::open_loop, outage::Outage};

use crate::row::Row;

const PER_SECOND: u32 = 200;
const FAULT_AFTER: Duration = Duration::from_secs(3);
/// How long the load goes on after the fault is over.
const AFTERWARDS: Duration = Duration::from_secs(8);
const PATIENCE: Duration = Duration::from_secs(15);

/// What is done to a node.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Kill,
    Pause(Duration),
}

impl Fault {
    fn name(self) -> String {
        match self {
            Self::Kill => "kill -9".to_owned(),
            Self::Pause(how_long) => format!("SIGSTOP for {} s", how_long.as_secs()),
        }
    }

    fn lasts(self) -> Duration {
        match self {
            Self::Kill => Duration::ZERO,
            Self::Pause(how_long) => how_long,
        }
    }
}

/// Each fault, done to a component's node and to a provider's node.
pub async fn measure() -> anyhow::Result<Vec<Row>> {
    let faults = [
        Fault::Kill,
        Fault::Pause(Duration::from_secs(5)),
        Fault::Pause(Duration::from_secs(30)),
    ];
    let mut rows = Vec::new();
    for (victim, whose) in [("b", "component"), ("d", "provider")] {
        for fault in faults {
            rows.extend(scenario(victim, whose, fault).await?);
        }
    }
    Ok(rows)
}

/// The server is on node `edge`, the component on `a` and `b`, its store on `c` and `d`.
async fn scenario(victim: &str, whose: &str, fault: Fault) -> anyhow::Result<Vec<Row>> {
    let cluster = Cluster::start(Profile::Release)?;
    cluster.start_nodes(&["edge", "a", "b", "c", "d"])?;
    let address = cluster.free_address()?;
    cluster.up(&counter(&cluster, &address)?)?;
    let client = Client::new(PATIENCE);
    let url = format!("http://{address}/visits");
    client.send(Method::POST, &url).await;
    let duration = FAULT_AFTER + fault.lasts() + AFTERWARDS;
    let harm = async {
        tokio::time::sleep(FAULT_AFTER).await;
        match fault {
            Fault::Kill => cluster.kill_node(victim)?,
            Fault::Pause(how_long) => {
                cluster.pause_node(victim)?;
                tokio::time::sleep(how_long).await;
                cluster.resume_node(victim)?;
            }
        }
        anyhow::Ok(())
    };
    let load = open_loop(&client, PER_SECOND, duration, |_| {
        (Method::GET, url.clone())
    });
    let (samples, harmed) = tokio::join!(load, harm);
    harmed?;
    let outage = Outage::of(&samples, FAULT_AFTER);
    let work = format!("{} of the {whose}'s node, {PER_SECOND}/s", fault.name());
    let sent = format!("of {} sent", outage.sent);
    let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
    let row = |metric, unit, figure, beside| Row::alone((&work, metric, unit), figure, beside);
    Ok(vec![
        row("failed", "requests", outage.failed as f64, sent.as_str()),
        row(
            "longest wait",
            "ms",
            ms(outage.longest),
            "from when it was due",
        ),
        row(
            "until all succeed",
            "ms",
            ms(outage.until_all_succeed),
            "from the fault",
        ),
    ])
}

/// The counter: server on `edge`, component on `a` and `b`, Redis behind `c` and `d`.
pub fn counter(cluster: &Cluster, address: &str) -> anyhow::Result<Manifest> {
    let manifest = Manifest::counter(&["a", "b"])?;
    Ok(manifest
        .redis(&["c", "d"], &cluster.redis().url())
        .http("edge", address))
}
