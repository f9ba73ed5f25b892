//! Where a node gets the code of a component.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc};

use bytes::Bytes;
use tokio::sync::watch;
use wrt_component::{CompiledComponent, Engines};
use wrt_deployment::{Digest, Store, StoreError};
use wrt_supervision::StartError;

/// Where code comes from.
#[derive(Clone)]
pub enum Code {
    /// From the lattice's store, once it is open. What was fetched is kept in the folder, so that a
    /// node that starts while JetStream is away has what it had.
    Lattice {
        /// The store, once it is open.
        store: watch::Receiver<Option<Store>>,
        /// Where fetched components are kept.
        folder: Option<PathBuf>,
    },
    /// From this process.
    Local(Arc<BTreeMap<Digest, LocalCode>>),
}

/// Code that a process has from the start.
#[derive(Clone)]
pub enum LocalCode {
    /// A component.
    Component(Bytes),
    /// What `wrt-node compile` made of one.
    Artefact(CompiledComponent),
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
            Self::Local(local) => match local.get(&digest) {
                Some(LocalCode::Artefact(compiled)) => return Ok(compiled.clone()),
                Some(LocalCode::Component(bytes)) => bytes.clone(),
                None => {
                    return Err(StartError::Refused(Box::new(StoreError::NoComponent {
                        digest,
                    })));
                }
            },
            Self::Lattice { store, folder } => fetch(store, folder.as_ref(), digest).await?,
        };
        engines
            .compile(bytes)
            .await
            .map_err(|error| StartError::Refused(Box::new(error)))
    }
}

async fn fetch(
    store: &watch::Receiver<Option<Store>>,
    folder: Option<&PathBuf>,
    digest: Digest,
) -> Result<Bytes, StartError> {
    let path = folder.map(|folder| folder.join(format!("{}.wasm", digest.to_hex())));
    if let Some(bytes) = path.as_ref().and_then(|path| fs::read(path).ok()) {
        // Somebody may have touched the file: only what has the digest is the component.
        if Digest::of(&bytes) == digest {
            return Ok(bytes.into());
        }
    }
    let open = store.borrow().clone();
    let Some(open) = open else {
        return Err(StartError::Transient(
            "the lattice's store (JetStream) is not open yet".into(),
        ));
    };
    let bytes = open
        .fetch(digest)
        .await
        .map_err(|error| StartError::Transient(Box::new(error)))?;
    if let Some(path) = path {
        keep(&path, &bytes);
    }
    Ok(bytes)
}

/// Keeps a component for a start without JetStream; that it could not be kept matters only then.
fn keep(path: &std::path::Path, bytes: &[u8]) {
    let partial = path.with_extension(format!("{}.partial", std::process::id()));
    let kept = path
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(&partial, bytes))
        .and_then(|()| fs::rename(&partial, path));
    if let Err(error) = kept {
        tracing::warn!(%error, path = %path.display(), "a component is not kept");
    }
}
