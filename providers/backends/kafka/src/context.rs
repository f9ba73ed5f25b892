//! What librdkafka's own threads tell.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use parking_lot::Mutex;
use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    consumer::ConsumerContext,
    error::{KafkaError, RDKafkaErrorCode},
};

/// What is known of the way to the brokers. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Context(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// No broker is connected, as far as is known.
    is_cut_off: AtomicBool,
    /// Why the login was refused last, in the broker's words.
    shut_out: Mutex<Option<String>>,
    /// What was wrong last.
    last: Mutex<Option<String>>,
    /// Why a client does not go on, if one does not.
    over: Mutex<Option<String>>,
}

impl Context {
    pub(crate) fn is_cut_off(&self) -> bool {
        self.0.is_cut_off.load(Relaxed)
    }

    /// Why the login was refused, if it was since a broker answered last.
    pub(crate) fn shut_out(&self) -> Option<String> {
        self.0.shut_out.lock().clone()
    }

    /// What was wrong since a broker answered last.
    pub(crate) fn last(&self) -> Option<String> {
        self.0.last.lock().clone()
    }

    /// Why one of the clients does not go on, whatever brokers answer: only others in its place will.
    pub(crate) fn over(&self) -> Option<String> {
        self.0.over.lock().clone()
    }

    /// A client does not go on.
    pub(crate) fn is_over(&self, why: &str) {
        tracing::error!(why, "kafka: a client does not go on");
        self.0.over.lock().get_or_insert_with(|| why.to_owned());
    }

    /// A broker has answered.
    pub(crate) fn answered(&self) {
        self.0.is_cut_off.store(false, Relaxed);
        *self.0.shut_out.lock() = None;
        *self.0.last.lock() = None;
    }
}

/// Of a consumer that is of no group.
impl ConsumerContext for Context {}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, text: &str) {
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => tracing::warn!(fac, "librdkafka: {text}"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                tracing::info!(fac, "librdkafka: {text}");
            }
            RDKafkaLogLevel::Debug => tracing::debug!(fac, "librdkafka: {text}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            // What comes before says why.
            Some(RDKafkaErrorCode::AllBrokersDown) => self.0.is_cut_off.store(true, Relaxed),
            Some(RDKafkaErrorCode::Fatal) => self.is_over(reason),
            code => {
                let is_login = code == Some(RDKafkaErrorCode::Authentication);
                let reason = Some(reason.to_owned());
                if is_login || reason.as_deref().is_some_and(is_of_certificate) {
                    self.0.shut_out.lock().clone_from(&reason);
                }
                *self.0.last.lock() = reason;
            }
        }
        tracing::debug!(%error, reason, "kafka");
    }
}

/// Whether a broker says no to the client's certificate, or to there being none: by an alert of TLS (RFC 8446,
/// section 6.2), which the client's library quotes.
fn is_of_certificate(reason: &str) -> bool {
    let alert = reason.split_once("SSL alert number ").map(|(_, alert)| {
        let end = alert.find(|it: char| !it.is_ascii_digit());
        alert[..end.unwrap_or(alert.len())].parse()
    });
    matches!(alert, Some(Ok(42_u8..=46 | 48 | 49 | 116)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_is_refused_is_a_login_that_is() {
        let told = "ssl://localhost:1: error:0A000412:SSL routines::alert bad certificate: SSL alert number";
        for (reason, expected) in [
            (format!("{told} 42 (after 5ms in state UP)"), true),
            (format!("{told} 116"), true),
            (format!("{told} 40"), false),
            (format!("{told} "), false),
            ("certificate verify failed: 42".to_owned(), false),
        ] {
            assert_eq!(is_of_certificate(&reason), expected, "{reason}");
        }
    }

    /// Fails when a producer that takes nothing more is thought to be well since brokers answer.
    #[test]
    fn a_client_that_is_over_stays_so_when_brokers_answer() {
        let context = Context::default();
        let tell = |code| ClientContext::error(&context, KafkaError::Global(code), "told");
        tell(RDKafkaErrorCode::AllBrokersDown);
        tell(RDKafkaErrorCode::BrokerTransportFailure);
        assert!(context.is_cut_off() && context.over().is_none());
        tell(RDKafkaErrorCode::Fatal);
        context.answered();
        assert_eq!(context.over().as_deref(), Some("told"));
        assert!(!context.is_cut_off() && context.last().is_none());
    }
}
