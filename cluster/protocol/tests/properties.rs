//! What holds for any value, and for any bytes.
//!
//! `PROPTEST_CASES` sets how many cases each property gets. Before a release, and after a change to
//! a codec:
//!
//! ```text
//! PROPTEST_CASES=1000000 cargo test --release -p wrt-protocol --test properties
//! ```

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod properties {
    pub mod values;
}

use bytes::Bytes;
use proptest::{collection::vec, option, prelude::*, sample::Index};
use wrt_protocol::{
    ActorAddress, Fault, FaultKind, Hop, LatticeName, Name, PROTOCOL_VERSION, TraceContext,
    envelope::{Cancel, Reply, Request},
    heartbeat::{Applied, Beat, Changes, Heartbeat, Said, ShareRevision, WholeQuestion},
    limits::{FAULT_DETAIL_BYTES_MAX, NAME_BYTES_MAX},
    pack,
    stream::StreamFrame,
    subject::{Inbound, Subjects},
};

use properties::values::{
    a_beat, a_cancel, a_change, a_frame, a_heartbeat, a_name, a_node, a_pack, a_pulse, a_reply,
    a_report, a_request, a_stream_frame, a_trace, a_whole_beat, an_actor, an_interface,
    an_operation, some_bytes,
};

/// A small hurt to a frame.
#[derive(Debug, Clone)]
enum Hurt {
    Set(Index, u8),
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Cut(Index),
}

fn a_hurt() -> impl Strategy<Value = Hurt> {
    let at = any::<Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Hurt::Set(at, byte)),
        (at(), 0u8..8).prop_map(|(at, bit)| Hurt::Flip(at, bit)),
        (at(), vec(any::<u8>(), 1..12)).prop_map(|(at, bytes)| Hurt::Insert(at, bytes)),
        (at(), 1usize..12).prop_map(|(at, bytes)| Hurt::Remove(at, bytes)),
        at().prop_map(Hurt::Cut),
    ]
}

fn hurt(frame: &mut Vec<u8>, hurt: Hurt) {
    if frame.is_empty() {
        return;
    }
    let length = frame.len();
    match hurt {
        Hurt::Set(at, byte) => frame[at.index(length)] = byte,
        Hurt::Flip(at, bit) => frame[at.index(length)] ^= 1 << bit,
        Hurt::Insert(at, bytes) => {
            let at = at.index(length);
            frame.splice(at..at, bytes);
        }
        Hurt::Remove(at, bytes) => {
            let at = at.index(length);
            frame.drain(at..length.min(at + bytes));
        }
        Hurt::Cut(at) => frame.truncate(at.index(length)),
    }
}

/// Gives the bytes to each decoder. Whatever is accepted can be written and read again, and is then
/// the same: no decoder makes a value that this protocol cannot say.
fn decode_all(bytes: &Bytes) {
    if let Ok(request) = Request::decode(bytes) {
        assert_eq!(
            Request::decode(&request.encode().unwrap()).unwrap(),
            request
        );
    }
    if let Ok(reply) = Reply::decode(bytes) {
        assert_eq!(Reply::decode(&reply.encode().unwrap()).unwrap(), reply);
        if let Err(fault) = &reply.head.outcome {
            let _shown = fault.to_string();
            assert!(fault.detail().len() <= FAULT_DETAIL_BYTES_MAX);
        }
    }
    if let Ok(cancel) = Cancel::decode(bytes) {
        assert_eq!(Cancel::decode(&cancel.encode().unwrap()).unwrap(), cancel);
    }
    if let Ok(heartbeat) = Heartbeat::decode(bytes) {
        assert_eq!(
            Heartbeat::decode(&heartbeat.encode().unwrap()).unwrap(),
            heartbeat
        );
    }
    if let Ok(beat) = Beat::decode(bytes) {
        assert_eq!(Beat::decode(&beat.encode().unwrap()).unwrap(), beat);
    }
    let _question = WholeQuestion::decode(bytes);
    if let Ok(frame) = StreamFrame::decode(bytes) {
        let encoded = frame.clone().encode().unwrap();
        assert_eq!(StreamFrame::decode(&encoded).unwrap(), frame);
    }
    if let Ok(entries) = pack::decode(bytes) {
        let encoded = pack::encode(&entries).unwrap();
        assert_eq!(pack::decode(&encoded).unwrap(), entries);
    }
}

