//! What went wrong on a connection, by `wasi:http`'s names.

use std::{error::Error, io};

use rustls::Error as TlsError;
use wrt_http::HttpError;

/// How far a request had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing of the response was there.
    Head,
    /// Its head was.
    Body,
}

impl Stage {
    /// The connection ended too early.
    fn cut_off(self) -> HttpError {
        match self {
            Self::Head => HttpError::ConnectionTerminated,
            Self::Body => HttpError::HttpResponseIncomplete,
        }
    }
}

/// The error of a TCP connection that was not made.
pub(crate) fn of_connect(error: &io::Error) -> HttpError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => HttpError::ConnectionRefused,
        io::ErrorKind::TimedOut => HttpError::ConnectionTimeout,
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
            HttpError::DestinationIpUnroutable
        }
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            HttpError::ConnectionTerminated
        }
        io::ErrorKind::PermissionDenied => HttpError::DestinationIpProhibited,
        _ if is_out_of_descriptors(error) => HttpError::ConnectionLimitReached,
        _ => HttpError::DestinationUnavailable,
    }
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

/// The error of a handshake of TLS.
pub(crate) fn of_handshake(error: &io::Error) -> HttpError {
    of_io(error, Stage::Head).unwrap_or(HttpError::TlsProtocolError)
}

/// The error with which the pool, or a body of its, ended.
pub(crate) fn of_request(error: &(dyn Error + 'static), stage: Stage) -> HttpError {
    let mut found = None;
    let mut next = Some(error);
    // What is deeper is nearer to the cause.
    while let Some(error) = next {
        if let Some(own) = error.downcast_ref::<HttpError>() {
            return own.clone();
        }
        let named = error
            .downcast_ref()
            .map(|error| of_hyper(error, stage))
            .or_else(|| error.downcast_ref().map(|error| of_h2(error, stage)))
            .or_else(|| {
                let error = error.downcast_ref()?;
                of_io(error, stage)
            });
        found = named.or(found);
        next = error.source();
    }
    found.unwrap_or_else(|| stage.cut_off())
}

fn of_hyper(error: &hyper::Error, stage: Stage) -> HttpError {
    if error.is_parse_too_large() {
        HttpError::HttpResponseHeaderSectionSize(None)
    } else if error.is_parse() {
        HttpError::HttpProtocolError
    } else if error.is_timeout() {
        HttpError::ConnectionReadTimeout
    } else if error.is_user() {
        HttpError::InternalError(Some("the request could not be sent".to_owned()))
    } else {
        stage.cut_off()
    }
}

fn of_h2(error: &h2::Error, stage: Stage) -> HttpError {
    match error.reason() {
        Some(
            h2::Reason::PROTOCOL_ERROR
            | h2::Reason::FLOW_CONTROL_ERROR
            | h2::Reason::FRAME_SIZE_ERROR
            | h2::Reason::COMPRESSION_ERROR
            | h2::Reason::HTTP_1_1_REQUIRED,
        ) => HttpError::HttpProtocolError,
        // `CANCEL`, `INTERNAL_ERROR`, `REFUSED_STREAM` and the rest: the server ended it.
        _ => stage.cut_off(),
    }
}

/// `None` where the kind says nothing that a layer above would not say better.
fn of_io(error: &io::Error, stage: Stage) -> Option<HttpError> {
    // An `io::Error` skips itself when it is asked for its source.
    if let Some(inner) = error.get_ref() {
        if let Some(tls) = inner.downcast_ref::<TlsError>() {
            return Some(of_tls(tls));
        }
        if let Some(own) = inner.downcast_ref::<HttpError>() {
            return Some(own.clone());
        }
    }
    match error.kind() {
        io::ErrorKind::TimedOut => Some(HttpError::ConnectionReadTimeout),
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => Some(stage.cut_off()),
        _ => None,
    }
}

fn of_tls(error: &TlsError) -> HttpError {
    match error {
        TlsError::InvalidCertificate(_)
        | TlsError::NoCertificatesPresented
        | TlsError::UnsupportedNameType
        | TlsError::InvalidCertRevocationList(_) => HttpError::TlsCertificateError,
        TlsError::AlertReceived(alert) => HttpError::TlsAlertReceived {
            alert_id: Some(u8::from(*alert)),
            alert_message: Some(format!("{alert:?}")),
        },
        _ => HttpError::TlsProtocolError,
    }
}
