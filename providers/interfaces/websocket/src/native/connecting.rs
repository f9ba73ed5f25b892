//! Connections that components ask for.

use serde::{Deserialize, Serialize};
use wrt_contract::Schema;

use crate::{
    Limit, WebSocketError,
    limits::{CONNECTING_BYTES_MAX, CONNECTING_FIELDS_MAX},
};

/// A connection that is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Connecting {
    /// The component's link that leads to who opens it: the peer's id begins with it.
    pub link: String,
    /// The name of its route.
    pub route: String,
    /// Where to.
    pub url: String,
    /// Fields for the header of the request.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The subprotocols that are offered.
    pub protocols: Vec<String>,
}

/// A connection that is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Connected {
    /// What its other end is known by: a [`PeerId`](crate::PeerId).
    pub peer: String,
    /// The subprotocol that the server has taken.
    pub protocol: Option<String>,
}

impl Connecting {
    /// Refuses what is too large for the header of a request.
    ///
    /// # Errors
    /// [`WebSocketError::OverLimit`].
    pub fn check(&self) -> Result<(), WebSocketError> {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| name.len() + value.len());
        let protocols = self.protocols.iter().map(String::len);
        let names = [&self.link, &self.route, &self.url].map(String::len);
        let bytes = names.into_iter().chain(headers).chain(protocols).sum();
        Limit::ConnectingBytes.check(bytes, CONNECTING_BYTES_MAX)?;
        let fields = self.headers.len() + self.protocols.len();
        Limit::ConnectingFields.check(fields, CONNECTING_FIELDS_MAX)
    }
}
