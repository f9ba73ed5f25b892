//! What the SDK's errors mean. Their texts are for people who have the request before them: they quote it, and
//! what came back.

use std::{error::Error as StdError, time::Duration};

use azure_core::{
    error::{ErrorKind, ErrorResponse},
    http::{RawResponse, StatusCode, headers::RETRY_AFTER},
};
use wrt_protocol::{Fault, FaultKind, Hop};

/// Why the SDK has no answer.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Whether it was a token that it did not get, and not the answer to the request itself.
    pub(crate) of_token: bool,
    pub(crate) what: What,
}

/// What has failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The service has answered otherwise.
    Status {
        status: u16,
        /// Its word for that, the innermost one.
        code: String,
        retry_after: Option<Duration>,
    },
    /// There was no connection.
    NotSent,
    /// The connection broke.
    Broken,
    /// Nobody was asked: [`NotLetThrough`].
    NotLetThrough,
    /// Something else: an answer that it cannot read, a file that is not there.
    Other,
}

/// The process is in an app service, and what says so was not let through, or something else was.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error(
    "this node is in an app service: its identity is used where IDENTITY_ENDPOINT and IDENTITY_HEADER are let through, \
     and no other values stand in their place"
)]
pub(crate) struct NotLetThrough;

impl Failure {
    pub(crate) fn of(error: &azure_core::Error) -> Self {
        let (mut of_token, mut what) = (false, What::Other);
        let mut next = Some(error);
        while let Some(error) = next {
            match error.kind() {
                ErrorKind::HttpResponse {
                    status,
                    error_code,
                    raw_response,
                } => what = answered(*status, error_code.as_deref(), raw_response.as_deref()),
                ErrorKind::Connection => what = What::NotSent,
                ErrorKind::Io => what = What::Broken,
                ErrorKind::Credential => of_token = true,
                _ => {}
            }
            let source = error.source();
            if source.is_some_and(<dyn StdError>::is::<NotLetThrough>) {
                what = What::NotLetThrough;
            }
            next = source.and_then(|source| source.downcast_ref::<azure_core::Error>());
        }
        Self { of_token, what }
    }

    /// The status, if the request itself got one.
    pub(crate) fn status(&self) -> Option<(u16, &str)> {
        match &self.what {
            What::Status { status, code, .. } if !self.of_token => Some((*status, code)),
            _ => None,
        }
    }

    /// Whether the service has asked to wait: it has done nothing then, and may have said for how long.
    pub(crate) fn asks_to_wait(&self) -> Option<Option<Duration>> {
        match &self.what {
            What::Status {
                status: 429,
                retry_after,
                ..
            } => Some(*retry_after),
            What::Status {
                status: 503,
                retry_after: after @ Some(_),
                ..
            } => Some(*after),
            _ => None,
        }
    }

    /// As a fault of the lattice, for what has no word of its interface.
    pub(crate) fn fault(&self) -> Fault {
        let of = if self.of_token { " (a token)" } else { "" };
        let not_executed = |kind, detail: String| Fault::not_executed(kind, Hop::Backend, detail);
        if let Some(retry_after) = self.asks_to_wait() {
            let detail = format!("azure{of}: throttled");
            return not_executed(overloaded(retry_after.unwrap_or_default()), detail);
        }
        let detail = match &self.what {
            What::NotSent => {
                let detail = format!("azure{of}: no connection");
                return not_executed(FaultKind::Unavailable, detail);
            }
            What::Status { status, code, .. } => format!("azure{of}: status {status}, {code}"),
            What::Broken => format!("azure{of}: the connection broke"),
            What::NotLetThrough => {
                let detail = format!("azure{of}: {NotLetThrough}");
                return not_executed(FaultKind::Unavailable, detail);
            }
            What::Other => format!("azure{of}: the SDK failed"),
        };
        match self.of_token {
            true => not_executed(FaultKind::Unavailable, detail),
            false => Fault::maybe_executed(FaultKind::Unavailable, Hop::Backend, detail),
        }
    }
}

/// Another try has a chance after so long.
pub(crate) fn overloaded(retry_after: Duration) -> FaultKind {
    let retry_after_ms = u32::try_from(retry_after.as_millis()).unwrap_or(u32::MAX);
    FaultKind::Overloaded { retry_after_ms }
}

fn answered(status: StatusCode, code: Option<&str>, answer: Option<&RawResponse>) -> What {
    let inner = answer.and_then(|answer| {
        let body = azure_core::json::from_json::<_, ErrorResponse>(answer.body()).ok()?;
        body.error?.inner_error?.code
    });
    let retry_after = answer.and_then(|answer| {
        let text = answer.headers().get_optional_str(&RETRY_AFTER)?;
        // The services give seconds; a date would need a clock that is theirs.
        text.trim().parse().ok().map(Duration::from_secs)
    });
    What::Status {
        status: status.into(),
        code: inner.unwrap_or_else(|| code.unwrap_or("no code").to_owned()),
        retry_after,
    }
}

#[cfg(test)]
mod tests {
    use azure_core::http::headers::Headers;

    use super::*;

    fn answer(status: u16, body: &str) -> azure_core::Error {
        let mut headers = Headers::new();
        headers.insert(RETRY_AFTER, "7");
        let status = StatusCode::from(status);
        let answer = RawResponse::from_bytes(status, headers, body.to_owned());
        let kind = ErrorKind::HttpResponse {
            status,
            error_code: Some("Outer".to_owned()),
            raw_response: Some(Box::new(answer)),
        };
        azure_core::Error::with_message(kind, "hush")
    }

    #[test]
    fn the_innermost_reason_counts_and_no_text_is_told() {
        let inner = r#"{"error":{"code":"Forbidden","message":"hush","innererror":{"code":"SecretDisabled"}}}"#;
        let wrapped = answer(429, "hush").with_context("hush");
        let of_token =
            azure_core::Error::with_error(ErrorKind::Credential, answer(401, ""), "hush");
        let broken = azure_core::Error::with_message(ErrorKind::Io, "hush");
        for (error, status, fault) in [
            (
                answer(403, inner),
                Some((403, "SecretDisabled")),
                FaultKind::Unavailable,
            ),
            (
                wrapped,
                Some((429, "Outer")),
                overloaded(Duration::from_secs(7)),
            ),
            (of_token, None, FaultKind::Unavailable),
            (broken, None, FaultKind::Unavailable),
        ] {
            let failure = Failure::of(&error);
            assert_eq!(failure.status(), status);
            let told = failure.fault();
            assert_eq!(told.kind(), fault);
            assert!(!format!("{told} {failure:?}").contains("hush"));
        }
    }
}
