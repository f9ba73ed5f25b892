//! Every limit of the protocol, by name. Nothing on the lattice is unbounded.

use std::time::Duration;

/// Length of a name, which is one token of a subject.
pub const NAME_BYTES_MAX: usize = 64;
/// Length of the name of a lease on the lattice.
pub const LEASE_NAME_BYTES_MAX: usize = 1024;
/// Head of a frame: far above any honest one.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Arguments and bulk bytes that travel inside an envelope. Larger ones travel as a stream. Half
/// of the payload that a NATS server accepts by default (1 MiB), so that a head always fits.
pub const INLINE_BYTES_MAX: usize = 512 * 1024;
/// A body up to this length travels inside its message, where it is whole soon enough. Above it the
/// announcement and the credit of a stream cost less than the copy.
pub const INLINE_BODY_BYTES_MAX: usize = 64 * 1024;
/// How long a body is waited for to become whole before it travels as a stream: long enough for one
/// that is written in one go, too short to be noticed in one that streams. It is never longer, however
/// small the body: its producer may wait for the call itself (`Expect: 100-continue`).
pub const INLINE_BODY_PATIENCE: Duration = Duration::from_millis(2);
/// Trailers that travel inside a message, names and values together.
pub const INLINE_TRAILERS_BYTES_MAX: usize = 8 * 1024;
/// Frames that travel in one message, at most; and bytes of them together.
pub const PACK_ENTRIES_MAX: usize = 128;
/// See [`PACK_ENTRIES_MAX`].
pub const PACK_BYTES_MAX: usize = 64 * 1024;
/// A larger frame travels alone: packing copies.
pub const PACK_ENTRY_BYTES_MAX: usize = 4 * 1024;
/// Arguments or a reply of one operation, however they travel.
pub const ARGUMENT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Arguments that a node collects at a time, from streams, for calls that run, and results, for calls
/// that it makes: one more is refused as overloaded.
pub const COLLECTED_BYTES_MAX: usize = 256 * 1024 * 1024;
/// One chunk of a stream.
pub const CHUNK_BYTES_MAX: usize = 128 * 1024;
/// Chunks that a receiver lets a sender have in flight. With [`CHUNK_BYTES_MAX`] this bounds the
/// memory of a stream on each side to 1 MiB.
pub const STREAM_CREDIT_CHUNKS: u32 = 8;
/// A stream without progress for this long ends with a fault.
pub const STREAM_IDLE_MAX: Duration = Duration::from_secs(30);
/// Streams open on a node at a time, in each direction.
pub const STREAMS_OPEN_MAX: usize = 4096;
/// Calls in hand on a node, above the bounds of its actors.
pub const CALLS_IN_HAND_MAX: usize = 65_536;
/// Calls of a node that may wait for actors that are starting.
pub const CALLS_PARKED_MAX: usize = 1024;
/// Text in a fault.
pub const FAULT_DETAIL_BYTES_MAX: usize = 1024;
/// The longest budget that a call may have.
pub const BUDGET_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// A call that names none gets this budget.
pub const BUDGET_DEFAULT: Duration = Duration::from_secs(10);
/// What a call may take beyond its budget to say so.
pub const BUDGET_GRACE: Duration = Duration::from_millis(100);
/// Attempts of one call, the first one included.
pub const ATTEMPTS_MAX: u32 = 8;
/// `tracestate` of W3C trace context; the recommendation asks for at least this much.
pub const TRACE_STATE_BYTES_MAX: usize = 512;
/// Replicas that one heartbeat can report, and so that one node can host.
pub const REPLICAS_PER_NODE_MAX: usize = 1024;
/// What a heartbeat may take on the bus; what does not fit follows in the next ones, or is asked for. A bus
/// that takes less makes it smaller.
pub const HEARTBEAT_BYTES_MAX: usize = 32 * 1024;
/// Labels of a node.
pub const LABELS_MAX: usize = 32;
/// A label's key or value.
pub const LABEL_BYTES_MAX: usize = 128;
/// Time between two heartbeats of a node in a small lattice.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(250);
/// Heartbeats that a lattice puts on the bus in a second, at the most: with more nodes than a
/// quarter of this each node beats slower.
pub const HEARTBEATS_PER_SECOND_MAX: u32 = 400;
/// Heartbeats missed before no new call goes to a node.
pub const HEARTBEATS_MISSED_SUSPECT: u32 = 3;
/// Silence after which a node's share is placed elsewhere, at the shortest interval.
pub const DEAD_AFTER: Duration = Duration::from_secs(2);
/// Members that a node keeps in its view.
pub const MEMBERS_MAX: usize = 4096;
