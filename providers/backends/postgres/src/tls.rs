//! Whom the client trusts, and who it says that it is.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
};

use crate::PostgresConfig;

/// Why the files of the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read, or is no PEM with what is needed.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// Certificates or a key that cannot be used.
    #[error("the certificates, or the key, cannot be used")]
    Unusable(#[source] rustls::Error),
}

/// Reads files: not for a thread of the runtime.
pub(crate) fn client_config(config: &PostgresConfig) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    match &config.authority_file {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(TlsError::Unusable)?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            let (_added, _unusable) = roots.add_parsable_certificates(found.certs);
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?
        .with_root_certificates(roots);
    match (&config.certificate_file, &config.key_file) {
        (Some(certificate), Some(key)) => {
            let read = PrivateKeyDer::from_pem_file(key);
            let key = read.map_err(|source| unreadable(key, source))?;
            let shown = certificates(certificate)?;
            let config = builder.with_client_auth_cert(shown, key);
            config.map_err(TlsError::Unusable)
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let found: Vec<_> = found.map_err(|source| unreadable(path, source))?;
    match found.is_empty() {
        false => Ok(found),
        true => Err(unreadable(path, pem::Error::NoItemsFound)),
    }
}

fn unreadable(path: &Path, source: pem::Error) -> TlsError {
    TlsError::File {
        path: path.to_owned(),
        source,
    }
}
