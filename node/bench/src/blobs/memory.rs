//! Memory while 1 GiB goes through a component to a store on another node, and back.

use std::{fs, sync::atomic::AtomicU64, time::Instant};

use wrt_chaos_tests::{
    Cluster, Profile,
    body::{get, put},
    guest,
    memory::growth_during,
};

use super::MIB;
use crate::row::Row;

const BODY_BYTES: u64 = 1 << 30;
const BOUND: &str = "at most 64 MiB";

/// The component and HTTP are on node `edge`, the provider on node `store`.
pub async fn measure() -> anyhow::Result<Vec<Row>> {
    let cluster = Cluster::start(Profile::Release)?;
    cluster.start_nodes(&["edge", "store"])?;
    let address = cluster.free_address()?;
    let path = cluster.folder().join("files.toml");
    fs::write(&path, manifest(&address, &cluster.nats().url())?)?;
    cluster.wrt(&["up", &path.to_string_lossy()])?;
    let container = format!("http://{address}/box");
    put(&container, 0).await?;
    let url = format!("{container}/large");
    // Warm: a small one first, so that what is measured is the object and not the first request.
    put(&url, 1 << 20).await?;
    get(&url, 1 << 20, &AtomicU64::new(0)).await?;
    let mut rows = Vec::new();
    for way in ["put", "got"] {
        let (began, seen) = (Instant::now(), AtomicU64::new(0));
        let passes = async {
            match way {
                "put" => put(&url, BODY_BYTES).await,
                _ => get(&url, BODY_BYTES, &seen).await,
            }
        };
        let (grown, passed) = growth_during(&cluster, ["edge", "store"], passes).await?;
        passed?;
        let rate = BODY_BYTES as f64 / MIB / began.elapsed().as_secs_f64();
        let work = format!("an object of 1 GiB {way}, provider on another node, nats");
        for (node, grown) in ["component's", "provider's"].iter().zip(grown) {
            let metric = format!("memory, {node} node grows by");
            rows.push(Row::alone(
                (&work, &metric, "MiB"),
                grown as f64 / MIB,
                BOUND,
            ));
        }
        rows.push(Row::alone((&work, "rate", "MiB/s"), rate, "no bound"));
    }
    Ok(rows)
}

fn manifest(address: &str, nats: &str) -> anyhow::Result<String> {
    let source = guest("blobstore")?;
    Ok(format!(
        "[app]\nname = \"files\"\n\n\
         [component.files]\nsource = {source:?}\nnodes = [\"edge\"]\n\
         links = {{ \"wasi:blobstore\" = \"store\" }}\nlimits = {{ wall_time_ms_max = 600000 }}\n\n\
         [provider.store]\nbackend = \"nats\"\nnodes = [\"store\"]\nconfig = {{ url = {nats:?} }}\n\n\
         [provider.web]\nbackend = \"http-server\"\nnodes = [\"edge\"]\n\
         config = {{ address = {address:?}, request_timeout_ms = 600000, request_body_bytes_max = 4294967296 }}\n\
         calls = [{{ component = \"files\" }}]\n"
    ))
}
