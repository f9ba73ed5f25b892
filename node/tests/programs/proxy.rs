//! The example that remembers what it has fetched.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    thread,
};

use http::Request;
use tempfile::TempDir;
use wrt_test_servers::RedisServer;

use super::client::{Answer, Version, send};
use super::running::{Running, guest, repository, write_manifest};

/// More than is kept.
const LARGE: usize = 300 * 1024;

/// Answers as the path says, and counts.
struct Upstream {
    address: SocketAddr,
    asked: Arc<AtomicU32>,
}

impl Upstream {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<AtomicU32>::default();
        let counted = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &counted);
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> u32 {
        self.asked.load(Relaxed)
    }
}

fn answer(mut stream: TcpStream, asked: &AtomicU32) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
    let number = asked.fetch_add(1, Relaxed) + 1;
    let head = String::from_utf8(head).unwrap();
    let (fields, body, length) = match head.split(' ').nth(1).unwrap_or_default() {
        "/own" => ("cache-control: private\r\n", format!("own {number}"), None),
        "/large" => ("", "x".repeat(LARGE), None),
        "/broken" => ("", "half".to_owned(), Some(8)),
        _ => (
            "content-type: text/x-count\r\n",
            format!("answer {number}"),
            None,
        ),
    };
    let length = length.unwrap_or(body.len());
    let head =
        format!("HTTP/1.1 200 OK\r\n{fields}content-length: {length}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
}

/// The example's own manifest, with free ports and this cache.
fn run(upstream: &Upstream, cache: &str) -> (Running, TempDir) {
    let folder = TempDir::new().unwrap();
    let text = std::fs::read_to_string(repository("examples/http-proxy/app.toml")).unwrap();
    let source = "../target/wasm32-wasip2/release/http_proxy.wasm";
    assert!(text.contains(source) && text.contains("backend = \"memory\""));
    let text = text
        .replace(source, &guest("http_proxy").display().to_string())
        .replace("127.0.0.1:9000", &upstream.address.to_string())
        .replace("127.0.0.1:8080", "127.0.0.1:0")
        .replace("backend = \"memory\"", cache);
    let manifest = write_manifest(folder.path(), &text);
    let running = Running::start(&[&manifest.display().to_string()]);
    (running, folder)
}

fn get(running: &Running, path: &str, field: Option<(&str, &str)>) -> Answer {
    let mut request = Request::get(path);
    if let Some((name, value)) = field {
        request = request.header(name, value);
    }
    send(Version::Http1, &running.address("web"), request, "".into())
}

fn cache_says(answer: &Answer) -> &str {
    answer.headers["x-cache"].to_str().unwrap()
}

#[test]
fn http_proxy_keeps_what_everybody_may_have() {
    let upstream = Upstream::start();
    let (running, _folder) = run(&upstream, "backend = \"memory\"");
    for (field, says, text) in [
        (None, "miss", "answer 1"),
        (None, "hit", "answer 1"),
        (Some(("cache-control", "no-cache")), "miss", "answer 2"),
        (None, "hit", "answer 2"),
        (Some(("authorization", "me")), "bypass", "answer 3"),
        (Some(("cache-control", "no-store")), "bypass", "answer 4"),
        (None, "hit", "answer 2"),
    ] {
        let answer = get(&running, "/a", field);
        assert_eq!((cache_says(&answer), answer.text().as_str()), (says, text));
        assert_eq!(answer.headers["content-type"], "text/x-count");
        assert_eq!(answer.headers.contains_key("age"), says == "hit");
    }
    for (path, length) in [("/own", "own 5".len()), ("/large", LARGE)] {
        for _ in 0..2 {
            let before = upstream.asked();
            let answer = get(&running, path, None);
            assert_eq!((cache_says(&answer), answer.body.len()), ("miss", length));
            assert_eq!(upstream.asked(), before + 1, "{path} is not kept");
        }
    }
    running.stop();
}

/// Its length said that there is more.
#[test]
fn http_proxy_keeps_no_half_of_an_answer() {
    let upstream = Upstream::start();
    let (running, _folder) = run(&upstream, "backend = \"memory\"");
    for asked in 1..=2 {
        let mut stream = TcpStream::connect(running.address("web")).unwrap();
        stream
            .write_all(b"GET /broken HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut text = String::new();
        let _broken_off = stream.read_to_string(&mut text);
        assert!(
            text.contains("x-cache: miss") && text.ends_with("half"),
            "{text}"
        );
        assert_eq!(upstream.asked(), asked);
    }
    running.stop();
}

#[test]
fn http_proxies_share_what_one_of_them_has_fetched() {
    let upstream = Upstream::start();
    let redis = RedisServer::start().unwrap();
    let cache = format!(
        "backend = \"redis\"\nconfig = {{ url = {:?} }}",
        redis.url()
    );
    let (first, _folder) = run(&upstream, &cache);
    let (second, _other) = run(&upstream, &cache);
    assert_eq!(cache_says(&get(&first, "/a", None)), "miss");
    let answer = get(&second, "/a", None);
    assert_eq!(
        (cache_says(&answer), answer.text().as_str()),
        ("hit", "answer 1")
    );
    // Without its store it is slower, and not wrong.
    drop(redis);
    let answer = get(&second, "/a", None);
    assert_eq!(answer.text(), "answer 2");
    first.stop();
    second.stop();
}
