//! The process's descriptors, of which connections may take most and not all.

use std::sync::LazyLock;

use rustix::process::{Resource, getrlimit};
use tokio::sync::{Semaphore, SemaphorePermit};

/// What connections of all servers of the process may take: three quarters of the limit that it has when
/// the first one comes. The rest is for the bus, for other services, and for the code of components.
static FOR_CONNECTIONS: LazyLock<Semaphore> = LazyLock::new(|| {
    let limit = getrlimit(Resource::Nofile).current;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    Semaphore::new(for_connections(limit.unwrap_or(usize::MAX)))
});

fn for_connections(limit: usize) -> usize {
    (limit - limit / 4).clamp(1, Semaphore::MAX_PERMITS)
}

/// A descriptor for a connection, if connections may have one more.
pub(crate) fn for_connection() -> Option<SemaphorePermit<'static>> {
    FOR_CONNECTIONS.try_acquire().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_is_kept() {
        assert_eq!(for_connections(1024), 768);
        assert_eq!(for_connections(0), 1);
        assert_eq!(for_connections(usize::MAX), Semaphore::MAX_PERMITS);
    }
}
