//! Websockets that a component opens, the same with the component in the node that has their sockets and in
//! another one.

use std::{fs, sync::Arc};

use anyhow::Context as _;
use futures::{SinkExt, StreamExt, stream};
use parking_lot::Mutex;
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async, client_async,
    tungstenite::{
        Message,
        handshake::server::{ErrorResponse, Request, Response},
        http::{HeaderValue, StatusCode},
    },
};
use wrt_chaos_tests::{Cluster, Profile, guest};

use super::{EDGE, Exchange, MESSAGE_BYTES_MAX, OTHER, WITHIN, ends, messages};
use crate::{
    AT_A_TIME,
    paths::{PLACES, Place},
};

/// What a server does with who connects to it.
struct Server {
    /// The subprotocol that it speaks, or the status that it refuses with.
    answer: Result<Option<&'static str>, u16>,
    /// What the component says to be behind the address.
    asked: &'static str,
    /// What it makes of that: how the text begins and how it ends.
    told: (&'static str, &'static str),
    exchange: Exchange,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websockets_that_components_open_are_the_same_on_every_path() -> anyhow::Result<()> {
    let cluster = Cluster::start(Profile::Dev)?;
    cluster.start_nodes(&[EDGE, OTHER])?;
    let mut manifest = "[app]\nname = \"opened\"\n".to_owned();
    let mut served = Vec::new();
    for place in PLACES {
        let address = cluster.free_address()?;
        manifest += &opening(place, &address)?;
        served.push((place, address));
    }
    let path = cluster.folder().join("opened.toml");
    fs::write(&path, manifest)?;
    cluster.wrt(&["up", &path.to_string_lossy()])?;
    let servers = servers();
    let runs = servers
        .iter()
        .flat_map(|it| served.iter().map(move |at| (it, at)));
    let wrong: Vec<_> = stream::iter(runs)
        .map(|(server, (place, address))| async move {
            let told = server.runs(address).await.err()?;
            Some(format!("{}, {place:?}: {told:.500}", server.exchange.name))
        })
        .buffer_unordered(AT_A_TIME)
        .filter_map(std::future::ready)
        .collect()
        .await;
    println!(
        "{} exchanges on {} paths, {} wrong",
        servers.len(),
        served.len(),
        wrong.len()
    );
    anyhow::ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    refused_hosts(&served).await
}

/// Who opens connections on the node with the sockets, and the component behind it; a peer tells it where to.
fn opening(place: Place, address: &str) -> anyhow::Result<String> {
    let source = guest("echo")?;
    let (name, node) = match place {
        Place::Here => ("here", EDGE),
        Place::There => ("there", OTHER),
    };
    Ok(format!(
        "\n[component.{name}]\nsource = {source:?}\nnodes = [{node:?}]\n\
         links = {{ \"wrt:websocket\" = {{ default = \"web-{name}\", outside = \"outside-{name}\" }} }}\n\
         \n[provider.web-{name}]\nbackend = \"http-server\"\nnodes = [{EDGE:?}]\n\
         config = {{ address = {address:?} }}\n\
         calls = [{{ component = {name:?}, websocket = {{}} }}]\n\
         \n[provider.outside-{name}]\nbackend = \"http-client\"\nnodes = [{EDGE:?}]\n\
         config = {{ allow = [\"127.0.0.1:*\"] }}\n\
         calls = [{{ component = {name:?}, \
         websocket = {{ message_bytes_max = {MESSAGE_BYTES_MAX} }} }}]\n"
    ))
}

impl Server {
    /// # Errors
    /// What is otherwise.
    async fn runs(&self, address: &str) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.map_err(|error| error.to_string())?;
        let here = listener.local_addr().map_err(|error| error.to_string())?;
        let wish = format!("ws://{here}/{}", self.asked);
        let (asked, accepted) = tokio::join!(
            timeout(WITHIN, asks(address, &wish)),
            timeout(WITHIN, self.accepts(&listener))
        );
        let told = asked.map_err(|_late| "nothing is told")?;
        let told = told.map_err(|error| format!("{error:#}"))?;
        let (start, end) = self.told;
        if !told.starts_with(start) || !told.ends_with(end) {
            return Err(format!("{told} instead of {start} ... {end}"));
        }
        match accepted.map_err(|_late| "nobody connects")?? {
            Some(mut socket) => self.exchange.goes_on(&mut socket).await,
            None => Ok(()),
        }
    }

