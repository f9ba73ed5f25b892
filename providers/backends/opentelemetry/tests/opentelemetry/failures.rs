//! A collector that is away, slow, or does not want what it is given.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use wrt_opentelemetry::OpenTelemetryConfig;
use wrt_otel::{Attribute, OtelError, conformance::Collector as _};
use wrt_runtime::ServiceAddress;
use wrt_test_servers::{OtelCollector, free_port};

use super::{
    collected::Collected,
    support::{PROTOCOLS, come, config, connect, tell, told, until},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_comes_later_gets_everything_once() {
    for protocol in PROTOCOLS {
        let collector = Arc::new(OtelCollector::start().expect("otelcol"));
        collector.kill().unwrap();
        let provider = connect(config(&collector, protocol)).await;
        for number in 0..20 {
            tell(&provider, [number]).await.unwrap();
        }
        until(&provider, |counts| counts.retried > 0).await;
        collector.restart().unwrap();
        until(&provider, |counts| counts.sent == 20).await;
        let collected = Collected::by(&collector);
        come(&collected, 20).await;
        assert_eq!(told(&collected).await, Vec::from_iter(0..20), "{protocol}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_taken_is_lost_when_the_collector_is_killed() {
    for protocol in PROTOCOLS {
        let collector = Arc::new(OtelCollector::start().expect("otelcol"));
        let provider = connect(config(&collector, protocol)).await;
        tell(&provider, 0..10).await.unwrap();
        let collected = Collected::by(&collector);
        // What the collector has acknowledged and not written yet would be lost with it.
        come(&collected, 10).await;
        collector.kill().unwrap();
        tell(&provider, 10..20).await.unwrap();
        collector.restart().unwrap();
        until(&provider, |counts| counts.sent == 20).await;
        come(&collected, 20).await;
        let mut numbers = told(&collected).await;
        numbers.dedup();
        assert_eq!(numbers, Vec::from_iter(0..20), "{protocol}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_is_refused_and_counted_and_nobody_waits() {
    let closed = free_port().unwrap();
    let config = OpenTelemetryConfig {
        endpoint: Some(ServiceAddress::new(format!("http://127.0.0.1:{closed}"))),
        queue_max: 100,
        batch_max: 10,
        delay_ms: 10,
        ..OpenTelemetryConfig::default()
    };
    let provider = connect(config).await;
    let started = Instant::now();
    let refused = tell(&provider, 0..130).await;
    let full = OtelError::Full {
        dropped: 30,
        given: 130,
    };
    assert_eq!(refused, Err(full));
    assert!(tell(&provider, 0..1).await.is_err());
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "somebody has waited"
    );
    let counts = until(&provider, |counts| counts.retried > 0).await;
    assert_eq!((counts.waiting, counts.dropped, counts.sent), (100, 31, 0));
}

/// Answers each request of HTTP with what stands there, one after the other, and with 200 from then on.
async fn answers(given: &'static [&'static str]) -> (u16, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let mut given = given.iter();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 64 * 1024];
            // A request of a few hundred bytes comes at once.
            let _length = stream.read(&mut head).await.unwrap();
            let answer = given.next().copied().unwrap_or("200 OK\r\n");
            let answer = format!("HTTP/1.1 {answer}content-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            let _closed = stream.shutdown().await;
        }
    });
    (port, task)
}

fn at(port: u16) -> OpenTelemetryConfig {
    OpenTelemetryConfig {
        endpoint: Some(ServiceAddress::new(format!("http://127.0.0.1:{port}"))),
        delay_ms: 10,
        ..OpenTelemetryConfig::default()
    }
}

#[tokio::test]
async fn what_the_collector_refuses_is_not_sent_again() {
    let (port, task) = answers(&["400 Bad Request\r\n"]).await;
    let provider = connect(at(port)).await;
    tell(&provider, 0..3).await.unwrap();
    let counts = until(&provider, |counts| counts.rejected > 0).await;
    assert_eq!((counts.rejected, counts.retried, counts.sent), (3, 0, 0));
    tell(&provider, 3..5).await.unwrap();
    until(&provider, |counts| counts.sent == 2).await;
    task.abort();
}

#[tokio::test]
async fn a_collector_that_asks_for_a_pause_gets_it() {
    let (port, task) = answers(&["503 Unavailable\r\nretry-after: 2\r\n"]).await;
    let provider = connect(at(port)).await;
    let started = Instant::now();
    tell(&provider, 0..3).await.unwrap();
    let counts = until(&provider, |counts| counts.sent == 3).await;
    assert_eq!((counts.retried, counts.rejected), (1, 0));
    assert!(
        started.elapsed() >= Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
    task.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_sent_when_the_provider_is_dropped() {
    for protocol in PROTOCOLS {
        let collector = Arc::new(OtelCollector::start().expect("otelcol"));
        let config = OpenTelemetryConfig {
            delay_ms: 60_000,
            ..config(&collector, protocol)
        };
        let provider = connect(config).await;
        tell(&provider, 0..10).await.unwrap();
        drop(provider);
        come(&Collected::by(&collector), 10).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_operator_says_is_told_of_everything() {
    let collector = Arc::new(OtelCollector::start().expect("otelcol"));
    let config = OpenTelemetryConfig {
        resource_attributes: Some("deployment.environment.name=test,service.name=other".to_owned()),
        ..config(&collector, "grpc")
    };
    let provider = connect(config).await;
    tell(&provider, 0..1).await.unwrap();
    until(&provider, |counts| counts.sent == 1).await;
    let collected = Collected::by(&collector);
    come(&collected, 1).await;
    // What the guest says of itself counts.
    let log = collected.about("teller").await.logs.remove(0);
    let expected = [
        Attribute::text("deployment.environment.name", "test"),
        Attribute::text("service.name", "teller"),
    ];
    assert_eq!(log.resource.attributes, expected);
}
