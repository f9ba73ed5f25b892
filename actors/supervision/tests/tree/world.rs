//! What the tests supervise, and what they are told.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use wrt_contract::{
    CallContext, Gate, GateLimits, InterfaceError, LeaseLimits, Leases, Offer, Schema,
};
use wrt_protocol::{ActorAddress, Fault, Name, heartbeat::ReplicaState};
use wrt_supervision::{OfferChange, OnChange, Running, Start, StartError, Supervision};

/// Rings.
#[wrt_contract::interface(name = "test:bell", error = BellError)]
pub trait Bell {
    /// Once.
    async fn ring(&self, context: &CallContext) -> Result<(), BellError>;
}

/// Knocks.
#[wrt_contract::interface(name = "test:door", error = BellError)]
pub trait Door {
    /// Once.
    async fn knock(&self, context: &CallContext) -> Result<(), BellError>;
}

#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct BellError(Fault);

impl From<Fault> for BellError {
    fn from(fault: Fault) -> Self {
        Self(fault)
    }
}

impl InterfaceError for BellError {
    fn as_fault(&self) -> Option<&Fault> {
        Some(&self.0)
    }

    fn into_fault(self) -> Result<Fault, Self> {
        Ok(self.0)
    }
}

struct House;

#[wrt_contract::async_trait]
impl Bell for House {
    async fn ring(&self, _: &CallContext) -> Result<(), BellError> {
        Ok(())
    }
}

#[wrt_contract::async_trait]
impl Door for House {
    async fn knock(&self, _: &CallContext) -> Result<(), BellError> {
        Ok(())
    }
}

pub fn provider(name: &str) -> ActorAddress {
    ActorAddress::provider(Name::new("shop").unwrap(), Name::new(name).unwrap())
}

/// A service that a test takes away and gives back.
pub struct Service {
    pub is_up: AtomicBool,
    pub hangs: AtomicBool,
    pub panics: AtomicBool,
    pub refuses: AtomicBool,
    pub close_hangs: AtomicBool,
    /// Ends that were begun, each after its gate was idle.
    pub closes: AtomicU32,
    pub starts: AtomicU32,
    pub with_door: bool,
    pub gates: Mutex<Vec<Arc<Gate>>>,
}

impl Service {
    pub fn up() -> Arc<Self> {
        Self::new(true)
    }

    pub fn with_door() -> Arc<Self> {
        Self::new(false)
    }

    fn new(bell_only: bool) -> Arc<Self> {
        Arc::new(Self {
            is_up: true.into(),
            hangs: false.into(),
            panics: false.into(),
            refuses: false.into(),
            close_hangs: false.into(),
            closes: 0.into(),
            starts: 0.into(),
            with_door: !bell_only,
            gates: Mutex::default(),
        })
    }

    pub fn gate(&self) -> Arc<Gate> {
        Arc::clone(self.gates.lock().last().expect("it was started"))
    }
}

/// A start of a service; the service stays with the test.
pub struct Connect(pub Arc<Service>);

impl Start for Connect {
    fn start(&self) -> BoxFuture<'_, Result<Running, StartError>> {
        let service = Arc::clone(&self.0);
        async move {
            service.starts.fetch_add(1, Relaxed);
            if service.hangs.load(Relaxed) {
                std::future::pending::<()>().await;
            }
            assert!(!service.panics.load(Relaxed), "a backend's bug");
            if service.refuses.load(Relaxed) {
                return Err(StartError::Refused("wrong password".into()));
            }
            if !service.is_up.load(Relaxed) {
                return Err(StartError::Transient("connection refused".into()));
            }
            let gate = Gate::new(GateLimits::default());
            service.gates.lock().push(Arc::clone(&gate));
            let mut offers = vec![Offer::new::<BellInterface>(Arc::new(House), &gate)];
            if service.with_door {
                offers.push(Offer::new::<DoorInterface>(Arc::new(House), &gate));
            }
            let probed = Arc::clone(&service);
            let probe = move || {
                let service = Arc::clone(&probed);
                async move {
                    let is_up = service.is_up.load(Relaxed);
                    is_up
                        .then_some(())
                        .ok_or_else(|| "connection reset".to_owned())
                }
                .boxed()
            };
            let (closed, idle) = (Arc::clone(&service), Arc::clone(&gate));
            let close = move || {
                let (service, gate) = (Arc::clone(&closed), Arc::clone(&idle));
                async move {
                    assert_eq!(gate.load().running, 0, "it is closed after its last call");
                    service.closes.fetch_add(1, Relaxed);
                    if service.close_hangs.load(Relaxed) {
                        std::future::pending::<()>().await;
                    }
                }
                .boxed()
            };
            Ok(Running {
                offers,
                probe: Some(Arc::new(probe)),
                close: Some(Arc::new(close)),
                gate,
            })
        }
        .boxed()
    }
}

/// A provider whose replicas each give a lease as they start, which nobody releases.
#[derive(Default)]
pub struct Hotel {
    pub lodges: Mutex<Vec<Weak<Lodge>>>,
}

pub struct Lodge(Leases<()>);

#[wrt_contract::async_trait]
impl Bell for Lodge {
    async fn ring(&self, context: &CallContext) -> Result<(), BellError> {
        Ok(self.0.give(context, ()).map(drop)?)
    }
}

impl Start for Hotel {
    fn start(&self) -> BoxFuture<'_, Result<Running, StartError>> {
        async move {
            let gate = Gate::new(GateLimits::default());
            let limits = LeaseLimits {
                leases_max: 1,
                lasts: Duration::from_secs(3600),
            };
            let lodge = Arc::new(Lodge(Leases::new(&gate, limits)));
            lodge.ring(&CallContext::default()).await.unwrap();
            self.lodges.lock().push(Arc::downgrade(&lodge));
            Ok(Running {
                offers: vec![Offer::new::<BellInterface>(lodge, &gate)],
                probe: None,
                close: None,
                gate,
            })
        }
        .boxed()
    }
}

/// What was told, in order: `+test:bell`, `-test:bell`.
#[derive(Clone, Default)]
pub struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    pub fn on_change(&self) -> OnChange {
        let told = self.clone();
        Arc::new(move |_, change| {
            let (sign, offers) = match change {
                OfferChange::Offered { offers, .. } => ('+', offers),
                OfferChange::Withdrawn { offers } => ('-', offers),
            };
            let mut told = told.0.lock();
            told.extend(
                offers
                    .iter()
                    .map(|offer| format!("{sign}{}", offer.interface())),
            );
        })
    }

    pub fn all(&self) -> Vec<String> {
        self.0.lock().clone()
    }
}

/// Waits, on the paused clock, until something holds.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(600);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        sleep(Duration::from_millis(1)).await;
    }
}

pub fn state(supervision: &Supervision, actor: &ActorAddress) -> Option<ReplicaState> {
    let status = supervision.status();
    status
        .into_iter()
        .find(|(address, ..)| address == actor)
        .map(|(_, state, _)| state)
}

pub async fn until_state(supervision: &Supervision, actor: &ActorAddress, wanted: ReplicaState) {
    until(&format!("{actor} is {wanted:?}"), || {
        state(supervision, actor) == Some(wanted)
    })
    .await;
}

/// Fails when the tree leaves a task behind. Polls: a task that was aborted ends when it is polled.
pub async fn assert_no_task_is_left() {
    let metrics = tokio::runtime::Handle::current().metrics();
    until("no task is left", || metrics.num_alive_tasks() == 0).await;
}
