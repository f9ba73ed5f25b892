//! From the start of a process to its first answer, where its code was compiled before.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::ensure;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use wrt_chaos_tests::{Profile, Programs, guest};
use wrt_test_servers::{Process, free_port};

use crate::{hello::theirs, row::Row};

const ROUNDS: usize = 9;
const LIMIT: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_millis(1);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// Both in turns; the first start of each compiles.
pub async fn measure() -> anyhow::Result<Vec<Row>> {
    let component = guest("hello_http")?;
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let our_time = first_answer("wrt", ours(&component)?).await?;
        let their_time = first_answer("wasmtime", theirs(&component, &[])?).await?;
        if round > 0 {
            our_times.push(our_time);
            their_times.push(their_time);
        }
    }
    let beside = ("wasmtime serve", median(their_times));
    let what = (
        "start-up, compiled before",
        "to the first answer, p50",
        "ms",
    );
    Ok(vec![Row::beside(what, median(our_times), beside)])
}

fn ours(component: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new(Programs::find(Profile::Release)?.node);
    command.arg("run").arg(component).arg("--address");
    Ok(command)
}

/// Milliseconds until it answers; `command` lacks nothing but the address at its end.
async fn first_answer(name: &str, mut command: Command) -> anyhow::Result<f64> {
    let address = format!("127.0.0.1:{}", free_port()?);
    command.arg(&address);
    let log = format!("wrt-bench-{}-start-{name}", std::process::id());
    let began = Instant::now();
    let _process = Process::spawn(name, command, std::env::temp_dir().join(log))?;
    while !answers(&address).await {
        ensure!(began.elapsed() < LIMIT, "{name} does not answer");
        tokio::time::sleep(INTERVAL).await;
    }
    Ok(began.elapsed().as_secs_f64() * 1e3)
}

async fn answers(address: &str) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(REQUEST).await?;
        let mut start = [0; 12];
        stream.read_exact(&mut start).await?;
        std::io::Result::Ok(start.ends_with(b" 200"))
    };
    ask.await.unwrap_or(false)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}
