//! The chat of `examples/websocket`, run by the real program, and its peers.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use tokio_tungstenite::tungstenite::{
    self, Message, WebSocket, client::IntoClientRequest, protocol::CloseFrame,
};

use super::browser::Browser;
use super::examples::{run_app, run_component};
use super::running::{Running, guest, repository, request, write_manifest};

const WITHIN: Duration = Duration::from_secs(30);

/// Less than the ten seconds that a node that stops waits for what is in hand.
const ENDS_WITHIN: Duration = Duration::from_secs(6);

/// How long a peer takes to answer its end.
const LATE: Duration = Duration::from_millis(300);

pub type Socket = WebSocket<TcpStream>;

fn connect(address: &str, path: &str, field: (&'static str, &str)) -> Result<Socket, u16> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(WITHIN)).unwrap();
    let mut request = format!("ws://{address}{path}")
        .into_client_request()
        .unwrap();
    let (name, value) = (field.0, field.1.parse().unwrap());
    request.headers_mut().insert(name, value);
    match tungstenite::client(request, stream) {
        Ok((mut socket, _)) => {
            assert_eq!(next(&mut socket), "* welcome");
            Ok(socket)
        }
        Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(response))) => {
            Err(response.status().as_u16())
        }
        Err(error) => panic!("{error}"),
    }
}

pub fn chat(address: &str) -> Socket {
    let chats = ("sec-websocket-protocol", "chat");
    connect(address, "/chat", chats).unwrap()
}

fn say(socket: &mut Socket, line: &str) {
    socket.send(Message::text(line)).unwrap();
}

fn next(socket: &mut Socket) -> String {
    match socket.read().unwrap() {
        Message::Text(line) => line.to_string(),
        other => panic!("{other:?}"),
    }
}

