//! What a client does with its connection: each on every way to a guest.

use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    lattice::{BODY_BYTES_MAX, Lattice},
    paths::{GUESTS, Guest, PLACES},
};

/// Less than any limit of a node, more than a busy machine takes.
const LIMIT: Duration = Duration::from_secs(20);

/// A body that fits into the window which a connection begins with, beside its request's head. How much more fits
/// depends on how it was cut into segments, and the end behind what does not fit stays on the client's side.
const UNREAD: usize = 60_000;

async fn on_every_way(
    mut check: impl AsyncFnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let lattice = Lattice::shared().await?;
    for guest in GUESTS {
        for place in PLACES {
            let checked = tokio::time::timeout(3 * LIMIT, check(lattice.address(guest, place)));
            let told = |error: anyhow::Error| error.context(format!("{guest:?} {place:?}"));
            checked
                .await
                .unwrap_or_else(|_| Err(anyhow::anyhow!("it hangs")))
                .map_err(told)?;
        }
    }
    Ok(())
}

/// The client sends all of its body before it reads: the answer had been thrown away by a reset.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_answer_reaches_a_client_that_is_still_sending() -> anyhow::Result<()> {
    const BYTES: usize = 32 << 20;
    on_every_way(async |address| {
        for (script, chunked, status) in [
            // The guest does not read it.
            ("/status:403/length:2/head/write:2/finish", true, 403),
            ("/status:403/head/write:2/finish", true, 403),
            // It is too large, and says so, or turns out to be.
            ("/read/head/tell/finish", false, 413),
        ] {
            let framing = match chunked {
                true => "transfer-encoding: chunked".to_owned(),
                false => format!("content-length: {BYTES}"),
            };
            let mut stream = TcpStream::connect(address).await?;
            let head = format!("POST {script} HTTP/1.1\r\nhost: a.test\r\n{framing}\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            let piece = vec![b'x'; 64 * 1024];
            for _ in 0..BYTES / piece.len() {
                let written = match chunked {
                    true => {
                        let mut chunk = b"10000\r\n".to_vec();
                        chunk.extend_from_slice(&piece);
                        chunk.extend_from_slice(b"\r\n");
                        stream.write_all(&chunk).await
                    }
                    false => stream.write_all(&piece).await,
                };
                anyhow::ensure!(
                    written.is_ok(),
                    "{status}: reset while it sends: {written:?}"
                );
            }
            stream.shutdown().await?;
            let mut answer = String::new();
            let read = stream.read_to_string(&mut answer).await;
            let start = format!("HTTP/1.1 {status} ");
            anyhow::ensure!(
                read.is_ok() && answer.starts_with(&start),
                "{status}: {read:?}, {answer:?}"
            );
        }
        Ok(())
    })
    .await
}

/// A request behind the one that runs hid that its client had left, and so did a body that nobody
/// reads: the permit was held for as long as the guest may run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_is_noticed_behind_what_it_has_sent() -> anyhow::Result<()> {
    on_every_way(async |address| {
        let pipelined = "GET /narrow/pause:24000/head/finish HTTP/1.1\r\nhost: a.test\r\n\r\n\
                         GET /narrow/head/finish HTTP/1.1\r\nhost: a.test\r\n\r\n";
        let unread = format!(
            "POST /narrow/pause:24000/head/finish HTTP/1.1\r\nhost: a.test\r\ncontent-length: {UNREAD}\r\n\r\n{}",
            "x".repeat(UNREAD)
        );
        for (what, sent) in [("a request", pipelined), ("a body", &unread)] {
            let stream = occupy(address, sent).await.context(what)?;
            drop(stream);
            let left = Instant::now();
            until_free(address).await.context(what)?;
            anyhow::ensure!(
                left.elapsed() < LIMIT / 2,
                "noticed after {:?}",
                left.elapsed()
            );
        }
        Ok(())
    })
    .await
}

