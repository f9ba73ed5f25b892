//! Why there is no response, by the names that `wasi:http` has for it.

use serde::{Deserialize, Serialize};
use wasmtime_wasi_http::{
    Error,
    p2::bindings::http::types::{
        DnsErrorPayload, ErrorCode, FieldSizePayload, TlsAlertReceivedPayload,
    },
};
use wrt_contract::{InterfaceError, Schema};
use wrt_protocol::{Execution, Fault, FaultKind};

/// The error codes of `wasi:http`, in its order, and the lattice's fault. Of the parties on the way it
/// is the provider that names it, so that a guest reads the same wherever the provider runs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize, Schema)]
#[expect(
    missing_docs,
    reason = "they are wasi:http's, each is documented there"
)]
pub enum HttpError {
    #[error("DNS-timeout")]
    DnsTimeout,
    #[error("DNS-error {rcode:?}")]
    DnsError {
        rcode: Option<String>,
        info_code: Option<u16>,
    },
    #[error("destination-not-found")]
    DestinationNotFound,
    #[error("destination-unavailable")]
    DestinationUnavailable,
    #[error("destination-IP-prohibited")]
    DestinationIpProhibited,
    #[error("destination-IP-unroutable")]
    DestinationIpUnroutable,
    #[error("connection-refused")]
    ConnectionRefused,
    #[error("connection-terminated")]
    ConnectionTerminated,
    #[error("connection-timeout")]
    ConnectionTimeout,
    #[error("connection-read-timeout")]
    ConnectionReadTimeout,
    #[error("connection-write-timeout")]
    ConnectionWriteTimeout,
    #[error("connection-limit-reached")]
    ConnectionLimitReached,
    #[error("TLS-protocol-error")]
    TlsProtocolError,
    #[error("TLS-certificate-error")]
    TlsCertificateError,
    #[error("TLS-alert-received {alert_message:?}")]
    TlsAlertReceived {
        alert_id: Option<u8>,
        alert_message: Option<String>,
    },
    #[error("HTTP-request-denied")]
    HttpRequestDenied,
    #[error("HTTP-request-length-required")]
    HttpRequestLengthRequired,
    #[error("HTTP-request-body-size {0:?}")]
    HttpRequestBodySize(Option<u64>),
    #[error("HTTP-request-method-invalid")]
    HttpRequestMethodInvalid,
    #[error("HTTP-request-URI-invalid")]
    HttpRequestUriInvalid,
    #[error("HTTP-request-URI-too-long")]
    HttpRequestUriTooLong,
    #[error("HTTP-request-header-section-size {0:?}")]
    HttpRequestHeaderSectionSize(Option<u32>),
    #[error("HTTP-request-header-size {field_name:?}")]
    HttpRequestHeaderSize {
        field_name: Option<String>,
        field_size: Option<u32>,
    },
    #[error("HTTP-request-trailer-section-size {0:?}")]
    HttpRequestTrailerSectionSize(Option<u32>),
    #[error("HTTP-request-trailer-size {field_name:?}")]
    HttpRequestTrailerSize {
        field_name: Option<String>,
        field_size: Option<u32>,
    },
    #[error("HTTP-response-incomplete")]
    HttpResponseIncomplete,
    #[error("HTTP-response-header-section-size {0:?}")]
    HttpResponseHeaderSectionSize(Option<u32>),
    #[error("HTTP-response-header-size {field_name:?}")]
    HttpResponseHeaderSize {
        field_name: Option<String>,
        field_size: Option<u32>,
    },
    #[error("HTTP-response-body-size {0:?}")]
    HttpResponseBodySize(Option<u64>),
    #[error("HTTP-response-trailer-section-size {0:?}")]
    HttpResponseTrailerSectionSize(Option<u32>),
    #[error("HTTP-response-trailer-size {field_name:?}")]
    HttpResponseTrailerSize {
        field_name: Option<String>,
        field_size: Option<u32>,
    },
    #[error("HTTP-response-transfer-coding {0:?}")]
    HttpResponseTransferCoding(Option<String>),
    #[error("HTTP-response-content-coding {0:?}")]
    HttpResponseContentCoding(Option<String>),
    #[error("HTTP-response-timeout")]
    HttpResponseTimeout,
    #[error("HTTP-upgrade-failed")]
    HttpUpgradeFailed,
    #[error("HTTP-protocol-error")]
    HttpProtocolError,
    #[error("loop-detected")]
    LoopDetected,
    #[error("configuration-error")]
    ConfigurationError,
    #[error("internal-error {0:?}")]
    InternalError(Option<String>),
    /// The call itself failed.
    #[error(transparent)]
    Fault(Fault),
}

