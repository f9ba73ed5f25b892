//! Any value of each kind that travels.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use proptest::{collection::vec, option, prelude::*, sample::select};
use wrt_protocol::{
    ActorAddress, CallId, Epoch, Execution, Fault, FaultKind, Fence, Hop, IdempotencyKey,
    InterfaceName, LeaseName, Name, NodeId, NodeMicros, OperationName, Origin, StreamId,
    TraceContext,
    envelope::{BodyAnnounce, Cancel, Reply, ReplyHead, Request, RequestHead},
    heartbeat::{
        Beat, Changes, Heartbeat, NodeState, PartOf, Pulse, ReplicaChange, ReplicaReport,
        ReplicaState, Said, ShareRevision, WholeQuestion,
    },
    pack::{self, PackEntry},
    stream::{StreamFrame, StreamSignal},
};

pub fn a_name() -> impl Strategy<Value = Name> {
    "[a-z0-9][a-z0-9_-]{0,63}".prop_map(|text| Name::new(&text).unwrap())
}

pub fn a_node() -> impl Strategy<Value = NodeId> {
    a_name().prop_map(NodeId::from)
}

pub fn an_actor() -> impl Strategy<Value = ActorAddress> {
    (any::<bool>(), a_name(), a_name()).prop_map(|(component, app, name)| match component {
        true => ActorAddress::component(app, name),
        false => ActorAddress::provider(app, name),
    })
}

pub fn an_interface() -> impl Strategy<Value = InterfaceName> {
    "[a-zA-Z0-9:/@_-]{1,64}".prop_map(|text| InterfaceName::new(&text).unwrap())
}

pub fn an_operation() -> impl Strategy<Value = OperationName> {
    "[a-zA-Z0-9:/@_-]{1,64}".prop_map(|text| OperationName::new(&text).unwrap())
}

pub fn some_bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..64).prop_map(Bytes::from)
}

pub fn a_trace() -> impl Strategy<Value = TraceContext> {
    let state = option::of("[a-z=,]{0,40}".prop_map(Arc::from));
    (any::<u128>(), any::<u64>(), any::<u8>(), state).prop_map(
        |(trace_id, span_id, flags, state)| TraceContext {
            trace_id,
            span_id,
            flags,
            state,
        },
    )
}

pub fn a_fence() -> impl Strategy<Value = Fence> {
    let lease = "[-/_=.a-zA-Z0-9]{1,64}".prop_map(|text| LeaseName::new(&text).unwrap());
    (lease, any::<u64>()).prop_map(|(lease, epoch)| Fence::new(lease, Epoch(epoch)))
}

pub fn a_body() -> impl Strategy<Value = BodyAnnounce> {
    let trailers = vec(("[a-z]{1,8}", vec(any::<u8>(), 0..8)), 0..3);
    prop_oneof![
        (any::<Option<u64>>(), trailers)
            .prop_map(|(length, trailers)| BodyAnnounce::Inline { length, trailers }),
        (any::<u128>(), any::<Option<u64>>()).prop_map(|(stream, length)| {
            let stream = StreamId(stream);
            BodyAnnounce::Stream { stream, length }
        }),
        (any::<u128>(), any::<u64>()).prop_map(|(stream, bytes)| {
            let stream = StreamId(stream);
            BodyAnnounce::Arguments { stream, bytes }
        }),
    ]
}

pub fn a_fault() -> impl Strategy<Value = Fault> {
    let kind = prop_oneof![
        any::<u32>().prop_map(|retry_after_ms| FaultKind::Overloaded { retry_after_ms }),
        select(vec![
            FaultKind::DeadlineExceeded,
            FaultKind::Cancelled,
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
        ]),
    ];
    let execution = select(vec![
        Execution::NotExecuted,
        Execution::MaybeExecuted,
        Execution::Executed,
    ]);
    let hop = select(vec![
        Hop::Caller,
        Hop::Route,
        Hop::Bus,
        Hop::Gate,
        Hop::Actor,
        Hop::Backend,
        Hop::Stream,
    ]);
    let link = option::of("[a-z /]{0,40}");
    let detail = "\\PC{0,80}";
    (
        kind,
        execution,
        hop,
        option::of(a_node()),
        link,
        any::<u32>(),
        detail,
    )
        .prop_map(|(kind, execution, hop, node, link, micros, detail)| {
            let mut fault = Fault::new(kind, execution, hop, detail)
                .after(Duration::from_micros(u64::from(micros)));
            if let Some(node) = node {
                fault = fault.at_node(&node);
            }
            match link {
                Some(link) => fault.on_link(link),
                None => fault,
            }
        })
}

