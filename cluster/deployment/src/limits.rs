//! Every limit of a deployment, by name.

use std::{ops::RangeInclusive, time::Duration};

use wrt_protocol::limits::REPLICAS_PER_NODE_MAX;

/// Text of a manifest.
pub const MANIFEST_BYTES_MAX: usize = 1024 * 1024;
/// Components and providers of one app: one node may have to run them all.
pub const ACTORS_PER_APP_MAX: usize = REPLICAS_PER_NODE_MAX;
/// Problems of a manifest that are told at once.
pub const PROBLEMS_MAX: usize = 100;
/// Replicas that a manifest may ask for.
pub const REPLICAS: RangeInclusive<u64> = 1..=wrt_protocol::limits::MEMBERS_MAX as u64;
/// An environment variable's name.
pub const ENVIRONMENT_KEY_BYTES_MAX: usize = 256;
/// An environment variable's value.
pub const ENVIRONMENT_VALUE_BYTES_MAX: usize = 128 * 1024;
/// Actors that one names from which it is kept apart.
pub const APART_FROM_MAX: usize = 64;
/// Memory of a node that a replica may ask for: 64 TiB.
pub const ROOM_MEMORY_BYTES: RangeInclusive<u64> = 1..=1 << 46;
/// Calls at a time, of those of a node, that a replica may ask for.
pub const ROOM_CONCURRENCY: RangeInclusive<u64> = 1..=1 << 20;
/// A component that is pushed or fetched.
pub const COMPONENT_BYTES_MAX: usize = 512 * 1024 * 1024;
/// One app in the desired state; what a NATS server takes in one message by default.
pub const DESIRED_BYTES_MAX: usize = 1024 * 1024;
/// What a message of the store has beside its payload: subject and headers.
pub const MESSAGE_HEAD_BYTES_MAX: usize = 1024;
/// One chunk of a component in the store; smaller where the server takes smaller messages.
pub const COMPONENT_CHUNK_BYTES_MAX: usize = 128 * 1024;
/// For how long code that was pushed waits for the app that it was pushed for.
pub const CODE_GRACE: Duration = Duration::from_secs(10 * 60);
/// Apps that are noted beside one component. Code of more is kept for good.
pub const CLAIMS_PER_COMPONENT_MAX: usize = 64;
/// Components that are looked at in one collection.
pub const COLLECTED_AT_ONCE_MAX: usize = 10_000;
/// Removed apps that a node remembers as such.
pub const REMOVED_APPS_MAX: usize = 1024;
/// Copies of the desired state in a cluster of NATS servers.
pub const STATE_COPIES: RangeInclusive<u64> = 1..=5;
/// One call of JetStream.
pub const STORE_CALL_WAIT_MAX: Duration = Duration::from_secs(3);
/// Pushing one component, all of it.
pub const STORE_TRANSFER_WAIT_MAX: Duration = Duration::from_secs(10 * 60);
/// One chunk of a component on its way, in or out: 13 kB/s.
pub const STORE_CHUNK_WAIT_MAX: Duration = Duration::from_secs(10);
/// Attempts at one chunk of a component that is fetched: a server that is started again is waited for.
pub const STORE_CHUNK_ATTEMPTS_MAX: u32 = 12;
/// The longest pause between two of them.
pub const STORE_CHUNK_PAUSE_MAX: Duration = Duration::from_secs(2);
/// Attempts of one call of JetStream, the first included.
pub const STORE_ATTEMPTS_MAX: u32 = 3;
/// Pause before the second attempt; doubled before the third.
pub const STORE_RETRY_PAUSE: Duration = Duration::from_millis(100);
/// How often it is looked whether the watch of the desired state has missed something; only where it has, all is
/// read again.
pub const STORE_REREAD_INTERVAL: Duration = Duration::from_secs(5);
