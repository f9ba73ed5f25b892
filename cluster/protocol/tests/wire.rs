//! The bytes on the wire, for each kind of frame. A change here is a change of the protocol's
//! version: nodes of two builds talk to each other during an upgrade.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::time::Duration;

use bytes::Bytes;
use wrt_protocol::{
    ActorAddress, CallId, DecodeError, EncodeError, Epoch, Execution, Fault, FaultKind, Fence, Hop,
    IdempotencyKey, InterfaceName, LeaseName, Name, NodeId, NodeMicros, OperationName, Origin,
    PROTOCOL_VERSION, PROTOCOL_VERSION_MAX, StreamId, TraceContext,
    envelope::{BodyAnnounce, Cancel, Reply, ReplyHead, Request, RequestHead},
    heartbeat::{
        Beat, Changes, Heartbeat, NodeState, PartOf, ReplicaChange, ReplicaReport, ReplicaState,
        Said, ShareRevision, WholeQuestion,
    },
    limits::{FAULT_DETAIL_BYTES_MAX, HEAD_BYTES_MAX},
    pack::{self, PackEntry},
    stream::{StreamFrame, StreamSignal},
};

/// Sixteen bytes a line, as hex and as text.
fn dump(bytes: &[u8]) -> String {
    let line = |line: &[u8]| {
        let hex: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let shown = |byte: &u8| match byte.is_ascii_graphic() {
            true => char::from(*byte),
            false => '.',
        };
        let text: String = line.iter().map(shown).collect();
        format!("{:<48}{text}\n", hex.join(" "))
    };
    bytes.chunks(16).map(line).collect()
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn node(text: &str) -> NodeId {
    NodeId::new(text).unwrap()
}

fn body() -> BodyAnnounce {
    BodyAnnounce::Arguments {
        stream: StreamId(0x33),
        bytes: 1 << 20,
    }
}

fn request() -> Request {
    Request {
        head: RequestHead {
            call: CallId(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10),
            key: IdempotencyKey(0x22),
            caller: node("north-1"),
            target: ActorAddress::provider(name("shop"), name("cache")),
            epoch: Some(Epoch(7)),
            interface: InterfaceName::from_static("wasi:keyvalue"),
            fingerprint: 0x0102_0304_0506_0708,
            operation: OperationName::from_static("compare-and-swap"),
            budget_micros: 10_000_000,
            expires_at: Some(NodeMicros(123_456_789)),
            attempt: 2,
            trace: TraceContext::parse(
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                Some("vendor=1"),
            ),
            origin: Some(ActorAddress::component(name("shop"), name("cart")).into()),
            fence: Some(Fence::new(
                LeaseName::new("provider.shop.bus.work").unwrap(),
                Epoch(300),
            )),
            body: Some(body()),
        },
        arguments: Bytes::from_static(b"ARGS"),
        bulk: Bytes::from_static(b"BULK"),
        body: Bytes::new(),
    }
}

fn small_request() -> Request {
    let Request { head, .. } = request();
    Request {
        head: RequestHead {
            target: ActorAddress::component(name("shop"), name("cart")),
            epoch: None,
            expires_at: None,
            trace: None,
            origin: None,
            fence: None,
            body: None,
            ..head
        },
        arguments: Bytes::new(),
        bulk: Bytes::new(),
        body: Bytes::new(),
    }
}

fn reply(outcome: Result<(), Fault>) -> Reply {
    Reply {
        head: ReplyHead {
            call: CallId(1),
            node: node("south-1"),
            epoch: Epoch(300),
            outcome,
            body: None,
        },
        result: Bytes::from_static(b"RESULT"),
        bulk: Bytes::from_static(b"BULK"),
        body: Bytes::new(),
    }
}

fn fault() -> Fault {
    let kind = FaultKind::Overloaded {
        retry_after_ms: 250,
    };
    Fault::not_executed(kind, Hop::Gate, "the gate (64) is full")
        .at_node(&node("south-1"))
        .on_link("component/shop/cart wasi:keyvalue get")
        .after(Duration::from_micros(1500))
}

fn heartbeat() -> Heartbeat {
    let report = ReplicaReport {
        actor: ActorAddress::component(name("shop"), name("cart")),
        state: ReplicaState::Ready,
        running: 3,
        waiting: 200,
        concurrency_max: 64,
        handled: 100_000,
        refused: 1,
    };
    Heartbeat {
        node: node("north-1"),
        epoch: Epoch(7),
        sequence: 41,
        sent_at: NodeMicros(10_250_000),
        interval_ms: 250,
        state: NodeState::Serving,
        version: "0.1.0".to_owned(),
        labels: vec![("zone".to_owned(), "north".to_owned())],
        replicas: vec![
            report.clone(),
            ReplicaReport {
                actor: ActorAddress::provider(name("shop"), name("cache")),
                state: ReplicaState::Failing,
                ..report
            },
        ],
    }
}

fn stream_frame(signal: StreamSignal, bytes: &'static [u8]) -> StreamFrame {
    StreamFrame {
        stream: StreamId(0x33),
        from: node("north-1"),
        signal,
        bytes: Bytes::from_static(bytes),
    }
}

#[test]
fn a_request() {
    let bytes = request().encode().unwrap();
    insta::assert_snapshot!("request", dump(&bytes));
    assert_eq!(Request::decode(&bytes).unwrap(), request());
}

#[test]
fn a_request_of_an_operator() {
    let mut request = small_request();
    request.head.origin = Some(Origin::Operator);
    let bytes = request.encode().unwrap();
    insta::assert_snapshot!("request_of_an_operator", dump(&bytes));
    assert_eq!(Request::decode(&bytes).unwrap(), request);
}

/// Who says nothing of what came with a later version writes none that the build before cannot read.
#[test]
fn only_who_says_its_origin_writes_the_latest_version() {
    let whole = request().encode().unwrap();
    let small = small_request().encode().unwrap();
    assert_eq!(
        [whole[0], small[0]],
        [PROTOCOL_VERSION_MAX, PROTOCOL_VERSION]
    );
    // An origin that claims to be something of version 3, and the other way round.
    for (bytes, version) in [(whole, PROTOCOL_VERSION), (small, PROTOCOL_VERSION_MAX)] {
        let mut bytes = bytes.to_vec();
        bytes[0] = version;
        let error = Request::decode(&bytes.into()).unwrap_err();
        assert!(matches!(error, DecodeError::Head(_)), "{error}");
    }
}

/// What a node of version 3 sent, as its own test recorded it.
#[test]
fn a_request_of_the_build_before_is_read() {
    let recorded = include_bytes!("recorded/request_of_version_3");
    let read = Request::decode(&Bytes::from_static(recorded)).unwrap();
    assert_eq!(read, small_request());
    assert_eq!(read.head.origin, None);
}

#[test]
fn a_request_without_anything_optional() {
    let bytes = small_request().encode().unwrap();
    insta::assert_snapshot!("request_small", dump(&bytes));
    assert_eq!(Request::decode(&bytes).unwrap(), small_request());
}

#[test]
fn a_reply() {
    let mut with_body = reply(Ok(()));
    with_body.head.body = Some(BodyAnnounce::Stream {
        stream: StreamId(0x33),
        length: Some(1 << 20),
    });
    let mut with_inline_body = reply(Ok(()));
    with_inline_body.head.body = Some(BodyAnnounce::Inline {
        length: Some(4),
        trailers: vec![("sum".to_owned(), b"1".to_vec())],
    });
    with_inline_body.body = Bytes::from_static(b"BODY");
    for (name, reply) in [
        ("reply_with_inline_body", with_inline_body),
        ("reply_ok", reply(Ok(()))),
        ("reply_with_body", with_body),
        ("reply_fault", reply(Err(fault()))),
    ] {
        let bytes = reply.encode().unwrap();
        insta::assert_snapshot!(name, dump(&bytes));
        assert_eq!(Reply::decode(&bytes).unwrap(), reply);
    }
}

#[test]
fn a_cancellation() {
    let cancel = Cancel {
        call: CallId(1),
        caller: node("north-1"),
    };
    let bytes = cancel.encode().unwrap();
    insta::assert_snapshot!("cancel", dump(&bytes));
    assert_eq!(Cancel::decode(&bytes).unwrap(), cancel);
}

#[test]
fn a_heartbeat() {
    let bytes = heartbeat().encode().unwrap();
    insta::assert_snapshot!("heartbeat", dump(&bytes));
    assert_eq!(Heartbeat::decode(&bytes).unwrap(), heartbeat());
}

/// One of a build that reads changes: the part that it has says so.
fn whole_beat() -> Beat {
    let mut beat = Beat::from(heartbeat());
    if let Said::Whole(share) = &mut beat.said {
        share.part = Some(PartOf {
            revision: ShareRevision(300),
            first: 0,
            count: 2,
            members: 3,
        });
    }
    beat
}

fn beat_of_changes(changes: Vec<ReplicaChange>) -> Beat {
    let revision = ShareRevision(300 + u64::from(!changes.is_empty()));
    Beat {
        said: Said::Changes(Changes {
            since: ShareRevision(300),
            revision,
            changes,
        }),
        ..whole_beat()
    }
}

#[test]
fn heartbeats_of_what_has_changed() {
    let is = ReplicaChange::Is {
        at: 1,
        state: ReplicaState::Ready,
        running: 3,
        waiting: 200,
        concurrency_max: 64,
    };
    let new = ReplicaChange::New(heartbeat().replicas.remove(0));
    let all = vec![ReplicaChange::Gone { at: 0 }, is, new];
    for (name, beat) in [
        ("beat_whole", whole_beat()),
        ("beat_of_changes", beat_of_changes(all)),
        ("beat_of_nothing", beat_of_changes(Vec::new())),
    ] {
        let bytes = beat.encode().unwrap();
        insta::assert_snapshot!(name, dump(&bytes));
        assert_eq!(Beat::decode(&bytes).unwrap(), beat);
    }
    let question = WholeQuestion { first: 300 };
    let bytes = question.encode().unwrap();
    insta::assert_snapshot!("whole_question", dump(&bytes));
    assert_eq!(WholeQuestion::decode(&bytes).unwrap(), question);
}

/// What a node of the build before heartbeats of changes sent, as its own tests recorded it: it is read, and what
/// is said to it is what it reads.
#[test]
fn heartbeats_of_an_earlier_build_are_read_and_made() {
    let recorded = Bytes::from_static(include_bytes!("recorded/heartbeat_of_version_3"));
    assert_eq!(Heartbeat::decode(&recorded).unwrap(), heartbeat());
    let beat = Beat::decode(&recorded).unwrap();
    assert_eq!(beat, Beat::from(heartbeat()));
    assert!(beat.is_of_earlier_build());
    assert_eq!(beat.encode().unwrap(), recorded);
    let now = whole_beat().encode().unwrap();
    assert!(now.starts_with(&recorded), "what is new stands behind it");
    assert_eq!(Heartbeat::decode(&now).unwrap(), heartbeat());
    assert!(!Beat::decode(&now).unwrap().is_of_earlier_build());
    // It counts one of these as unreadable, and goes on.
    let changes = beat_of_changes(Vec::new()).encode().unwrap();
    let error = Heartbeat::decode(&changes).unwrap_err();
    assert_eq!(error, DecodeError::Kind { kind: 7 });
}

#[test]
fn stream_frames() {
    let trailers = vec![("grpc-status".to_owned(), b"0".to_vec())];
    for (name, signal, bytes) in [
        (
            "chunk",
            StreamSignal::Chunk { sequence: 300 },
            &b"BYTES"[..],
        ),
        (
            "end",
            StreamSignal::End {
                sequence: 301,
                trailers,
            },
            b"",
        ),
        ("failed", StreamSignal::Failed { fault: fault() }, b""),
        ("failed_own", StreamSignal::FailedOwn, b"ERROR"),
        ("credit", StreamSignal::Credit { chunks: 8 }, b""),
        ("cancel", StreamSignal::Cancel, b""),
    ] {
        let frame = stream_frame(signal, bytes);
        let encoded = frame.clone().encode().unwrap();
        insta::assert_snapshot!(format!("stream_{name}"), dump(&encoded));
        assert_eq!(StreamFrame::decode(&encoded).unwrap(), frame);
    }
}

#[test]
fn a_pack() {
    let entry = |slot, text: &'static str| PackEntry {
        slot,
        payload: Bytes::from_static(text.as_bytes()),
    };
    let entries = [entry(7, "FIRST"), entry(300, ""), entry(8, "THIRD")];
    let bytes = pack::encode(&entries).unwrap();
    insta::assert_snapshot!("pack", dump(&bytes));
    assert_eq!(pack::decode(&bytes).unwrap(), entries);
    // Nothing is left over, and nothing is missing.
    for bytes in [
        bytes.slice(..bytes.len() - 1),
        Bytes::from([&bytes[..], b"X"].concat()),
    ] {
        assert!(pack::decode(&bytes).is_err());
    }
}

