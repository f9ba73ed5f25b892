//! Why a request is not answered as it wished.

use std::fmt;

use http::StatusCode;
use serde_json::json;

use super::{IntoResponse, Response};

/// An answer that says what is wrong, as `application/problem+json` (RFC 9457).
///
/// A handler's `?` makes one of errors of stores and brokers: 503, with their words in the component's log and
/// not in the answer, since they may name what is behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    detail: String,
}

impl Problem {
    /// A problem; `detail` is for whoever has asked.
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
        }
    }

    /// 400.
    #[must_use]
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 404.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 409.
    #[must_use]
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// 500, for what is nobody's business outside: the error goes to the component's stderr, which its node has
    /// in its log.
    #[must_use]
    pub fn internal(error: impl fmt::Display) -> Self {
        eprintln!("a request failed: {error}");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the component has failed; its log says why",
        )
    }

    /// 503, for a service behind the component; the error goes to stderr as well.
    #[must_use]
    pub fn unavailable(service: &str, error: impl fmt::Display) -> Self {
        eprintln!("the {service} failed: {error}");
        let detail = format!("the {service} has failed; try again later");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What is wrong.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.detail)
    }
}

impl std::error::Error for Problem {}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        let body = json!({
            "title": problem.status.canonical_reason().unwrap_or("Problem"),
            "status": problem.status.as_u16(),
            "detail": problem.detail,
        });
        Self::new(problem.status).with_body("application/problem+json", body.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.into()
    }
}

#[cfg(any(target_arch = "wasm32", wrt_guest))]
impl From<crate::keyvalue::Error> for Problem {
    fn from(error: crate::keyvalue::Error) -> Self {
        Self::unavailable("key-value store", error)
    }
}

#[cfg(any(target_arch = "wasm32", wrt_guest))]
impl From<crate::messaging::Error> for Problem {
    fn from(error: crate::messaging::Error) -> Self {
        Self::unavailable("message broker", format_args!("{error:?}"))
    }
}
