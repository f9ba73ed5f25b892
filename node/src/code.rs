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

impl Code {
    /// Has the code lie where [`Code::compiled`] finds it at once, and not run.
    ///
    /// # Errors
    /// As [`Code::compiled`].
    pub(crate) async fn make_ready(
        &self,
        engines: &Engines,
        digest: Digest,
    ) -> Result<MadeReady, StartError> {
        match self {
            Self::Lattice(fetched) => Ok(fetched.make_ready(engines, digest).await?),
            Self::Local(_) => Ok(MadeReady::NotKept),
        }
    }

    /// How many components are ready that do not have to run.
    pub(crate) fn ready_count(&self) -> usize {
        match self {
            Self::Lattice(fetched) => fetched.ready_count(),
            Self::Local(_) => 0,
        }
    }
}

/// What has become of code that was to be ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MadeReady {
    /// It is, from now on.
    Now,
    /// It was before.
    Before,
    /// There is nowhere to keep it, or as much is ready as may be.
    NotKept,
}

impl From<CodeError> for StartError {
    fn from(error: CodeError) -> Self {
        match error {
            CodeError::Away(error) => Self::Transient(Box::new(error)),
            CodeError::Refused(error) => Self::Refused(Box::new(error)),
        }
    }
}
