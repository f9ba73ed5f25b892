//! One request, from its head to its response.

use std::{convert::Infallible, sync::Arc};

use http::{Method, StatusCode, uri::PathAndQuery};
use wrt_contract::{Body, CallContext, OpenSpan, SpanKind, until};
use wrt_http::HttpHandler;
use wrt_protocol::{Fault, FaultKind, Hop, limits::BUDGET_GRACE};

use crate::{
    config::HttpServerConfig,
    connection_use::Request,
    metrics::Metrics,
    request::{Refused, for_handler, trace_of},
    request_body::RequestBody,
    response::{Responder, ResponseBody},
    routing::RouteTable,
    websocket::{Asked, Sockets},
};

/// What all connections of a server share.
pub(crate) struct Service {
    pub(crate) config: HttpServerConfig,
    pub(crate) routes: RouteTable<Arc<dyn HttpHandler>>,
    pub(crate) sockets: Sockets,
    pub(crate) metrics: Arc<Metrics>,
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
        let responder = Responder {
            metrics: Arc::clone(&self.metrics),
            request: in_hand,
            is_head: request.method() == Method::HEAD,
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
            // In a box of its own: most requests ask for none.
            let answer = Box::pin(
                self.sockets
                    .answer(socket, asked, upgrade, request, responder),
            );
            return Ok(answer.await);
        }
        let Some(handler) = self.routes.find(authority, path).map(Arc::clone) else {
            return Ok(match self.sockets.find(authority, path) {
                Some(_) => responder.refuse_unasked(NO_UPGRADE, version),
                None => responder.refuse(NO_ROUTE),
            });
        };
        let method = request.method().clone();
        let path = request.uri().path_and_query().cloned();
        Ok(match self.call(&*handler, request).await {
            Ok(response) => responder.answer(response).await,
            Err(fault) => {
                let path = path.as_ref().map_or("", PathAndQuery::path);
                tracing::warn!(%method, path, %fault, "a request ended with a fault");
                responder.fault(&fault)
            }
        })
    }

    async fn call(
        &self,
        handler: &dyn HttpHandler,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, Fault> {
        let mut context = CallContext::with_budget(self.config.request_timeout())
            .with_trace(trace_of(request.headers()));
        let mut span = span_of(&mut context, &request);
        let answer = self.ask(&context, handler, request).await;
        match &answer {
            Ok(response) => told(&mut span, response.status()),
            Err(fault) => span.faulted(fault),
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
fn span_of(context: &mut CallContext, request: &http::Request<Body>) -> OpenSpan {
    let method = known(request.method());
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

/// A method that the conventions have a word for: what a client makes up must not become a name.
fn known(method: &Method) -> &str {
    let known = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
        Method::PATCH,
        Method::TRACE,
    ];
    match known.contains(method) {
        true => method.as_str(),
        false => "_OTHER",
    }
}

fn told(span: &mut OpenSpan, status: StatusCode) {
    span.number("http.response.status_code", status.as_u16().into());
    match status.is_server_error() {
        true => span.failed(status.as_str(), String::new),
        false => span.done(),
    }
}
