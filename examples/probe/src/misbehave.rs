//! What a host must be able to bear: a guest that waits, spins or eats memory.

use std::hint::black_box;

use wrt_guest::wasip2::clocks::monotonic_clock;

use crate::reply::Text;

/// Memory is committed by the page, so one byte in each is enough to touch it.
const PAGE_BYTES: usize = 4096;

/// Waits without using the processor.
pub fn sleep(duration_ms: u64) -> Text {
    let duration_ns = duration_ms.saturating_mul(1_000_000);
    monotonic_clock::subscribe_duration(duration_ns).block();
    Text::ok("slept\n")
}

/// Runs until the host ends it.
pub fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Allocates and touches so many MiB. A host that refuses them gets 507 for an answer; one that traps
/// instead gets none.
pub fn memory(size_mib: u64) -> Text {
    let size_bytes = size_mib
        .checked_mul(1024 * 1024)
        .and_then(|bytes| usize::try_from(bytes).ok());
    let mut memory: Vec<u8> = Vec::new();
    let reserved = size_bytes.is_some_and(|bytes| memory.try_reserve_exact(bytes).is_ok());
    let (true, Some(size_bytes)) = (reserved, size_bytes) else {
        return Text::new(507, format!("{size_mib} MiB were refused\n"));
    };
    memory.resize(size_bytes, 0);
    for page in memory.chunks_mut(PAGE_BYTES) {
        page[0] = 1;
    }
    black_box(&memory);
    Text::ok(format!("{size_mib} MiB touched\n"))
}
