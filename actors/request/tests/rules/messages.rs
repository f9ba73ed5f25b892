//! Whatever arrives, an exchange neither panics nor stops, and counts what it could not use.

use std::time::Duration;

use bytes::Bytes;
use proptest::{collection::vec, prelude::*, strategy::ValueTree, test_runner::TestRunner};
use wrt_contract::{CallContext, Caller, Invocation};
use wrt_protocol::{
    CallId, Execution, FaultKind, PROTOCOL_VERSION, PROTOCOL_VERSION_MAX, StreamId,
    envelope::{Cancel, Reply, Request},
    stream::{StreamFrame, StreamSignal},
};
use wrt_transport::{Lane, Transport};

use super::lattice::{
    mirror::{FINGERPRINT, KEEP},
    nodes::{Bus, Node, eventually, invocation, target},
    probe::How,
};

async fn pair(bus: &Bus) -> (Node, Node) {
    let (caller, b) = (bus.caller().await, bus.host("b").await);
    caller.knows(1).await;
    (caller, b)
}

/// Fails when the subject, at which permissions look, and the envelope may differ.
#[tokio::test(start_paused = true)]
async fn a_subject_and_its_envelope_must_agree() {
    let bus = Bus::loopback();
    let (caller, b) = pair(&bus).await;
    let answer = caller.look(1_000, 1, How::AtOnce);
    answer.await.unwrap();
    let (request, _) = caller.wire.requests().remove(0);
    let subject = |operation: &str| {
        let head = &request.head;
        let operation = wrt_protocol::OperationName::new(operation).unwrap();
        let subjects = &caller.subjects;
        subjects.call(&b.id, &head.target, &head.interface, &operation)
    };
    let payload = request.encode().unwrap();
    let reply = caller.wire.request(subject("act"), payload).await.unwrap();
    let fault = Reply::decode(&reply).unwrap().head.outcome.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Malformed);
    assert_eq!(b.exchange.counts().malformed, 1);
    assert_eq!(b.record.all_runs(), 1);
}

/// Fails when a peer of another version is left waiting, or told something else than that.
#[tokio::test(start_paused = true)]
async fn another_version_is_told_so() {
    let bus = Bus::loopback();
    let (caller, b) = pair(&bus).await;
    let answer = caller.look(1_000, 1, How::AtOnce);
    answer.await.unwrap();
    let (request, _) = caller.wire.requests().remove(0);
    let head = &request.head;
    let subjects = &caller.subjects;
    let subject = subjects.call(&b.id, &head.target, &head.interface, &head.operation);
    let mut payload = request.encode().unwrap().to_vec();
    payload[0] = PROTOCOL_VERSION_MAX + 1;
    let reply = caller.wire.request(subject, payload.into()).await.unwrap();
    let reply = Reply::decode(&reply).unwrap();
    assert_eq!(reply.head.call, CallId(0));
    let fault = reply.head.outcome.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::VersionMismatch);
}

/// Fails when a node of an earlier version is left waiting: it reads the version of the answer, and
/// nothing else of it.
#[tokio::test(start_paused = true)]
async fn a_call_of_an_earlier_version_is_told_so() {
    let bus = Bus::loopback();
    let (caller, b) = pair(&bus).await;
    let recorded: [(&[u8], &str); 2] = [
        (
            include_bytes!("../../../../cluster/protocol/tests/recorded/request_of_version_1"),
            "version 1",
        ),
        (
            include_bytes!("../../../../cluster/protocol/tests/recorded/request_of_version_2"),
            "version 2",
        ),
    ];
    let answer = caller.look(1_000, 1, How::AtOnce);
    answer.await.unwrap();
    let (request, _) = caller.wire.requests().remove(0);
    let head = &request.head;
    let subjects = &caller.subjects;
    let subject = subjects.call(&b.id, &head.target, &head.interface, &head.operation);
    for (recorded, version) in recorded {
        let asked = caller.wire.request(subject.clone(), recorded.into());
        let reply = asked.await.unwrap();
        assert_eq!(reply[0], PROTOCOL_VERSION);
        let fault = Reply::decode(&reply).unwrap().head.outcome.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::VersionMismatch);
        assert_eq!(fault.execution(), Execution::NotExecuted);
        assert!(fault.detail().contains(version), "{fault}");
    }
    assert_eq!(b.record.all_runs(), 1, "the first one");
}

/// Fails when a call of a build with another interface runs: its bytes could mean something else.
#[tokio::test(start_paused = true)]
async fn a_call_of_another_build_never_runs() {
    let bus = Bus::loopback();
    let (caller, b) = pair(&bus).await;
    let answer = caller.look(1_000, 1, How::AtOnce);
    answer.await.unwrap();
    // As it was recorded, but for the interface that its caller was built with.
    let (mut request, _) = caller.wire.requests().remove(0);
    request.head.call = CallId::mint();
    request.head.fingerprint ^= 1;
    let head = &request.head;
    let subjects = &caller.subjects;
    let subject = subjects.call(&b.id, &head.target, &head.interface, &head.operation);
    let payload = request.encode().unwrap();
    let reply = caller.wire.request(subject, payload).await.unwrap();
    let fault = Reply::decode(&reply).unwrap().head.outcome.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::VersionMismatch);
    assert_eq!(fault.execution(), Execution::NotExecuted);
    assert!(fault.detail().contains("test:probe"), "{fault}");
    assert_eq!(b.record.runs(1), 1, "the first one");
    // And the whole way.
    let invocation = Invocation {
        fingerprint: FINGERPRINT ^ 1,
        ..invocation(KEEP, None)
    };
    let context = CallContext::with_budget(Duration::from_secs(1));
    let fault = caller.path.call(&context, invocation).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::VersionMismatch);
    assert_eq!(fault.execution(), Execution::NotExecuted);
    assert_eq!(b.record.all_runs(), 1);
}

