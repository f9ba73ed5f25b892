//! Nodes of two builds on one lattice, as during an upgrade: what the earlier one sends is read, and what
//! nobody can read is named.
//!
//! `recorded/version_3` has what its own tests saw it send. A build that is one release later reads all of it;
//! a change after which it does not is a break, whatever its number is. A call's tenant, which had a place in that
//! version, was set by nobody, and is not among it. What stands where in a frame is in `wire.rs`.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use bytes::Bytes;
use wrt_protocol::{
    ActorKind, CallId, DecodeError, Epoch, FaultKind, Hop, NodeMicros, StreamId,
    envelope::{BodyAnnounce, Cancel, Reply, Request},
    heartbeat::{Heartbeat, NodeState, ReplicaState},
    pack,
    stream::{StreamFrame, StreamSignal},
};

macro_rules! recorded {
    ($name:literal) => {
        Bytes::from_static(include_bytes!(concat!("recorded/version_3/", $name)))
    };
}

/// Of no build there is.
const UNKNOWN_VERSION: u8 = 250;

#[test]
fn a_recorded_request_is_read() {
    let request = Request::decode(&recorded!("request")).unwrap();
    let head = &request.head;
    assert_eq!(head.call, CallId(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10));
    assert_eq!((head.key.0, head.attempt), (0x22, 2));
    assert_eq!(head.caller.as_str(), "north-1");
    assert_eq!(head.target.to_string(), "provider/shop/cache");
    assert_eq!(head.epoch, Some(Epoch(7)));
    let operation = (head.interface.as_str(), head.operation.as_str());
    assert_eq!(operation, ("wasi:keyvalue", "compare-and-swap"));
    assert_eq!(head.fingerprint, 0x0102_0304_0506_0708);
    assert_eq!(head.budget_micros, 10_000_000);
    assert_eq!(head.expires_at, Some(NodeMicros(123_456_789)));
    assert!(head.trace.is_some());
    let fence = head.fence.as_ref().unwrap();
    assert!(
        format!("{fence:?}").contains("provider.shop.bus.work"),
        "{fence:?}"
    );
    let body = BodyAnnounce::Arguments {
        stream: StreamId(0x33),
        bytes: 1 << 20,
    };
    assert_eq!(head.body, Some(body));
    assert_eq!(
        (&*request.arguments, &*request.bulk),
        (&b"ARGS"[..], &b"BULK"[..])
    );

    let small = Request::decode(&recorded!("request_without_options")).unwrap();
    assert_eq!(small.head.target.kind, ActorKind::Component);
    let options = (
        small.head.epoch,
        small.head.expires_at,
        small.head.body.is_none(),
    );
    assert_eq!(options, (None, None, true));
    assert!(small.head.fence.is_none() && small.head.trace.is_none());
}

#[test]
fn recorded_replies_are_read() {
    let reply = Reply::decode(&recorded!("reply")).unwrap();
    assert_eq!((reply.head.call, reply.head.epoch), (CallId(1), Epoch(300)));
    assert_eq!(
        (reply.head.node.as_str(), reply.head.outcome),
        ("south-1", Ok(()))
    );
    assert_eq!(
        (&*reply.result, &*reply.bulk),
        (&b"RESULT"[..], &b"BULK"[..])
    );
    let stream = BodyAnnounce::Stream {
        stream: StreamId(0x33),
        length: Some(1 << 20),
    };
    let with_body = Reply::decode(&recorded!("reply_with_body")).unwrap();
    assert_eq!(with_body.head.body, Some(stream));
    let inline = Reply::decode(&recorded!("reply_with_inline_body")).unwrap();
    assert_eq!(&*inline.body, b"BODY");
    let fault = Reply::decode(&recorded!("reply_with_fault")).unwrap();
    let fault = fault.head.outcome.unwrap_err();
    let kind = FaultKind::Overloaded {
        retry_after_ms: 250,
    };
    assert_eq!(
        (fault.kind(), fault.detail()),
        (kind, "the gate (64) is full")
    );
    assert!(fault.to_string().contains("south-1"), "{fault}");
    assert_eq!(fault.hop(), Hop::Gate);
    let cancel = Cancel::decode(&recorded!("cancellation")).unwrap();
    assert_eq!(
        (cancel.call, cancel.caller.as_str()),
        (CallId(1), "north-1")
    );
}

