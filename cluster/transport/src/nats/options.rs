//! How a node reaches its NATS servers.

use std::{fmt, path::PathBuf, time::Duration};

use async_nats::{ConnectErrorKind, ConnectOptions};
use wrt_protocol::NodeId;

/// A text that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` out of logs.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Who a node says it is.
#[derive(Debug, Clone, Default)]
pub enum NatsCredentials {
    /// Nobody in particular, or whoever the server's URL names.
    #[default]
    None,
    /// A token.
    Token(Secret),
    /// A user and a password.
    UserPassword {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// The seed of an nkey.
    Nkey(Secret),
    /// A `.creds` file, which holds a JWT and a seed. It is read at each connect.
    File(PathBuf),
}

/// How a node reaches its NATS servers.
#[derive(Clone)]
pub struct NatsOptions {
    /// URLs of servers of one NATS cluster: `nats://host:4222`, or `tls://`. Others of the cluster
    /// are discovered.
    pub servers: Vec<String>,
    /// Names the connections, so that the server's monitoring tells nodes apart.
    pub node: NodeId,
    /// Who the node says it is.
    pub credentials: NatsCredentials,
    /// A PEM file with the authority that signed the servers' certificates, beside the system's
    /// own. Naming one requires TLS.
    pub authority_file: Option<PathBuf>,
    /// How long to try, at the start, until all lanes are connected. Later, a lost connection is
    /// made again for ever.
    pub connect_timeout: Duration,
}

impl NatsOptions {
    /// Options without credentials and TLS, that wait ten seconds for a server.
    #[must_use]
    pub fn new(node: NodeId, servers: Vec<String>) -> Self {
        Self {
            servers,
            node,
            credentials: NatsCredentials::None,
            authority_file: None,
            connect_timeout: Duration::from_secs(10),
        }
    }

    /// The servers as a message may show them: a URL can hold a password.
    pub(super) fn servers_redacted(&self) -> String {
        let urls: Vec<_> = self.servers.iter().map(|url| redacted(url)).collect();
        urls.join(", ")
    }

    /// Adds credentials and authority to what the client is told.
    pub(super) async fn apply(
        &self,
        options: ConnectOptions,
    ) -> Result<ConnectOptions, std::io::Error> {
        let options = match &self.credentials {
            NatsCredentials::None => options,
            NatsCredentials::Token(token) => options.token(token.expose().to_owned()),
            NatsCredentials::UserPassword { user, password } => {
                options.user_and_password(user.clone(), password.expose().to_owned())
            }
            NatsCredentials::Nkey(seed) => options.nkey(seed.expose().to_owned()),
            NatsCredentials::File(path) => {
                options.credentials(&tokio::fs::read_to_string(path).await?)?
            }
        };
        Ok(match &self.authority_file {
            Some(path) => options
                .add_root_certificates(path.clone())
                .require_tls(true),
            None => options,
        })
    }
}

impl fmt::Debug for NatsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsOptions")
            .field("servers", &self.servers_redacted())
            .field("node", &self.node)
            .field("credentials", &self.credentials)
            .field("authority_file", &self.authority_file)
            .field("connect_timeout", &self.connect_timeout)
            .finish()
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
        for credentials in [
            NatsCredentials::Token(Secret::new("hush")),
            NatsCredentials::Nkey(Secret::new("hush")),
            NatsCredentials::UserPassword {
                user: "bob".to_owned(),
                password: Secret::new("hush"),
            },
        ] {
            options.credentials = credentials;
            let shown = format!("{options:?}");
            assert!(!shown.contains("hush"), "{shown}");
            assert!(shown.contains("nats://h:4222"), "{shown}");
        }
    }
}