/// A valid message of each kind, to be bent.
async fn specimens(caller: &Node, b: &Node) -> Vec<(Lane, String, Bytes)> {
    let answer = caller.look(1_000, 1, How::AtOnce);
    answer.await.unwrap();
    let (mut request, _) = caller.wire.requests().remove(0);
    request.head.call = CallId::mint();
    let Request { head, .. } = &request;
    let subjects = &caller.subjects;
    let call = subjects.call(&b.id, &head.target, &head.interface, &head.operation);
    let any = subjects.call_any(&head.target, &head.interface, &head.operation);
    let cancel = Cancel {
        call: head.call,
        caller: caller.id.clone(),
    };
    let envelope = request.encode().unwrap();
    let mut all = vec![
        (Lane::Calls, call, envelope.clone()),
        (Lane::Calls, any, envelope),
        (
            Lane::Calls,
            subjects.cancel(&b.id),
            cancel.encode().unwrap(),
        ),
    ];
    let signals = [
        StreamSignal::Chunk { sequence: 0 },
        StreamSignal::Credit { chunks: u32::MAX },
        StreamSignal::Cancel,
    ];
    for signal in signals {
        let frame = StreamFrame {
            stream: StreamId::mint(),
            from: caller.id.clone(),
            signal,
            bytes: Bytes::from_static(b"bytes"),
        };
        all.push((Lane::Bulk, subjects.body(&b.id), frame.encode().unwrap()));
    }
    all
}

/// Fails when any bytes make a reader panic or end: the node would be deaf from then on.
#[tokio::test(start_paused = true)]
async fn random_bytes_harm_nothing_and_are_counted() {
    let bus = Bus::loopback();
    let (caller, b) = pair(&bus).await;
    let specimens = specimens(&caller, &b).await;
    let mut runner = TestRunner::deterministic();
    // Random bytes, and a valid message with a few bytes changed or cut off.
    let bytes = vec(any::<u8>(), 0..200);
    let bent = (
        0..specimens.len(),
        vec((any::<u16>(), any::<u8>()), 0..4),
        any::<u16>(),
    );
    let cases = (0..specimens.len(), bytes, bent);
    let mut sent = 0_u64;
    for _ in 0..20_000 {
        let tree = cases.new_tree(&mut runner).unwrap();
        let (kind, random, (bent, changes, cut)) = tree.current();
        let mut message = specimens[bent].2.to_vec();
        for (at, byte) in changes {
            let at = usize::from(at) % message.len();
            message[at] = byte;
        }
        if cut % 4 == 0 {
            message.truncate(usize::from(cut) % message.len());
        }
        for (kind, payload) in [(kind, random), (bent, message)] {
            let (lane, subject, _) = &specimens[kind];
            let published = caller.wire.publish(*lane, subject.clone(), payload.into());
            published.await.unwrap();
            sent += 1;
        }
        tokio::task::yield_now().await;
    }
    let odd = [
        "wrong",
        "cancel.more",
        "call.x.y.z.v.w",
        "call.provider.a.b.c",
    ];
    for odd in odd {
        let subject = caller.subjects.cancel(&b.id).replace("cancel", odd);
        let published = caller.wire.publish(Lane::Calls, subject, Bytes::new());
        published.await.unwrap();
    }
    eventually("an idle node", || b.exchange.in_hand() == 0).await;
    let counts = b.exchange.counts();
    println!(
        "{sent} messages: {counts:?}, {} frames",
        b.streams.dropped_frames()
    );
    assert!(counts.malformed > 5_000 && b.streams.dropped_frames() > 5_000);
    // Still there.
    let answer = caller.act(1_000, 2, How::AtOnce);
    assert_eq!(answer.await.unwrap(), "b");
    let large = Bytes::from(vec![1; 1_000_000]);
    let answer = caller.mirror(1_000, 3, large.clone()).await;
    assert_eq!(answer.unwrap(), large);
    b.is_idle().await;
}

/// Fails when arguments that are not the operation's are a panic, or a call that may have run.
#[tokio::test(start_paused = true)]
async fn arguments_of_another_operation() {
    let bus = Bus::loopback();
    let (caller, b) = pair(&bus).await;
    let answer = caller.look(1_000, 1, How::AtOnce);
    answer.await.unwrap();
    let (mut request, _) = caller.wire.requests().remove(0);
    request.head.call = CallId::mint();
    request.arguments = Bytes::from_static(&[0xff; 40]);
    let head = &request.head;
    let subjects = &caller.subjects;
    let subject = subjects.call(&b.id, &target(), &head.interface, &head.operation);
    let payload = request.encode().unwrap();
    let reply = caller.wire.request(subject, payload).await.unwrap();
    let fault = Reply::decode(&reply).unwrap().head.outcome.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Malformed);
    assert_eq!(fault.execution(), wrt_protocol::Execution::NotExecuted);
    assert_eq!(b.record.all_runs(), 1);
}
