//! What a component has answered.

use bytes::Bytes;
use http::HeaderMap;
use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// A response, with its body whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text; what is no UTF-8 has U+FFFD there.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// Where it is none, or no `T`: with all of it.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let (status, text) = (self.status, self.text());
            Error::new(format!(
                "{status} with another body than expected: {error}: {text}"
            ))
        })
    }
}
