//! Every limit of a deployment, by name.

use std::{ops::RangeInclusive, time::Duration};

use wrt_protocol::limits::{BUDGET_MAX, CALLS_IN_HAND_MAX, REPLICAS_PER_NODE_MAX};

/// Text of a manifest.
pub const MANIFEST_BYTES_MAX: usize = 1024 * 1024;
/// Components and providers of one app: one node may have to run them all.
pub const ACTORS_PER_APP_MAX: usize = REPLICAS_PER_NODE_MAX;
/// Problems of a manifest that are told at once.
pub const PROBLEMS_MAX: usize = 100;
/// Bytes of each memory of an instance: from one page to what a 32-bit guest can address.
pub const MEMORY_BYTES: RangeInclusive<u64> = 64 * 1024..=4 * 1024 * 1024 * 1024;
/// Bytes of each memory of an instance, where the manifest does not say.
pub const MEMORY_BYTES_DEFAULT: u64 = 128 * 1024 * 1024;
/// Milliseconds that one invocation may take.
pub const WALL_TIME_MS: RangeInclusive<u64> = 1..=BUDGET_MAX.as_millis() as u64;
/// Milliseconds that one invocation may take, where the manifest does not say.
pub const WALL_TIME_MS_DEFAULT: u64 = 10_000;
/// Calls that an actor runs at a time.
pub const CONCURRENCY: RangeInclusive<u64> = 1..=CALLS_IN_HAND_MAX as u64;
/// Invocations that a component runs at a time, where the manifest does not say: each has memory of
/// its own.
pub const COMPONENT_CONCURRENCY_DEFAULT: u32 = 64;
/// Calls that a provider runs at a time, where the manifest does not say.
pub const CONCURRENCY_DEFAULT: u32 = 256;
/// Calls that wait for an actor. With 0 it takes only what it can run at once.
pub const QUEUE: RangeInclusive<u64> = 0..=CALLS_IN_HAND_MAX as u64;
/// Invocations that wait for a component, where the manifest does not say.
pub const COMPONENT_QUEUE_DEFAULT: u32 = 256;
/// Calls that wait for a provider, where the manifest does not say.
pub const QUEUE_DEFAULT: u32 = 1024;
/// Elements of each table of an instance.
pub const TABLE_ELEMENTS: RangeInclusive<u64> = 1..=10_000_000;
/// Elements of each table, where the manifest does not say: a function pointer takes one.
pub const TABLE_ELEMENTS_DEFAULT: u64 = 100_000;
/// Tables of an instance.
pub const TABLES: RangeInclusive<u64> = 1..=1000;
/// Tables of an instance, where the manifest does not say.
pub const TABLES_DEFAULT: u32 = 16;
/// Memories of an instance.
pub const MEMORIES: RangeInclusive<u64> = 1..=100;
/// Memories of an instance, where the manifest does not say.
pub const MEMORIES_DEFAULT: u32 = 4;
/// Core instances of an instance.
pub const CORE_INSTANCES: RangeInclusive<u64> = 1..=10_000;
/// Core instances, where the manifest does not say. A guest in a compiled language has about 4, one
/// that carries an interpreter about 40.
pub const CORE_INSTANCES_DEFAULT: u32 = 100;
/// Replicas that a manifest may ask for.
pub const REPLICAS: RangeInclusive<u64> = 1..=wrt_protocol::limits::MEMBERS_MAX as u64;
/// An environment variable's name.
pub const ENVIRONMENT_KEY_BYTES_MAX: usize = 256;
/// An environment variable's value.
pub const ENVIRONMENT_VALUE_BYTES_MAX: usize = 128 * 1024;
/// A component that is pushed or fetched.
pub const COMPONENT_BYTES_MAX: usize = 512 * 1024 * 1024;
/// One app in the desired state; what a NATS server takes in one message by default.
pub const DESIRED_BYTES_MAX: usize = 1024 * 1024;
/// One call of JetStream.
pub const STORE_CALL_WAIT_MAX: Duration = Duration::from_secs(3);
/// Pushing or fetching one component.
pub const STORE_TRANSFER_WAIT_MAX: Duration = Duration::from_secs(60);
/// Attempts of one call of JetStream, the first included.
pub const STORE_ATTEMPTS_MAX: u32 = 3;
/// Pause before the second attempt; doubled before the third.
pub const STORE_RETRY_PAUSE: Duration = Duration::from_millis(100);
/// How often the desired state is read again without being told that it changed.
pub const STORE_REREAD_INTERVAL: Duration = Duration::from_secs(5);
