//! Bodies in and out of an operation.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use wrt_contract::{
    Body, BodyFrame, CallContext, DispatchRequest, Gate, GateLimits, Interface, InterfaceError,
    LocalSlot, Permit, Replica, Schema, async_trait,
};
use wrt_protocol::{Execution, Fault, FaultKind, Hop, OperationName, limits::STREAM_IDLE_MAX};

use crate::shelf::{Loop, target};

/// Plays and records.
#[wrt_contract::interface(name = "test:tape", error = TapeError)]
trait Tape {
    /// Gives `body` back. The argument named like a local of the macro is on purpose.
    #[operation(idempotent = untouched.starts_with("again"))]
    async fn echo(
        &self,
        context: &CallContext,
        untouched: String,
        #[bulk] bulk: Bytes,
        #[body] body: Body<TapeError>,
    ) -> Result<(String, Bytes, Body<TapeError>), TapeError>;

    /// How long `tape` is.
    #[operation(idempotent)]
    async fn measure(&self, context: &CallContext, #[body] tape: Body) -> Result<u64, TapeError>;

    /// Plays.
    async fn play(&self, context: &CallContext, name: &str) -> Result<Body, TapeError>;

    /// Plays, and says what.
    async fn find(&self, context: &CallContext) -> Result<(String, Body), TapeError>;
}

/// The error of the interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
enum TapeError {
    /// The tape is torn.
    Torn { at: u64 },
    /// The lattice's.
    Fault(Fault),
}

impl From<Fault> for TapeError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl InterfaceError for TapeError {
    fn as_fault(&self) -> Option<&Fault> {
        match self {
            Self::Fault(fault) => Some(fault),
            Self::Torn { .. } => None,
        }
    }

    fn into_fault(self) -> Result<Fault, Self> {
        match self {
            Self::Fault(fault) => Ok(fault),
            own @ Self::Torn { .. } => Err(own),
        }
    }
}

#[derive(Default)]
struct Deck {
    /// Reads one frame of a body before it refuses it.
    touches: bool,
    refuses: bool,
    /// Takes its permit along.
    keeps: bool,
    kept: Mutex<Option<Permit>>,
    asked: AtomicBool,
}

fn data<E>(text: &'static str) -> Result<BodyFrame, E> {
    Ok(BodyFrame::Data(Bytes::from_static(text.as_bytes())))
}

#[async_trait]
impl Tape for Deck {
    async fn echo(
        &self,
        _: &CallContext,
        name: String,
        bulk: Bytes,
        body: Body<TapeError>,
    ) -> Result<(String, Bytes, Body<TapeError>), TapeError> {
        Ok((name, bulk, body))
    }

    async fn measure(&self, _: &CallContext, mut tape: Body) -> Result<u64, TapeError> {
        self.asked.store(true, Relaxed);
        if self.touches {
            let _first = tape.next().await;
        }
        if self.refuses {
            let detail = "stopping";
            return Err(Fault::not_executed(FaultKind::Draining, Hop::Gate, detail).into());
        }
        Ok(tape.collect(1024).await?.len() as u64)
    }

    async fn play(&self, context: &CallContext, name: &str) -> Result<Body, TapeError> {
        if self.keeps {
            let admission = context.admission().expect("an operation with a body");
            *self.kept.lock() = admission.take();
        }
        match name {
            "none" => Err(TapeError::Torn { at: 0 }),
            name => Ok(Body::whole(Bytes::copy_from_slice(name.as_bytes()))),
        }
    }

