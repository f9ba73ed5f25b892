//! The kit itself: what it says of a provider must be true, and told when it is not.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures::FutureExt;
use serde::{Deserialize, Serialize};
use wrt_conformance::panic_text;
use wrt_contract::{CallContext, InterfaceError, Schema, async_trait};
use wrt_protocol::{Execution, Fault, FaultKind};
use wrt_test_kit::{everywhere, linked_instance, unreachable};

/// Adds.
#[wrt_contract::interface(name = "test:adder", error = AdderError)]
trait Adder {
    /// The sum.
    #[operation(idempotent)]
    async fn add(&self, context: &CallContext, one: Place, other: u8) -> Result<u8, AdderError>;
}

/// A number that knows whether it has been encoded.
#[derive(Debug, Clone, Deserialize, Schema)]
#[serde(from = "u8")]
enum Place {
    Here(u8),
    Decoded(u8),
}

impl From<u8> for Place {
    fn from(number: u8) -> Self {
        Self::Decoded(number)
    }
}

impl Serialize for Place {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (Self::Here(number) | Self::Decoded(number)) = self;
        serializer.serialize_u8(*number)
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Schema, InterfaceError)]
enum AdderError {
    Overflow,
    Fault(Fault),
}

/// Adds; after it was encoded, one too many.
struct Adds {
    is_wrong_when_decoded: bool,
}

#[async_trait]
impl Adder for Adds {
    async fn add(&self, _: &CallContext, one: Place, other: u8) -> Result<u8, AdderError> {
        let (one, extra) = match one {
            Place::Here(one) => (one, 0),
            Place::Decoded(one) => (one, u8::from(self.is_wrong_when_decoded)),
        };
        let sum = one.checked_add(other).ok_or(AdderError::Overflow)?;
        Ok(sum + extra)
    }
}

async fn suite(adder: Arc<dyn Adder>) {
    let context = CallContext::default();
    let overflow = adder.add(&context, Place::Here(200), 100).await;
    assert_eq!(overflow, Err(AdderError::Overflow));
    assert_eq!(adder.add(&context, Place::Here(2), 3).await, Ok(5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_is_the_same_from_everywhere() {
    let adder = Adds {
        is_wrong_when_decoded: false,
    };
    everywhere::<AdderInterface>(Arc::new(adder), suite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_place_where_it_is_not_is_told() {
    let adder = Adds {
        is_wrong_when_decoded: true,
    };
    let run = everywhere::<AdderInterface>(Arc::new(adder), suite);
    let panic = AssertUnwindSafe(run).catch_unwind().await.unwrap_err();
    let told = panic_text(&*panic);
    assert!(!told.contains("co-located"), "{told}");
    for place in ["behind the encoder: ", "over loopback: ", "over NATS: "] {
        assert!(told.contains(place), "{place}: {told}");
    }
}

#[tokio::test]
async fn an_instance_has_its_links_and_an_unreachable_provider_says_why() {
    let far = unreachable::<AdderInterface>(FaultKind::Denied);
    let state = linked_instance::<AdderInterface>(&[("sums", &far)]);
    assert!(state.link::<AdderInterface>("other").is_none());
    let fault = state.linked::<AdderInterface>("other").err();
    let fault = fault.map(|fault| (fault.kind(), fault.execution()));
    assert_eq!(fault, Some((FaultKind::Denied, Execution::NotExecuted)));
    let link = state.link::<AdderInterface>("sums").unwrap();
    let answer = link.add(state.context(), Place::Here(1), 1).await;
    let error = answer.unwrap_err();
    assert_eq!(error.as_fault().map(Fault::kind), Some(FaultKind::Denied));
}