/// The numbers of the kinds are on the wire; this names each, so that a reordered enum is seen.
#[test]
fn numbers_of_the_kinds() {
    let kinds = [
        FaultKind::DeadlineExceeded,
        FaultKind::Cancelled,
        FaultKind::Overloaded { retry_after_ms: 5 },
        FaultKind::Unavailable,
        FaultKind::NodeLost,
        FaultKind::Disconnected,
        FaultKind::Draining,
        FaultKind::StaleEpoch,
        FaultKind::TooLarge,
        FaultKind::Malformed,
        FaultKind::UnknownOperation,
        FaultKind::VersionMismatch,
        FaultKind::Crashed,
        FaultKind::Denied,
        FaultKind::Fenced,
    ];
    let hops = [
        Hop::Caller,
        Hop::Route,
        Hop::Bus,
        Hop::Gate,
        Hop::Actor,
        Hop::Backend,
        Hop::Stream,
    ];
    let executions = [
        Execution::NotExecuted,
        Execution::MaybeExecuted,
        Execution::Executed,
    ];
    let mut text = String::new();
    let mut line = |value: String, bytes: Vec<u8>| {
        text += &format!("{value:<50}{}\n", hex::encode(bytes));
    };
    for kind in kinds {
        line(format!("{kind:?}"), postcard::to_stdvec(&kind).unwrap());
    }
    for hop in hops {
        line(format!("{hop:?}"), postcard::to_stdvec(&hop).unwrap());
    }
    for execution in executions {
        line(
            format!("{execution:?}"),
            postcard::to_stdvec(&execution).unwrap(),
        );
    }
    insta::assert_snapshot!("kinds", text);
}