fn an_origin() -> impl Strategy<Value = Origin> {
    prop_oneof![Just(Origin::Operator), an_actor().prop_map(Origin::Actor)]
}

pub fn a_request() -> impl Strategy<Value = Request> {
    let who = (any::<u128>(), any::<u128>(), a_node(), an_actor());
    let what = (
        an_interface(),
        an_operation(),
        any::<Option<u64>>(),
        any::<u64>(),
    );
    let when = (any::<u64>(), any::<Option<u64>>(), any::<u32>());
    let rest = (
        option::of(a_trace()),
        option::of(an_origin()),
        option::of(a_fence()),
        option::of(a_body()),
    );
    let bytes = (some_bytes(), some_bytes(), some_bytes());
    (who, what, when, rest, bytes).prop_map(|(who, what, when, rest, (arguments, bulk, body))| {
        Request {
            head: RequestHead {
                call: CallId(who.0),
                key: IdempotencyKey(who.1),
                caller: who.2,
                target: who.3,
                interface: what.0,
                fingerprint: what.3,
                operation: what.1,
                epoch: what.2.map(Epoch),
                budget_micros: when.0,
                expires_at: when.1.map(NodeMicros),
                attempt: when.2,
                trace: rest.0,
                origin: rest.1,
                fence: rest.2,
                body: rest.3,
            },
            arguments,
            bulk,
            body,
        }
    })
}

pub fn a_reply() -> impl Strategy<Value = Reply> {
    let outcome = prop_oneof![Just(Ok(())), a_fault().prop_map(Err)];
    let head = (
        any::<u128>(),
        a_node(),
        any::<u64>(),
        outcome,
        option::of(a_body()),
    );
    (head, some_bytes(), some_bytes(), some_bytes()).prop_map(
        |((call, node, epoch, outcome, announce), result, bulk, body)| Reply {
            head: ReplyHead {
                call: CallId(call),
                node,
                epoch: Epoch(epoch),
                outcome,
                body: announce,
            },
            result,
            bulk,
            body,
        },
    )
}

pub fn a_cancel() -> impl Strategy<Value = Cancel> {
    (any::<u128>(), a_node()).prop_map(|(call, caller)| Cancel {
        call: CallId(call),
        caller,
    })
}

fn a_replica_state() -> impl Strategy<Value = ReplicaState> {
    select(vec![
        ReplicaState::Starting,
        ReplicaState::Ready,
        ReplicaState::Failing,
        ReplicaState::Draining,
    ])
}

pub fn a_report() -> impl Strategy<Value = ReplicaReport> {
    let state = a_replica_state();
    (an_actor(), state, any::<[u32; 3]>(), any::<[u64; 2]>()).prop_map(
        |(actor, state, counts, totals)| ReplicaReport {
            actor,
            state,
            running: counts[0],
            waiting: counts[1],
            concurrency_max: counts[2],
            handled: totals[0],
            refused: totals[1],
        },
    )
}

pub fn a_heartbeat() -> impl Strategy<Value = Heartbeat> {
    let state = select(vec![
        NodeState::Serving,
        NodeState::Draining,
        NodeState::Leaving,
    ]);
    let labels = vec(("[a-z]{1,8}", "[a-z]{0,8}"), 0..4);
    let replicas = vec(a_report(), 0..4);
    let text = ("\\PC{0,16}", labels);
    (
        a_node(),
        any::<[u64; 3]>(),
        any::<u32>(),
        state,
        text,
        replicas,
    )
        .prop_map(
            |(node, numbers, interval_ms, state, (version, labels), replicas)| Heartbeat {
                node,
                epoch: Epoch(numbers[0]),
                sequence: numbers[1],
                sent_at: NodeMicros(numbers[2]),
                interval_ms,
                state,
                version,
                labels,
                replicas,
            },
        )
}

