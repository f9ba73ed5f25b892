//! `cargo xtask demo`: three nodes, a counter, and what happens when one of them is killed.
//!
//! Everything is real: nats-server, redis-server, three `wrt-node` processes and the counter that
//! `examples/counter` builds. It ends by itself with `--once`, with Ctrl-C otherwise; either way it
//! stops everything that it started.
//!
//! Exit codes: 0, shown, and nothing that was acknowledged is lost; 1, anything else; 2, wrong usage.

mod lattice;
mod say;
mod visits;

use std::time::Duration;

use anyhow::Context;
use clap::Parser;

use crate::{
    lattice::Lattice,
    say::{say, title},
    visits::Visits,
};

/// Shows WRT: three nodes on one lattice, a counter on two of them, its store on the third.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask demo", bin_name = "cargo xtask demo")]
struct Options {
    /// End after the figures instead of staying up to be tried.
    #[arg(long)]
    once: bool,
    /// Requests a second while a node is killed.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    rate: u32,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    tokio::select! {
        shown = show(&options) => shown,
        stopped = tokio::signal::ctrl_c() => {
            stopped.context("cannot listen for Ctrl-C")?;
            say!("stopping everything that was started");
            Ok(())
        }
    }
}

async fn show(options: &Options) -> anyhow::Result<()> {
    title!("1. A lattice: nats-server, redis-server, and the nodes a, b and c");
    let lattice = Lattice::start()?;
    say!("{}", lattice.describe());

    title!("2. wrt up: the counter on a and b, its store (Redis) on c");
    let took = lattice.deploy()?;
    say!("every replica is ready after {} ms", took.as_millis());

    title!("3. Requests to both nodes count together: the count lives behind c");
    let visits = Visits::new(lattice.addresses());
    for n in 0..4 {
        say!("{}", visits.show_one(n).await?);
    }

    title!("4. wrt ps");
    say!("{}", lattice.ps()?);

    let (rate, kill_after, rest) = (options.rate, Duration::from_secs(2), Duration::from_secs(4));
    title!(
        "5. {rate} requests a second; node b is killed with -9 after {} s",
        kill_after.as_secs()
    );
    let killed = async {
        tokio::time::sleep(kill_after).await;
        lattice.kill_b()
    };
    let (figures, killed) = tokio::join!(visits.load(rate, kill_after, kill_after + rest), killed);
    killed?;
    let figures = figures?;
    say!("{figures}");
    say!("{}", lattice.ps()?);
    figures.check()?;

    if options.once {
        return Ok(());
    }
    title!("It stays up. Try, in another terminal:");
    say!("{}", lattice.next_commands());
    say!("Ctrl-C stops everything.");
    std::future::pending().await
}
