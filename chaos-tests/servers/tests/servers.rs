//! The real servers: they start, answer, crash, come back, and leave nothing behind.

#![cfg(test)]

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    time::Duration,
};

use wrt_test_servers::{
    Deadline, KafkaServer, NatsServer, RedisServer, Server, ServerError, ServerKind,
};

const LIMIT: Duration = Duration::from_secs(10);

/// Sends one request and returns whether the expected answer comes before the limit.
fn answers(port: u16, request: &str, expected: &str, limit: Duration) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    stream.set_read_timeout(Some(limit)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..count]);
        if String::from_utf8_lossy(&answer).contains(expected) {
            return true;
        }
    }
    false
}

/// The life of any server; `request` must be answered with `expected` whenever it lives.
fn check_life<K: ServerKind>(request: &str, expected: &str) {
    let server = Server::<K>::start().unwrap();
    let (port, folder) = (server.port(), server.folder().to_owned());
    let alive = || answers(port, request, expected, LIMIT);
    assert!(alive(), "answers as soon as start returns");
    assert!(server.rss_bytes().unwrap() > 0);

    server.pause().unwrap();
    assert!(
        !answers(port, request, expected, Duration::from_millis(100)),
        "paused"
    );
    server.resume().unwrap();
    assert!(alive(), "resumed");

    let url = server.url();
    let first = server.pid().unwrap();
    server.kill().unwrap();
    assert!(!alive(), "killed");
    assert!(matches!(server.pid(), Err(ServerError::NotRunning { .. })));
    server.restart().unwrap();
    assert!(alive(), "restarted after a crash");
    assert_ne!(server.pid().unwrap(), first);

    server.stop().unwrap();
    server.stop().unwrap();
    server.restart().unwrap();
    server.restart().unwrap();
    assert!(alive(), "restarted while it ran");
    assert_eq!(server.url(), url);

    let last = server.pid().unwrap();
    drop(server);
    assert!(
        !Path::new(&format!("/proc/{last}")).exists(),
        "a drop leaves no process"
    );
    assert!(!folder.exists(), "a drop leaves no folder");
}

#[test]
fn nats_lives_crashes_and_comes_back() {
    check_life::<wrt_test_servers::Nats>("CONNECT {\"verbose\":false}\r\nPING\r\n", "PONG");
}

#[test]
fn redis_lives_crashes_and_comes_back() {
    check_life::<wrt_test_servers::Redis>("PING\r\n", "+PONG");
}

/// It takes seconds to start: so the rest of a server's life is left to the others.
#[test]
fn kafka_crashes_and_comes_back_and_is_shared() {
    // A request for the versions of requests, and the start of its answer: its number, and no error.
    let request = "\0\0\0\u{a}\0\u{12}\0\0\0\0\0\u{7}\0\0";
    let server = KafkaServer::shared().unwrap();
    let other = KafkaServer::shared().unwrap();
    assert_eq!(server.port(), other.port());
    let alive = || answers(server.port(), request, "\0\0\0\u{7}\0\0", LIMIT);
    assert!(alive(), "answers as soon as start returns");
    server.kill().unwrap();
    assert!(!alive(), "killed");
    server.restart().unwrap();
    assert!(alive(), "restarted after a crash");
}

/// It takes a second to start: so the rest of a server's life is left to the others.
#[test]
fn mongodb_crashes_and_comes_back() {
    let server = wrt_test_servers::MongoDbServer::start().unwrap();
    let first = server.pid().unwrap();
    server.kill().unwrap();
    server.restart().unwrap();
    assert_ne!(server.pid().unwrap(), first, "restarted after a crash");
    assert!(TcpStream::connect(("127.0.0.1", server.port())).is_ok());
}

/// A request to a subject of the JetStream API by hand.
fn jetstream(port: u16, api: &str, body: &str, expected: &str) -> bool {
    let length = body.len();
    let request = format!(
        "CONNECT {{\"verbose\":false}}\r\nSUB reply 1\r\nPUB $JS.API.{api} reply {length}\r\n{body}\r\n"
    );
    answers(port, &request, expected, Duration::from_millis(500))
}

#[test]
fn a_stream_survives_the_crash_of_nats() {
    let server = NatsServer::start().unwrap();
    let create = r#"{"name":"KEPT","subjects":["kept"],"storage":"file"}"#;
    assert!(jetstream(
        server.port(),
        "STREAM.CREATE.KEPT",
        create,
        "\"did_create\":true"
    ));
    server.kill().unwrap();
    server.restart().unwrap();
    let kept = || {
        jetstream(
            server.port(),
            "STREAM.INFO.KEPT",
            "",
            "\"subjects\":[\"kept\"]",
        )
    };
    assert!(
        Deadline::after(LIMIT)
            .poll(|| kept().then_some(()))
            .is_some()
    );
}

#[test]
fn many_servers_at_once_have_ports_of_their_own() {
    let servers: Vec<RedisServer> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8).map(|_| scope.spawn(RedisServer::start)).collect();
        starts
            .into_iter()
            .map(|start| start.join().unwrap().unwrap())
            .collect()
    });
    let mut ports: Vec<_> = servers.iter().map(RedisServer::port).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 8);
}

#[test]
fn a_port_that_stays_taken_ends_the_restart_with_the_servers_own_words() {
    let server = RedisServer::start().unwrap();
    server.stop().unwrap();
    let _squatter = std::net::TcpListener::bind(("127.0.0.1", server.port())).unwrap();
    let error = server.restart().unwrap_err();
    assert!(error.to_string().contains("already in use"), "{error}");
}
