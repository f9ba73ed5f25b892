//! What is asked.

use std::{any::type_name, borrow::Cow, fmt::Display, str::FromStr};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header::CONTENT_TYPE};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use super::Problem;

/// A request, with its body whole.
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) parameters: Vec<(String, String)>,
}

impl Request {
    /// A request without headers and body, for [`Router::answer`](super::Router::answer) in a test.
    ///
    /// # Errors
    /// A method that is none: 400.
    pub fn new(method: &str, target: &str) -> Result<Self, Problem> {
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_no_method| Problem::bad_request("the method is none"))?;
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        Ok(Self {
            method,
            path: path.to_owned(),
            query,
            headers: HeaderMap::new(),
            body: Vec::new(),
            parameters: Vec::new(),
        })
    }

    /// The same with one header more.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// The same with a body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The path, as it was sent: nothing is decoded.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The first value of a header, where that is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// What a parameter of the route's path stands for, decoded once: `%2F` is a slash within it.
    ///
    /// # Errors
    /// 400 where it is no `T`, or no UTF-8 when it is decoded. 500 where the route has no such parameter.
    pub fn param<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T, Problem> {
        let mut parameters = self.parameters.iter();
        let Some((_, value)) = parameters.find(|(known, _)| known == name) else {
            let words = format!("the route of {} has no parameter {name:?}", self.path);
            return Err(Problem::internal(words));
        };
        let value = percent_decode_str(value).decode_utf8();
        let value = value.map_err(|error| bad_value::<T>("path", name, &error))?;
        value
            .parse()
            .map_err(|error| bad_value::<T>("path", name, &error))
    }

    /// The first value of that name in the query, where there is one. `+` is a space.
    ///
    /// # Errors
    /// 400 where it is no `T`.
    pub fn query<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, Problem> {
        let value = self.query_pairs().find(|(known, _)| known == name);
        let value = value.map(|(_, value)| value.parse());
        value
            .transpose()
            .map_err(|error| bad_value::<T>("query", name, &error))
    }

    /// All names and values of the query, in their order. What is no UTF-8 has U+FFFD there.
    pub fn query_pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        form_urlencoded::parse(self.query.as_deref().unwrap_or_default().as_bytes())
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as text, whatever its type.
    ///
    /// # Errors
    /// 400 where it is no UTF-8.
    pub fn text(&self) -> Result<&str, Problem> {
        str::from_utf8(&self.body)
            .map_err(|error| Problem::bad_request(format!("the body is no text in UTF-8: {error}")))
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// 415 where the request does not say that it is JSON (`application/json`, or any `+json`), and 400,
    /// with the line and the column, where it is no `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        if !self.says_json() {
            let detail = "send JSON, with `content-type: application/json`";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            Problem::bad_request(format!("the body is not what is needed: {error}"))
        })
    }

    fn says_json(&self) -> bool {
        let content_type = self.header(CONTENT_TYPE.as_str()).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        let essence = essence.to_ascii_lowercase();
        let Some(subtype) = essence.strip_prefix("application/") else {
            return false;
        };
        subtype == "json" || subtype.ends_with("+json")
    }
}

fn bad_value<T>(place: &str, name: &str, error: &impl Display) -> Problem {
    // Of a path of types the last word says what is wanted: `u32`, `Uuid`.
    let wanted = type_name::<T>().rsplit("::").next().unwrap_or_default();
    Problem::bad_request(format!("{name} in the {place} is no {wanted}: {error}"))
}
