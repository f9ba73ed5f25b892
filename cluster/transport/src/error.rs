//! Why a payload did not go.

/// A payload that was not sent, or a request without a reply.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The bus knows that nobody subscribes to the subject: the payload reached no one.
    #[error("nobody subscribes to {subject}")]
    NoResponders {
        /// Where it was sent.
        subject: String,
    },
    /// This node's connection to the bus is down.
    #[error("not connected to the bus")]
    Disconnected {
        /// Whether the payload may have left before the connection was lost.
        sent: bool,
    },
    /// The payload is over what the bus takes.
    #[error("payload of {bytes} bytes is over the bus's limit of {bytes_max}")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The transport was closed.
    #[error("transport is closed")]
    Closed,
    /// The servers do not let this client in, or it has no login that could be tried. Nothing mends that
    /// but another login.
    #[error("{servers} let this client not in")]
    NotLetIn {
        /// The servers, without passwords.
        servers: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Nobody whom this client believes vouches for the servers' certificates.
    #[error("the certificate of {servers} is not trusted")]
    NotTrusted {
        /// The servers, without passwords.
        servers: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The servers' permissions do not allow it. Nothing mends that but other permissions.
    #[error(
        "the NATS server's permissions do not allow {what}: `wrt permissions` prints those that each role of a \
         lattice needs"
    )]
    NotPermitted {
        /// What this client has tried.
        what: String,
    },
    /// The bus refused a connection or a subscription.
    #[error("the bus refused {what}")]
    Refused {
        /// What was asked for.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
