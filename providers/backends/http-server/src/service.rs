//! One request, from its head to its response.

use std::{convert::Infallible, sync::Arc, time::Instant};

use http::{Method, StatusCode, uri::PathAndQuery};
use wrt_contract::{Body, CallContext, OpenSpan, SpanKind, until};
use wrt_http::HttpHandler;
use wrt_protocol::{Fault, FaultKind, Hop, TraceContext, limits::BUDGET_GRACE};

use crate::{
    batch,
    config::HttpServerConfig,
    connection_use::Request,
    metrics::Metrics,
    request::{Refused, for_handler, trace_of},
    request_body::RequestBody,
    response::{Responder, ResponseBody},
    route_meter::{RouteMeter, Timed},
    routing::RouteTable,
    websocket::{Asked, Sockets},
};

/// Where the requests of a route go.
pub(crate) struct Routed {
    pub(crate) handler: Arc<dyn HttpHandler>,
    pub(crate) meter: Arc<RouteMeter>,
}

/// What all connections of a server share.
pub(crate) struct Service {
    pub(crate) config: HttpServerConfig,
    pub(crate) routes: RouteTable<Routed>,
    pub(crate) sockets: Sockets,
    pub(crate) metrics: Arc<Metrics>,
    /// Of requests that have no route.
    pub(crate) unrouted: Arc<RouteMeter>,
}

const BUSY: Refused = Refused {
    status: StatusCode::SERVICE_UNAVAILABLE,
    text: "too many requests in hand",
};
const NO_ROUTE: Refused = Refused {
    status: StatusCode::NOT_FOUND,
    text: "no route",
};
const NO_UPGRADE: Refused = Refused {
    status: StatusCode::UPGRADE_REQUIRED,
    text: "there is a websocket here, over HTTP/1.1, and nothing else",
};
const NO_TUNNEL: Refused = Refused {
    status: StatusCode::METHOD_NOT_ALLOWED,
    text: "this is not a proxy",
};

impl Service {
    /// Answers `request`, always: the result is for whom it is handed to, and kilobytes need not be moved
    /// to wrap it. Dropping the future takes the request back.
    pub(crate) async fn respond(
        self: Arc<Self>,
        mut request: http::Request<RequestBody>,
        in_hand: Request,
    ) -> Result<http::Response<ResponseBody>, Infallible> {
        let busy = in_hand.number() > self.config.requests_max;
        let mut responder = Responder {
            metrics: &self.metrics,
            request: in_hand,
            is_head: request.method() == Method::HEAD,
            timed: Timed::now(request.method()),
            meter: &self.unrouted,
        };
        if busy {
            return Ok(responder.refuse(BUSY));
        }
        if request.method() == Method::CONNECT {
            return Ok(responder.refuse(NO_TUNNEL));
        }
        let version = request.version();
        let asked = Asked::of(&request);
        let asked = asked.map(|asked| (asked, hyper::upgrade::on(&mut request)));
        let request = match for_handler(request, &self.config) {
            Ok(request) => request,
            Err(refused) => return Ok(responder.refuse(refused)),
        };
        let (authority, path) = (request.uri().authority(), request.uri().path());
        if let Some((asked, upgrade)) = asked
            && let Some(socket) = self.sockets.find(authority, path)
        {
            responder.meter = &socket.meter;
            // In a box of its own: most requests ask for none.
            let answer = Box::pin(self.sockets.answer(
                Arc::clone(socket),
                asked,
                upgrade,
                request,
                responder,
            ));
            return Ok(answer.await);
        }
        let Some(Routed { handler, meter }) = self.routes.find(authority, path) else {
            return Ok(match self.sockets.find(authority, path) {
                Some(socket) => {
                    responder.meter = &socket.meter;
                    responder.refuse_unasked(NO_UPGRADE, version)
                }
                None => responder.refuse(NO_ROUTE),
            });
        };
        responder.meter = meter;
        let timed = responder.timed;
        let goes_on = batch::goes_on(timed.started());
        let answer = match self.call(&**handler, request, timed).await {
            Ok(response) => responder.answer(response).await,
            Err(fault) => responder.fault(&fault),
        };
        batch::answered(Instant::now());
        if goes_on {
            batch::others_first().await;
        }
        Ok(answer)
    }

    async fn call(
        &self,
        handler: &dyn HttpHandler,
        request: http::Request<Body>,
        timed: Timed,
    ) -> Result<http::Response<Body>, Fault> {
        let method = request.method().clone();
        let path = request.uri().path_and_query().cloned();
        let mut context = CallContext::with_budget(self.config.request_timeout())
            .with_trace(trace_of(request.headers()));
        let mut span = span_of(&mut context, &request, timed.method());
        let answer = self.ask(&context, handler, request).await;
        match &answer {
            Ok(response) => told(&mut span, response.status()),
            Err(fault) => {
                span.faulted(fault);
                let path = path.as_ref().map_or("", PathAndQuery::path);
                let place = context.trace().map(TraceContext::place).unwrap_or_default();
                tracing::warn!(
                    %method,
                    path,
                    trace = place.trace.map(display),
                    span = place.span.map(display),
                    %fault,
                    "a request ended with a fault"
                );
            }
        }
        answer
    }

    async fn ask(
        &self,
        context: &CallContext,
        handler: &dyn HttpHandler,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, Fault> {
        // A handler keeps to the deadline itself, and its own fault says more. Should one not, the
        // client is not left waiting.
        let latest = context.deadline() + BUDGET_GRACE;
        match until(latest, handler.respond(context, request)).await {
            Some(answer) => answer,
            None => {
                let detail = "the handler did not answer by the end of the request's budget";
                Err(
                    Fault::maybe_executed(FaultKind::DeadlineExceeded, Hop::Caller, detail)
                        .after(context.elapsed()),
                )
            }
        }
    }
}

/// The span of a request, until its answer begins; in the words of the semantic conventions.
fn span_of(context: &mut CallContext, request: &http::Request<Body>, method: &str) -> OpenSpan {
    let mut span = context.begin_trace(SpanKind::Server, || method.to_owned());
    if span.is_kept() {
        let uri = request.uri();
        span.text("http.request.method", || method.to_owned());
        span.text("url.path", || uri.path().to_owned());
        span.text("url.scheme", || {
            uri.scheme_str().unwrap_or("http").to_owned()
        });
        span.text("server.address", || {
            uri.host().unwrap_or_default().to_owned()
        });
    }
    span
}

fn told(span: &mut OpenSpan, status: StatusCode) {
    span.number("http.response.status_code", status.as_u16().into());
    match status.is_server_error() {
        true => span.failed(status.as_str(), String::new),
        false => span.done(),
    }
}
