//! Heads of requests and responses on the bus.

use std::str::FromStr;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, uri};
use serde::{Deserialize, Serialize};
use wrt_contract::{
    Answer, Body, Trailers,
    generated::{
        Bytes, decode_arguments, decode_result, encode_arguments, encode_result, from_wire,
    },
};
use wrt_protocol::{Execution, Fault, FaultKind, Hop};

use crate::{gather::whole, limits::HTTP_HEAD_BYTES_MAX};

type Fields = Vec<(String, Vec<u8>)>;

/// The head of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RequestHead {
    pub method: String,
    pub scheme: Option<String>,
    pub authority: Option<String>,
    pub path_and_query: Option<String>,
    pub headers: Fields,
    /// Trailers of a body that travels whole; those of a stream come at its end.
    pub trailers: Fields,
}

/// The head of a response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ResponseHead {
    pub status: u16,
    pub headers: Fields,
    /// As in [`RequestHead`].
    pub trailers: Fields,
}

impl RequestHead {
    pub(crate) fn of(parts: &http::request::Parts, trailers: Trailers) -> Self {
        let uri = &parts.uri;
        Self {
            method: parts.method.as_str().to_owned(),
            scheme: uri.scheme_str().map(str::to_owned),
            authority: uri
                .authority()
                .map(|authority| authority.as_str().to_owned()),
            path_and_query: uri.path_and_query().map(|path| path.as_str().to_owned()),
            headers: from_map(&parts.headers),
            trailers,
        }
    }

    /// # Errors
    /// *Not executed*: a head over its limit.
    pub(crate) fn encode(&self) -> Result<Bytes, Fault> {
        let bytes = encode_arguments(&(self,))?;
        check_size(bytes.len(), Execution::NotExecuted, Hop::Caller)?;
        Ok(bytes)
    }

    /// # Errors
    /// *Not executed*: bytes that are no head of a request, or one over its limit.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        check_size(bytes.len(), Execution::NotExecuted, Hop::Mailbox)?;
        decode_arguments::<(Self,)>(bytes).map(|(head,)| head)
    }

    /// The request with its body: `stream`, or else `bulk` with the head's trailers.
    ///
    /// # Errors
    /// *Not executed*: parts that make no request.
    pub(crate) fn into_request(
        self,
        bulk: Bytes,
        stream: Option<Body>,
    ) -> Result<http::Request<Body>, Fault> {
        let malformed = |what: &str| {
            let detail = format!("request head: {what}");
            Fault::not_executed(FaultKind::Malformed, Hop::Mailbox, detail)
        };
        let method = Method::from_bytes(self.method.as_bytes());
        let mut parts = uri::Parts::default();
        parts.scheme = optional(self.scheme).map_err(|()| malformed("scheme"))?;
        parts.authority = optional(self.authority).map_err(|()| malformed("authority"))?;
        parts.path_and_query = optional(self.path_and_query).map_err(|()| malformed("path"))?;
        let body = stream.unwrap_or_else(|| whole(bulk, self.trailers));
        let mut request = http::Request::new(body);
        *request.method_mut() = method.map_err(|_invalid| malformed("method"))?;
        *request.uri_mut() = Uri::from_parts(parts).map_err(|_invalid| malformed("uri"))?;
        *request.headers_mut() = into_map(self.headers).ok_or_else(|| malformed("headers"))?;
        Ok(request)
    }
}

impl ResponseHead {
    pub(crate) fn of(parts: &http::response::Parts, trailers: Trailers) -> Self {
        Self {
            status: parts.status.as_u16(),
            headers: from_map(&parts.headers),
            trailers,
        }
    }

    /// # Errors
    /// *Executed*: a head over its limit.
    pub(crate) fn encode(self) -> Result<Answer, Fault> {
        let answer = encode_result::<_, Fault>(Ok(self))?;
        check_size(answer.result.len(), Execution::Executed, Hop::Actor)?;
        Ok(answer)
    }

    /// The response that `answer` carries.
    ///
    /// # Errors
    /// *Executed*: bytes that are no response, or whose head is over its limit.
    pub(crate) fn decode(answer: Answer) -> Result<http::Response<Body>, Fault> {
        check_size(answer.result.len(), Execution::Executed, Hop::Caller)?;
        let head: Self = decode_result::<Self, Fault>(&answer)?;
        let malformed = |what: &str| {
            let detail = format!("response head: {what}");
            Fault::new(
                FaultKind::Malformed,
                Execution::Executed,
                Hop::Caller,
                detail,
            )
        };
        let status = StatusCode::from_u16(head.status).map_err(|_invalid| malformed("status"))?;
        let headers = into_map(head.headers).ok_or_else(|| malformed("headers"))?;
        let body = answer
            .body
            .map(from_wire)
            .unwrap_or_else(|| whole(answer.bulk, head.trailers));
        let mut response = http::Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

fn check_size(bytes: usize, execution: Execution, hop: Hop) -> Result<(), Fault> {
    if bytes <= HTTP_HEAD_BYTES_MAX {
        return Ok(());
    }
    let detail = format!("a head of {bytes} bytes is over the limit of {HTTP_HEAD_BYTES_MAX}");
    Err(Fault::new(FaultKind::TooLarge, execution, hop, detail))
}

fn optional<T: FromStr>(text: Option<String>) -> Result<Option<T>, ()> {
    text.map(|text| text.parse())
        .transpose()
        .map_err(|_invalid| ())
}

/// The fields of a header map, in its order.
pub(crate) fn from_map(map: &HeaderMap) -> Fields {
    map.iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect()
}

/// `None` when a name or a value is illegal, or when there are too many for a map.
pub(crate) fn into_map(fields: Fields) -> Option<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        let value = HeaderValue::from_maybe_shared(Bytes::from(value)).ok()?;
        map.try_append(name, value).ok()?;
    }
    Some(map)
}
