//! Routes that are websockets: a request that asks for one becomes a peer of its component.
//!
//! ```text
//! request ─ handshake ─ open ─ 101 ─ peer, to its end
//! ```
//!
//! A peer lives on its connection's task, so that it counts among the connections, drains with them and goes
//! with the server.

mod handshake;
mod options;

use std::sync::Arc;

use futures::FutureExt;
use http::{HeaderMap, HeaderValue, StatusCode, Version, header, uri::Authority};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::{WebSocketStream, tungstenite::protocol::Role};
use tokio_util::sync::CancellationToken;
use wrt_contract::{Body, CallContext, InterfaceError, SpanKind, until};
use wrt_protocol::{Fault, FaultKind, Hop, limits::BUDGET_GRACE};
use wrt_websocket::{
    Answer, Listener, Opening, Peer, PeerHandler, PeerId, PeerRoute, WebSocketError,
};

use crate::{
    config::{Route, RouteError},
    connection_use::ConnectionUse,
    request::{Refused, trace_of},
    response::{Responder, ResponseBody},
    route_meter::{RouteMeter, RouteMeters},
    routing::RouteTable,
};
pub(crate) use handshake::Asked;
pub use options::WebSocketOptions;

/// The routes of a server that are websockets, and its peers.
#[derive(Default)]
pub struct WebSockets {
    /// The peers, as others reach them.
    pub listener: Arc<Listener>,
    /// Each route that is one, and who answers its peers.
    pub routes: Vec<(Route, Arc<dyn PeerHandler>)>,
}

/// The same, ready to look up.
pub(crate) struct Sockets {
    listener: Arc<Listener>,
    routes: RouteTable<Arc<Socket>>,
}

/// One route.
pub(crate) struct Socket {
    options: WebSocketOptions,
    route: Arc<PeerRoute>,
    /// Of the requests that ask for it, whatever becomes of them.
    pub(crate) meter: Arc<RouteMeter>,
}

const ORIGIN: Refused = Refused {
    status: StatusCode::FORBIDDEN,
    text: "not for pages of this origin",
};
const BAD_ANSWER: Refused = Refused {
    status: StatusCode::INTERNAL_SERVER_ERROR,
    text: "the component's answer is none",
};

impl Sockets {
    /// # Errors
    /// Routes that make no sense.
    pub(crate) fn new(sockets: WebSockets, meters: &mut RouteMeters) -> Result<Self, RouteError> {
        let WebSockets { listener, routes } = sockets;
        let routes = routes.iter().map(|(route, handler)| {
            let options = route.websocket.clone().unwrap_or_default();
            let socket = Socket {
                route: Arc::new(PeerRoute {
                    name: route.name().into(),
                    options: options.peers.clone(),
                    handler: Arc::clone(handler),
                }),
                options,
                meter: meters.of(route),
            };
            (route, Arc::new(socket))
        });
        let routes = RouteTable::new(routes).map_err(|(_, error)| error)?;
        Ok(Self { listener, routes })
    }

    pub(crate) fn listener(&self) -> &Arc<Listener> {
        &self.listener
    }

    /// The websocket at `path` of `host`.
    pub(crate) fn find(&self, host: Option<&Authority>, path: &str) -> Option<&Arc<Socket>> {
        self.routes.find(host, path)
    }

    /// Answers a request that asks for a websocket of `socket`. When it is accepted the connection is the
    /// peer's from then on.
    pub(crate) async fn answer(
        &self,
        socket: Arc<Socket>,
        asked: Asked,
        upgrade: OnUpgrade,
        request: http::Request<Body>,
        responder: Responder<'_>,
    ) -> http::Response<ResponseBody> {
        let authority = request.uri().authority();
        let key = match asked.check() {
            Ok(key) => key,
            Err(refused) => return responder.refuse_version(refused),
        };
        if !handshake::is_origin_allowed(&socket.options, request.headers(), authority) {
            wrt_websocket::count(&self.listener.table().counter().refused);
            return responder.refuse(ORIGIN);
        }
        let (peer, opening) = self.peer(&socket, &asked, &request);
        let protocol = match open(peer.route(), &request, &opening).await {
            Ok(protocol) => protocol,
            Err(refusal) => {
                peer.is_refused();
                return match refusal {
                    Refusal::Status(refused) => responder.refuse(refused),
                    Refusal::Fault(fault) => {
                        tracing::warn!(path = opening.path_with_query, %fault, "a peer was not answered");
                        responder.fault(&fault)
                    }
                };
            }
        };
        peer.enter();
        let next = |connection, draining| serve(peer, upgrade, draining, connection).boxed();
        responder.request.connection().becomes(Box::new(next));
        responder.switch(key, protocol)
    }