pub fn closed(socket: &mut Socket) -> u16 {
    match socket.read().unwrap() {
        Message::Close(Some(CloseFrame { code, .. })) => code.into(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_chat() {
    let (running, address) = run_app("websocket", "websocket");
    let (status, page) = request(&address, "GET", "/", "");
    assert!(status == 200 && page.contains("new WebSocket"), "{page}");

    let (mut one, mut two) = (chat(&address), chat(&address));
    say(&mut one, "one: hello");
    say(&mut two, "two: hello yourself");
    for socket in [&mut one, &mut two] {
        let mut lines = [next(socket), next(socket)];
        lines.sort_unstable();
        assert_eq!(lines, ["one: hello", "two: hello yourself"]);
    }
    say(&mut one, "/whoami");
    let id = next(&mut one);
    assert!(id.starts_with("* default/"), "{id}");
    let picture = vec![0, 159, 146, 150];
    one.send(Message::binary(picture.clone())).unwrap();
    for socket in [&mut one, &mut two] {
        assert_eq!(socket.read().unwrap(), Message::binary(picture.clone()));
    }
    // The instance is gone, and nobody else.
    say(&mut one, "/trap");
    say(&mut one, "one: still here");
    for socket in [&mut one, &mut two] {
        assert_eq!(next(socket), "one: still here");
    }
    say(&mut one, "/leave");
    assert_eq!(closed(&mut one), 1000);
    assert_eq!(next(&mut two), "* somebody left (1000)");

    let strange = ("sec-websocket-protocol", "strange");
    assert_eq!(connect(&address, "/chat", strange).err(), Some(400));
    let elsewhere = ("origin", "http://evil.test");
    assert_eq!(connect(&address, "/chat", elsewhere).err(), Some(403));
    // At this path there is a page, and no websocket.
    assert_eq!(connect(&address, "/", strange).err(), Some(200));

    let told = std::thread::spawn(move || closed(&mut two));
    running.stop();
    assert_eq!(told.join().unwrap(), 1012);
}

/// A peer takes some time to answer its end, and by then the component is stopped as well: the node had waited for
/// it as long as it waits for anything.
#[test]
fn a_node_ends_soon_although_a_peer_answers_late() {
    let (running, address) = run_app("websocket", "websocket");
    let mut socket = chat(&address);
    let late = std::thread::spawn(move || {
        assert_eq!(closed(&mut socket), 1012);
        let stream = socket.get_ref();
        stream.set_read_timeout(Some(LATE)).unwrap();
        let nothing = stream.peek(&mut [0]).map_err(|error| error.kind());
        assert_eq!(
            nothing,
            Err(ErrorKind::WouldBlock),
            "its answer is waited for"
        );
        // The answer goes out with this.
        let _over = socket.read();
    });
    let asked = std::time::Instant::now();
    running.stop();
    assert!(asked.elapsed() < ENDS_WITHIN, "{:?}", asked.elapsed());
    late.join().unwrap();
}

/// What is said in one chat is told in the other one, which has joined it; until that ends.
#[test]
fn a_chat_that_joins_another_one() {
    let (other, at_other) = run_app("websocket", "websocket");
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(repository("examples/websocket/app.toml")).unwrap();
    let source = guest("websocket").display().to_string();
    let text = text
        .replace("../target/wasm32-wasip2/release/websocket.wasm", &source)
        .replace("127.0.0.1:8081", &at_other)
        .replace("127.0.0.1:8080", "127.0.0.1:0");
    let manifest = write_manifest(folder.path(), &text);
    let running = Running::start(&[&manifest.display().to_string()]);
    let mut here = chat(&running.address("web"));
    let mut there = chat(&at_other);
    say(&mut here, &format!("/join ws://{at_other}/chat"));
    // The other one says welcome, to all who are here.
    let mut told = [next(&mut here), next(&mut here)];
    told.sort_unstable();
    assert!(told[0].starts_with("* joined outside/"), "{told:?}");
    assert_eq!(told[1], "* welcome");
    say(&mut there, "hello, you");
    for socket in [&mut here, &mut there] {
        assert_eq!(next(socket), "hello, you");
    }
    // What the component says to its peer is a line of the other chat's.
    let id = told[0].trim_start_matches("* joined ");
    say(&mut here, &format!("/to {id} hello yourself"));
    let mut told = [next(&mut here), next(&mut here)];
    told.sort_unstable();
    assert_eq!(told, ["* hello yourself: queued", "hello yourself"]);
    assert_eq!(next(&mut there), "hello yourself");
    say(&mut here, "/join ws://127.0.0.1:1/chat");
    assert!(next(&mut here).starts_with("* not joined: ConnectError::Denied("));
    drop(there);
    assert_eq!(next(&mut here), "* somebody left (1006)");
    other.stop();
    assert_eq!(next(&mut here), "* somebody left (1012)");
    running.stop();
}

/// One that offers both gets requests and peers of every path.
#[test]
fn a_chat_without_a_manifest() {
    let (running, address) = run_component("websocket", &["--env", "ROUTE=/"]);
    assert_eq!(request(&address, "GET", "/", "").0, 200);
    let mut socket = connect(&address, "/anywhere", ("x-any", "1")).unwrap();
    say(&mut socket, "hello");
    assert_eq!(next(&mut socket), "hello");
    drop(socket);
    running.stop();
}

/// What a node may keep for a peer that says nothing: its socket's two ends, its task, and its place.
const IDLE_PEER_BYTES_MAX: u64 = 12 * 1024;

/// Most peers are idle, for days. `WRT_PEERS=5000` makes it more of them.
#[test]
fn idle_peers_take_little_memory() {
    let peers = std::env::var("WRT_PEERS").map_or(1000, |text| text.parse().unwrap());
    let (running, address) = run_app("echo", "echo");
    // What the first ones need, all others use as well.
    let first = idle_peers(&address, 200);
    let before = running.rss_bytes();
    let idle = idle_peers(&address, peers);
    let each = running.rss_bytes().saturating_sub(before) / peers as u64;
    println!("{peers} idle peers: {each} bytes each");
    assert!(each <= IDLE_PEER_BYTES_MAX, "{each} bytes each");
    // The last one is there as well as the first.
    for mut peer in first
        .into_iter()
        .take(1)
        .chain(idle.into_iter().rev().take(1))
    {
        peer.write_all(b"\x81\x82\0\0\0\0hi").unwrap();
        let mut heard = [0; 4];
        peer.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"\x81\x02hi");
    }
    running.stop();
}

/// So many peers, as little as a peer can be.
fn idle_peers(address: &str, count: usize) -> Vec<TcpStream> {
    let request = format!(
        "GET / HTTP/1.1\r\nhost: {address}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let peer = |_| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(WITHIN)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 101 "), "{answer:?}");
        stream
    };
    (0..count).map(peer).collect()
}

/// The page, in two windows of a browser.
#[test]
fn a_chat_in_a_browser() {
    let (running, address) = run_app("websocket", "websocket");
    let mut browser = Browser::start();
    let shows = |line: &str| {
        format!("document.getElementById('lines')?.innerText.split('\\n').includes({line:?})")
    };
    let url = format!("http://{address}/");
    let windows = [browser.open(&url), browser.open(&url)];
    for window in &windows {
        browser.waits_until(window, &shows("* welcome"));
    }
    for (window, line) in windows
        .iter()
        .zip(["hello, you", "hello yourself \u{1F980}"])
    {
        browser.types(window, "#line", line);
        for window in &windows {
            browser.waits_until(window, &shows(&format!("somebody: {line}")));
        }
    }
    browser.types(&windows[0], "#line", "/leave");
    browser.waits_until(&windows[0], &shows("* closed: 1000 bye"));
    browser.waits_until(&windows[1], &shows("* somebody left (1000)"));
    running.stop();
    browser.waits_until(&windows[1], &shows("* closed: 1012 the server restarts"));
}
