//! Heads of requests and responses.
//!
//! On a node they are what the `http` crate makes of them; only the bus makes bytes of them.

mod fields;

use std::{
    fmt,
    ops::{self, RangeInclusive},
    str::FromStr,
};

use http::{Method, StatusCode, Uri, request, response, uri};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use wrt_contract::Schema;

use self::fields::{Fields, OwnedFields};
pub(crate) use self::fields::{from_map, into_map};

/// What a client or a server may be told to take of a head: from what hyper's buffer can be held to, to
/// what the lattice carries, with room for what the head gains on its way.
pub const HEAD_BYTES: RangeInclusive<u64> = 8 * 1024..=128 * 1024;
/// The same for its fields: a map of them takes as many without trouble.
pub const HEADERS: RangeInclusive<u64> = 1..=1024;

/// The head of a request. Version and extensions stay on the node.
#[derive(Debug, Clone)]
pub struct RequestHead(request::Parts);

/// The head of a response. Version and extensions stay on the node.
#[derive(Debug, Clone)]
pub struct ResponseHead(response::Parts);

impl RequestHead {
    /// Takes a request apart.
    pub fn split<B>(request: http::Request<B>) -> (Self, B) {
        let (parts, body) = request.into_parts();
        (Self(parts), body)
    }

    /// The request with `body`.
    pub fn with_body<B>(self, body: B) -> http::Request<B> {
        http::Request::from_parts(self.0, body)
    }

    /// Whether its method is one that RFC 9110, section 9.2.2, calls idempotent: sent twice, it means
    /// what it means sent once. A method that the RFC does not know is taken for one that is not.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        self.method.is_safe() || matches!(self.method, Method::PUT | Method::DELETE)
    }
}

impl ResponseHead {
    /// Takes a response apart.
    pub fn split<B>(response: http::Response<B>) -> (Self, B) {
        let (parts, body) = response.into_parts();
        (Self(parts), body)
    }

    /// The response with `body`.
    pub fn with_body<B>(self, body: B) -> http::Response<B> {
        http::Response::from_parts(self.0, body)
    }
}

macro_rules! newtype {
    ($type:ident, $parts:ty) => {
        impl ops::Deref for $type {
            type Target = $parts;

            fn deref(&self) -> &$parts {
                &self.0
            }
        }

        impl ops::DerefMut for $type {
            fn deref_mut(&mut self) -> &mut $parts {
                &mut self.0
            }
        }

        impl From<$parts> for $type {
            fn from(parts: $parts) -> Self {
                Self(parts)
            }
        }

        impl From<$type> for $parts {
            fn from(head: $type) -> Self {
                head.0
            }
        }
    };
}

newtype!(RequestHead, request::Parts);
newtype!(ResponseHead, response::Parts);

#[derive(Serialize, Schema)]
struct RequestOut<'a> {
    method: &'a str,
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path_and_query: Option<&'a str>,
    headers: Fields<'a>,
}

#[derive(Deserialize)]
struct RequestIn {
    method: Parsed<Method>,
    scheme: Option<Parsed<uri::Scheme>>,
    authority: Option<Parsed<uri::Authority>>,
    path_and_query: Option<Parsed<uri::PathAndQuery>>,
    headers: OwnedFields,
}

#[derive(Serialize, Schema)]
struct ResponseOut<'a> {
    status: u16,
    headers: Fields<'a>,
}

#[derive(Deserialize)]
struct ResponseIn {
    status: u16,
    headers: OwnedFields,
}

impl Schema for RequestHead {
    const FINGERPRINT: u64 = RequestOut::FINGERPRINT;
}

impl Schema for ResponseHead {
    const FINGERPRINT: u64 = ResponseOut::FINGERPRINT;
}

impl Serialize for RequestHead {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let request::Parts {
            method,
            uri,
            headers,
            ..
        } = &self.0;
        RequestOut {
            method: method.as_str(),
            scheme: uri.scheme_str(),
            authority: uri.authority().map(uri::Authority::as_str),
            path_and_query: uri.path_and_query().map(uri::PathAndQuery::as_str),
            headers: Fields(headers),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RequestHead {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let head = RequestIn::deserialize(deserializer)?;
        let mut uri = uri::Parts::default();
        uri.scheme = head.scheme.map(|parsed| parsed.0);
        uri.authority = head.authority.map(|parsed| parsed.0);
        uri.path_and_query = head.path_and_query.map(|parsed| parsed.0);
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.method = head.method.0;
        parts.uri = Uri::from_parts(uri).map_err(de::Error::custom)?;
        parts.headers = head.headers.0;
        Ok(Self(parts))
    }
}

impl Serialize for ResponseHead {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ResponseOut {
            status: self.status.as_u16(),
            headers: Fields(&self.headers),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ResponseHead {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let head = ResponseIn::deserialize(deserializer)?;
        let (mut parts, ()) = http::Response::new(()).into_parts();
        parts.status = StatusCode::from_u16(head.status).map_err(de::Error::custom)?;
        parts.headers = head.headers.0;
        Ok(Self(parts))
    }
}

/// A text that means a `T`.
struct Parsed<T>(T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(std::marker::PhantomData<T>);

        impl<T: FromStr<Err: fmt::Display>> de::Visitor<'_> for Visitor<T> {
            type Value = Parsed<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a part of the head of a message")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Parsed<T>, E> {
                text.parse().map(Parsed).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Visitor(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idempotent_methods_are_those_of_the_rfc() {
        for (method, expected) in [
            ("GET", true),
            ("HEAD", true),
            ("OPTIONS", true),
            ("TRACE", true),
            ("PUT", true),
            ("DELETE", true),
            ("POST", false),
            ("PATCH", false),
            ("CONNECT", false),
            ("PURGE", false),
        ] {
            let request = http::Request::builder().method(method).body(());
            let (head, ()) = RequestHead::split(request.unwrap());
            assert_eq!(head.is_idempotent(), expected, "{method}");
        }
    }
}
