//! What the supervision tree is given, and what it tells.

use std::{error::Error, sync::Arc};

use futures::future::BoxFuture;
use wrt_contract::{Gate, Offer};
use wrt_protocol::ActorAddress;

/// How a replica is brought up: a component compiled and linked, a provider connected.
pub trait Start: Send + Sync + 'static {
    /// Brings it up.
    ///
    /// # Errors
    /// This is called again after a delay, and the replica is shown as failing; at first as starting, for a
    /// while, where another attempt may do. So it is after a panic, and an attempt that takes too long.
    ///
    /// # Cancel safety
    /// Dropping the future MUST leave nothing behind: that is how an attempt is given up.
    fn start(&self) -> BoxFuture<'_, Result<Running, StartError>>;
}

/// Asks whether a replica still works; its error is for the log.
pub type Probe = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Has a replica send what it still holds, when nothing calls it any more. It is given up after a while.
pub type Close = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// What was brought up.
#[derive(Clone)]
pub struct Running {
    /// What it offers.
    pub offers: Vec<Offer>,
    /// How to ask whether it still works; never asked if none.
    pub probe: Option<Probe>,
    /// What it does last, if anything.
    pub close: Option<Close>,
    /// The gate that its offers are behind.
    pub gate: Arc<Gate>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("offers", &self.offers)
            .field("is_probed", &self.probe.is_some())
            .finish_non_exhaustive()
    }
}

/// Why a replica could not be brought up.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another attempt may do: the service is away.
    #[error("the replica did not start")]
    Transient(#[source] Box<dyn Error + Send + Sync>),
    /// Another attempt will likely fail as well: the component does not compile, the password is
    /// wrong. It is made all the same, but not soon.
    #[error("the replica cannot start")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
}

/// What became of a replica's offers.
#[derive(Debug, Clone)]
pub enum OfferChange {
    /// It offers these from now on, in place of what it offered before for the same interfaces.
    Offered {
        /// Each interface.
        offers: Arc<[Offer]>,
        /// The gate that they are behind.
        gate: Arc<Gate>,
    },
    /// It does not offer these any more.
    Withdrawn {
        /// Each interface.
        offers: Arc<[Offer]>,
    },
}

/// Told of each change, in order for each replica, on the replica's own task: it must be quick.
pub type OnChange = Arc<dyn Fn(&ActorAddress, OfferChange) + Send + Sync>;
