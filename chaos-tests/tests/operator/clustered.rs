//! NATS becomes a cluster of three, of which each server is lost in turn.
//!
//! What is kept there has as many copies as were asked for, so that deploying goes on with two servers,
//! code included; nodes that were told of one server find the others when that one goes.

use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream::{self, stream};
use futures::{StreamExt as _, TryStreamExt as _};
use wrt_chaos_tests::Manifest;
use wrt_test_servers::{NatsServer, free_port};

use super::site::{STARTED, Site};

/// How long a cluster may take to elect, and a server to catch up.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(100);

const COPIES: usize = 3;

/// Makes one cluster of `servers`.
fn joined(servers: &[&NatsServer]) -> anyhow::Result<()> {
    let ports: Result<Vec<u16>, _> = servers.iter().map(|_| free_port()).collect();
    let ports = ports?;
    let routes: Vec<_> = ports
        .iter()
        .map(|port| format!("\"nats://127.0.0.1:{port}\""))
        .collect();
    let routes = routes.join(", ");
    for (number, (server, port)) in servers.iter().zip(&ports).enumerate() {
        let folder = server.jetstream_folder();
        server.configure(&format!(
            "server_name: n{number}\njetstream {{ store_dir: {folder:?} }}\n\
             cluster {{ name: test, listen: \"127.0.0.1:{port}\", routes: [ {routes} ] }}\n"
        ))?;
    }
    for server in servers {
        server.stop()?;
    }
    for server in servers {
        server.restart()?;
    }
    Ok(())
}

/// Waits until `is_so` says that it is.
async fn until(what: &str, is_so: impl AsyncFn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let looks = async {
        loop {
            // Who has no leader has no answer either.
            if matches!(is_so().await, Ok(true)) {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    let seen = tokio::time::timeout(SETTLED_WITHIN, looks).await;
    seen.with_context(|| format!("within {SETTLED_WITHIN:?} it did not become true that {what}"))
}

async fn streams(jetstream: &jetstream::Context) -> anyhow::Result<Vec<stream::Info>> {
    Ok(jetstream.streams().boxed().try_collect().await?)
}

/// The cluster has a leader, who knows of enough servers.
async fn takes_copies(jetstream: &jetstream::Context) -> anyhow::Result<bool> {
    const NAME: &str = "trial";
    let config = stream::Config {
        name: NAME.to_owned(),
        num_replicas: COPIES,
        ..stream::Config::default()
    };
    jetstream.get_or_create_stream(config).await?;
    Ok(jetstream.delete_stream(NAME).await?.success)
}

/// Every stream has a leader and two followers who have all of it.
async fn is_whole(jetstream: &jetstream::Context) -> anyhow::Result<bool> {
    let streams = streams(jetstream).await?;
    Ok(streams.iter().all(|stream| {
        stream.cluster.as_ref().is_some_and(|cluster| {
            let current = cluster
                .replicas
                .iter()
                .filter(|it| it.current && !it.offline);
            cluster.leader.is_some() && current.count() == COPIES - 1
        })
    }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn deploying_goes_on_with_two_of_three() -> anyhow::Result<()> {
    let site = Site::bare().await?;
    let others = [NatsServer::start()?, NatsServer::start()?];
    let servers = [site.cluster.nats(), &others[0], &others[1]];
    tokio::task::block_in_place(|| joined(&servers))?;
    let jetstream = site.jetstream().await?;
    until("a stream can have three copies", async || {
        takes_copies(&jetstream).await
    })
    .await?;
    // Nodes find their servers again as well.
    site.is_ready(&Site::NODES).await?;

    let manifest = Manifest::probe(&["a"])?.http("edge", site.address());
    let path = site.cluster.write_manifest(&manifest)?;
    let copies = COPIES.to_string();
    site.wrt(&["up", &path, "--state-copies", &copies])?;
    site.serves().await?;
    let kept = streams(&jetstream).await?;
    anyhow::ensure!(kept.len() == 3, "desired state, code, leases: {kept:?}");
    for stream in &kept {
        anyhow::ensure!(stream.config.num_replicas == COPIES, "{stream:?}");
    }

    for other in &others {
        until("all is whole", async || is_whole(&jetstream).await).await?;
        other.kill()?;
        site.serves().await?;
        // Its code is pushed anew each time: nobody names it in between. While a stream elects another
        // leader, wrt says so, and its operator tries again.
        until("another app is deployed", async || {
            site.deploys_another().map(|()| true)
        })
        .await?;
        site.wrt(&["down", "counter"])?;
        tokio::task::block_in_place(|| other.restart())?;
    }

    until("all is whole", async || is_whole(&jetstream).await).await?;
    site.cluster.nats().kill()?;
    site.serves_within(STARTED).await?;
    tokio::task::block_in_place(|| site.cluster.nats().restart())?;
    site.shows_no_trouble().await?;
    site.serves().await
}
