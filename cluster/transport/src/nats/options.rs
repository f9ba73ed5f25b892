//! How a node reaches its NATS servers.

use std::{fmt, time::Duration};

use async_nats::{ConnectErrorKind, ServerAddr};
use wrt_nats_login::NatsLogin;
use wrt_protocol::NodeId;

use super::RefusedPublishes;
use crate::TransportError;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// How a node reaches its NATS servers.
#[derive(Clone)]
pub struct NatsOptions {
    /// URLs of servers of one NATS cluster: `nats://host:4222`, or `tls://`. Others of the cluster
    /// are discovered.
    pub servers: Vec<String>,
    /// Names the connections, so that the server's monitoring tells nodes apart.
    pub node: NodeId,
    /// Who the node says it is, and whom it believes.
    pub login: NatsLogin,
    /// How long to try, at the start, until all lanes are connected. Later, a lost connection is
    /// made again for ever.
    pub connect_timeout: Duration,
    /// What the subjects begin with at which replies arrive, so that permissions can tell whose they are. By
    /// default `_INBOX`.
    pub inbox_prefix: Option<String>,
    /// Where it is told what the servers do not permit this client to publish.
    pub refused: RefusedPublishes,
}

impl NatsOptions {
    /// Options for whoever the URLs name, that wait ten seconds for a server.
    #[must_use]
    pub fn new(node: NodeId, servers: Vec<String>) -> Self {
        Self {
            servers,
            node,
            login: NatsLogin::default(),
            connect_timeout: Duration::from_secs(10),
            inbox_prefix: None,
            refused: RefusedPublishes::default(),
        }
    }

    /// The servers, read.
    pub(super) fn addresses(&self) -> Result<Vec<ServerAddr>, TransportError> {
        let servers = self.servers.iter().map(|url| url.parse());
        let servers: Result<_, _> = servers.collect();
        servers.map_err(|source| self.refused(source))
    }

    /// The servers as a message may show them: a URL can hold a password.
    pub(super) fn servers_redacted(&self) -> String {
        let urls: Vec<_> = self.servers.iter().map(|url| redacted(url)).collect();
        urls.join(", ")
    }

    /// No connection.
    pub(super) fn refused(&self, source: impl Into<Source>) -> TransportError {
        TransportError::Refused {
            what: format!("a connection to {}", self.servers_redacted()),
            source: source.into(),
        }
    }

    /// No connection for whoever this client says it is.
    pub(super) fn not_let_in(&self, source: impl Into<Source>) -> TransportError {
        TransportError::NotLetIn {
            servers: self.servers_redacted(),
            source: source.into(),
        }
    }

    /// No connection to servers that anybody could be.
    pub(super) fn not_trusted(&self, source: impl Into<Source>) -> TransportError {
        TransportError::NotTrusted {
            servers: self.servers_redacted(),
            source: source.into(),
        }
    }
}

impl fmt::Debug for NatsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsOptions")
            .field("servers", &self.servers_redacted())
            .field("node", &self.node)
            .field("login", &self.login)
            .field("connect_timeout", &self.connect_timeout)
            .field("inbox_prefix", &self.inbox_prefix)
            .finish_non_exhaustive()
    }
}

/// Whether trying again could help: a server may be on its way up, a wrong password stays wrong.
pub(super) fn may_heal(kind: ConnectErrorKind) -> bool {
    use ConnectErrorKind as Kind;
    match kind {
        Kind::Dns | Kind::TimedOut | Kind::Io | Kind::MaxReconnects => true,
        Kind::ServerParse | Kind::Authentication | Kind::AuthorizationViolation | Kind::Tls => {
            false
        }
    }
}

fn redacted(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), url),
    };
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}[redacted]@{host}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        let node = NodeId::new("one").unwrap();
        let urls = ["nats://bob:hush@h:4222", "hush@h", "nats://h:4222"];
        let mut options = NatsOptions::new(node, urls.map(str::to_owned).to_vec());
        options.login.token = Some("hush".into());
        let shown = format!("{options:?}");
        assert!(!shown.contains("hush"), "{shown}");
        assert!(shown.contains("nats://h:4222"), "{shown}");
    }
}
