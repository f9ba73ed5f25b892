//! Whom the client trusts.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem, pem::PemObject},
};

use crate::{Http2, HttpClientConfig};

/// Why the certificates of the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file that cannot be read, or is not PEM.
    #[error("cannot read certificates from {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// A file without a certificate in it.
    #[error("{} has no certificate", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Something in a file that is no certificate of an authority.
    #[error("a certificate in {} cannot be used", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The provider of cryptography does not speak the versions of TLS that are wanted.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

/// As TLS names it.
pub(crate) const HTTP_1: &[u8] = b"http/1.1";

/// Reads files: not for a thread of the runtime.
pub(crate) fn client_config(config: &HttpClientConfig) -> Result<ClientConfig, CertificateError> {
    let mut roots = RootCertStore::empty();
    if config.system_certificates {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "some certificates of the system cannot be read");
        }
        let (added, _unusable) = roots.add_parsable_certificates(found.certs);
        if added == 0 && config.certificates.is_empty() {
            tracing::warn!("the system trusts no certificates: requests over TLS will fail");
        }
    }
    for path in &config.certificates {
        add_file(&mut roots, path)?;
    }
    let mut tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(CertificateError::Setup)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let protocols: &[&[u8]] = match config.http2 {
        Http2::Negotiated => &[b"h2", HTTP_1],
        Http2::PriorKnowledge => &[b"h2"],
        Http2::Off => &[HTTP_1],
    };
    tls.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(tls)
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), CertificateError> {
    let unreadable = |source| CertificateError::File {
        path: path.to_owned(),
        source,
    };
    let before = roots.len();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        let certificate = certificate.map_err(unreadable)?;
        roots
            .add(certificate)
            .map_err(|source| CertificateError::Certificate {
                path: path.to_owned(),
                source,
            })?;
    }
    if roots.len() == before {
        return Err(CertificateError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(())
}
