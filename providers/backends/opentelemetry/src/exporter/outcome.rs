//! What an attempt has come to, and whether OTLP has it tried again.
//!
//! Source: <https://opentelemetry.io/docs/specs/otlp/>, "Failures" and "OTLP/HTTP Throttling".

use std::time::Duration;

use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use prost::Message as _;
use tonic::{Code, Status};

/// How long a collector may ask to be left alone.
const ASKED_PAUSE_MAX: Duration = Duration::from_secs(60);

/// What an attempt has come to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// Another one may do; after so long, if the collector has said so.
    Retry {
        /// Why.
        why: String,
        /// After how long.
        after: Option<Duration>,
    },
    /// The collector does not want it.
    Refused(String),
}

impl Failed {
    pub(crate) fn away(why: impl Into<String>) -> Self {
        Self::Retry {
            why: why.into(),
            after: None,
        }
    }

    pub(crate) fn of_grpc(status: &Status) -> Self {
        let why = format!("{:?}: {}", status.code(), status.message().escape_debug());
        let asked = asked_pause(status.details());
        let is_for_later = match status.code() {
            Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss => true,
            // It may recover, if it says when.
            Code::ResourceExhausted => asked.is_some(),
            // What tonic says when there is no connection.
            Code::Unknown => status.message().starts_with("Service was not ready"),
            _ => false,
        };
        match is_for_later {
            true => Self::Retry { why, after: asked },
            false => Self::Refused(why),
        }
    }

    pub(crate) fn of_http(status: StatusCode, headers: &HeaderMap) -> Self {
        let why = format!("HTTP {}", status.as_u16());
        let asked = headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok());
        let asked = asked.and_then(|value| value.trim().parse().ok());
        let asked = asked.map(Duration::from_secs);
        match status.as_u16() {
            429 | 502 | 503 | 504 => Self::Retry {
                why,
                after: asked.map(|asked| asked.min(ASKED_PAUSE_MAX)),
            },
            _ => Self::Refused(why),
        }
    }
}

/// `google.rpc.Status`, as far as it is needed.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Detail>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct Detail {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

fn asked_pause(details: &[u8]) -> Option<Duration> {
    let status = RpcStatus::decode(details).ok()?;
    let mut details = status.details.iter();
    let info = details.find(|it| it.type_url.ends_with("/google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(&info.value[..]).ok()?.delay?;
    let seconds = u64::try_from(delay.seconds).ok()?;
    let nanos = u32::try_from(delay.nanos).ok()?;
    let asked = Duration::from_secs(seconds).checked_add(Duration::from_nanos(nanos.into()))?;
    Some(asked.min(ASKED_PAUSE_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(seconds: i64) -> Vec<u8> {
        let delay = Some(Delay { seconds, nanos: 5 });
        let detail = Detail {
            type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
            value: RetryInfo { delay }.encode_to_vec(),
        };
        let details = vec![Detail::default(), detail];
        RpcStatus { details }.encode_to_vec()
    }

    #[test]
    fn grpc_is_tried_again_as_otlp_says() {
        let seven = Duration::new(7, 5);
        for (code, seconds, expected) in [
            (Code::Unavailable, None, Some(None)),
            (Code::Unavailable, Some(7), Some(Some(seven))),
            (Code::Aborted, None, Some(None)),
            (Code::ResourceExhausted, None, None),
            (Code::ResourceExhausted, Some(7), Some(Some(seven))),
            (
                Code::Unavailable,
                Some(1 << 40),
                Some(Some(ASKED_PAUSE_MAX)),
            ),
            (Code::Unavailable, Some(-1), Some(None)),
            (Code::InvalidArgument, None, None),
            (Code::Unauthenticated, Some(7), None),
            (Code::Unknown, None, None),
        ] {
            let details = seconds.map(details).unwrap_or_default();
            let status = Status::with_details(code, "no", details.into());
            let after = match Failed::of_grpc(&status) {
                Failed::Retry { after, .. } => Some(after),
                Failed::Refused(_) => None,
            };
            assert_eq!(after, expected, "{code:?} {seconds:?}");
        }
        let garbage = Status::with_details(Code::Unavailable, "no", vec![0xff].into());
        assert!(matches!(
            Failed::of_grpc(&garbage),
            Failed::Retry { after: None, .. }
        ));
    }

    #[test]
    fn http_is_tried_again_as_otlp_says() {
        for (status, header, expected) in [
            (503, None, Some(None)),
            (429, Some("7"), Some(Some(7))),
            (502, Some("tomorrow"), Some(None)),
            (504, Some("9999"), Some(Some(60))),
            (400, Some("7"), None),
            (500, None, None),
            (301, None, None),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(value) = header {
                headers.insert(RETRY_AFTER, value.parse().unwrap());
            }
            let status = StatusCode::from_u16(status).unwrap();
            let after = match Failed::of_http(status, &headers) {
                Failed::Retry { after, .. } => Some(after.map(|it| it.as_secs())),
                Failed::Refused(_) => None,
            };
            assert_eq!(after, expected, "{status} {header:?}");
        }
    }
}
