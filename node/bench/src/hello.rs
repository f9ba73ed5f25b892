//! HTTP hello, a fresh instance for each request, beside `wasmtime serve` of the same component.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, ensure};
use http::Method;
use wrt_chaos_tests::{Client, Outcome, Profile, Programs, guest};
use wrt_test_servers::{Process, free_port};

use crate::row::Row;

const ROUNDS: usize = 5;
const ROUND_SECONDS: u32 = 4;
const WORK: &str = "HTTP hello 0.2, a fresh instance each";

/// The peer's program: `WRT_BENCH_WASMTIME` names it, as `cargo xtask bench` does.
fn wasmtime() -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("WRT_BENCH_WASMTIME").map(PathBuf::from);
    path.context("WRT_BENCH_WASMTIME does not name a wasmtime 48 program: use `cargo xtask bench`")
}

/// Both serve at once and are loaded in turns, by the same client, with the same load.
pub async fn measure() -> anyhow::Result<Vec<Row>> {
    let component = guest("hello_http")?;
    let log = |name| std::env::temp_dir().join(format!("wrt-bench-{}-{name}", std::process::id()));
    let (our_port, their_port) = (free_port()?, free_port()?);
    let (ours, theirs) = (
        format!("127.0.0.1:{our_port}"),
        format!("127.0.0.1:{their_port}"),
    );
    let mut command = Command::new(Programs::find(Profile::Release)?.node);
    command
        .arg("run")
        .arg(&component)
        .args(["--address", &ours])
        .env("RUST_LOG", "warn");
    let _ours = Process::spawn("wrt-node", command, log("ours"))?;
    let mut command = Command::new(wasmtime()?);
    command
        .args(["serve", "-Scli", "--addr", &theirs])
        .arg(&component);
    let _theirs = Process::spawn("wasmtime", command, log("theirs"))?;
    for address in [&ours, &theirs] {
        wait_until_serving(address).await?;
    }
    let mut rows = Vec::new();
    for connections in [1, 32] {
        let (mut our_rates, mut their_rates) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let (first, second) = if round % 2 == 0 {
                (&ours, &theirs)
            } else {
                (&theirs, &ours)
            };
            for address in [first, second] {
                let rate = requests_per_second(address, connections)?;
                // The first round warms up.
                if round > 0 {
                    if *address == ours {
                        &mut our_rates
                    } else {
                        &mut their_rates
                    }
                    .push(rate);
                }
            }
        }
        let metric = format!("throughput, {connections} connections");
        let beside = ("wasmtime serve", median(their_rates));
        rows.push(Row::beside(
            (WORK, &metric, "1/s"),
            median(our_rates),
            beside,
        ));
    }
    Ok(rows)
}

/// Waits for a success. A node says 503 until it has compiled a component that it has never seen.
async fn wait_until_serving(address: &str) -> anyhow::Result<()> {
    let client = Client::new(Duration::from_secs(1));
    let url = format!("http://{address}/");
    let mut last = None;
    for _ in 0..600 {
        if let Outcome::Answered { status, .. } = client.send(Method::GET, &url).await {
            if status.is_success() {
                return Ok(());
            }
            last = Some(status);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("{url} does not serve within 30 s; its last answer: {last:?}")
}

/// What `wrk` counts; an answer other than 200 is an error.
fn requests_per_second(address: &str, connections: u32) -> anyhow::Result<f64> {
    let mut wrk = Command::new("wrk");
    wrk.args([
        "-t1",
        &format!("-c{connections}"),
        &format!("-d{ROUND_SECONDS}s"),
    ]);
    wrk.arg(format!("http://{address}/"))
        .stderr(Stdio::inherit());
    let output = wrk
        .output()
        .context("cannot run wrk: install it, or use `cargo xtask bench`")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "wrk failed: {text}");
    ensure!(
        !text.contains("Non-2xx"),
        "not every answer was a 200: {text}"
    );
    let rate = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("Requests/sec:"));
    rate.with_context(|| format!("wrk counted nothing: {text}"))?
        .trim()
        .parse()
        .map_err(Into::into)
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_unstable_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or_default()
}
