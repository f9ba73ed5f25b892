//! A node without a runtime: what a host client needs to call another node.

use std::{sync::Arc, time::SystemTime};

use anyhow::Context;
use wrt_contract::Caller;
use wrt_membership::{Membership, MembershipOptions, Report};
use wrt_protocol::{Epoch, LatticeName, NodeId, subject::Subjects};
use wrt_request::{Exchange, RequestPath, Streams};
use wrt_transport::{Nats, NatsOptions, Transport};

/// The parts of a node that calls go through.
pub struct BareNode {
    /// Who is on the lattice.
    pub membership: Arc<Membership>,
    /// The way in.
    pub exchange: Arc<Exchange>,
    /// The way out.
    pub caller: Arc<dyn Caller>,
}

impl BareNode {
    /// Joins the lattice `bench` over `nats`.
    pub async fn join(nats: &str, name: &str, report: Report) -> anyhow::Result<Self> {
        let (node, lattice) = (NodeId::new(name)?, LatticeName::new("bench")?);
        let options = NatsOptions::new(node.clone(), vec![nats.to_owned()]);
        let transport: Arc<dyn Transport> = Nats::connect(options).await?;
        let subjects = Subjects::new(&lattice);
        let options = MembershipOptions {
            lattice,
            node,
            epoch: epoch()?,
            labels: Vec::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let membership = Membership::start(options, Arc::clone(&transport), report).await?;
        let streams =
            Streams::start(Arc::clone(&transport), Arc::clone(&membership), subjects.clone())
                .await?;
        let (t, m, s) = (Arc::clone(&transport), Arc::clone(&membership), Arc::clone(&streams));
        let exchange = Exchange::start(t, m, subjects.clone(), s).await?;
        let caller = RequestPath::new(transport, Arc::clone(&membership), subjects, streams);
        Ok(Self { membership, exchange, caller })
    }
}

fn epoch() -> anyhow::Result<Epoch> {
    #[expect(clippy::disallowed_methods, reason = "an epoch grows from one start to the next")]
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let micros = now.context("the clock is before 1970")?.as_micros();
    Ok(Epoch(u64::try_from(micros)?))
}
