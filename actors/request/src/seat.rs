//! A node's seat on the lattice: everything that it needs to call and to be called.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};
use wrt_membership::{Membership, MembershipError, MembershipOptions, Report};
use wrt_protocol::{heartbeat::READS_ORIGIN, subject::Subjects};
use wrt_transport::{Transport, TransportError};

use crate::{Exchange, ExchangeError, RequestPath, Streams};

/// How often a node that leaves looks whether its last bodies and replies have been sent.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// How long a node that said goodbye still refuses calls. Who sent one before it heard of that would
/// learn from a silence only that it may have been executed.
const REFUSES_FOR: Duration = Duration::from_millis(100);

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
        mut options: MembershipOptions,
        report: Report,
    ) -> Result<Self, SeatError> {
        let said = (READS_ORIGIN.to_owned(), "1".to_owned());
        options.labels.push(said);
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

    /// Leaves: what is in hand is answered, up to `end`, then the node says goodbye, and refuses for a
    /// moment what was sent to it before others heard that. Its actors must be unhosted.
    pub async fn leave(&self, end: Instant) {
        let is_busy = || self.exchange.in_hand() > 0 || self.streams.open_count() > 0;
        while is_busy() && Instant::now() < end {
            sleep(LOOK_INTERVAL).await;
        }
        self.membership.leave().await;
        if !self.exchange.is_alone() {
            sleep(REFUSES_FOR).await;
        }
    }
}