impl From<Fault> for HttpError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl InterfaceError for HttpError {
    fn as_fault(&self) -> Option<&Fault> {
        match self {
            Self::Fault(fault) => Some(fault),
            _ => None,
        }
    }

    fn into_fault(self) -> Result<Fault, Self> {
        match self {
            Self::Fault(fault) => Ok(fault),
            own => Err(own),
        }
    }
}

/// Writes all directions from one list of names.
macro_rules! mirror {
    (
        unit: $($unit:ident)*;
        size: $($size:ident)*;
        field: $($field:ident)*;
    ) => {
        /// What a guest's own body ended with.
        impl From<Error> for HttpError {
            fn from(error: Error) -> Self {
                match error {
                    $(Error::$unit => Self::$unit,)*
                    $(Error::$size(size) => Self::$size(size),)*
                    $(Error::$field { field_name, field_size } => {
                        Self::$field { field_name, field_size }
                    })*
                    Error::DnsError { rcode, info_code } => Self::DnsError { rcode, info_code },
                    Error::TlsAlertReceived { alert_id, alert_message } => {
                        Self::TlsAlertReceived { alert_id, alert_message }
                    }
                    Error::Connect(_) => Self::ConnectionRefused,
                    Error::Tls(_) => Self::TlsProtocolError,
                    Error::Hyper(_) => Self::HttpProtocolError,
                    // The host's own list may grow.
                    other => Self::InternalError(Some(other.to_string())),
                }
            }
        }

        /// The one place in which a fault becomes an error of the guest's interface.
        impl From<HttpError> for Error {
            fn from(error: HttpError) -> Self {
                match error {
                    $(HttpError::$unit => Self::$unit,)*
                    $(HttpError::$size(size) => Self::$size(size),)*
                    $(HttpError::$field { field_name, field_size } => {
                        Self::$field { field_name, field_size }
                    })*
                    HttpError::DnsError { rcode, info_code } => Self::DnsError { rcode, info_code },
                    HttpError::TlsAlertReceived { alert_id, alert_message } => {
                        Self::TlsAlertReceived { alert_id, alert_message }
                    }
                    HttpError::Fault(fault) => error_of(&fault),
                }
            }
        }

        /// What 0.2 calls it; `None` where it has no name of `wasi:http`.
        pub(crate) fn code_of(error: &Error) -> Option<ErrorCode> {
            Some(match error {
                $(Error::$unit => ErrorCode::$unit,)*
                $(Error::$size(size) => ErrorCode::$size(size.clone()),)*
                $(Error::$field { field_name, field_size } => {
                    let (field_name, field_size) = (field_name.clone(), *field_size);
                    ErrorCode::$field(FieldSizePayload { field_name, field_size }.into())
                })*
                Error::DnsError { rcode, info_code } => ErrorCode::DnsError(DnsErrorPayload {
                    rcode: rcode.clone(),
                    info_code: *info_code,
                }),
                Error::TlsAlertReceived { alert_id, alert_message } => {
                    ErrorCode::TlsAlertReceived(TlsAlertReceivedPayload {
                        alert_id: *alert_id,
                        alert_message: alert_message.clone(),
                    })
                }
                _ => return None,
            })
        }
    };
}

