//! What a guest that answers with an error code says to its caller.

use http::StatusCode;
use wasmtime_wasi_http::Error;
use wrt_contract::Body;

/// The response that stands for `error`: the guest has run and answered, so this is no fault. The
/// text is the kind of the error, without what the guest added to it.
pub(super) fn error_response(error: &Error) -> http::Response<Body> {
    let status = status_of(error);
    let text = format!("{}\n", status.canonical_reason().unwrap_or("error"));
    let mut response = http::Response::new(Body::whole(text.into()));
    *response.status_mut() = status;
    response
}

fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::HttpRequestMethodInvalid
        | Error::HttpRequestUriInvalid
        | Error::HttpRequestTrailerSectionSize(_)
        | Error::HttpRequestTrailerSize { .. } => StatusCode::BAD_REQUEST,
        Error::HttpRequestDenied => StatusCode::FORBIDDEN,
        Error::HttpRequestLengthRequired => StatusCode::LENGTH_REQUIRED,
        Error::HttpRequestBodySize(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Error::HttpRequestUriTooLong => StatusCode::URI_TOO_LONG,
        Error::HttpRequestHeaderSectionSize(_) | Error::HttpRequestHeaderSize { .. } => {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
        }
        Error::DnsTimeout
        | Error::ConnectionTimeout
        | Error::ConnectionReadTimeout
        | Error::ConnectionWriteTimeout
        | Error::HttpResponseTimeout => StatusCode::GATEWAY_TIMEOUT,
        Error::ConnectionLimitReached => StatusCode::SERVICE_UNAVAILABLE,
        Error::LoopDetected => StatusCode::LOOP_DETECTED,
        Error::InternalError(_) | Error::ConfigurationError => StatusCode::INTERNAL_SERVER_ERROR,
        // All that is left went wrong between the guest and another server.
        _ => StatusCode::BAD_GATEWAY,
    }
}
