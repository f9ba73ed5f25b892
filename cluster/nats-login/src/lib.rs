//! How a client of NATS logs in: who it says it is, and whom it believes. For the lattice's own
//! connections and for those of a provider alike.
//!
//! The client library sends no user of a server's URL, so that is read here, as other clients of NATS
//! do: `nats://user:password@host`, or `nats://token@host`.
//!
//! Start reading at [`NatsLogin`].

mod discovery;

use std::{
    io,
    path::{Path, PathBuf},
};

use async_nats::{ClientError, ConnectError, ConnectErrorKind, ConnectOptions, ServerAddr};
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};

pub use discovery::Discovery;

/// Who a client says it is, in at most one way, and whom it believes. What is none of these is taken
/// from the servers' URLs.
#[derive(Debug, Clone, Default)]
pub struct NatsLogin {
    /// A user, with its password.
    pub user: Option<String>,
    /// The password of the user.
    pub password: Option<SecretString>,
    /// A token.
    pub token: Option<SecretString>,
    /// A file with the seed of an nkey. Read when the client is made, as the others are.
    pub nkey_file: Option<PathBuf>,
    /// A `.creds` file, with a JWT and a seed.
    pub credentials_file: Option<PathBuf>,
    /// A PEM file with the authority that signed the servers' certificates, beside the system's own.
    /// Naming one requires TLS.
    pub authority_file: Option<PathBuf>,
}

/// Why a client cannot log in like that.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// More than one way.
    #[error("{first} and {second} are two ways to log in: give one of them")]
    Several {
        /// One way.
        first: &'static str,
        /// Another one.
        second: &'static str,
    },
    /// Half of a user and a password.
    #[error("a user and a password go together: {missing} is missing")]
    Half {
        /// The other half.
        missing: &'static str,
    },
    /// A file that cannot be read, or does not hold what it should.
    #[error("cannot use the file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
}

impl NatsLogin {
    /// Checks that there is one way to log in.
    ///
    /// # Errors
    /// [`LoginError::Several`] and [`LoginError::Half`].
    pub fn check(&self) -> Result<(), LoginError> {
        match (&self.user, &self.password) {
            (Some(_), None) => {
                return Err(LoginError::Half {
                    missing: "password",
                });
            }
            (None, Some(_)) => return Err(LoginError::Half { missing: "user" }),
            (Some(_), Some(_)) | (None, None) => {}
        }
        let ways = [
            (self.user.is_some(), "a user"),
            (self.token.is_some(), "a token"),
            (self.nkey_file.is_some(), "an nkey"),
            (self.credentials_file.is_some(), "a credentials file"),
        ];
        let mut given = ways.iter().filter(|(is_given, _)| *is_given);
        match (given.next(), given.next()) {
            (Some((_, first)), Some((_, second))) => Err(LoginError::Several { first, second }),
            _ => Ok(()),
        }
    }

    /// Adds it to what the client is told; `servers` are those that it is told of.
    ///
    /// # Errors
    /// As [`NatsLogin::check`], and files that cannot be used.
    pub async fn apply(
        &self,
        options: ConnectOptions,
        servers: &[ServerAddr],
    ) -> Result<ConnectOptions, LoginError> {
        self.check()?;
        let options = match &self.authority_file {
            Some(path) => {
                // The client reads it at each connect, and says then what is wrong, again and again.
                read(path).await?;
                options
                    .add_root_certificates(path.clone())
                    .require_tls(true)
            }
            None => options,
        };
        if let (Some(user), Some(password)) = (&self.user, &self.password) {
            return Ok(options.user_and_password(user.clone(), exposed(password)));
        }
        if let Some(token) = &self.token {
            return Ok(options.token(exposed(token)));
        }
        if let Some(path) = &self.nkey_file {
            return Ok(options.nkey(read(path).await?.trim().to_owned()));
        }
        if let Some(path) = &self.credentials_file {
            let text = read(path).await?;
            return options.credentials(&text).map_err(of_file(path));
        }
        Ok(match servers.iter().find_map(named_by) {
            Some((user, Some(password))) => options.user_and_password(user, password),
            Some((token, None)) => options.token(token),
            None => options,
        })
    }
}

const REFUSALS: [ConnectErrorKind; 2] = [
    ConnectErrorKind::Authentication,
    ConnectErrorKind::AuthorizationViolation,
];

/// Whether a server has refused who the client says it is. Another attempt will not help.
#[must_use]
pub fn is_refusal(kind: ConnectErrorKind) -> bool {
    REFUSALS.contains(&kind)
}

/// The same, of what a client tells that has lost its connection.
#[must_use]
pub fn is_told_refusal(error: &ClientError) -> bool {
    let text = error.to_string();
    REFUSALS.iter().any(|kind| text.contains(&kind.to_string()))
}

/// What rustls says of a certificate. The client has it as the text of an I/O error.
const UNTRUSTED: &str = "invalid peer certificate";

/// Whether nobody whom the client believes vouches for a server. Another attempt will not help.
#[must_use]
pub fn is_untrusted(error: &ConnectError) -> bool {
    error.to_string().contains(UNTRUSTED)
}

fn exposed(secret: &SecretString) -> String {
    secret.expose_secret().to_owned()
}

async fn read(path: &Path) -> Result<String, LoginError> {
    tokio::fs::read_to_string(path).await.map_err(of_file(path))
}

fn of_file(path: &Path) -> impl Fn(io::Error) -> LoginError {
    move |source| LoginError::File {
        path: path.to_owned(),
        source,
    }
}

/// Who a URL says that the client is: a user and a password, or a token.
fn named_by(server: &ServerAddr) -> Option<(String, Option<String>)> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    Some((decoded(server.username()?), server.password().map(decoded)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The client tells it as a text.
    #[test]
    fn a_refusal_is_known_by_what_the_client_tells() {
        let told = |kind| ClientError::Other(ConnectError::new(kind).to_string());
        assert!(is_told_refusal(&told(
            ConnectErrorKind::AuthorizationViolation
        )));
        assert!(!is_told_refusal(&told(ConnectErrorKind::TimedOut)));
        assert!(!is_told_refusal(&ClientError::MaxReconnects));
    }

    #[test]
    fn one_way_is_enough() {
        let secret = || Some(SecretString::from("hush"));
        let refused = |login: NatsLogin| login.check().err().map(|error| error.to_string());
        assert_eq!(refused(NatsLogin::default()), None);
        let user = NatsLogin {
            user: Some("bob".to_owned()),
            password: secret(),
            ..NatsLogin::default()
        };
        assert_eq!(refused(user.clone()), None);
        let half = NatsLogin {
            password: None,
            ..user.clone()
        };
        assert!(refused(half).is_some_and(|said| said.contains("password is missing")));
        let both = NatsLogin {
            token: secret(),
            ..user
        };
        let said = refused(both.clone()).unwrap();
        assert!(said.contains("a user and a token"), "{said}");
        assert!(!format!("{both:?}").contains("hush"));
    }

    #[test]
    fn a_url_names_a_user_or_a_token() {
        let named = |url: &str| named_by(&url.parse().unwrap());
        let text = |text: &str| text.to_owned();
        assert_eq!(named("nats://h:4222"), None);
        assert_eq!(named("nats://t0ken@h"), Some((text("t0ken"), None)));
        assert_eq!(
            named("tls://bob:p%40ss%3A@h:4222"),
            Some((text("bob"), Some(text("p@ss:"))))
        );
    }
}
