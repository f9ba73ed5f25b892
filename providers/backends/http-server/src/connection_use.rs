//! What a connection has in hand, and since when it has had nothing.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{config::HttpServerConfig, metrics::Counted};

/// How a connection is used.
pub(crate) struct ConnectionUse {
    requests: AtomicU32,
    since: Mutex<Since>,
}

#[derive(Clone, Copy)]
struct Since {
    /// When the last request ended, or the connection began.
    idle: Instant,
    never_used: bool,
}

/// What a connection is, at a look.
pub(crate) enum State {
    InUse,
    /// It has not brought a request yet, for too long.
    NeverUsed,
    /// It has had none for too long.
    Idle,
}

/// A request in hand, for the server's counters and the connection's; dropped with its response.
pub(crate) struct Request {
    counted: Counted,
    connection: Arc<ConnectionUse>,
}

impl Request {
    /// How many requests the server has in hand, this one included.
    pub(crate) fn number(&self) -> u32 {
        self.counted.number
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.connection.set_since(Since {
            idle: Instant::now(),
            never_used: false,
        });
        self.connection.requests.fetch_sub(1, Relaxed);
    }
}

impl ConnectionUse {
    pub(crate) fn new() -> Self {
        Self {
            requests: AtomicU32::new(0),
            since: Mutex::new(Since {
                idle: Instant::now(),
                never_used: true,
            }),
        }
    }

    pub(crate) fn request(self: &Arc<Self>, counted: Counted) -> Request {
        self.requests.fetch_add(1, Relaxed);
        Request {
            counted,
            connection: Arc::clone(self),
        }
    }

    fn since(&self) -> Since {
        *self.since.lock()
    }

    fn set_since(&self, since: Since) {
        *self.since.lock() = since;
    }

    /// When the connection has stood idle for too long, if nothing comes before.
    fn idle_until(&self, config: &HttpServerConfig) -> Instant {
        let since = self.since();
        let patience = if since.never_used {
            config.header_timeout()
        } else {
            config.idle_timeout()
        };
        since.idle + patience
    }

    /// When to look at it again. Requests that come and go move its end without waking anybody, so
    /// it is looked at in steps.
    pub(crate) fn looked_at_next(&self, config: &HttpServerConfig) -> Instant {
        let step = Instant::now() + config.header_timeout().min(config.idle_timeout());
        if self.requests.load(Relaxed) > 0 {
            step
        } else {
            step.min(self.idle_until(config))
        }
    }

    pub(crate) fn state(&self, config: &HttpServerConfig) -> State {
        if self.requests.load(Relaxed) > 0 || Instant::now() < self.idle_until(config) {
            return State::InUse;
        }
        if self.since().never_used {
            State::NeverUsed
        } else {
            State::Idle
        }
    }
}
