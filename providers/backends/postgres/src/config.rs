//! How the provider is set up.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use tokio_postgres::config::{Config, Host, SslMode};
use wrt_runtime::{FromEnv, ServiceAddress, Settings, SettingsError, check_range};

/// How long sent bytes may stay unacknowledged by the server's kernel before the connection counts as
/// lost. A server that is merely busy, or stopped, acknowledges.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(10);

/// A Postgres server, and how it is used.
#[derive(Debug, Clone, confique::Config)]
pub struct PostgresConfig {
    /// `postgres://` with user, password and database, and several hosts with commas between them. With
    /// `?target_session_attrs=read-write` the one of them is used that takes writes. `?sslmode=verify-full`
    /// asks for TLS, and `?sslmode=disable` for none; without it there is TLS but to this machine itself.
    /// The server's certificate, and its name, are always checked.
    #[config(
        env = "POSTGRES_URL",
        default = "postgres://postgres@127.0.0.1:5432/postgres"
    )]
    pub url: ServiceAddress,
    /// A PEM file with the authority that signed the server's certificate, in place of the system's own. A
    /// manifest names no file: it refers to a variable that the node's operator lets through.
    #[config(env = "POSTGRES_AUTHORITY_FILE")]
    pub authority_file: Option<PathBuf>,
    /// A PEM file with the certificate that the client shows.
    #[config(env = "POSTGRES_CERTIFICATE_FILE")]
    pub certificate_file: Option<PathBuf>,
    /// A PEM file with the key of that certificate.
    #[config(env = "POSTGRES_KEY_FILE")]
    pub key_file: Option<PathBuf>,
    /// Connections: so many statements, streams and transactions at a time.
    #[config(env = "POSTGRES_CONNECTIONS_MAX", default = 16)]
    pub connections_max: u64,
    /// How long a call waits for one of them, in milliseconds, before it is refused as *overloaded*.
    #[config(env = "POSTGRES_CONNECTION_WAIT_MS", default = 5000)]
    pub connection_wait_ms: u64,
    /// How long one attempt to connect may take, in milliseconds.
    #[config(env = "POSTGRES_CONNECT_TIMEOUT_MS", default = 2000)]
    pub connect_timeout_ms: u64,
    /// After how long a transaction is rolled back that has not ended, in milliseconds. The server does it
    /// where this node cannot.
    #[config(env = "POSTGRES_TRANSACTION_MS_MAX", default = 30_000)]
    pub transaction_ms_max: u64,
    /// Statements that each connection keeps prepared; beyond it all are forgotten. Behind a pooler that
    /// shares connections between statements it has to keep them too.
    #[config(env = "POSTGRES_STATEMENTS_MAX", default = 256)]
    pub statements_max: u64,
    /// Whether a server that takes no writes will do: a standby, for an app that only reads.
    #[config(env = "POSTGRES_READ_ONLY", default = false)]
    pub read_only: bool,
}

impl PostgresConfig {
    /// Checks what the types cannot.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        self.parsed().map_err(|message| SettingsError::Value {
            field: "url".to_owned(),
            message,
        })?;
        if self.certificate_file.is_some() != self.key_file.is_some() {
            return Err(SettingsError::Together {
                message: "`certificate_file` and `key_file` go together".to_owned(),
            });
        }
        check_range("connections_max", self.connections_max, 1..=1000)?;
        check_range("connection_wait_ms", self.connection_wait_ms, 1..=60_000)?;
        check_range("connect_timeout_ms", self.connect_timeout_ms, 10..=60_000)?;
        check_range(
            "transaction_ms_max",
            self.transaction_ms_max,
            100..=3_600_000,
        )?;
        check_range("statements_max", self.statements_max, 1..=100_000)
    }

    /// What the driver is told; why not, without a word of the URL.
    pub(crate) fn parsed(&self) -> Result<Config, String> {
        let (url, mode) = without_sslmode(self.url.reveal());
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err("use a URL that begins with postgres://".to_owned());
        }
        // The driver's error quotes what it could not read, which may be a password.
        let parsed = url.parse::<Config>();
        let mut config = parsed.map_err(|_quotes_it| "it is no URL of Postgres".to_owned())?;
        let has_files = self.authority_file.is_some() || self.certificate_file.is_some();
        config.ssl_mode(match mode.as_deref() {
            None if is_local(&config) && !has_files => SslMode::Disable,
            None | Some("require" | "verify-ca" | "verify-full") => SslMode::Require,
            Some("disable") => SslMode::Disable,
            Some(_) => {
                return Err(
                    "sslmode is verify-full or disable: it is not left to chance".to_owned(),
                );
            }
        });
        config.connect_timeout(Duration::from_millis(self.connect_timeout_ms));
        config.tcp_user_timeout(UNACKNOWLEDGED_MAX);
        config.keepalives(true);
        config.keepalives_idle(UNACKNOWLEDGED_MAX);
        if config.get_application_name().is_none() {
            config.application_name("wrt");
        }
        Ok(config)
    }

    pub(crate) fn connection_wait(&self) -> Duration {
        Duration::from_millis(self.connection_wait_ms)
    }
}

