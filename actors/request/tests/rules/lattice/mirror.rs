//! An interface with bodies, written by hand.

use std::sync::Arc;

use bytes::Bytes;
use futures::{FutureExt, StreamExt, future::BoxFuture};
use parking_lot::Mutex;
use wrt_contract::{
    Answer, Body, BodyError, BodyFrame, CallContext, Callee, Caller, Dispatch, DispatchRequest,
    Gate, Interface, LocalSlot, Operation,
};
use wrt_protocol::{
    Fault, FaultKind, Hop, InterfaceName, OperationName, limits::ARGUMENT_BYTES_MAX,
};

use super::probe::Record;

pub const MIRROR: InterfaceName = InterfaceName::from_static("test:mirror");

/// Answers before it has read anything: the request's body is the reply's.
pub const ECHO: OperationName = OperationName::from_static("echo");
/// Reads the body, and answers with its bytes' count and sum.
pub const SUM: OperationName = OperationName::from_static("sum");
/// Answers with a body: the one that [`Mirror::produce`] was given.
pub const PRODUCE: OperationName = OperationName::from_static("produce");
/// Reads one piece of the body, and refuses as one that has not run.
pub const TASTE: OperationName = OperationName::from_static("taste");
/// Keeps the body and reads none of it, and never answers.
pub const HOLD: OperationName = OperationName::from_static("hold");
/// Keeps the body, reads none of it, and answers.
pub const KEEP: OperationName = OperationName::from_static("keep");

/// Answers with [`LARGE_BYTES`] zeros.
pub const LARGE: OperationName = OperationName::from_static("large");
/// As many as there may be, with what says where the bulk bytes behind them begin.
pub const LARGE_BYTES: usize = ARGUMENT_BYTES_MAX - size_of::<u64>();

const OPERATIONS: &[Operation] = &[];

/// What this build takes the mirror for.
pub const FINGERPRINT: u64 = 42;

#[derive(Default)]
pub struct Mirror {
    pub record: Arc<Record>,
    /// What the next [`PRODUCE`] answers with; empty bodies when there is none.
    pub produce: Mutex<Option<Body<BodyError>>>,
    kept: Mutex<Vec<Body<BodyError>>>,
}

impl Mirror {
    pub fn new(record: Arc<Record>) -> Arc<Self> {
        Arc::new(Self {
            record,
            ..Self::default()
        })
    }

    pub fn take_kept(&self) -> Vec<Body<BodyError>> {
        std::mem::take(&mut *self.kept.lock())
    }

    async fn run(&self, request: DispatchRequest) -> Result<Answer, Fault> {
        let running = self.record.begin(0);
        let body = request.body;
        let with_body = |body| Answer {
            body: Some(body),
            ..Answer::default()
        };
        let answer = match request.operation.as_str() {
            "echo" => with_body(body.expect("the test sends one")),
            "sum" => Answer {
                result: sum(body.expect("the test sends one")).await?,
                ..Answer::default()
            },
            "produce" => {
                let produced = self.produce.lock().take();
                with_body(produced.unwrap_or_else(|| Body::whole(Bytes::from_static(b"x"))))
            }
            "taste" => {
                body.expect("the test sends one").next().await;
                let fault = Fault::not_executed(FaultKind::Draining, Hop::Actor, "tasted");
                return Err(fault);
            }
            "hold" => {
                let _held = body;
                std::future::pending().await
            }
            "keep" => {
                self.kept.lock().extend(body);
                Answer::default()
            }
            "large" => Answer {
                result: vec![0; LARGE_BYTES].into(),
                ..Answer::default()
            },
            other => panic!("no operation {other}"),
        };
        running.end();
        Ok(answer)
    }
}

/// The count of a body's bytes, and their sum weighed by their place.
pub async fn sum(mut body: Body<BodyError>) -> Result<Bytes, Fault> {
    let (mut count, mut sum) = (0_u64, 0_u64);
    while let Some(frame) = body.next().await {
        if let BodyFrame::Data(bytes) = frame.map_err(BodyError::into_fault)? {
            for byte in bytes {
                count += 1;
                sum = sum.wrapping_mul(31).wrapping_add(u64::from(byte));
            }
        }
    }
    Ok([count.to_le_bytes(), sum.to_le_bytes()].concat().into())
}

impl Dispatch for Mirror {
    fn interface(&self) -> InterfaceName {
        MIRROR
    }

    fn fingerprint(&self) -> u64 {
        FINGERPRINT
    }

    fn dispatch<'a>(
        &'a self,
        context: &'a CallContext,
        request: DispatchRequest,
    ) -> BoxFuture<'a, Result<Answer, Fault>> {
        self.record.saw(context);
        self.run(request).boxed()
    }
}

/// A mirror behind a gate.
struct Guarded {
    inner: Arc<dyn Dispatch>,
    gate: Arc<Gate>,
}

impl Dispatch for Guarded {
    fn interface(&self) -> InterfaceName {
        MIRROR
    }

    fn fingerprint(&self) -> u64 {
        FINGERPRINT
    }

    fn dispatch<'a>(
        &'a self,
        context: &'a CallContext,
        request: DispatchRequest,
    ) -> BoxFuture<'a, Result<Answer, Fault>> {
        async move {
            self.gate.authorise(context, &MIRROR)?;
            let _permit = self.gate.admit(context).await?;
            self.inner.dispatch(context, request).await
        }
        .boxed()
    }
}

pub struct MirrorInterface;

impl Interface for MirrorInterface {
    type Object = dyn Dispatch;
    const NAME: InterfaceName = MIRROR;
    const OPERATIONS: &'static [Operation] = OPERATIONS;
    const FINGERPRINT: u64 = FINGERPRINT;

    fn remote(_: Arc<dyn Caller>, _: Callee) -> Arc<dyn Dispatch> {
        unreachable!("the tests make its invocations by hand")
    }

    fn guarded(inner: Arc<dyn Dispatch>, gate: Arc<Gate>) -> Arc<dyn Dispatch> {
        Arc::new(Guarded { inner, gate })
    }

    fn linked(_: LocalSlot<dyn Dispatch>, remote: Arc<dyn Dispatch>) -> Arc<dyn Dispatch> {
        remote
    }

    fn dispatcher(inner: Arc<dyn Dispatch>) -> Arc<dyn Dispatch> {
        inner
    }
}
