//! Ways out that need no bus.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use futures::future::BoxFuture;
use wrt_contract::{
    Answer, CallContext, Caller, Dispatch, DispatchRequest, Gate, GateLimits, Interface, Invocation,
};
use wrt_protocol::{Fault, FaultKind, Hop};

use crate::provider_address;

/// A way out that leads straight to a way in, on the caller's task: encoded, and not sent.
pub struct InProcessCaller {
    dispatcher: Arc<dyn Dispatch>,
    calls: AtomicU64,
}

impl InProcessCaller {
    /// Leads to `dispatcher`, whatever the target.
    #[must_use]
    pub fn to(dispatcher: Arc<dyn Dispatch>) -> Arc<Self> {
        Arc::new(Self {
            dispatcher,
            calls: AtomicU64::new(0),
        })
    }

    /// How many calls went this way.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Relaxed)
    }
}

impl std::fmt::Debug for InProcessCaller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "InProcessCaller({})", self.dispatcher.interface())
    }
}

impl Caller for InProcessCaller {
    fn call<'a>(
        &'a self,
        context: &'a CallContext,
        invocation: Invocation,
    ) -> BoxFuture<'a, Result<Answer, Fault>> {
        self.calls.fetch_add(1, Relaxed);
        let one_way = invocation.one_way;
        let request = DispatchRequest {
            operation: invocation.operation,
            arguments: invocation.arguments,
            bulk: invocation.bulk,
            body: invocation.body,
        };
        let answer = self.dispatcher.dispatch(context, request);
        Box::pin(async move {
            let answer = answer.await?;
            // As on the bus: what a one-way operation answers reaches nobody.
            Ok(if one_way { Answer::default() } else { answer })
        })
    }
}

/// A way out that leads nowhere: each call ends at once, *not executed*.
#[derive(Debug, Clone, Copy)]
pub struct UnreachableCaller(
    /// Why nobody answers.
    pub FaultKind,
);

impl Caller for UnreachableCaller {
    fn call<'a>(
        &'a self,
        _context: &'a CallContext,
        _invocation: Invocation,
    ) -> BoxFuture<'a, Result<Answer, Fault>> {
        let fault = Fault::not_executed(self.0, Hop::Route, "nobody is there");
        Box::pin(std::future::ready(Err(fault)))
    }
}

/// A provider that no call reaches, because of `kind`.
#[must_use]
pub fn unreachable<I: Interface>(kind: FaultKind) -> Arc<I::Object> {
    I::remote(Arc::new(UnreachableCaller(kind)), provider_address().into())
}

/// `object` behind its gate, and behind the remote client and the dispatcher that the macro made.
#[must_use]
pub fn encoded<I: Interface>(object: Arc<I::Object>) -> Arc<I::Object> {
    let guarded = I::guarded(object, Gate::new(GateLimits::default()));
    let caller = InProcessCaller::to(I::dispatcher(guarded));
    I::remote(caller, provider_address().into())
}