proptest! {
    #[test]
    fn requests_round_trip(request in a_request()) {
        let bytes = request.encode().unwrap();
        prop_assert_eq!(Request::decode(&bytes).unwrap(), request);
    }

    #[test]
    fn replies_round_trip(reply in a_reply()) {
        let bytes = reply.encode().unwrap();
        prop_assert_eq!(Reply::decode(&bytes).unwrap(), reply);
    }

    #[test]
    fn cancellations_round_trip(cancel in a_cancel()) {
        let bytes = cancel.encode().unwrap();
        prop_assert_eq!(Cancel::decode(&bytes).unwrap(), cancel);
    }

    #[test]
    fn heartbeats_round_trip(heartbeat in a_heartbeat()) {
        let bytes = heartbeat.encode().unwrap();
        prop_assert_eq!(Heartbeat::decode(&bytes).unwrap(), heartbeat);
    }

    #[test]
    fn beats_round_trip(beat in a_beat()) {
        let bytes = beat.encode().unwrap();
        prop_assert_eq!(Beat::decode(&bytes).unwrap(), beat);
    }

    /// What takes more would not be sent where the bus takes no more, and its node would be taken for dead.
    #[test]
    fn parts_of_a_share_are_as_small_as_they_must_be(
        beat in a_whole_beat(),
        bytes_max in 600..4_000_usize,
    ) {
        let Beat { pulse, said: Said::Whole(share) } = beat else { unreachable!("it is whole") };
        let (mut first, mut replicas) = (0, Vec::new());
        while first < share.replicas.len() {
            let part = share.clone().cut(ShareRevision(1), u32::try_from(first).unwrap(), 9, bytes_max);
            prop_assert!(!part.replicas.is_empty());
            prop_assert_eq!(part.is_all(), part.replicas.len() == share.replicas.len());
            first += part.replicas.len();
            replicas.extend(part.replicas.iter().cloned());
            let said = Said::Whole(part);
            let bytes = Beat { pulse: pulse.clone(), said }.encode().unwrap();
            prop_assert!(bytes.len() <= bytes_max, "{} bytes", bytes.len());
        }
        prop_assert_eq!(replicas, share.replicas);
    }

    #[test]
    fn a_change_takes_no_more_than_it_says(change in a_change()) {
        let beat = |changes| Beat {
            pulse: a_pulse(),
            said: Said::Changes(Changes { since: ShareRevision(0), revision: ShareRevision(0), changes }),
        };
        let [with, without] = [vec![change.clone()], Vec::new()].map(beat);
        let [with, without] = [with, without].map(|beat| beat.encode().unwrap().len());
        prop_assert!(with - without <= change.bytes_max(), "{} bytes", with - without);
    }

    /// Whatever a peer says, nothing is added but what it lists, and nothing over the limit.
    #[test]
    fn any_changes_are_made_or_not(
        changes in vec(a_change(), 0..8),
        replicas in vec(a_report(), 0..4),
        known in option::of(0..3_u64),
    ) {
        let changes = Changes { since: ShareRevision(1), revision: ShareRevision(2), changes };
        match changes.apply(known.map(ShareRevision), || replicas.clone()) {
            Applied::Changed(after) => {
                prop_assert_eq!(known, Some(1));
                prop_assert!(after.len() <= replicas.len() + changes.changes.len());
            }
            Applied::Nothing => prop_assert_eq!(known, Some(2)),
            Applied::NotKnown => prop_assert!(known != Some(2)),
        }
    }

    #[test]
    fn stream_frames_round_trip(frame in a_stream_frame()) {
        let bytes = frame.clone().encode().unwrap();
        prop_assert_eq!(StreamFrame::decode(&bytes).unwrap(), frame);
    }

    #[test]
    fn packs_round_trip(entries in a_pack()) {
        let bytes = pack::encode(&entries).unwrap();
        prop_assert_eq!(pack::decode(&bytes).unwrap(), entries);
    }

    #[test]
    fn a_frame_is_of_one_kind(frame in a_frame()) {
        let kinds = [
            Request::decode(&frame).is_ok(),
            Reply::decode(&frame).is_ok(),
            Cancel::decode(&frame).is_ok(),
            Beat::decode(&frame).is_ok(),
            WholeQuestion::decode(&frame).is_ok(),
            StreamFrame::decode(&frame).is_ok(),
            pack::decode(&frame).is_ok(),
        ];
        prop_assert_eq!(kinds.iter().filter(|ok| **ok).count(), 1);
    }

    #[test]
    fn decoders_take_any_bytes(bytes in vec(any::<u8>(), 0..256)) {
        decode_all(&Bytes::from(bytes));
    }

    /// Random bytes seldom get past the prefix; these do.
    #[test]
    fn decoders_take_any_head(
        kind in 1u8..=8,
        head in vec(any::<u8>(), 0..200),
        rest in some_bytes(),
    ) {
        let length = u32::try_from(head.len()).unwrap().to_le_bytes();
        let bytes = [&[PROTOCOL_VERSION, kind][..], &length, &head, &rest].concat();
        decode_all(&Bytes::from(bytes));
    }

    #[test]
    fn decoders_take_hurt_frames(frame in a_frame(), hurts in vec(a_hurt(), 1..6)) {
        let mut bytes = frame.to_vec();
        for how in hurts {
            hurt(&mut bytes, how);
        }
        decode_all(&Bytes::from(bytes));
    }

    #[test]
    fn subjects_are_read_as_they_were_built(
        lattice in a_name(),
        node in a_node(),
        target in an_actor(),
        interface in an_interface(),
        operation in an_operation(),
        other in an_operation(),
    ) {
        let subjects = Subjects::new(&LatticeName::from(lattice));
        for subject in [
            subjects.call(&node, &target, &interface, &operation),
            subjects.call_any(&target, &interface, &operation),
        ] {
            let Some(Inbound::Call(call)) = subjects.parse_inbound(&subject) else {
                return Err(TestCaseError::fail(subject));
            };
            prop_assert!(call.agrees(&target, &interface, &operation));
            prop_assert_eq!(call.agrees(&target, &interface, &other), operation == other);
        }
        let cancel = subjects.cancel(&node);
        prop_assert_eq!(subjects.parse_inbound(&cancel), Some(Inbound::Cancel));
        let presence = subjects.presence(&node);
        prop_assert_eq!(subjects.parse_inbound(&presence), Some(Inbound::Presence));
        for elsewhere in [
            subjects.heartbeat(&node),
            subjects.body(&node),
            subjects.status(&node),
            format!("{cancel}.x"),
        ] {
            prop_assert_eq!(subjects.parse_inbound(&elsewhere), None);
        }
    }

    #[test]
    fn a_subject_is_under_its_wildcard(
        lattice in a_name(), node in a_node(), target in an_actor(),
        interface in an_interface(), operation in an_operation(),
    ) {
        let subjects = Subjects::new(&LatticeName::from(lattice));
        let under = |pattern: String, subject: String| {
            pattern.strip_suffix('>').is_some_and(|start| subject.starts_with(start))
        };
        let call = subjects.call(&node, &target, &interface, &operation);
        let any = subjects.call_any(&target, &interface, &operation);
        prop_assert!(under(subjects.node_inbound(&node), call));
        prop_assert!(under(subjects.node_inbound(&node), subjects.cancel(&node)));
        prop_assert!(under(subjects.node_inbound(&node), subjects.presence(&node)));
        prop_assert!(under(subjects.any_inbound(&target), any));
    }

    #[test]
    fn any_text_is_read_as_a_subject_or_not(lattice in a_name(), text in "\\PC{0,80}") {
        let lattice = LatticeName::from(lattice);
        let subjects = Subjects::new(&lattice);
        // Everything of a heartbeat's subject but the part that says which.
        let heartbeats = subjects.heartbeats();
        let prefix = heartbeats.trim_end_matches("beat.*");
        for subject in [text.clone(), format!("{prefix}{text}")] {
            let _read = subjects.parse_inbound(&subject);
        }
    }

    #[test]
    fn a_name_is_what_the_rule_says(text in prop_oneof!["\\PC{0,70}", "[a-z0-9_-]{0,70}"]) {
        let legal = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-');
        let first = text.chars().next().is_some_and(|c| legal(c) && c != '-' && c != '_');
        let expected = first && text.len() <= NAME_BYTES_MAX && text.chars().all(legal);
        prop_assert_eq!(Name::new(&text).is_ok(), expected);
    }

    #[test]
    fn addresses_are_read_as_they_are_shown(actor in an_actor()) {
        prop_assert_eq!(actor.to_string().parse::<ActorAddress>().unwrap(), actor);
    }

    #[test]
    fn any_text_is_an_address_or_an_error(text in "(component|provider|\\PC{0,9})(/\\PC{0,9}){0,3}") {
        if let Ok(actor) = text.parse::<ActorAddress>() {
            prop_assert_eq!(actor.to_string(), text);
        }
    }

    #[test]
    fn a_trace_is_read_as_it_is_shown(trace in a_trace()) {
        let read = TraceContext::parse(&trace.to_string(), trace.state.as_deref());
        let valid = trace.trace_id != 0 && trace.span_id != 0;
        prop_assert_eq!(read.is_some(), valid);
        if let Some(read) = read {
            prop_assert_eq!(read.to_string(), trace.to_string());
        }
    }

    #[test]
    fn any_header_is_a_trace_or_not(parent in "\\PC{0,60}", state in option::of("\\PC{0,60}")) {
        let _read = TraceContext::parse(&parent, state.as_deref());
    }

    #[test]
    fn the_detail_of_a_fault_is_cut_at_a_character(text in "\\PC{0,1400}") {
        let fault = Fault::not_executed(FaultKind::Crashed, Hop::Actor, &text);
        prop_assert!(fault.detail().len() <= FAULT_DETAIL_BYTES_MAX);
        prop_assert!(text.starts_with(fault.detail()));
    }
}