    fn peer(
        &self,
        socket: &Socket,
        asked: &Asked,
        request: &http::Request<Body>,
    ) -> (Peer, Opening) {
        let route = &socket.route;
        let queue = route.options.queue();
        let place = self.listener.table().add(Arc::clone(&route.name), queue);
        let id = PeerId {
            link: socket.options.link.clone(),
            home: self.listener.home(),
            number: place.number(),
        };
        let uri = request.uri();
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let opening = Opening {
            peer: id.to_string(),
            link: id.link.to_string(),
            route: route.name.to_string(),
            authority: text(uri.authority().map(Authority::as_str)),
            path_with_query: text(uri.path_and_query().map(http::uri::PathAndQuery::as_str)),
            headers: handshake::told(request.headers()),
            protocols: asked.protocols.clone(),
        };
        (Peer::new(Arc::clone(route), place, &opening.peer), opening)
    }
}

/// Why a peer does not come in.
enum Refusal {
    Status(Refused),
    Fault(Fault),
}

/// Asks the component; the subprotocol that it has chosen.
async fn open(
    route: &PeerRoute,
    request: &http::Request<Body>,
    opening: &Opening,
) -> Result<Option<HeaderValue>, Refusal> {
    let mut context = CallContext::with_budget(route.options.handler_timeout())
        .with_trace(trace_of(request.headers()));
    let mut span = context.begin_trace(SpanKind::Server, || format!("open {}", route.name));
    // As with any request: the client is not left waiting by a handler that keeps to no deadline.
    let latest = context.deadline() + BUDGET_GRACE;
    let answer = until(latest, route.handler.open(&context, opening)).await;
    let answer = answer.unwrap_or_else(|| Err(late().into()));
    span.judge(&answer);
    match answer {
        Ok(Answer::Accept(None)) => Ok(None),
        Ok(Answer::Accept(Some(chosen))) if opening.protocols.contains(&chosen) => {
            let chosen = HeaderValue::try_from(chosen);
            chosen
                .map(Some)
                .map_err(|_illegal| Refusal::Status(BAD_ANSWER))
        }
        Ok(Answer::Accept(Some(chosen))) => {
            tracing::warn!(
                chosen,
                "a component chose a subprotocol that was not offered"
            );
            Err(Refusal::Status(BAD_ANSWER))
        }
        Ok(Answer::Refuse(status)) => Err(Refusal::Status(refused_with(status))),
        Err(error) => Err(Refusal::Fault(fault_of(error))),
    }
}

/// Serves a peer that was accepted.
async fn serve(
    peer: Peer,
    upgrade: OnUpgrade,
    draining: CancellationToken,
    connection: Arc<ConnectionUse>,
) {
    let upgraded = match upgrade.await {
        Ok(upgraded) => TokioIo::new(upgraded),
        Err(error) => {
            tracing::debug!(%error, "a peer left before it was in");
            return peer.is_lost(&draining).await;
        }
    };
    let config = Some(peer.route().options.socket());
    let socket = WebSocketStream::from_raw_socket(upgraded, Role::Server, config).await;
    let hang_up = |mut stream: TokioIo<_>| async move {
        // What it still sends, a message that is too large, must not reset the connection before it has read
        // why.
        connection.leave_a_body();
        stream.shutdown().await
    };
    peer.serve(socket, &draining, hang_up).await;
}

fn late() -> Fault {
    let detail = "the handler did not answer by the end of the request's budget";
    Fault::maybe_executed(FaultKind::DeadlineExceeded, Hop::Caller, detail)
}

fn fault_of(error: WebSocketError) -> Fault {
    match error.as_fault() {
        Some(fault) => fault.clone(),
        None => Fault::maybe_executed(FaultKind::Malformed, Hop::Actor, error.to_string()),
    }
}

/// Another status would not say that the peer stays outside.
fn refused_with(status: u16) -> Refused {
    let status = StatusCode::from_u16(status).ok();
    let status = status.filter(|it| it.is_client_error() || it.is_server_error());
    match status {
        Some(status) => Refused {
            status,
            text: "refused",
        },
        None => BAD_ANSWER,
    }
}

impl Responder<'_> {
    /// The connection becomes a websocket.
    fn switch(
        self,
        key: HeaderValue,
        protocol: Option<HeaderValue>,
    ) -> http::Response<ResponseBody> {
        let mut headers = HeaderMap::new();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, key);
        if let Some(protocol) = protocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        self.empty(StatusCode::SWITCHING_PROTOCOLS, headers)
    }

    /// With what is spoken instead (RFC 9110, section 15.5.22).
    pub(crate) fn refuse_unasked(
        self,
        refused: Refused,
        version: Version,
    ) -> http::Response<ResponseBody> {
        let mut response = self.refuse(refused);
        if version == Version::HTTP_2 {
            // It has no upgrades, and no fields for them.
            return response;
        }
        let headers = response.headers_mut();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        response
    }

    /// With the version that is spoken (RFC 6455, section 4.4).
    fn refuse_version(self, refused: Refused) -> http::Response<ResponseBody> {
        let mut response = self.refuse(refused);
        let spoken = HeaderValue::from_static(handshake::VERSION);
        response
            .headers_mut()
            .insert(header::SEC_WEBSOCKET_VERSION, spoken);
        response
    }
}
