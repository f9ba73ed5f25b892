//! What a node measures, and its log: as Prometheus reads it, and as the genuine collector gets it.

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use hyper::body::Bytes;
use prometheus_parse::{Scrape, Value};
use serde_json::Value as Json;
use tokio_tungstenite::tungstenite::{self, Message};
use wrt_test_servers::OtelCollector;

use super::{
    client::{Version, pattern, send},
    examples::run_component,
    lattice::Lattice,
    running::{Running, guest, request, wrt_node},
    traces::{attribute, list, wait},
};

/// Far more than a report or a batch waits.
const SEEN_WITHIN: Duration = Duration::from_secs(30);

/// Where the metrics are, as the log says.
fn metrics_address(log: &str) -> String {
    let line = log
        .lines()
        .find_map(|line| line.strip_prefix("metrics are at http://"));
    let line = line.expect("a node that tells metrics says where");
    line.trim_end_matches("/metrics").to_owned()
}

/// What is there now. A sample of no known kind, or two of one name and labels, are none that Prometheus takes.
fn scrape(address: &str) -> Scrape {
    let (status, text) = request(address, "GET", "/metrics", "");
    assert_eq!(status, 200, "{text}");
    let scrape = Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).unwrap();
    let mut seen = BTreeSet::new();
    let histograms = scrape.samples.iter();
    let histograms = histograms.filter(|it| matches!(it.value, Value::Histogram(_)));
    let histograms: BTreeSet<_> = histograms.map(|it| it.metric.as_str()).collect();
    for sample in &scrape.samples {
        // The parser leaves these two of a histogram beside it.
        let whole = sample.metric.strip_suffix("_sum");
        let whole = whole.or_else(|| sample.metric.strip_suffix("_count"));
        let is_typed = !matches!(sample.value, Value::Untyped(_));
        assert!(
            is_typed || whole.is_some_and(|whole| histograms.contains(whole)),
            "{} has no type",
            sample.metric
        );
        let mut labels: Vec<_> = sample.labels.iter().collect();
        labels.sort();
        let is_new = seen.insert(format!("{} {labels:?}", sample.metric));
        assert!(is_new, "{} {labels:?} is there twice", sample.metric);
    }
    assert!(!scrape.samples.is_empty());
    scrape
}

/// The value of a metric with these labels, and perhaps others; how many, if it is a histogram.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is asked for here are whole numbers"
)]
fn value(scrape: &Scrape, metric: &str, labels: &[(&str, &str)]) -> Option<u64> {
    let has_all = |sample: &&prometheus_parse::Sample| {
        let mut labels = labels.iter();
        sample.metric == metric
            && labels.all(|(name, value)| sample.labels.get(name) == Some(value))
    };
    let sample = scrape.samples.iter().find(has_all)?;
    Some(match &sample.value {
        Value::Counter(number) | Value::Gauge(number) => *number as u64,
        Value::Histogram(buckets) => {
            assert!(
                buckets.is_sorted_by(|a, b| a.less_than < b.less_than && a.count <= b.count),
                "{buckets:?}"
            );
            let last = buckets.last().expect("there is one");
            assert!(last.less_than.is_infinite());
            last.count as u64
        }
        other => panic!("{metric}: {other:?}"),
    })
}

const REQUESTS: &str = "http_server_request_duration_seconds";
const CALLS: &str = "rpc_client_call_duration_seconds";

