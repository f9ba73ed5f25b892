//! The client by which services are asked for tokens: over HTTPS, and by nothing that a node's environment says.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use reqwest::{Client, Url, redirect};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem, pem::PemObject as _},
};

/// How long it takes at most until there is a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum HttpsError {
    /// A file that cannot be read, or is no PEM with a certificate.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// What TLS has against its settings.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// What the client has.
    #[error("the client cannot be set up")]
    Client(#[source] reqwest::Error),
}

/// A client that trusts the authorities in a file, or else the system's own. It follows no redirect, so that a
/// secret goes where the settings say, and uses no proxy.
///
/// Reads files: not for a thread of the runtime.
///
/// # Errors
/// [`HttpsError`].
pub fn client(authority_file: Option<&Path>) -> Result<Client, HttpsError> {
    let trusted = match authority_file {
        Some(path) => authorities(path)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut roots = RootCertStore::empty();
    let (_added, _unusable) = roots.add_parsable_certificates(trusted);
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(HttpsError::Tls)?;
    let client = Client::builder()
        .tls_backend_preconfigured(tls.with_root_certificates(roots).with_no_client_auth())
        .redirect(redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT);
    client.build().map_err(HttpsError::Client)
}

fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, HttpsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.and_then(|found| match found.is_empty() {
        true => Err(pem::Error::NoItemsFound),
        false => Ok(found),
    });
    found.map_err(|source| HttpsError::File {
        path: path.to_owned(),
        source,
    })
}

/// Whether nobody but this machine reads what is sent there: over TLS, or to itself. A password in the address
/// is none of what may be there.
#[must_use]
pub fn keeps_secrets(url: &Url) -> bool {
    let is_local = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let is_open = url.username().is_empty() && url.password().is_none();
    is_open && (url.scheme() == "https" || (url.scheme() == "http" && is_local))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_goes_over_tls_or_stays_on_this_machine() {
        for (url, expected) in [
            ("https://login.example.com/token", true),
            ("http://127.0.0.1:1/token", true),
            ("http://[::1]/token", true),
            ("http://localhost/token", true),
            ("http://login.example.com/token", false),
            ("http://127.0.0.1.example.com/token", false),
            ("https://user:hush@login.example.com/token", false),
            ("ftp://127.0.0.1/token", false),
        ] {
            assert_eq!(keeps_secrets(&url.parse().unwrap()), expected, "{url}");
        }
    }
}
