//! One fetch and one compile for all who ask for the same code at once, and one copy in memory for all
//! who run it.

use std::{collections::HashMap, error::Error, fmt, sync::Arc};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};
use parking_lot::Mutex;
use wrt_component::{CompiledComponent, WeakCompiled};
use wrt_deployment::Digest;

use super::CodeError;

type Answer = Result<CompiledComponent, CodeError>;
type Flight = BoxFuture<'static, Answer>;

/// What is on its way, and what runs.
#[derive(Default)]
pub struct Flights(Mutex<HashMap<Digest, State>>);

enum State {
    /// It ends when nobody waits for it any more.
    OnItsWay(WeakShared<Flight>),
    Here(WeakCompiled),
}

impl Flights {
    /// The code under `digest`: what runs already, or what is on its way, or what `start` brings.
    pub async fn get(&self, digest: Digest, start: impl FnOnce() -> Flight) -> Answer {
        let shared = match self.join(digest, start) {
            Ok(compiled) => return Ok(compiled),
            Err(shared) => shared,
        };
        let answer = shared.clone().await;
        let mut flights = self.0.lock();
        if let Some(State::OnItsWay(of_all)) = flights.get(&digest)
            && of_all.upgrade().is_some_and(|it| it.ptr_eq(&shared))
        {
            match &answer {
                Ok(compiled) => flights.insert(digest, State::Here(compiled.downgrade())),
                // The next one who asks is another attempt.
                Err(_) => flights.remove(&digest),
            };
        }
        answer
    }

    /// What somebody here has.
    pub fn running(&self) -> impl Iterator<Item = Digest> {
        let mut flights = self.0.lock();
        flights.retain(|_, state| match state {
            State::OnItsWay(flight) => flight.upgrade().is_some(),
            State::Here(compiled) => compiled.upgrade().is_some(),
        });
        flights.keys().copied().collect::<Vec<_>>().into_iter()
    }

    fn join(
        &self,
        digest: Digest,
        start: impl FnOnce() -> Flight,
    ) -> Result<CompiledComponent, Shared<Flight>> {
        let mut flights = self.0.lock();
        match flights.get(&digest) {
            Some(State::Here(compiled)) => {
                if let Some(compiled) = compiled.upgrade() {
                    return Ok(compiled);
                }
            }
            Some(State::OnItsWay(flight)) => {
                if let Some(shared) = flight.upgrade() {
                    return Err(shared);
                }
            }
            None => {}
        }
        let shared = start().shared();
        let flight = shared.downgrade().expect("it was not polled yet");
        flights.insert(digest, State::OnItsWay(flight));
        Err(shared)
    }
}

/// An error that all who waited get.
#[derive(Debug, Clone)]
pub struct SharedError(Arc<dyn Error + Send + Sync>);

impl SharedError {
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(error.into().into())
    }
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for SharedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use tokio::sync::Semaphore;

    use super::*;

    fn digest() -> Digest {
        Digest::of(b"code")
    }

    fn away() -> Answer {
        Err(CodeError::Away(SharedError::new("the store is away")))
    }

    #[tokio::test]
    async fn who_ask_at_once_share_one_and_the_next_one_is_another() {
        let (flights, started) = (Arc::new(Flights::default()), Arc::new(AtomicUsize::new(0)));
        let gate = Arc::new(Semaphore::new(0));
        let ask = || {
            let (flights, started) = (Arc::clone(&flights), Arc::clone(&started));
            let gate = Arc::clone(&gate);
            async move {
                let start = || {
                    started.fetch_add(1, Relaxed);
                    let opened = async move { drop(gate.acquire().await) };
                    opened.map(|()| away()).boxed()
                };
                flights.get(digest(), start).await.is_err()
            }
        };
        let asked: Vec<_> = (0..60).map(|_| tokio::spawn(ask())).collect();
        tokio::task::yield_now().await;
        // One of them goes away.
        asked[0].abort();
        gate.add_permits(1);
        for one in asked.into_iter().skip(1) {
            assert!(one.await.unwrap());
        }
        assert_eq!(started.load(Relaxed), 1);
        assert!(ask().await);
        assert_eq!(started.load(Relaxed), 2);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_ends() {
        let flights = Flights::default();
        let gate = Arc::new(Semaphore::new(0));
        let waits = Arc::clone(&gate);
        let start = || async move { drop(waits.acquire().await) };
        let mut asked = Box::pin(flights.get(digest(), || start().map(|()| away()).boxed()));
        assert!(futures::poll!(&mut asked).is_pending());
        assert_eq!(flights.running().count(), 1);
        drop(asked);
        assert_eq!(
            (flights.running().count(), Arc::strong_count(&gate)),
            (0, 1)
        );
    }
}