#[test]
fn prometheus_reads_what_a_process_measures() {
    let (running, address) = run_component("hello_http", &["--metrics", "0"]);
    let metrics = metrics_address(&running.log());
    assert!(metrics.starts_with("127.0.0.1:"), "{metrics}");
    for _ in 0..3 {
        assert_eq!(request(&address, "GET", "/", "").0, 200);
    }
    let scraped = scrape(&metrics);
    let of_server = [
        ("wrt_actor", "provider/hello-http/http-server"),
        ("http_route", "/"),
        ("http_request_method", "GET"),
        ("http_response_status_class", "2xx"),
    ];
    assert_eq!(value(&scraped, REQUESTS, &of_server), Some(3));
    let of_call = [
        ("rpc_service", "wasi:http/handler"),
        ("rpc_method", "handle"),
    ];
    assert_eq!(value(&scraped, CALLS, &of_call), Some(3));
    let component = [("wrt_actor", "component/hello-http/hello-http")];
    let admitted = "wrt_actor_calls_admitted_total";
    assert_eq!(value(&scraped, admitted, &component), Some(3));
    let running_calls = "wrt_actor_calls_running";
    assert_eq!(value(&scraped, running_calls, &component), Some(0));
    for (metric, least) in [
        ("process_memory_usage_bytes", 1 << 20),
        ("process_thread_count", 2),
        ("process_open_file_descriptor_count", 3),
        ("wrt_bus_connected", 1),
    ] {
        let value = value(&scraped, metric, &[]);
        assert!(value.is_some_and(|it| it >= least), "{metric}: {value:?}");
    }
    assert!(
        value(
            &scraped,
            "process_cpu_time_seconds_total",
            &[("cpu_mode", "user")]
        )
        .is_some()
    );
    assert_eq!(request(&metrics, "GET", "/", "").0, 404);
    assert_eq!(request(&metrics, "POST", "/metrics", "").0, 405);
    running.stop();
}

/// Over HTTP/2, with no length and in pieces, a request is one like any other.
#[test]
fn requests_of_http_2_are_measured() {
    let (running, address) = run_component("hello_http_p3", &["--metrics", "0"]);
    let metrics = metrics_address(&running.log());
    for (version, method, path, count) in [
        (Version::Http2, "GET", "/", 3),
        (Version::Http2, "POST", "/echo", 2),
        (Version::Http1, "GET", "/", 1),
    ] {
        for _ in 0..count {
            let asked = http::Request::builder().method(method).uri(path);
            let body = if method == "POST" {
                pattern(100_000)
            } else {
                Bytes::new()
            };
            let answer = send(version, &address, asked, body);
            assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
        }
    }
    let scraped = scrape(&metrics);
    for (method, count) in [("GET", 4), ("POST", 2)] {
        let labels = [
            ("http_route", "/"),
            ("http_request_method", method),
            ("http_response_status_class", "2xx"),
            ("url_scheme", "http"),
        ];
        assert_eq!(value(&scraped, REQUESTS, &labels), Some(count), "{method}");
    }
    let server = [("wrt_actor", "provider/hello-http-p3/http-server")];
    let in_hand = ["wrt_provider_events_in_hand", "http_server_active_requests"];
    let started = Instant::now();
    // A client has its answer a moment before the server is done with it.
    while in_hand.map(|metric| value(&scrape(&metrics), metric, &server)) != [Some(0); 2] {
        assert!(started.elapsed() < SEEN_WITHIN, "{in_hand:?}");
        wait();
    }
    running.stop();
}

/// Who asks to come in is a request of the route; who is in, and what was said, are counted.
#[test]
fn peers_are_measured() {
    let (running, address) = run_component("tally", &["--metrics", "0"]);
    let metrics = metrics_address(&running.log());
    let connect = || {
        let stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(SEEN_WITHIN)).unwrap();
        let (peer, _) = tungstenite::client(format!("ws://{address}/"), stream).unwrap();
        peer
    };
    let (mut stays, mut leaves) = (connect(), connect());
    for number in ["1", "2", "3"] {
        stays.send(Message::text(number)).unwrap();
    }
    leaves.close(None).unwrap();
    while leaves.read().is_ok() {}
    let server = ("wrt_actor", "provider/tally/http-server");
    let counted = |scraped: &Scrape, event: &str| {
        let labels = [server, ("wrt_event", event)];
        value(scraped, "wrt_provider_events_counted_total", &labels)
    };
    let started = Instant::now();
    let scraped = loop {
        let scraped = scrape(&metrics);
        let told =
            ["messages_handled", "closed"].map(|it| counted(&scraped, &format!("peers_{it}")));
        if told == [Some(3), Some(1)] {
            break scraped;
        }
        assert!(started.elapsed() < SEEN_WITHIN, "{told:?}");
        wait();
    };
    assert_eq!(counted(&scraped, "peers_accepted"), Some(2));
    assert_eq!(counted(&scraped, "peers_messages_failed"), Some(0));
    let asked = [
        server,
        ("http_route", "/"),
        ("http_request_method", "GET"),
        ("http_response_status_class", "1xx"),
    ];
    assert_eq!(value(&scraped, REQUESTS, &asked), Some(2));
    let open = "wrt_http_server_open_connections";
    assert_eq!(value(&scraped, open, &[server]), Some(1));
    for (method, count) in [("open", 2), ("receive", 3), ("close", 1)] {
        let labels = [
            ("rpc_service", "wrt:websocket/handler"),
            ("rpc_method", method),
        ];
        assert_eq!(value(&scraped, CALLS, &labels), Some(count), "{method}");
    }
    drop(stays);
    running.stop();
}