/// A connection whose request the narrow guest is at. It may be with another one when it is asked.
async fn occupy(address: &str, request: &str) -> anyhow::Result<TcpStream> {
    let began = Instant::now();
    loop {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        while stream.try_read(&mut [0]).is_err() {
            if probe(address).await?.starts_with("HTTP/1.1 503 ") {
                return Ok(stream);
            }
            anyhow::ensure!(began.elapsed() < LIMIT, "it is never busy");
        }
        // It was refused itself, and goes again.
        anyhow::ensure!(began.elapsed() < LIMIT, "it is never free");
    }
}

/// Asks the narrow guest until it answers.
async fn until_free(address: &str) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let answer = probe(address).await?;
        if answer.starts_with("HTTP/1.1 200 ") {
            return Ok(());
        }
        anyhow::ensure!(began.elapsed() < LIMIT, "it is never free: {answer}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn probe(address: &str) -> anyhow::Result<String> {
    let request = "GET /narrow/head/finish HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n";
    exchange(address, request).await
}

async fn exchange(address: &str, request: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// A small body that its client does not send before it is asked for was waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_waits_to_be_asked_for_is_not_waited_for() -> anyhow::Result<()> {
    on_every_way(async |address| {
        let mut stream = TcpStream::connect(address).await?;
        let request = "POST /length:2/head/write:2/finish HTTP/1.1\r\nhost: a.test\r\n\
                       content-length: 1000\r\nexpect: 100-continue\r\n\r\n";
        stream.write_all(request.as_bytes()).await?;
        let mut answer = vec![0; 12];
        tokio::time::timeout(LIMIT / 2, stream.read_exact(&mut answer)).await??;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        // It may be asked for meanwhile: no guest is needed to know that one may read it.
        anyhow::ensure!(
            answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.1 100"),
            "{answer}"
        );
        Ok(())
    })
    .await
}

/// What the host knows of itself is for its log: an error had its stack in it, which the guest's text
/// handed on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_that_a_guest_tells_has_no_stack_of_the_host() -> anyhow::Result<()> {
    let lattice = Lattice::shared().await?;
    for place in PLACES {
        let address = lattice.address(Guest::P2, place);
        let mut stream = TcpStream::connect(address).await?;
        let head = "POST /read/head/tell/finish HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\
                    transfer-encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).await?;
        let chunk = format!("100000\r\n{}\r\n", "x".repeat(1 << 20));
        for _ in 0..=BODY_BYTES_MAX >> 20 {
            stream.write_all(chunk.as_bytes()).await?;
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        anyhow::ensure!(answer.contains("broke off"), "{place:?}: {answer:.2000}");
        anyhow::ensure!(
            answer.len() < 1000 && !answer.contains("wasmtime"),
            "{place:?}: {} bytes: {answer:.2000}",
            answer.len()
        );
    }
    Ok(())
}

/// A refusal, a clean exit and a trap: each is told as what it is, and once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_failure_is_not_logged_as_one() -> anyhow::Result<()> {
    let lattice = Lattice::shared().await?;
    for (guest, place) in [(Guest::P2, PLACES[0]), (Guest::P3, PLACES[1])] {
        let address = lattice.address(guest, place);
        let asked = |target: &str| {
            let request =
                format!("GET {target} HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n");
            async move { exchange(address, &request).await }
        };
        let marks = ["first", "second"].map(|name| format!("/{guest:?}{place:?}{name}"));
        for mark in &marks {
            asked(&format!("{mark}/exit:0")).await?;
        }
        // Behind the second one's line there is none of the first.
        let began = Instant::now();
        while lines_of(&lattice, &marks[1]).is_empty() {
            anyhow::ensure!(began.elapsed() < LIMIT, "nothing is logged");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let lines = lines_of(&lattice, &marks[0]);
        anyhow::ensure!(
            lines.iter().all(|line| !line.contains("ERROR")) && lines.len() == 1,
            "{lines:?}"
        );
    }
    Ok(())
}

/// What both nodes have logged of a request, one line each.
fn lines_of(lattice: &Lattice, mark: &str) -> Vec<String> {
    let logs = lattice.logs();
    let lines = logs.iter().flat_map(|log| log.lines());
    lines
        .filter(|line| line.contains(mark))
        .map(str::to_owned)
        .collect()
}