#[test]
fn a_recorded_heartbeat_is_read() {
    let beat = Heartbeat::decode(&recorded!("heartbeat")).unwrap();
    assert_eq!(
        (beat.node.as_str(), beat.epoch, beat.sequence),
        ("north-1", Epoch(7), 41)
    );
    assert_eq!(
        (beat.sent_at, beat.interval_ms),
        (NodeMicros(10_250_000), 250)
    );
    assert_eq!(
        (beat.state, beat.version.as_str()),
        (NodeState::Serving, "0.1.0")
    );
    assert_eq!(beat.labels, [("zone".to_owned(), "north".to_owned())]);
    let [cart, cache] = beat.replicas.as_slice() else {
        panic!("{beat:?}");
    };
    assert_eq!(cart.actor.to_string(), "component/shop/cart");
    assert_eq!(
        (cart.state, cart.running, cart.waiting),
        (ReplicaState::Ready, 3, 200)
    );
    assert_eq!(
        (cart.concurrency_max, cart.handled, cart.refused),
        (64, 100_000, 1)
    );
    assert_eq!(cache.actor.to_string(), "provider/shop/cache");
    assert_eq!(cache.state, ReplicaState::Failing);
}

/// A later build may say more at the end of a heartbeat: one that does not know it leaves it out.
#[test]
fn what_stands_behind_a_heartbeat_is_left_out() {
    let known = Heartbeat::decode(&recorded!("heartbeat")).unwrap();
    let longer = [&recorded!("heartbeat")[..], b"what a later build says"].concat();
    assert_eq!(Heartbeat::decode(&Bytes::from(longer)).unwrap(), known);
}

/// Nobody guesses what more there is in the head of a call: it may be what makes it another call.
#[test]
fn a_head_that_says_more_than_is_known_is_refused() {
    let mut longer = recorded!("cancellation").to_vec();
    longer[2] += 1;
    longer.push(1);
    let error = Cancel::decode(&Bytes::from(longer)).unwrap_err();
    assert!(matches!(error, DecodeError::Head(_)), "{error}");
}

#[test]
fn recorded_frames_of_streams_and_packs_are_read() {
    let read = |bytes: Bytes| StreamFrame::decode(&bytes).unwrap();
    let chunk = read(recorded!("stream_chunk"));
    assert_eq!(
        (chunk.stream, chunk.from.as_str()),
        (StreamId(0x33), "north-1")
    );
    assert!(matches!(
        chunk.signal,
        StreamSignal::Chunk { sequence: 300 }
    ));
    assert_eq!(&*chunk.bytes, b"BYTES");
    let end = read(recorded!("stream_end")).signal;
    let StreamSignal::End { sequence, trailers } = end else {
        panic!("{end:?}");
    };
    assert_eq!(
        (sequence, trailers),
        (301, vec![("grpc-status".to_owned(), b"0".to_vec())])
    );
    let failed = read(recorded!("stream_failed")).signal;
    assert!(matches!(failed, StreamSignal::Failed { .. }), "{failed:?}");
    let own = read(recorded!("stream_failed_own"));
    assert_eq!(
        (own.signal, &*own.bytes),
        (StreamSignal::FailedOwn, &b"ERROR"[..])
    );
    let credit = read(recorded!("stream_credit")).signal;
    assert_eq!(credit, StreamSignal::Credit { chunks: 8 });
    assert_eq!(
        read(recorded!("stream_cancel")).signal,
        StreamSignal::Cancel
    );
    let entries = pack::decode(&recorded!("pack")).unwrap();
    let entries: Vec<_> = entries.iter().map(|it| (it.slot, &*it.payload)).collect();
    let expected: [(u64, &[u8]); 3] = [(7, b"FIRST"), (300, b""), (8, b"THIRD")];
    assert_eq!(entries, expected);
}

/// Whatever else has become of the frame: the first byte alone says which of the two is to be upgraded.
#[test]
fn an_unknown_version_is_named_for_each_kind_of_frame() {
    let theirs = UNKNOWN_VERSION;
    let of = |bytes: Bytes| {
        let mut bytes = bytes.to_vec();
        bytes[0] = theirs;
        Bytes::from(bytes)
    };
    let errors = [
        Request::decode(&of(recorded!("request"))).unwrap_err(),
        Reply::decode(&of(recorded!("reply"))).unwrap_err(),
        Cancel::decode(&of(recorded!("cancellation"))).unwrap_err(),
        Heartbeat::decode(&of(recorded!("heartbeat"))).unwrap_err(),
        StreamFrame::decode(&of(recorded!("stream_chunk"))).unwrap_err(),
        pack::decode(&of(recorded!("pack"))).unwrap_err(),
        Request::decode(&Bytes::from_static(&[UNKNOWN_VERSION])).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error, DecodeError::Version { theirs });
        let told = error.to_string();
        assert!(
            told.contains("250") && told.contains("upgrade the older"),
            "{told}"
        );
    }
}
