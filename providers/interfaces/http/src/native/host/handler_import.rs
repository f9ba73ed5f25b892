//! A handler that a guest calls: `wasi:http/handler@0.3`, as an import.
//!
//! So a component stands in front of another one (the world `wasi:http/middleware`). The worlds of
//! 0.2 have no such import: there a component reaches the next one as `wasi:http`, by its host.

use futures::future::BoxFuture;
use wasmtime::component::{Accessor, Linker, Resource};
use wasmtime_wasi_http::{
    Error,
    p3::{Request, Response, bindings::http::types::ErrorCode},
};
use wrt_contract::Body;
use wrt_host::InstanceState;

use super::{
    body::{from_guest, into_guest, length},
    instance::{fed, view},
};
use crate::{
    HttpError, HttpHandlerInterface, RequestHead, ResponseHead, native::client::of_the_caller,
};

const LINK: &str = "default";
pub(super) const INTERFACE: &str = "wasi:http/handler@0.3.0";

/// Puts the import `wasi:http/handler` on a linker, served by the handler that the manifest links under
/// that name. Only an engine with async functions has it.
///
/// # Errors
/// When two definitions collide: an error of the program.
pub(super) fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
    // The resources are those of `wasi:http/types`.
    linker.instance(INTERFACE)?.func_wrap_concurrent(
        "handle",
        |accessor: &Accessor<InstanceState>, (request,): (Resource<Request>,)| {
            let call: BoxFuture<'_, wasmtime::Result<(Answer,)>> =
                Box::pin(async move { handle(accessor, request).await.map(|it| (it,)) });
            call
        },
    )
}

type Answer = Result<Resource<Response>, ErrorCode>;

async fn handle(
    accessor: &Accessor<InstanceState>,
    request: Resource<Request>,
) -> wasmtime::Result<Answer> {
    let taken = accessor.with(|mut store| -> wasmtime::Result<_> {
        let request = store.data_mut().table().delete(request)?;
        let context = store.data_mut().context().clone();
        let handler = store.data_mut().link::<HttpHandlerInterface>(LINK);
        // Whether the request's body was taken shows where the guest writes it.
        let request = request.into_http_with_getter(&mut store, async { Ok(()) }, view);
        Ok((context, handler, request))
    });
    let (context, handler, request) = taken?;
    let (request, _options) = match request {
        Ok(request) => request,
        Err(error) => return error.downcast().map(Err),
    };
    let Some(handler) = handler else {
        return Ok(Err(ErrorCode::HttpRequestDenied));
    };
    let (head, body) = RequestHead::split(request);
    let length = length(&head.headers, &body);
    let body: Body<HttpError> = from_guest(body, length, HttpError::from);
    let body = body.map_err(of_the_caller);
    match handler.handle(&context, head, body).await {
        Ok((head, body)) => accessor.with(|mut store| {
            let response = respond(store.data_mut(), head, body);
            let resource = store.data_mut().table().push(response)?;
            Ok(Ok(resource))
        }),
        Err(fault) => {
            tracing::debug!(%fault, "a call of the next handler failed");
            Ok(Err(error_code(HttpError::Fault(fault).into())))
        }
    }
}

fn respond(state: &mut InstanceState, head: ResponseHead, body: Body) -> Response {
    let fed = fed(state);
    let body = into_guest(body, &fed, |fault| Error::from(HttpError::Fault(fault)));
    // How reading it went is between the body and the guest.
    let (response, _read) = Response::from_http(view(state).hooks, head.with_body(body));
    response
}

/// What a fault is among the errors of 0.3; there are few that it can be.
fn error_code(error: Error) -> ErrorCode {
    match error {
        Error::ConnectionTimeout => ErrorCode::ConnectionTimeout,
        Error::HttpResponseTimeout => ErrorCode::HttpResponseTimeout,
        Error::HttpRequestDenied => ErrorCode::HttpRequestDenied,
        Error::ConnectionLimitReached => ErrorCode::ConnectionLimitReached,
        Error::DestinationUnavailable => ErrorCode::DestinationUnavailable,
        Error::ConnectionTerminated => ErrorCode::ConnectionTerminated,
        Error::InternalError(text) => ErrorCode::InternalError(text),
        other => ErrorCode::InternalError(Some(other.to_string())),
    }
}
