//! Websockets, the same with the component in the node of its peers' sockets and in another one.
//!
//! An exchange is written once: how a peer asks to come in, what it says and hears, and how it ends. Small
//! messages travel inside their calls between the nodes, and large ones as streams. What is said and heard is the
//! same again where it is the component that has connected to the other side: [`outgoing`].

mod outgoing;

use std::{fs, time::Duration};

use bytes::Bytes;
use futures::{SinkExt, StreamExt, stream};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        http::{HeaderName, HeaderValue},
        protocol::CloseFrame,
    },
};
use wrt_chaos_tests::{Cluster, Profile, guest};

use crate::{
    AT_A_TIME,
    case::letters,
    paths::{PLACES, Place},
};

const EDGE: &str = "edge";
const OTHER: &str = "other";

/// What a peer may send here.
const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// How long a peer waits for what comes next: longer than a busy machine takes.
const WITHIN: Duration = Duration::from_secs(30);

/// What a peer asks with, and what it gets.
struct Exchange {
    name: &'static str,
    path: &'static str,
    fields: &'static [(&'static str, &'static str)],
    /// The subprotocol that is spoken, or the status and the text that it is refused with.
    opened: Result<Option<&'static str>, (u16, &'static str)>,
    steps: Vec<Step>,
}

enum Step {
    Says(Message),
    Hears(Message),
    /// It comes back.
    Echoes(Message),
    /// The peer ends it, with a code or without, and its end is answered with the same.
    Closes(Option<u16>),
    /// It comes back, although the peer has sent its end behind it.
    EchoesAndCloses(Message, u16),
    /// It is ended by the component, or by the server.
    IsClosed(u16, &'static str),
}

use Step::{Closes, Echoes, EchoesAndCloses, Hears, IsClosed, Says};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websockets_are_the_same_on_every_path() -> anyhow::Result<()> {
    let cluster = Cluster::start(Profile::Dev)?;
    cluster.start_nodes(&[EDGE, OTHER])?;
    let mut manifest = "[app]\nname = \"sockets\"\n".to_owned();
    let mut served = Vec::new();
    for place in PLACES {
        let address = cluster.free_address()?;
        manifest += &serving(place, &address)?;
        served.push((place, address));
    }
    let path = cluster.folder().join("sockets.toml");
    fs::write(&path, manifest)?;
    cluster.wrt(&["up", &path.to_string_lossy()])?;
    let exchanges = exchanges();
    let runs = exchanges
        .iter()
        .flat_map(|it| served.iter().map(move |at| (it, at)));
    let wrong: Vec<_> = stream::iter(runs)
        .map(|(exchange, (place, address))| async move {
            let told = exchange.runs(address).await.err()?;
            Some(format!("{}, {place:?}: {told:.500}", exchange.name))
        })
        .buffer_unordered(AT_A_TIME)
        .filter_map(std::future::ready)
        .collect()
        .await;
    println!(
        "{} exchanges on {} paths, {} wrong",
        exchanges.len(),
        served.len(),
        wrong.len()
    );
    anyhow::ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// A server on the node with the ports, and the component behind it.
fn serving(place: Place, address: &str) -> anyhow::Result<String> {
    let source = guest("echo")?;
    let (name, node) = match place {
        Place::Here => ("here", EDGE),
        Place::There => ("there", OTHER),
    };
    Ok(format!(
        "\n[component.{name}]\nsource = {source:?}\nnodes = [{node:?}]\n\
         links = {{ \"wrt:websocket\" = \"web-{name}\" }}\n\
         \n[provider.web-{name}]\nbackend = \"http-server\"\nnodes = [{EDGE:?}]\n\
         config = {{ address = {address:?} }}\n\
         calls = [{{ component = {name:?}, path = \"/echo\", \
         websocket = {{ message_bytes_max = {MESSAGE_BYTES_MAX} }} }}]\n"
    ))
}

impl Exchange {
    /// # Errors
    /// What is otherwise.
    async fn runs(&self, address: &str) -> Result<(), String> {
        let opened = self.opens(address).await;
        let (mut socket, protocol) = match (opened, &self.opened) {
            (Ok((socket, protocol)), Ok(expected)) if protocol.as_deref() == *expected => {
                (socket, protocol)
            }
            (Err((status, text)), Err(expected)) if (status, text.as_str()) == *expected => {
                return Ok(());
            }
            (opened, expected) => {
                let opened = opened.map(|(_, protocol)| protocol);
                return Err(format!("{opened:?} instead of {expected:?}"));
            }
        };
        let told = self.goes_on(&mut socket).await;
        told.map_err(|told| format!("speaking {protocol:?}: {told}"))
    }

    /// What is said and heard once the socket is open.
    async fn goes_on(&self, socket: &mut WebSocketStream<TcpStream>) -> Result<(), String> {
        for (at, step) in self.steps.iter().enumerate() {
            let told = timeout(WITHIN, step.runs(socket)).await;
            let told = told.unwrap_or_else(|_late| Err("nothing comes".to_owned()));
            told.map_err(|told| format!("step {at}: {told}"))?;
        }
        Ok(())
    }

    /// The socket and the subprotocol, or the status and the text.
    async fn opens(
        &self,
        address: &str,
    ) -> Result<(WebSocketStream<TcpStream>, Option<String>), (u16, String)> {
        let failed = |error: &dyn std::fmt::Display| (0, error.to_string());
        let stream = TcpStream::connect(address)
            .await
            .map_err(|error| failed(&error))?;
        let request = format!("ws://{address}{}", self.path).into_client_request();
        let mut request = request.map_err(|error| failed(&error))?;
        for (name, value) in self.fields {
            let name = HeaderName::from_static(name);
            request
                .headers_mut()
                .append(name, HeaderValue::from_static(value));
        }
        match client_async(request, stream).await {
            Ok((socket, response)) => {
                let protocol = response.headers().get("sec-websocket-protocol");
                let protocol = protocol.and_then(|it| it.to_str().ok()).map(str::to_owned);
                Ok((socket, protocol))
            }
            Err(Error::Http(response)) => {
                let text = response.body().as_deref().unwrap_or_default();
                Err((
                    response.status().as_u16(),
                    String::from_utf8_lossy(text).into_owned(),
                ))
            }
            Err(error) => Err(failed(&error)),
        }
    }
}

impl Step {
    async fn runs(&self, socket: &mut WebSocketStream<TcpStream>) -> Result<(), String> {
        let say = |message: &Message| message.clone();
        match self {
            Says(message) => socket
                .send(say(message))
                .await
                .map_err(|error| error.to_string()),
            Hears(message) => hears(socket, message).await,
            Echoes(message) => {
                socket
                    .send(say(message))
                    .await
                    .map_err(|error| error.to_string())?;
                hears(socket, message).await
            }
            Closes(code) => {
                let frame = code.map(|code| frame(code, "that is all"));
                socket
                    .close(frame.clone())
                    .await
                    .map_err(|error| error.to_string())?;
                hears(socket, &Message::Close(frame)).await
            }
            EchoesAndCloses(message, code) => {
                let end = Message::Close(Some(frame(*code, "that is all")));
                let both = async {
                    socket.feed(say(message)).await?;
                    socket.send(end.clone()).await
                };
                both.await.map_err(|error: Error| error.to_string())?;
                hears(socket, message).await?;
                hears(socket, &end).await
            }
            IsClosed(code, reason) => {
                hears(socket, &Message::Close(Some(frame(*code, reason)))).await
            }
        }
    }
}

fn frame(code: u16, reason: &str) -> CloseFrame {
    CloseFrame {
        code: code.into(),
        reason: reason.into(),
    }
}

async fn hears(socket: &mut WebSocketStream<TcpStream>, expected: &Message) -> Result<(), String> {
    match socket.next().await {
        Some(Ok(message)) if message == *expected => Ok(()),
        other => Err(format!(
            "{:.200} instead of {:.200}",
            format!("{other:?}"),
            format!("{expected:?}")
        )),
    }
}

fn text(bytes: usize) -> Message {
    Message::text(String::from_utf8_lossy(&letters(bytes)).into_owned())
}

fn binary(bytes: usize) -> Message {
    let bytes = (0..=u8::MAX).rev().cycle().take(bytes);
    Message::Binary(bytes.collect::<Bytes>())
}

/// One who is let in, without more ado.
fn exchange(name: &'static str, steps: Vec<Step>) -> Exchange {
    Exchange {
        name,
        path: "/echo",
        fields: &[],
        opened: Ok(None),
        steps,
    }
}

fn refused(name: &'static str, path: &'static str, status: u16, text: &'static str) -> Exchange {
    Exchange {
        path,
        opened: Err((status, text)),
        ..exchange(name, Vec::new())
    }
}

/// Up to this many bytes travel inside a call.
const INLINE: usize = 65_536;

fn exchanges() -> Vec<Exchange> {
    [openings(), messages(), ends()]
        .into_iter()
        .flatten()
        .collect()
}

/// How peers come in, or do not.
fn openings() -> Vec<Exchange> {
    let no_answer = "the component's answer is none\n";
    let told = "path /echo/room?tell\nprotocols first, second\nx-one: 1\nx-two: a, b";
    vec![
        Exchange {
            path: "/echo/room?tell",
            fields: &[
                ("x-one", "1"),
                ("x-two", "a, b"),
                ("sec-websocket-protocol", "first, second"),
            ],
            opened: Ok(Some("first")),
            ..exchange(
                "what was asked with",
                vec![Hears(Message::text(told)), Closes(None)],
            )
        },
        Exchange {
            fields: &[("sec-websocket-protocol", "only")],
            opened: Ok(Some("only")),
            ..exchange("a subprotocol", vec![Echoes(text(3)), Closes(None)])
        },
        refused("a refusal", "/echo?refuse=403", 403, "refused\n"),
        refused(
            "one of the server's side",
            "/echo?refuse=503",
            503,
            "refused\n",
        ),
        refused("none that is one", "/echo?refuse=302", 500, no_answer),
        refused("no number at all", "/echo?refuse=no", 500, no_answer),
    ]
}

fn messages() -> Vec<Exchange> {
    let of_sizes = |message: fn(usize) -> Message| {
        let small = [0, 1, 125, 126, 65_535, INLINE];
        let large = [INLINE + 1, 1_000_000, MESSAGE_BYTES_MAX];
        let echoes = small.into_iter().chain(large);
        let echoes = echoes.map(|bytes| Echoes(message(bytes)));
        echoes.chain([Closes(None)]).collect()
    };
    let any_letters = Message::text("\u{0}\u{e9}\u{1F980}\n");
    let too_large = binary(MESSAGE_BYTES_MAX + 1);
    vec![
        exchange("texts of all sizes", of_sizes(text)),
        exchange("bytes of all sizes", of_sizes(binary)),
        exchange(
            "text of any letters",
            vec![Echoes(any_letters), Closes(None)],
        ),
        exchange(
            "a message that is too large",
            vec![
                Echoes(text(3)),
                Says(too_large),
                IsClosed(1009, "too large"),
            ],
        ),
    ]
}

fn ends() -> Vec<Exchange> {
    let closed_with = |code, reason| {
        let asked = format!("/close {code} {reason}");
        vec![Says(Message::text(asked)), IsClosed(code, reason)]
    };
    vec![
        exchange(
            "an end with a code",
            vec![Echoes(text(3)), Closes(Some(4321))],
        ),
        exchange("an end without one", vec![Closes(None)]),
        exchange(
            "an end of the component's",
            closed_with(4001, "as you wish"),
        ),
        exchange("a normal one, and nothing said", closed_with(1000, "")),
        exchange(
            "a question with the end behind it",
            vec![EchoesAndCloses(text(10), 1000)],
        ),
    ]
}
