//! How long requests take, by route, method and the class of the answer's status: as many as the manifest has
//! routes, whatever clients ask for.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use http::{Method, StatusCode};
use wrt_contract::{Durations, Instrument, Measured, MeasuredValue};

use crate::Route;

static REQUESTS: Instrument = Instrument {
    name: "http.server.request.duration",
    unit: "s",
    description: "Requests, until the head of their answer.",
};

/// Those that the semantic conventions have a word for: what a client makes up must not become one.
const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE",
];
const OTHER: &str = "_OTHER";
/// By the first digit of a status.
const CLASSES: [&str; 6] = ["0xx", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// The meter of a route, or of the requests that have none. Each pair that occurs has its histogram, from the
/// first time on.
#[derive(Debug, Default)]
pub(crate) struct RouteMeter {
    about: Vec<(&'static str, String)>,
    cells: [[OnceLock<Box<Durations>>; CLASSES.len()]; METHODS.len() + 1],
}

/// The meters of a server. A route of requests and one of websockets at one place have one together: nobody could
/// tell what two say apart.
#[derive(Debug, Default)]
pub(crate) struct RouteMeters {
    unrouted: Arc<RouteMeter>,
    routed: Vec<Arc<RouteMeter>>,
}

/// A request that is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timed {
    method: usize,
    started: Instant,
}

impl Timed {
    pub(crate) fn now(method: &Method) -> Self {
        let known = METHODS.iter().position(|known| *known == method.as_str());
        Self {
            method: known.unwrap_or(METHODS.len()),
            started: Instant::now(),
        }
    }

    /// When that was.
    pub(crate) fn started(self) -> Instant {
        self.started
    }

    /// Its method, in the words of the conventions.
    pub(crate) fn method(self) -> &'static str {
        METHODS.get(self.method).copied().unwrap_or(OTHER)
    }
}

impl RouteMeters {
    /// That of requests that have no route.
    pub(crate) fn unrouted(&self) -> &Arc<RouteMeter> {
        &self.unrouted
    }

    /// That of `route`.
    pub(crate) fn of(&mut self, route: &Route) -> Arc<RouteMeter> {
        let meter = RouteMeter::of(route);
        let known = self.routed.iter().find(|known| known.about == meter.about);
        match known {
            Some(known) => Arc::clone(known),
            None => {
                let meter = Arc::new(meter);
                self.routed.push(Arc::clone(&meter));
                meter
            }
        }
    }

    /// What they have measured.
    pub(crate) fn measured(&self) -> impl Iterator<Item = Measured> {
        let all = [&self.unrouted].into_iter().chain(&self.routed);
        all.flat_map(|meter| meter.measured())
    }
}

impl RouteMeter {
    fn of(route: &Route) -> Self {
        let mut about = vec![("http.route", route.path.clone())];
        if let Some(host) = route.host.as_deref().filter(|host| *host != "*") {
            about.push(("server.address", host.to_owned()));
        }
        Self {
            about,
            ..Self::default()
        }
    }

    /// Takes in a request that is answered now.
    pub(crate) fn take(&self, request: Timed, status: StatusCode) {
        self.add(request.method, status, request.started.elapsed());
    }

    fn add(&self, method: usize, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100);
        // Others than these six no status has here.
        if let Some(cell) = self.cells[method].get(class) {
            cell.get_or_init(Box::default).take(took);
        }
    }

    fn measured(&self) -> impl Iterator<Item = Measured> {
        let cells = self.cells.iter().enumerate();
        let cells = cells.flat_map(|(method, row)| {
            let row = row.iter().enumerate();
            row.map(move |(class, cell)| (method, class, cell))
        });
        cells.filter_map(|(method, class, cell)| {
            let counts = cell.get()?.counts()?;
            let mut measured = Measured::new(&REQUESTS, MeasuredValue::Durations(counts));
            measured.attributes.clone_from(&self.about);
            let method = METHODS.get(method).copied().unwrap_or(OTHER);
            Some(
                measured
                    .with("http.request.method", method)
                    .with("http.response.status_class", CLASSES[class])
                    .with("url.scheme", "http"),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_by_what_the_manifest_and_the_conventions_name() {
        let meter = RouteMeter::of(&Route {
            host: Some("a.example".to_owned()),
            path: "/api".to_owned(),
            websocket: None,
        });
        assert_eq!(meter.measured().count(), 0);
        let brew = Method::from_bytes(b"BREW").expect("a legal name");
        for (method, status) in [(&Method::GET, 200), (&Method::GET, 204), (&brew, 500)] {
            let status = StatusCode::from_u16(status).expect("a legal status");
            meter.take(Timed::now(method), status);
        }
        let told: Vec<_> = meter
            .measured()
            .map(|it| {
                let MeasuredValue::Durations(counts) = it.value else {
                    panic!("requests have durations");
                };
                let values: Vec<_> = it.attributes.into_iter().map(|(_, value)| value).collect();
                (values.join(" "), counts.count())
            })
            .collect();
        let expected = [
            ("/api a.example GET 2xx http".to_owned(), 2),
            ("/api a.example _OTHER 5xx http".to_owned(), 1),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_is_at_one_place_has_one_meter() {
        let mut meters = RouteMeters::default();
        let mut of = |host: Option<&str>, path: &str, is_socket: bool| {
            meters.of(&Route {
                host: host.map(str::to_owned),
                path: path.to_owned(),
                websocket: is_socket.then(Default::default),
            })
        };
        let requests = of(None, "/a", false);
        assert!(Arc::ptr_eq(&requests, &of(None, "/a", true)));
        assert!(Arc::ptr_eq(&requests, &of(Some("*"), "/a", true)));
        assert!(!Arc::ptr_eq(&requests, &of(None, "/b", true)));
        assert!(!Arc::ptr_eq(&requests, &of(Some("b"), "/a", true)));
    }
}