    /// The next connection, if it is let in.
    async fn accepts(
        &self,
        listener: &TcpListener,
    ) -> Result<Option<WebSocketStream<TcpStream>>, String> {
        let stream = listener.accept().await;
        let (stream, _) = stream.map_err(|error| error.to_string())?;
        let seen = Arc::<Mutex<Option<String>>>::default();
        let notes = Arc::clone(&seen);
        #[expect(clippy::result_large_err, reason = "the library wants it so")]
        let answer = |request: &Request, mut response: Response| {
            let by = request.headers().get("x-by");
            let by = by.map_or("nobody", |it| it.to_str().unwrap_or("no text"));
            *notes.lock() = Some(format!("{} by {by}", request.uri()));
            match self.answer {
                Ok(protocol) => {
                    let protocol = protocol.map(HeaderValue::from_static);
                    let field = protocol.map(|it| ("sec-websocket-protocol", it));
                    if let Some((name, value)) = field {
                        response.headers_mut().insert(name, value);
                    }
                    Ok(response)
                }
                Err(status) => {
                    let mut refusal = ErrorResponse::new(None);
                    *refusal.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
                    Err(refusal)
                }
            }
        };
        let accepted = accept_hdr_async(stream, answer).await;
        let path = self.asked.split(' ').next().unwrap_or_default();
        let expected = format!("/{path} by echo");
        match seen.lock().take() {
            Some(seen) if seen == expected => {}
            seen => return Err(format!("{seen:?} instead of {expected}")),
        }
        match (accepted, self.answer) {
            (Ok(socket), Ok(_)) => Ok(Some(socket)),
            (Err(_), Err(_)) => Ok(None),
            (accepted, answer) => Err(format!("{accepted:?} for {answer:?}")),
        }
    }
}

/// What a component makes of a wish to connect.
async fn asks(address: &str, wish: &str) -> anyhow::Result<String> {
    let stream = TcpStream::connect(address).await?;
    let (mut socket, _) = client_async(format!("ws://{address}/"), stream).await?;
    let line = format!("/connect {wish}");
    socket.send(Message::text(line)).await?;
    let told = socket.next().await.context("it is closed")??;
    Ok(told.into_text()?.to_string())
}

/// Where nobody may go, nobody goes.
async fn refused_hosts(served: &[(Place, String)]) -> anyhow::Result<()> {
    for (wish, expected) in [
        ("ws://192.0.2.1/", "not connected: ConnectError::Denied("),
        ("wss://a.test/x", "not connected: ConnectError::Denied("),
        (
            "http://127.0.0.1/",
            "not connected: ConnectError::BadRequest(",
        ),
        (
            "ws://127.0.0.1:1/",
            "not connected: ConnectError::NotConnected(\"connection-refused\")",
        ),
    ] {
        for (place, address) in served {
            let told = timeout(WITHIN, asks(address, wish)).await??;
            anyhow::ensure!(told.starts_with(expected), "{wish}, {place:?}: {told}");
        }
    }
    Ok(())
}

const CONNECTED: &str = "connected to outside/edge/";

fn servers() -> Vec<Server> {
    let open = |exchange| Server {
        answer: Ok(None),
        asked: "",
        told: (CONNECTED, ", no subprotocol"),
        exchange,
    };
    let short = |name| {
        open(Exchange {
            ..super::exchange(
                name,
                vec![super::Echoes(super::text(3)), super::Closes(None)],
            )
        })
    };
    let refusing = |name, status, told| Server {
        answer: Err(status),
        told: (told, ""),
        ..short(name)
    };
    let openings = [
        Server {
            answer: Ok(Some("second")),
            asked: "room?x=y first second",
            told: (CONNECTED, ", second"),
            ..short("a subprotocol")
        },
        Server {
            asked: "room?x=y",
            ..short("a path")
        },
        refusing(
            "a refusal",
            403,
            "not connected: ConnectError::Refused(403)",
        ),
        refusing(
            "another place",
            302,
            "not connected: ConnectError::Refused(302)",
        ),
    ];
    let exchanges = messages().into_iter().chain(ends());
    openings.into_iter().chain(exchanges.map(open)).collect()
}
