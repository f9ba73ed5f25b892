//! One suite, from every place that a provider can be called from.

use std::{fmt::Write as _, panic::AssertUnwindSafe, sync::Arc};

use futures::FutureExt;
use wrt_conformance::panic_text;
use wrt_contract::{Gate, GateLimits, Interface, LocalDirectory, Offer};
use wrt_protocol::FaultKind;

use crate::{TwoNodes, encoded, provider_address, unreachable};

/// Runs `suite` over `object` as others reach it: through a link on its own node, through the encoder
/// without a bus, from another node over the loopback bus, and over NATS. Where a provider answers
/// differently behind the bus than beside it, that is a bug, whoever's.
///
/// ```no_run
/// # trait Interface: wrt_contract::Interface {}
/// # async fn suite<T: ?Sized>(_: std::sync::Arc<T>) {}
/// # async fn example<KeyValueInterface: Interface>(store: std::sync::Arc<KeyValueInterface::Object>) {
/// # mod conformance { pub async fn run<T: ?Sized>(_: std::sync::Arc<T>) {} }
/// wrt_test_kit::everywhere::<KeyValueInterface>(store, conformance::run).await;
/// # }
/// ```
///
/// The test needs a tokio runtime of at least two threads: a suite that computes must not keep the
/// nodes from hearing each other.
///
/// # Panics
/// When the suite has, in any of the places, after it has run in all of them: with what it said in
/// each. When nats-server is not installed.
pub async fn everywhere<I: Interface>(object: Arc<I::Object>, suite: impl AsyncFn(Arc<I::Object>)) {
    let client = encoded::<I>(Arc::clone(&object));
    let encoded = outcome(&suite, client).await;
    in_places::<I>(object, suite, Some(encoded)).await;
}

/// The same of an interface whose operations give leases. A lease leads to a place on a lattice, which
/// the encoder alone is not: so there the suite is not run.
///
/// # Panics
/// As [`everywhere`].
pub async fn everywhere_with_leases<I: Interface>(
    object: Arc<I::Object>,
    suite: impl AsyncFn(Arc<I::Object>),
) {
    in_places::<I>(object, suite, None).await;
}

async fn in_places<I: Interface>(
    object: Arc<I::Object>,
    suite: impl AsyncFn(Arc<I::Object>),
    encoded: Option<Result<(), String>>,
) {
    let mut failures = String::new();
    let mut note = |place: &str, outcome: Result<(), String>| {
        if let Err(reason) = outcome {
            writeln!(failures, "{place}: {reason}").expect("a string takes any text");
        }
    };
    if let Some(encoded) = encoded {
        note("behind the encoder", encoded);
    }
    let link = co_located::<I>(Arc::clone(&object));
    note("co-located", outcome(&suite, link).await);
    for (bus, nodes) in [
        ("loopback", TwoNodes::over_loopback().await),
        ("NATS", TwoNodes::over_nats().await),
    ] {
        let client = nodes.serve::<I>(Arc::clone(&object)).await;
        note(&format!("over {bus}"), outcome(&suite, client).await);
        assert!(nodes.dispatched() > 0, "the calls went over {bus}");
    }
    assert!(failures.is_empty(), "\n{failures}");
}

/// The link of a component on the provider's own node. It has no other replica to turn to.
fn co_located<I: Interface>(object: Arc<I::Object>) -> Arc<I::Object> {
    let directory = LocalDirectory::default();
    let address = provider_address();
    Offer::new::<I>(object, &Gate::new(GateLimits::default())).install(&directory, &address);
    I::linked(
        directory.slot::<I>(&address),
        unreachable::<I>(FaultKind::Unavailable),
    )
}

async fn outcome<T: ?Sized>(suite: &impl AsyncFn(Arc<T>), object: Arc<T>) -> Result<(), String> {
    let run = AssertUnwindSafe(suite(object)).catch_unwind();
    run.await.map_err(|panic| panic_text(&*panic))
}
