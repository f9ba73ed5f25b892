//! The examples that send requests, and the server that they ask.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    thread,
};

use tempfile::TempDir;

use super::running::{Running, guest, repository, request, write_manifest};

/// Answers each request with its first line, for as long as the tests run.
pub fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap();
            let line = head.lines().next().unwrap_or_default();
            let length = line.len();
            let answer = format!(
                "HTTP/1.1 203 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{line}"
            );
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    address
}

/// The example's own manifest, with free ports and another allow-list.
fn run(example: &str, guest_name: &str, upstream: SocketAddr, allow: &str) -> (Running, TempDir) {
    let folder = TempDir::new().unwrap();
    let path = repository(&format!("examples/{example}/app.toml"));
    let text = std::fs::read_to_string(path).unwrap();
    let source = format!("../target/wasm32-wasip2/release/{guest_name}.wasm");
    assert!(text.contains(&source) && text.contains("\"127.0.0.1:9000\""));
    let text = text
        .replace(&source, &guest(guest_name).display().to_string())
        .replace("\"127.0.0.1:9000\"", allow)
        .replace("127.0.0.1:9000", &upstream.to_string())
        .replace("127.0.0.1:8080", "127.0.0.1:0");
    let manifest = write_manifest(folder.path(), &text);
    let running = Running::start(&[&manifest.display().to_string()]);
    (running, folder)
}

#[test]
fn fetch_asks_the_server_that_its_provider_may_reach() {
    let upstream = upstream();
    let allowed = format!("\"{upstream}\"");
    for (example, guest_name) in [("fetch", "fetch"), ("fetch-p3", "fetch_p3")] {
        let (running, _folder) = run(example, guest_name, upstream, &allowed);
        let answer = request(&running.address("web"), "GET", "/a?b", "");
        assert_eq!(answer, (203, "GET /a?b HTTP/1.1".to_owned()), "{example}");
        running.stop();
    }
}

#[test]
fn fetch_reaches_nobody_else() {
    let upstream = upstream();
    for (example, guest_name, status) in [("fetch", "fetch", 502), ("fetch-p3", "fetch_p3", 403)] {
        let (running, _folder) = run(example, guest_name, upstream, "\"*:*\"");
        let answer = request(&running.address("web"), "GET", "/", "");
        assert_eq!(answer.0, status, "{example}: {answer:?}");
        running.stop();
    }
}
