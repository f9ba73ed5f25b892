//! What is answered.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use serde::Serialize;

use super::Problem;

/// A response, with its body whole.
#[derive(Debug, Clone, Default)]
pub struct Response {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// What a handler may return.
pub trait IntoResponse {
    /// The response that it stands for.
    fn into_response(self) -> Response;
}

/// A value as JSON, with status 200. One that cannot be JSON (a map whose keys are no texts) is 500.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

impl Response {
    /// Nothing but a status.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    /// The same with one header more. One that the host keeps for itself (`connection`, `host`,
    /// `transfer-encoding` and so on) makes the answer a 500.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// The same with a body of a type.
    #[must_use]
    pub fn with_body(mut self, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        let content_type = HeaderValue::from_static(content_type);
        self.headers.insert(CONTENT_TYPE, content_type);
        self.body = body.into();
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// As it is sent: no body where there can be none, and its length where there is one.
    pub(super) fn without_body_for(mut self, method: &Method) -> Self {
        if *method == Method::HEAD {
            // The length would be that of the body that `GET` gets, and hosts hold a body to its length.
            self.body.clear();
            return self;
        }
        let has_none = self.status == StatusCode::NO_CONTENT
            || self.status == StatusCode::NOT_MODIFIED
            || self.status.is_informational();
        if has_none {
            self.body.clear();
        } else {
            let length = HeaderValue::from(self.body.len());
            self.headers.insert(CONTENT_LENGTH, length);
        }
        self
    }
}

impl IntoResponse for Response {
    fn into_response(self) -> Response {
        self
    }
}

impl IntoResponse for () {
    fn into_response(self) -> Response {
        Response::new(StatusCode::NO_CONTENT)
    }
}

impl IntoResponse for StatusCode {
    fn into_response(self) -> Response {
        Response::new(self)
    }
}

impl IntoResponse for &str {
    fn into_response(self) -> Response {
        Response::default().with_body("text/plain; charset=utf-8", self)
    }
}

impl IntoResponse for String {
    fn into_response(self) -> Response {
        Response::default().with_body("text/plain; charset=utf-8", self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => Response::default().with_body("application/json", body),
            Err(error) => Problem::internal(error).into(),
        }
    }
}

/// The same with another status. What has failed keeps the one that says so.
impl<R: IntoResponse> IntoResponse for (StatusCode, R) {
    fn into_response(self) -> Response {
        let mut response = self.1.into_response();
        if response.status.is_success() {
            response.status = self.0;
        }
        response
    }
}

impl<R: IntoResponse, E: IntoResponse> IntoResponse for Result<R, E> {
    fn into_response(self) -> Response {
        match self {
            Ok(answer) => answer.into_response(),
            Err(problem) => problem.into_response(),
        }
    }
}