mirror! {
    unit: DnsTimeout DestinationNotFound DestinationUnavailable DestinationIpProhibited
        DestinationIpUnroutable ConnectionRefused ConnectionTerminated ConnectionTimeout
        ConnectionReadTimeout ConnectionWriteTimeout ConnectionLimitReached TlsProtocolError
        TlsCertificateError HttpRequestDenied HttpRequestLengthRequired HttpRequestMethodInvalid
        HttpRequestUriInvalid HttpRequestUriTooLong HttpResponseIncomplete HttpResponseTimeout
        HttpUpgradeFailed HttpProtocolError LoopDetected ConfigurationError;
    size: HttpRequestBodySize HttpRequestHeaderSectionSize HttpRequestTrailerSectionSize
        HttpResponseHeaderSectionSize HttpResponseBodySize HttpResponseTrailerSectionSize
        HttpResponseTransferCoding HttpResponseContentCoding InternalError;
    field: HttpRequestHeaderSize HttpRequestTrailerSize HttpResponseHeaderSize
        HttpResponseTrailerSize;
}

/// To a guest the provider is part of the network that it asks: a provider that is not there is a
/// destination that is not. The fault's text stays with the node, which has named it.
fn error_of(fault: &Fault) -> Error {
    match fault.kind() {
        FaultKind::DeadlineExceeded if fault.execution() == Execution::NotExecuted => {
            Error::ConnectionTimeout
        }
        FaultKind::DeadlineExceeded => Error::HttpResponseTimeout,
        FaultKind::Denied => Error::HttpRequestDenied,
        FaultKind::Overloaded { .. } => Error::ConnectionLimitReached,
        FaultKind::Unavailable
        | FaultKind::Disconnected
        | FaultKind::Draining
        | FaultKind::StaleEpoch => Error::DestinationUnavailable,
        FaultKind::NodeLost | FaultKind::Cancelled => Error::ConnectionTerminated,
        kind @ (FaultKind::TooLarge
        | FaultKind::Malformed
        | FaultKind::UnknownOperation
        | FaultKind::VersionMismatch
        | FaultKind::Crashed
        | FaultKind::Fenced) => Error::InternalError(Some(kind.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use wrt_protocol::Hop;

    use super::*;

    #[test]
    fn every_error_comes_back_as_it_went() {
        for error in [
            HttpError::ConnectionRefused,
            HttpError::DnsError {
                rcode: Some("NXDOMAIN".to_owned()),
                info_code: None,
            },
            HttpError::TlsAlertReceived {
                alert_id: Some(40),
                alert_message: None,
            },
            HttpError::HttpRequestBodySize(Some(7)),
            HttpError::HttpResponseTrailerSize {
                field_name: Some("a".to_owned()),
                field_size: Some(9),
            },
            HttpError::InternalError(None),
        ] {
            let wasi = Error::from(error.clone());
            let code = code_of(&wasi).unwrap();
            assert_eq!(HttpError::from(Error::from(code)), error);
            assert_eq!(HttpError::from(wasi), error);
        }
    }

    #[test]
    fn a_fault_is_one_of_the_guests_errors() {
        let text = |fault: Fault| Error::from(HttpError::from(fault)).to_string();
        let detail = "node 10.0.0.7 is gone";
        for (kind, expected) in [
            (FaultKind::DeadlineExceeded, "HTTP response timeout"),
            (FaultKind::Unavailable, "destination unavailable"),
            (FaultKind::Denied, "HTTP request denied"),
            (FaultKind::Crashed, "internal error: crashed"),
        ] {
            let fault = Fault::maybe_executed(kind, Hop::Route, detail);
            assert_eq!(text(fault), expected);
        }
        let late = Fault::not_executed(FaultKind::DeadlineExceeded, Hop::Gate, detail);
        assert_eq!(text(late), "connection timeout");
    }
}
