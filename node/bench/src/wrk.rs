//! `wrk`, which makes the load.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, ensure};
use http::Method;
use wrt_chaos_tests::{Client, Outcome};

/// What it has counted.
pub struct Load {
    pub requests: f64,
    pub per_second: f64,
    pub p99_micros: f64,
}

/// Loads an address; an answer other than 200 is an error.
pub fn load(address: &str, connections: u32, seconds: u32) -> anyhow::Result<Load> {
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", "--latency"])
        .args([format!("-c{connections}"), format!("-d{seconds}s")])
        .arg(format!("http://{address}/"))
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
    read(&text).with_context(|| format!("wrk counted nothing: {text}"))
}

fn read(text: &str) -> Option<Load> {
    let lines = || text.lines().map(str::trim);
    let after = |start: &str| lines().find_map(|line| line.strip_prefix(start));
    let requests = lines().find_map(|line| line.split_once(" requests in "));
    let p99 = lines().find_map(|line| line.strip_prefix("99%"));
    Some(Load {
        requests: requests?.0.parse().ok()?,
        per_second: after("Requests/sec:")?.trim().parse().ok()?,
        p99_micros: micros(p99?.trim())?,
    })
}

/// `1.23ms`, as wrk writes times.
fn micros(text: &str) -> Option<f64> {
    for (unit, micros) in [("us", 1.0), ("ms", 1e3), ("s", 1e6)] {
        if let Some(number) = text.strip_suffix(unit) {
            return Some(number.parse::<f64>().ok()? * micros);
        }
    }
    None
}

/// Waits for a success. A node says 503 until it has compiled a component that it has never seen.
pub async fn wait_until_serving(address: &str) -> anyhow::Result<()> {
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