    async fn find(&self, _: &CallContext) -> Result<(String, Body), TapeError> {
        Ok((
            "short".to_owned(),
            Body::new(Some(9), stream::iter([data("a")])),
        ))
    }
}

fn over_the_loop(deck: Deck) -> (Arc<dyn Tape>, Arc<Loop>) {
    let caller = Loop::to(TapeInterface::dispatcher(Arc::new(deck)));
    let remote = TapeInterface::remote(Arc::clone(&caller) as _, target().into());
    (remote, caller)
}

#[tokio::test]
async fn bodies_go_there_and_back_beside_the_values() {
    let (remote, _) = over_the_loop(Deck::default());
    let context = CallContext::default();
    let bulk = Bytes::from_static(b"bulk");
    let body = Body::new(None, stream::iter([data("ab"), data("c")]));
    let echo = remote.echo(&context, "n".to_owned(), bulk.clone(), body);
    let (name, back, body) = echo.await.unwrap();
    assert_eq!((name.as_str(), back), ("n", bulk));
    assert_eq!(body.collect(9).await.unwrap(), "abc");
    assert_eq!(remote.measure(&context, Body::empty()).await, Ok(0));
    let played = remote.play(&context, "la").await.unwrap();
    assert_eq!(played.collect(9).await.unwrap(), "la");
    let own = remote.play(&context, "none").await.unwrap_err();
    assert_eq!(own, TapeError::Torn { at: 0 });
}

#[tokio::test]
async fn an_own_error_in_the_middle_of_a_body_stays_itself() {
    let (remote, _) = over_the_loop(Deck::default());
    let fault = Fault::maybe_executed(FaultKind::NodeLost, Hop::Stream, "gone");
    for error in [TapeError::Torn { at: 7 }, TapeError::Fault(fault)] {
        let frames = [data("a"), Err(error.clone())];
        let body = Body::new(None, stream::iter(frames));
        let context = CallContext::default();
        let echo = remote.echo(&context, String::new(), Bytes::new(), body);
        let (_, _, body) = echo.await.unwrap();
        let frames: Vec<_> = StreamExt::collect(body).await;
        assert_eq!(frames, [data("a"), Err(error)]);
    }
}

#[tokio::test]
async fn a_call_says_itself_whether_it_is_idempotent() {
    let (remote, caller) = over_the_loop(Deck::default());
    let context = CallContext::default();
    for (name, expected) in [
        ("once", "provider/app/shelf test:tape echo"),
        ("again", "provider/app/shelf test:tape echo idempotent"),
    ] {
        let body = Body::empty();
        let echo = remote.echo(&context, name.to_owned(), Bytes::new(), body);
        echo.await.unwrap();
        assert_eq!(caller.last(), expected);
    }
    let echo = &TapeInterface::OPERATIONS[0];
    assert!(
        !echo.idempotent,
        "the table cannot promise it for each call"
    );
}

#[tokio::test]
async fn a_call_without_its_body_is_malformed() {
    let dispatcher = TapeInterface::dispatcher(Arc::new(Deck::default()));
    let request = DispatchRequest {
        operation: OperationName::from_static("measure"),
        arguments: Bytes::new(),
        bulk: Bytes::new(),
        body: None,
    };
    let answer = dispatcher.dispatch(&CallContext::default(), request).await;
    let fault = answer.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Malformed);
    assert_eq!(fault.execution(), Execution::NotExecuted);
}

#[tokio::test]
async fn a_body_that_is_short_of_its_length_is_the_same_error_everywhere() {
    let deck: Arc<dyn Tape> = Arc::new(Deck::default());
    let (remote, _) = over_the_loop(Deck::default());
    for tape in [deck, remote] {
        let (_, body) = tape.find(&CallContext::default()).await.unwrap();
        let fault = body.collect(99).await.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Malformed);
        assert!(fault.detail().contains("shorter"), "{fault}");
    }
}

fn guarded(deck: Deck) -> (Arc<dyn Tape>, Arc<Gate>, Arc<Deck>) {
    let gate = Gate::new(GateLimits::default());
    let deck = Arc::new(deck);
    let guarded = TapeInterface::guarded(Arc::clone(&deck) as _, Arc::clone(&gate));
    (guarded, gate, deck)
}

#[tokio::test]
async fn a_call_runs_until_the_body_of_its_answer_is_over() {
    let (tape, gate, _) = guarded(Deck::default());
    let context = CallContext::default();
    let mut body = tape.play(&context, "la").await.unwrap();
    assert_eq!(body.next().await, Some(data("la")));
    assert_eq!(gate.load().running, 1, "its end has not come yet");
    assert_eq!(body.next().await, None);
    assert_eq!(gate.load().running, 0, "it ended");
    drop(tape.play(&context, "la").await.unwrap());
    assert_eq!(gate.load().running, 0, "it was dropped");
    tape.play(&context, "none").await.unwrap_err();
    tape.measure(&context, Body::empty()).await.unwrap();
    assert_eq!(gate.load().running, 0, "there was none");
}

#[tokio::test]
async fn a_callee_takes_its_permit_along() {
    let (tape, gate, deck) = guarded(Deck {
        keeps: true,
        ..Deck::default()
    });
    drop(tape.play(&CallContext::default(), "la").await.unwrap());
    assert_eq!(gate.load().running, 1);
    drop(deck.kept.lock().take());
    assert_eq!(gate.load().running, 0);
}

