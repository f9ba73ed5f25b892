//! What the server counts.

use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
};

use http::StatusCode;

/// What the server has counted since it was bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HttpServerCounts {
    /// Requests whose head was read.
    pub requests: u64,
    /// Responses, by the first digit of their status: 2xx at index 2.
    pub responses_by_class: [u64; 6],
    /// Requests in hand now, until the last byte of their response.
    pub requests_in_flight: u32,
    /// Response bodies that broke off.
    pub bodies_broken: u64,
    /// Connections with requests in hand whose clients were found to have left.
    pub clients_left: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Connections open now.
    pub connections_open: u32,
    /// Connections closed at once, because there were too many.
    pub connections_refused: u64,
}

/// The counters behind [`HttpServerCounts`].
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    requests: AtomicU64,
    responses_by_class: [AtomicU64; 6],
    in_flight: AtomicU32,
    bodies_broken: AtomicU64,
    clients_left: AtomicU64,
    connections: AtomicU64,
    connections_open: AtomicU32,
    connections_refused: AtomicU64,
}

/// One request or one connection in hand; counted until dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) metrics: Arc<Metrics>,
    gauge: fn(&Metrics) -> &AtomicU32,
    /// How many there were, this one included.
    pub(crate) number: u32,
}

impl Counted {
    fn new(metrics: &Arc<Metrics>, gauge: fn(&Metrics) -> &AtomicU32) -> Self {
        let number = gauge(metrics).fetch_add(1, Relaxed).saturating_add(1);
        Self {
            metrics: Arc::clone(metrics),
            gauge,
            number,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.gauge)(&self.metrics).fetch_sub(1, Relaxed);
    }
}

impl Metrics {
    pub(crate) fn request(self: &Arc<Self>) -> Counted {
        self.requests.fetch_add(1, Relaxed);
        Counted::new(self, |metrics| &metrics.in_flight)
    }

    pub(crate) fn connection(self: &Arc<Self>) -> Counted {
        self.connections.fetch_add(1, Relaxed);
        Counted::new(self, |metrics| &metrics.connections_open)
    }

    pub(crate) fn connection_refused(&self) {
        self.connections_refused.fetch_add(1, Relaxed);
    }

    pub(crate) fn response(&self, status: StatusCode) {
        if let Some(class) = self
            .responses_by_class
            .get(usize::from(status.as_u16() / 100))
        {
            class.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn body_broken(&self) {
        self.bodies_broken.fetch_add(1, Relaxed);
    }

    pub(crate) fn client_left(&self) {
        self.clients_left.fetch_add(1, Relaxed);
    }

    pub(crate) fn counts(&self) -> HttpServerCounts {
        HttpServerCounts {
            requests: self.requests.load(Relaxed),
            responses_by_class: self
                .responses_by_class
                .each_ref()
                .map(|class| class.load(Relaxed)),
            requests_in_flight: self.in_flight.load(Relaxed),
            bodies_broken: self.bodies_broken.load(Relaxed),
            clients_left: self.clients_left.load(Relaxed),
            connections: self.connections.load(Relaxed),
            connections_open: self.connections_open.load(Relaxed),
            connections_refused: self.connections_refused.load(Relaxed),
        }
    }
}