/// Nine at once: the ninth is closed, and the others do not keep the port from who comes after them.
#[test]
fn who_asks_for_metrics_slowly_keeps_nobody_out_for_long() {
    let (running, _) = run_component("hello_http", &["--metrics", "0"]);
    let metrics = metrics_address(&running.log());
    let connect = || {
        let stream = TcpStream::connect(&metrics).unwrap();
        stream.set_read_timeout(Some(SEEN_WITHIN)).unwrap();
        stream
    };
    let mut slow: Vec<_> = (0..8).map(|_| connect()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /metrics HTTP/1.1\r\n").unwrap();
    }
    let (mut refused, mut text) = (connect(), Vec::new());
    // Closed before it was read, or reset: in neither case is there an answer.
    let _reset = refused.read_to_end(&mut text);
    assert!(text.is_empty());
    let started = Instant::now();
    for mut stream in slow {
        let _reset = stream.read_to_end(&mut text);
    }
    assert!(started.elapsed() < Duration::from_secs(15));
    scrape(&metrics);
    running.stop();
}

#[test]
fn nobody_is_told_who_has_not_asked() {
    let (running, _) = run_component("hello_http", &[]);
    assert!(!running.log().contains("metrics are at"));
    running.stop();
}

#[test]
fn a_node_measures_its_lattice_and_its_calls() {
    let lattice = Lattice::start_with(&["a"], &[("WRT_METRICS", "127.0.0.1:0")]);
    let metrics = metrics_address(&lattice.log("a"));
    let started = Instant::now();
    loop {
        let scraped = scrape(&metrics);
        let beats = value(&scraped, "wrt_heartbeats_total", &[("wrt_event", "sent")]);
        let connected = value(&scraped, "wrt_bus_connected", &[]);
        if beats.is_some_and(|beats| beats >= 3) && connected == Some(1) {
            break;
        }
        assert!(started.elapsed() < SEEN_WITHIN, "{beats:?} {connected:?}");
        wait();
    }
    lattice.stop_bus();
    let started = Instant::now();
    while value(&scrape(&metrics), "wrt_bus_connected", &[]) != Some(0) {
        assert!(started.elapsed() < SEEN_WITHIN);
        wait();
    }
}

/// Names and sums of the last report that the collector has of a metric, and its units.
fn reported(collector: &OtelCollector, metric: &str) -> Option<(String, Json)> {
    let lines = collector.taken().unwrap();
    let lines = lines.iter().rev();
    for line in lines {
        let line: Json = serde_json::from_str(line).unwrap();
        for of in list(&line, "resourceMetrics") {
            let scopes = list(of, "scopeMetrics").iter();
            let found = scopes
                .flat_map(|scope| list(scope, "metrics"))
                .find(|it| it["name"] == metric);
            if let Some(found) = found {
                return Some((
                    attribute(&of["resource"], "service.instance.id"),
                    found.clone(),
                ));
            }
        }
    }
    None
}

