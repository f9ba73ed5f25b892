//! The threads of the compile jobs.

use std::{io, sync::Arc};

use tracing::debug;

use crate::ComponentError;

/// What compile threads add to their niceness: serving goes before compiling.
const COMPILE_NICENESS: i32 = 10;

const THREAD: &str = "wrt-compile";

/// The threads that compile. Their own, and not those of the async runtime or of rayon's global
/// pool: there are only as many as jobs, and they yield to whoever serves.
#[derive(Clone)]
pub(crate) struct CompilePool(Arc<rayon::ThreadPool>);

impl CompilePool {
    pub(crate) fn start(threads: usize) -> Result<Self, ComponentError> {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|_| THREAD.into())
            .start_handler(|_| lower_priority())
            .build()
            .map(|pool| Self(Arc::new(pool)))
            .map_err(|error| ComponentError::Thread {
                thread: THREAD,
                source: io::Error::other(error),
            })
    }

    /// Waits for one of them, and for `job` on it: nothing for a thread of the async runtime.
    pub(crate) fn run<T: Send>(&self, job: impl FnOnce() -> T + Send) -> T {
        self.0.install(job)
    }
}

/// On Linux a niceness belongs to a thread.
fn lower_priority() {
    if let Err(error) = rustix::process::setpriority_process(None, COMPILE_NICENESS) {
        debug!(%error, "compile threads keep their priority");
    }
}
