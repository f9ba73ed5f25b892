//! A node without a runtime: what a host client needs to call another node.

use std::time::SystemTime;

use anyhow::Context;
use wrt_membership::{MembershipOptions, Report};
use wrt_protocol::{Epoch, LatticeName, NodeId};
use wrt_request::Seat;
use wrt_transport::{Nats, NatsOptions};

/// Joins the lattice `bench` over `nats`.
pub async fn join(nats: &str, name: &str, report: Report) -> anyhow::Result<Seat> {
    let node = NodeId::new(name)?;
    let transport = Nats::connect(NatsOptions::new(node.clone(), vec![nats.to_owned()])).await?;
    let options = MembershipOptions {
        lattice: LatticeName::new("bench")?,
        node,
        epoch: epoch()?,
        labels: Vec::new(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    Ok(Seat::take(transport, options, report).await?)
}

fn epoch() -> anyhow::Result<Epoch> {
    #[expect(
        clippy::disallowed_methods,
        reason = "an epoch grows from one start to the next"
    )]
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let micros = now.context("the clock is before 1970")?.as_micros();
    Ok(Epoch(u64::try_from(micros)?))
}
