//! What a connection has in hand, and since when it has had nothing.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    config::HttpServerConfig,
    metrics::{Counted, Metrics},
};

/// Time between two looks at whether the client of a request in hand is still there.
pub(crate) const IN_USE_LOOK: Duration = Duration::from_secs(1);

/// How a connection is used.
pub(crate) struct ConnectionUse {
    requests: AtomicU32,
    left_a_body: AtomicBool,
    since: Mutex<Since>,
    next: Mutex<Option<Next>>,
}

/// What a connection is served with when it speaks HTTP no longer, until it is told to drain.
pub(crate) type Next =
    Box<dyn FnOnce(Arc<ConnectionUse>, CancellationToken) -> BoxFuture<'static, ()> + Send>;

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

    /// Where it is counted.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.counted.metrics
    }

    /// The connection that it has come on.
    pub(crate) fn connection(&self) -> &Arc<ConnectionUse> {
        &self.connection
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
            left_a_body: AtomicBool::new(false),
            since: Mutex::new(Since {
                idle: Instant::now(),
                never_used: true,
            }),
            next: Mutex::default(),
        }
    }

    /// Once HTTP has come to its end, `next` goes on.
    pub(crate) fn becomes(&self, next: Next) {
        *self.next.lock() = Some(next);
    }

    /// What goes on, if anything does.
    pub(crate) fn next(&self) -> Option<Next> {
        self.next.lock().take()
    }

    pub(crate) fn request(self: &Arc<Self>, counted: Counted) -> Request {
        self.requests.fetch_add(1, Relaxed);
        self.left_a_body.store(false, Relaxed);
        Request {
            counted,
            connection: Arc::clone(self),
        }
    }

    /// The body of the last request was not read to its end, and may still be coming.
    pub(crate) fn leave_a_body(&self) {
        self.left_a_body.store(true, Relaxed);
    }

    pub(crate) fn has_left_a_body(&self) -> bool {
        self.left_a_body.load(Relaxed)
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

    /// Brings a look forward, now that there is a request whose client may leave.
    pub(crate) fn look_soon(&self, look: Pin<&mut Sleep>) {
        let soon = || Instant::now() + IN_USE_LOOK;
        if self.is_in_use() && soon() < look.deadline() {
            look.reset(soon());
        }
    }

    fn is_in_use(&self) -> bool {
        self.requests.load(Relaxed) > 0
    }

    /// When to look at it again. Requests that come and go move its end without waking anybody, so
    /// it is looked at in steps.
    pub(crate) fn looked_at_next(&self, config: &HttpServerConfig) -> Instant {
        let step = config.header_timeout().min(config.idle_timeout());
        if self.is_in_use() {
            Instant::now() + step.min(IN_USE_LOOK)
        } else {
            (Instant::now() + step).min(self.idle_until(config))
        }
    }

    pub(crate) fn state(&self, config: &HttpServerConfig) -> State {
        if self.is_in_use() || Instant::now() < self.idle_until(config) {
            return State::InUse;
        }
        if self.since().never_used {
            State::NeverUsed
        } else {
            State::Idle
        }
    }
}