/// The log record of that text.
fn logged(collector: &OtelCollector, text: &str) -> Option<Json> {
    for line in collector.taken().unwrap() {
        let line: Json = serde_json::from_str(&line).unwrap();
        for of in list(&line, "resourceLogs") {
            let scopes = list(of, "scopeLogs").iter();
            let found = scopes
                .flat_map(|scope| list(scope, "logRecords"))
                .find(|it| it["body"]["stringValue"] == text);
            if let Some(found) = found {
                return Some(found.clone());
            }
        }
    }
    None
}

/// Waits until so many requests are reported: the collector writes a while after it has taken.
fn requests_become(collector: &OtelCollector, expected: u64) {
    let started = Instant::now();
    loop {
        let reported = reported(collector, "http.server.request.duration");
        let (_, requests) = reported.expect("it was there");
        let points = list(&requests["histogram"], "dataPoints").iter();
        let counts = points.filter_map(|point| point["count"].as_str()?.parse::<u64>().ok());
        let count: u64 = counts.sum();
        if count == expected {
            return;
        }
        assert!(started.elapsed() < SEEN_WITHIN, "{count}");
        wait();
    }
}

/// A request that is part of a trace, and whose component traps.
fn trapped_in(trace: &str, address: &str) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SEEN_WITHIN)).unwrap();
    write!(
        stream,
        "GET /trap HTTP/1.1\r\nhost: a\r\ntraceparent: 00-{trace}-00f067aa0ba902b7-01\r\n\
         connection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 5"), "{answer}");
}

#[test]
fn metrics_and_the_log_get_to_a_collector() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let collector = OtelCollector::start().unwrap();
    let url = collector.url();
    let command = |at: &std::path::Path| {
        let mut command = wrt_node(at);
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &url);
        command.env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        command.env("OTEL_METRIC_EXPORT_INTERVAL", "200");
        command.env("OTEL_BSP_SCHEDULE_DELAY", "50");
        command.arg("run");
        command
    };
    let guest = guest("probe").display().to_string();
    let running = Running::launch_by(command, &[&guest, "--address", "127.0.0.1:0"]);
    running.wait_for("is ready");
    let address = running.address("http-server");
    assert_eq!(request(&address, "GET", "/hello", "").0, 200);
    trapped_in(TRACE, &address);
    let started = Instant::now();
    let (requests, log) = loop {
        let requests = reported(&collector, "http.server.request.duration");
        let log = logged(&collector, "a request ended with a fault");
        if let (Some((_, requests)), Some(log)) = (requests, log)
            && list(&requests["histogram"], "dataPoints").len() == 2
        {
            break (requests, log);
        }
        assert!(started.elapsed() < SEEN_WITHIN, "{:?}", collector.taken());
        wait();
    };
    assert_eq!(requests["unit"], "s");
    assert_eq!(requests["histogram"]["aggregationTemporality"], 2);
    let points = list(&requests["histogram"], "dataPoints").iter();
    let mut points: Vec<_> = points
        .map(|point| {
            let class = attribute(point, "http.response.status_class");
            let count = point["count"].as_str().unwrap_or_default();
            (class, count.to_owned())
        })
        .collect();
    points.sort();
    let expected = [("2xx", "1"), ("5xx", "1")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(points, expected);
    assert_eq!(log["severityText"], "WARN");
    assert_eq!(log["severityNumber"], 13);
    assert_eq!(log["traceId"], TRACE);
    assert_eq!(log["spanId"].as_str().map(str::len), Some(16));
    assert_eq!(attribute(&log, "path"), "/trap");
    let (instance, cpu) =
        reported(&collector, "process.cpu.time").expect("it comes with the others");
    assert_eq!(
        (instance.as_str(), &cpu["sum"]["isMonotonic"]),
        ("local", &Json::Bool(true))
    );
    // The last ones are in a report that is made at the end.
    assert_eq!(request(&address, "GET", "/hello", "").0, 200);
    running.stop();
    requests_become(&collector, 3);
    // Neither by default nor at any other time does the exporter speak of itself.
    let taken = collector.taken().unwrap().join("\n");
    assert!(!taken.contains("wrt_opentelemetry"), "{taken}");
}