/// Between nodes a stream has this limit; a co-located body had none, and kept its admission for ever.
#[tokio::test(start_paused = true)]
async fn a_body_without_progress_gives_its_admission_back() {
    let gate = Gate::new(GateLimits::default());
    let permit = gate.admit(&CallContext::default()).await.unwrap();
    let almost = STREAM_IDLE_MAX - Duration::from_secs(1);
    let slow = stream::iter([almost, almost]).then(|pause| async move {
        tokio::time::sleep(pause).await;
        data("la")
    });
    let mut body: Body = Body::new(None, slow.chain(stream::pending())).holding(permit);
    for _ in 0..2 {
        assert_eq!(body.next().await, Some(data("la")));
        // Nor does it count how long its reader takes.
        tokio::time::sleep(almost).await;
    }
    let started = tokio::time::Instant::now();
    let fault = body.next().await.unwrap().unwrap_err();
    assert_eq!(fault.kind(), FaultKind::DeadlineExceeded, "{fault}");
    assert!(started.elapsed().abs_diff(STREAM_IDLE_MAX) < Duration::from_secs(1));
    assert_eq!(gate.load().running, 0);
    assert_eq!(body.next().await, None);
}

/// What a link answers whose local replica refuses a body, after it has read from it or not.
async fn measure_after_refusal(touches: bool, body: Body) -> Result<u64, TapeError> {
    let (remote, _) = over_the_loop(Deck::default());
    let slot = LocalSlot::empty();
    let local = Arc::new(Deck {
        touches,
        refuses: true,
        ..Deck::default()
    });
    let gate = Gate::new(GateLimits::default());
    slot.set(Some(Replica::new(Arc::clone(&local) as _, gate)));
    let link = TapeInterface::linked(slot, remote);
    let answer = link.measure(&CallContext::default(), body).await;
    assert!(local.asked.load(Relaxed));
    answer
}

#[tokio::test]
async fn a_link_goes_on_while_nobody_has_read_of_the_body() {
    let flowing = || Body::new(Some(3), stream::iter([data("ab"), data("c")]));
    let whole = || Body::whole(Bytes::from_static(b"abc"));
    assert_eq!(measure_after_refusal(false, flowing()).await, Ok(3));
    assert_eq!(measure_after_refusal(false, whole()).await, Ok(3));
    // What is here can be read twice.
    assert_eq!(measure_after_refusal(true, whole()).await, Ok(3));
    let refused = measure_after_refusal(true, flowing()).await.unwrap_err();
    let fault = refused.into_fault().expect("a fault");
    assert_eq!(fault.kind(), FaultKind::Draining);
}

/// The replica that was called is replaced while the call waits for its turn there. Fails with *draining* where a link
/// looks at its place once.
#[tokio::test]
async fn a_link_goes_to_what_has_taken_the_place_of_what_refuses() {
    let flowing = Body::new(Some(3), stream::iter([data("ab"), data("c")]));
    let whole = Body::whole(Bytes::from_static(b"abc"));
    for body in [flowing, whole] {
        let (remote, caller) = over_the_loop(Deck::default());
        let full = Gate::new(GateLimits {
            concurrency_max: 1,
            queue_max: 1,
        });
        let context = CallContext::default();
        let _running = full.admit(&context).await.unwrap();
        let slot = LocalSlot::empty();
        let deck = || Arc::new(Deck::default());
        slot.set(Some(Replica::new(deck() as _, Arc::clone(&full))));
        let link = TapeInterface::linked(slot.clone(), remote);
        let replaced = async {
            assert_eq!(full.load().waiting, 1);
            let gate = Gate::new(GateLimits::default());
            slot.set(Some(Replica::new(deck() as _, gate)));
            assert!(!full.drain(Duration::ZERO).await);
        };
        let (answer, ()) = tokio::join!(link.measure(&context, body), replaced);
        assert_eq!(answer, Ok(3));
        assert_eq!(caller.calls.load(Relaxed), 0, "it stays on its node");
    }
}

/// The interface of an older build: one field less, all else the same.
mod older {
    use super::*;

    #[derive(Debug, Serialize, Deserialize, Schema)]
    pub struct Options {
        pub loud: bool,
    }

    #[wrt_contract::interface(name = "test:fade", error = TapeError)]
    pub trait Fade {
        async fn fade(&self, context: &CallContext, by: &Options) -> Result<(), TapeError>;
    }
}

mod newer {
    use super::*;

    #[derive(Debug, Serialize, Deserialize, Schema)]
    pub struct Options {
        pub loud: bool,
        pub millis: u32,
    }

    #[wrt_contract::interface(name = "test:fade", error = TapeError)]
    pub trait Fade {
        async fn fade(&self, context: &CallContext, by: &Options) -> Result<(), TapeError>;
    }
}

#[test]
fn a_build_with_another_field_has_another_fingerprint() {
    assert_ne!(
        older::FadeInterface::FINGERPRINT,
        newer::FadeInterface::FINGERPRINT
    );
    // What it is for one build it is for each: a change here is a change of the rule.
    assert_eq!(older::FadeInterface::FINGERPRINT, 0xf16a_6e0e_1856_be67);
}
