//! Where a node gets the code of a component: once for all who run it.

mod cache;
mod fetched;
mod flights;
mod keeping;
mod local;

use std::sync::Arc;

use wrt_component::{CompiledComponent, Engines};
use wrt_deployment::{Digest, StoreError};
use wrt_supervision::StartError;

pub use cache::{CacheOptions, CodeCache};
pub use fetched::FetchedCode;
use flights::SharedError;
pub use local::{LocalCode, LocalCodes};

/// Where code comes from.
#[derive(Clone)]
pub enum Code {
    /// From the lattice's store.
    Lattice(Arc<FetchedCode>),
    /// From this process.
    Local(Arc<LocalCodes>),
}

/// Why there is no code.
#[derive(Debug, Clone)]
pub(crate) enum CodeError {
    /// The store is away, or does not have it yet.
    Away(SharedError),
    /// It is none.
    Refused(SharedError),
}

impl Code {
    /// Fetches and compiles.
    ///
    /// # Errors
    /// Transient while the store is away, refused where the code is none.
    pub(crate) async fn compiled(
        &self,
        engines: &Engines,
        digest: Digest,
    ) -> Result<CompiledComponent, StartError> {
        let bytes = match self {
            Self::Lattice(fetched) => {
                let compiled = fetched.compiled(engines, digest).await;
                return compiled.map_err(StartError::from);
            }
            Self::Local(local) => match local.get(digest) {
                Some(LocalCode::Artefact(compiled)) => return Ok(compiled),
                Some(LocalCode::Component(bytes)) => bytes,
                None => {
                    let missing = StoreError::NoComponent { digest };
                    return Err(StartError::Refused(Box::new(missing)));
                }
            },
        };
        let compiled = engines.compile(bytes).await;
        compiled.map_err(|error| StartError::Refused(Box::new(error)))
    }
}

impl From<CodeError> for StartError {
    fn from(error: CodeError) -> Self {
        match error {
            CodeError::Away(error) => Self::Transient(Box::new(error)),
            CodeError::Refused(error) => Self::Refused(Box::new(error)),
        }
    }
}
