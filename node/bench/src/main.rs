//! `cargo xtask bench`: WRT beside what it is measured against, in one run.
//!
//! Machines are noisy, so nothing here is a test and no figure stands alone: each is taken in turns
//! with the thing beside it, and the ratio of the medians is what counts. The table goes to stdout
//! and to `target/bench.json`.
//!
//! Exit codes: 0, measured (whatever the figures are); 1, something could not be measured; 2, usage.

mod across;
mod blob_provider;
mod blobs;
mod body;
mod colocated;
mod cursors;
mod deduplication;
mod hello;
mod http_provider;
mod lossless;
mod node;
mod outages;
mod outgoing;
mod outside;
mod overload;
mod pinned;
mod publish;
mod rounds;
mod row;
mod serving;
mod sql;
mod startup;
mod subscription;
mod usage;
mod wrk;

use std::path::PathBuf;

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use futures::future::LocalBoxFuture;

use crate::row::Row;

/// As in `wrt-node`, for both sides.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures WRT beside what it is measured against.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct Options {
    /// Only these; all of them otherwise.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Work>,
    /// Where the figures go as JSON.
    #[arg(long, default_value = "target/bench.json")]
    output: PathBuf,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// The other process of `across`, `pinned`, `outgoing`, `sql` and `blobs`: serves a provider, a bare NATS
    /// responder and an HTTP server.
    #[command(hide = true)]
    Serve {
        /// The bus.
        #[arg(long)]
        nats: String,
        /// A database, where one is wanted.
        #[arg(long)]
        postgres: Option<String>,
    },
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Work {
    /// A key-value get through a co-located link, beside the same backend called directly.
    Colocated,
    /// A key-value get from one node to another, beside a bare NATS request.
    Across,
    /// A pinned call from one node to another, beside the same call unpinned.
    Pinned,
    /// What deduplication costs an increment.
    Deduplication,
    /// A message sent and acknowledged, beside the bare client.
    Publish,
    /// Messages of a stream that a component handles, beside a bare consumer that calls it.
    Subscription,
    /// Outgoing HTTP, co-located and from another node, beside a bare hyper client.
    Outgoing,
    /// `select 1`, co-located and from another node, beside the bare client and its pool.
    Sql,
    /// Objects of 64 MiB, co-located and from another node, beside the store's own client; and memory while
    /// 1 GiB goes to another node's store, and back.
    Blobs,
    /// HTTP hello, beside `wasmtime serve` of the same component.
    Hello,
    /// From the start of a process to its first answer, beside `wasmtime serve`.
    Startup,
    /// Memory while 1 GiB goes through a component on another node.
    Body,
    /// What killing and stopping nodes costs.
    Outages,
    /// Four times the capacity of a component, then a probe.
    Overload,
    /// 200,000 requests that cross the bus.
    Lossless,
}

impl Work {
    fn measure(self) -> LocalBoxFuture<'static, anyhow::Result<Vec<Row>>> {
        match self {
            Self::Colocated => Box::pin(colocated::measure()),
            Self::Across => Box::pin(across::measure()),
            Self::Pinned => Box::pin(pinned::measure()),
            Self::Deduplication => Box::pin(deduplication::measure()),
            Self::Publish => Box::pin(publish::measure()),
            Self::Subscription => Box::pin(subscription::measure()),
            Self::Outgoing => Box::pin(outgoing::measure()),
            Self::Sql => Box::pin(sql::measure()),
            Self::Blobs => Box::pin(blobs::measure()),
            Self::Hello => Box::pin(hello::measure()),
            Self::Startup => Box::pin(startup::measure()),
            Self::Body => Box::pin(body::measure()),
            Self::Outages => Box::pin(outages::measure()),
            Self::Overload => Box::pin(overload::measure()),
            Self::Lossless => Box::pin(lossless::measure()),
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Options { only, output, role } = Options::parse();
    if let Some(Role::Serve { nats, postgres }) = role {
        return serving::serve(&nats, postgres.as_deref()).await;
    }
    let all = if only.is_empty() {
        Work::value_variants().to_vec()
    } else {
        only
    };
    let mut rows = Vec::new();
    let mut failures = Vec::new();
    for work in all {
        eprintln!("==> {work:?}");
        // One that cannot be measured does not cost the others their figures.
        match work.measure().await {
            Ok(measured) => {
                for row in &measured {
                    eprintln!("    {row}");
                }
                rows.extend(measured);
            }
            Err(error) => {
                eprintln!("    failed: {error:#}");
                failures.push(format!("{work:?}: {error:#}"));
            }
        }
    }
    row::print(&rows);
    let json = serde_json::to_string_pretty(&rows)?;
    std::fs::write(&output, json).with_context(|| format!("cannot write {}", output.display()))?;
    anyhow::ensure!(failures.is_empty(), "not measured: {}", failures.join("; "));
    Ok(())
}