#[test]
fn other_bytes_are_named() {
    let request = small_request().encode().unwrap();
    let changed = |at: usize, byte: u8| {
        let mut bytes = request.to_vec();
        bytes[at] = byte;
        Bytes::from(bytes)
    };
    let theirs = PROTOCOL_VERSION_MAX + 1;
    let cases = [
        (Bytes::new(), DecodeError::Short { bytes: 0 }),
        (changed(0, theirs), DecodeError::Version { theirs }),
        // Another version says so even if nothing else of the frame is understood.
        (
            Bytes::copy_from_slice(&[theirs]),
            DecodeError::Version { theirs },
        ),
        (request.slice(..5), DecodeError::Short { bytes: 5 }),
        (changed(1, 2), DecodeError::Kind { kind: 2 }),
        (request.slice(..20), DecodeError::Short { bytes: 20 }),
        (
            changed(5, 1),
            DecodeError::HeadTooLarge {
                bytes: (1 << 24) + usize::from(request[2]),
            },
        ),
    ];
    for (bytes, expected) in cases {
        assert_eq!(Request::decode(&bytes).unwrap_err(), expected);
    }
}

/// What nodes of versions 1 and 2 sent, as their own tests recorded it: a `compare-and-swap`.
#[test]
fn a_frame_of_an_earlier_version_is_named() {
    let recorded: [(u8, &[u8]); 2] = [
        (1, include_bytes!("recorded/request_of_version_1")),
        (2, include_bytes!("recorded/request_of_version_2")),
    ];
    for (theirs, recorded) in recorded {
        assert_eq!(recorded[0], theirs);
        let error = Request::decode(&Bytes::from_static(recorded)).unwrap_err();
        assert_eq!(error, DecodeError::Version { theirs });
    }
}

#[test]
fn a_head_over_its_limit_is_not_sent() {
    let trailers = vec![("t".to_owned(), vec![0; HEAD_BYTES_MAX])];
    let frame = stream_frame(
        StreamSignal::End {
            sequence: 0,
            trailers,
        },
        b"",
    );
    let error = frame.encode().unwrap_err();
    assert!(matches!(error, EncodeError::HeadTooLarge { bytes } if bytes > HEAD_BYTES_MAX));
}

/// A peer may run a build with another limit, or none.
#[test]
fn the_detail_of_a_peers_fault_is_cut() {
    let parts = |detail: &str| {
        let (kind, execution, hop) = (FaultKind::Crashed, Execution::Executed, Hop::Actor);
        let nobody = (None::<NodeId>, None::<String>);
        let parts = (kind, execution, hop, nobody, 0u64, detail.to_owned());
        let bytes = postcard::to_stdvec(&parts).unwrap();
        postcard::from_bytes::<Fault>(&bytes).unwrap()
    };
    assert_eq!(parts("short").detail(), "short");
    let cut = parts(&"ä".repeat(5000));
    assert_eq!(cut.detail(), "ä".repeat(FAULT_DETAIL_BYTES_MAX / 2));
}