/// A URL without the parameter that the driver knows other words for, and that parameter.
fn without_sslmode(url: &str) -> (String, Option<String>) {
    let Some((place, parameters)) = url.split_once('?') else {
        return (url.to_owned(), None);
    };
    let (mut rest, mut mode) = (Vec::new(), None);
    for parameter in parameters.split('&') {
        match parameter.strip_prefix("sslmode=") {
            Some(value) => mode = Some(value.to_owned()),
            None => rest.push(parameter),
        }
    }
    let rest = rest.join("&");
    let mark = if rest.is_empty() { "" } else { "?" };
    (format!("{place}{mark}{rest}"), mode)
}

/// Whether nothing leaves this machine.
fn is_local(config: &Config) -> bool {
    let hosts = config.get_hosts().iter().all(|host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            let address = name.parse::<IpAddr>();
            name == "localhost" || address.is_ok_and(|address| address.is_loopback())
        }
    });
    hosts && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

impl Default for PostgresConfig {
    fn default() -> Self {
        Self::load(Settings::default()).expect("every setting has a default")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> PostgresConfig {
        PostgresConfig {
            url: ServiceAddress::new(url),
            ..PostgresConfig::default()
        }
    }

    #[test]
    fn there_is_tls_but_on_this_machine() {
        for (url, expected) in [
            ("postgres://a:b@127.0.0.1/c", Ok(SslMode::Disable)),
            ("postgres://a@localhost:1/c", Ok(SslMode::Disable)),
            ("postgres://a@[::1]/c", Ok(SslMode::Disable)),
            ("postgres://a@db.example.com/c", Ok(SslMode::Require)),
            (
                "postgres://a@localhost,db.example.com/c",
                Ok(SslMode::Require),
            ),
            (
                "postgres://a@127.0.0.1/c?sslmode=verify-full",
                Ok(SslMode::Require),
            ),
            (
                "postgresql://a@b/c?application_name=x&sslmode=disable",
                Ok(SslMode::Disable),
            ),
            ("postgres://a@b/c?sslmode=prefer", Err("left to chance")),
            ("postgres://a@b/c?sslmode=secret", Err("left to chance")),
            ("postgres://a:secret@b:port/c", Err("no URL")),
            ("host=b password=secret", Err("postgres://")),
        ] {
            match (of(url).parsed(), expected) {
                (Ok(config), Ok(mode)) => assert_eq!(config.get_ssl_mode(), mode, "{url}"),
                (Err(message), Err(words)) => {
                    assert!(message.contains(words), "{url}: {message}");
                    assert!(!message.contains("secret"), "{message}");
                }
                (other, expected) => panic!("{url}: {other:?}, and not {expected:?}"),
            }
        }
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let none = PostgresConfig {
            connections_max: 0,
            ..PostgresConfig::default()
        };
        let keyless = PostgresConfig {
            certificate_file: Some("/a".into()),
            ..PostgresConfig::default()
        };
        for (config, is_legal) in [
            (PostgresConfig::default(), true),
            (of("mysql://a"), false),
            (none, false),
            (keyless, false),
        ] {
            assert_eq!(config.check().is_ok(), is_legal, "{config:?}");
        }
    }
}
