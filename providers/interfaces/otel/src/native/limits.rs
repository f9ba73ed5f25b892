//! Every limit of the interface.

use std::time::Duration;

/// A record as its guest gives it, all of its texts together. A larger one is dropped, and counted.
pub const RECORD_BYTES_MAX: usize = 256 * 1024;
/// What one export of metrics has, all of its texts and points together.
pub const METRICS_BYTES_MAX: usize = 1024 * 1024;
/// How long a guest waits until its metrics are taken. Where the node of their provider is lost each of its requests
/// would wait for most of its time otherwise, and a component runs without telemetry.
pub const METRICS_WAIT_MAX: Duration = Duration::from_millis(250);
/// Records that an invocation gathers before they are sent; they go earlier, when no span is open.
pub const GATHERED_MAX: usize = 512;
/// Bytes of them.
pub const GATHERED_BYTES_MAX: usize = 512 * 1024;
/// Spans that an invocation may have open at a time. One more is kept when it ends, and is nobody's
/// parent.
pub const OPEN_SPANS_MAX: usize = 256;
/// What all guests of a process have on its way to their providers, in batches. What does not fit is
/// dropped, and counted.
pub const BATCHES_ON_THEIR_WAY_MAX: usize = 256;
/// Records of each kind that the provider in memory keeps: the newest.
pub const KEPT_IN_MEMORY: usize = 4096;
