//! The suite over the in-memory provider, directly and through the generated client and dispatcher.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use wrt_contract::{
    Answer, CallContext, Caller, Dispatch, DispatchRequest, Gate, GateLimits, Interface, Invocation,
};
use wrt_keyvalue::{KeyValue, KeyValueDefault, KeyValueInterface, MemoryConfig, conformance};
use wrt_protocol::{ActorAddress, Fault, Name};

/// Hands encoded calls to a dispatcher in the same process.
struct Loopback(Arc<dyn Dispatch>);

impl Caller for Loopback {
    fn call<'a>(
        &'a self,
        context: &'a CallContext,
        invocation: Invocation,
    ) -> BoxFuture<'a, Result<Answer, Fault>> {
        let request = DispatchRequest {
            operation: invocation.operation,
            arguments: invocation.arguments,
            bulk: invocation.bulk,
            body: invocation.body,
        };
        self.0.dispatch(context, request)
    }
}

fn memory() -> Arc<dyn KeyValue> {
    with(None)
}

fn with(deduplicate_for_ms: Option<u64>) -> Arc<dyn KeyValue> {
    Arc::new(KeyValueDefault::new(MemoryConfig {
        bytes_max: 128 * 1024 * 1024,
        deduplicate_for_ms,
    }))
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a legal name")
}

#[tokio::test]
async fn memory_conforms() {
    conformance::run(memory()).await;
}

#[tokio::test]
async fn memory_that_deduplicates_conforms() {
    conformance::run_deduplicating(with(Some(2000)), Duration::from_secs(2)).await;
}

#[tokio::test]
async fn memory_behind_the_generated_client_conforms() {
    let guarded = KeyValueInterface::guarded(memory(), Gate::new(GateLimits::default()));
    let caller = Arc::new(Loopback(KeyValueInterface::dispatcher(guarded)));
    let target = ActorAddress::provider(name("test"), name("store"));
    conformance::run(KeyValueInterface::remote(caller, target.into())).await;
}