pub fn a_change() -> impl Strategy<Value = ReplicaChange> {
    let is = (any::<u16>(), a_replica_state(), any::<[u32; 3]>());
    prop_oneof![
        any::<u16>().prop_map(|at| ReplicaChange::Gone { at }),
        is.prop_map(|(at, state, counts)| ReplicaChange::Is {
            at,
            state,
            running: counts[0],
            waiting: counts[1],
            concurrency_max: counts[2],
        }),
        a_report().prop_map(ReplicaChange::New),
    ]
}

/// A heartbeat of a build that reads changes, with more replicas than others.
pub fn a_whole_beat() -> impl Strategy<Value = Beat> {
    let replicas = vec(a_report(), 0..40);
    (a_heartbeat(), replicas, any::<u64>()).prop_map(|(mut heartbeat, replicas, revision)| {
        heartbeat.replicas = replicas;
        let mut beat = Beat::from(heartbeat);
        if let Said::Whole(share) = &mut beat.said {
            share.part = Some(PartOf {
                revision: ShareRevision(revision),
                first: 0,
                count: u32::try_from(share.replicas.len()).unwrap(),
                members: 3,
            });
        }
        beat
    })
}

pub fn a_beat() -> impl Strategy<Value = Beat> {
    let changes = (a_heartbeat(), any::<[u64; 2]>(), vec(a_change(), 0..8));
    prop_oneof![
        a_heartbeat().prop_map(Beat::from),
        a_whole_beat(),
        changes.prop_map(|(heartbeat, [since, revision], changes)| Beat {
            pulse: Beat::from(heartbeat).pulse,
            said: Said::Changes(Changes {
                since: ShareRevision(since),
                revision: ShareRevision(revision),
                changes,
            }),
        }),
    ]
}

pub fn a_pulse() -> Pulse {
    Pulse {
        node: NodeId::new("a").unwrap(),
        epoch: Epoch(1),
        sequence: 1,
        sent_at: NodeMicros(1),
        interval_ms: 250,
        state: NodeState::Serving,
    }
}

pub fn a_stream_frame() -> impl Strategy<Value = StreamFrame> {
    let trailers = vec(("[a-z-]{0,12}", vec(any::<u8>(), 0..12)), 0..4);
    let signal = prop_oneof![
        any::<u64>().prop_map(|sequence| StreamSignal::Chunk { sequence }),
        (any::<u64>(), trailers)
            .prop_map(|(sequence, trailers)| StreamSignal::End { sequence, trailers }),
        a_fault().prop_map(|fault| StreamSignal::Failed { fault }),
        Just(StreamSignal::FailedOwn),
        any::<u32>().prop_map(|chunks| StreamSignal::Credit { chunks }),
        Just(StreamSignal::Cancel),
    ];
    (any::<u128>(), a_node(), signal, some_bytes()).prop_map(|(stream, from, signal, bytes)| {
        StreamFrame {
            stream: StreamId(stream),
            from,
            signal,
            bytes,
        }
    })
}

/// A valid frame of any kind.
pub fn a_frame() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        a_request().prop_map(|frame| frame.encode().unwrap()),
        a_reply().prop_map(|frame| frame.encode().unwrap()),
        a_cancel().prop_map(|frame| frame.encode().unwrap()),
        a_beat().prop_map(|frame| frame.encode().unwrap()),
        any::<u32>().prop_map(|first| WholeQuestion { first }.encode().unwrap()),
        a_stream_frame().prop_map(|frame| frame.encode().unwrap()),
        a_pack().prop_map(|entries| pack::encode(&entries).unwrap()),
    ]
}

pub fn a_pack() -> impl Strategy<Value = Vec<PackEntry>> {
    let entry = (any::<u64>(), some_bytes());
    vec(
        entry.prop_map(|(slot, payload)| PackEntry { slot, payload }),
        0..8,
    )
}
