//! Whom the exporter trusts.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem, pem::PemObject as _},
};

/// Why the authority cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read, or is no PEM with a certificate.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// A certificate that cannot be used.
    #[error("the authority cannot be used")]
    Unusable(#[source] rustls::Error),
}

/// Reads files: not for a thread of the runtime.
pub(crate) fn client_config(authority: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    match authority {
        Some(path) => {
            let unreadable = |source| TlsError::File {
                path: path.to_owned(),
                source,
            };
            let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
            let found: Vec<_> = found.map_err(unreadable)?;
            if found.is_empty() {
                return Err(unreadable(pem::Error::NoItemsFound));
            }
            for certificate in found {
                roots.add(certificate).map_err(TlsError::Unusable)?;
            }
        }
        None => {
            let _usable =
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.map_err(TlsError::Unusable)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
