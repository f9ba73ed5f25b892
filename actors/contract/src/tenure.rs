//! What an actor has of which one replica at a time may serve.

use std::{
    fmt::Debug,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use pin_project_lite::pin_project;
use wrt_protocol::{Fault, FaultKind, Fence, Hop};

/// For how long this replica alone is its actor. See [`Gate::belongs_to`](crate::Gate::belongs_to).
pub trait Tenure: Debug + Send + Sync + 'static {
    /// Goes with every call that is made while one is served.
    fn fence(&self) -> Fence;

    /// Whether it is over now: asked right before what must not be done afterwards.
    fn is_over(&self) -> bool;

    /// Waits until it is over.
    ///
    /// # Cancel safety
    /// Dropping the future ends nothing.
    fn over(&self) -> BoxFuture<'static, ()>;
}

pin_project! {
    /// Work that ends at the latest with the tenure of whoever does it. Where there is none, that
    /// costs a comparison.
    pub(crate) struct Tenured<F> {
        #[pin]
        work: F,
        over: Option<BoxFuture<'static, ()>>,
        hop: Hop,
    }
}

impl<F> Tenured<F> {
    pub(crate) fn new(tenure: Option<&Arc<dyn Tenure>>, hop: Hop, work: F) -> Self {
        let over = tenure.map(|tenure| tenure.over());
        Self { work, over, hop }
    }
}

impl<F, T> Future for Tenured<F>
where
    F: Future<Output = Result<T, Fault>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // First: what is done when its time is over may have an answer, and is not to be known by it.
        if let Some(over) = this.over
            && over.as_mut().poll(cx).is_ready()
        {
            let detail = "the lease under which this replica alone serves ended while the call ran";
            let fault = Fault::maybe_executed(FaultKind::Draining, *this.hop, detail);
            return Poll::Ready(Err(fault));
        }
        this.work.poll(cx)
    }
}
