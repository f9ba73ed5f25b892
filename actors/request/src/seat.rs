//! A node's seat on the lattice: everything that it needs to call and to be called.

use std::sync::Arc;

use wrt_membership::{Membership, MembershipError, MembershipOptions, Report};
use wrt_protocol::subject::Subjects;
use wrt_transport::{Transport, TransportError};

use crate::{Exchange, ExchangeError, RequestPath, Streams};

/// The parts of a node through which calls go, joined to one lattice.
#[derive(Clone)]
pub struct Seat {
    /// Who else is there.
    pub membership: Arc<Membership>,
    /// The bodies in flight.
    pub streams: Arc<Streams>,
    /// The way in.
    pub exchange: Arc<Exchange>,
    /// The way out.
    pub path: Arc<RequestPath>,
}

/// A node that cannot join.
#[derive(Debug, thiserror::Error)]
pub enum SeatError {
    /// It is not welcome, or cannot be heard.
    #[error("cannot join the lattice")]
    Membership(#[from] MembershipError),
    /// The bulk lane refused its subscription.
    #[error("cannot listen for bodies on the lattice")]
    Streams(#[source] TransportError),
    /// The calls lane refused its subscription.
    #[error("cannot take calls from the lattice")]
    Exchange(#[from] ExchangeError),
}

impl Seat {
    /// Joins: announces the node, which reports its share by `report`, and listens for calls.
    ///
    /// # Errors
    /// When another live node has the name, or the bus refuses a subscription.
    pub async fn take(
        transport: Arc<dyn Transport>,
        options: MembershipOptions,
        report: Report,
    ) -> Result<Self, SeatError> {
        let subjects = Subjects::new(&options.lattice);
        let membership = Membership::start(options, Arc::clone(&transport), report).await?;
        let (t, m) = (Arc::clone(&transport), Arc::clone(&membership));
        let streams = Streams::start(t, m, subjects.clone())
            .await
            .map_err(SeatError::Streams)?;
        let (t, m, s) = (
            Arc::clone(&transport),
            Arc::clone(&membership),
            Arc::clone(&streams),
        );
        let exchange = Exchange::start(t, m, subjects.clone(), s).await?;
        let (m, s) = (Arc::clone(&membership), Arc::clone(&streams));
        let path = RequestPath::new(transport, m, subjects, s);
        Ok(Self {
            membership,
            streams,
            exchange,
            path,
        })
    }
}
