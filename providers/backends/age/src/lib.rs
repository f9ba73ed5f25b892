//! A file of secrets as a provider of `wrt:vault`, encrypted with age (<https://age-encryption.org/v1>).
//!
//! Invariants:
//! - the file is one age file of JSON, so `age -d -i key secrets.age` of any implementation shows what is
//!   in it, and what is encrypted to the key again is read by the next call;
//! - it changes as a whole: a new file takes the place of the old one when it is on the disk, under a
//!   lock on the file beside it (`secrets.age.lock`), which other processes on the machine honour too;
//! - between two calls nothing of it is in memory. What is decrypted is zeroed when its call ends;
//! - a file that is missing is no empty vault: only [`AgeOptions::create`] makes one, and only where
//!   there is none when the provider starts.
//!
//! Start reading at [`Age`].

mod config;
mod file;

use std::{error::Error, path::PathBuf, sync::Arc};

use tokio::sync::Mutex;
use wrt_contract::{CallContext, async_trait};
use wrt_protocol::{Fault, FaultKind, Hop};
use wrt_runtime::{Backend, Entry, Serves, SettingsError};
use wrt_vault::{
    Contents, Cursor, LockerName, NamePage, Secret, SecretName, SecretValue, Vault, VaultError,
    Version, WrtVault,
};

pub use config::AgeOptions;
pub use file::FileError;
use file::SecretsFile;

/// Values, names and 128 bytes for each value: what one call decrypts, and one that sets encrypts again.
const BYTES_MAX: usize = 16 << 20;

/// A file of secrets.
#[derive(Debug)]
pub struct Age {
    file: Arc<SecretsFile>,
    /// Held by whoever changes the file: in turn, where the lock beside the file knows no order.
    changing: Arc<Mutex<()>>,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Settings that make no sense.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// There is none.
    #[error(
        "there is no file {}: give the right one, or set `create` to begin with an empty one",
        path.display()
    )]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// It cannot be read, or made.
    #[error(transparent)]
    File(FileError),
}

impl Backend for Age {
    const NAME: &'static str = "age";
    const NODE_FILES: &'static [&'static str] = &["file"];

    type ConnectOptions = AgeOptions;
    type ConnectError = ConnectError;

    async fn connect_with(options: AgeOptions) -> Result<Self, ConnectError> {
        let (file, identity) = options.parsed()?;
        let file = Arc::new(SecretsFile::new(file, identity));
        let opened = Arc::clone(&file);
        let opened = blocking(move || match opened.read() {
            Err(FileError::Missing { .. }) if options.create => {
                let lock = opened.try_lock()?;
                let Some(_lock) = lock else {
                    return Err(FileError::Locked);
                };
                opened.create()
            }
            read => read.map(drop),
        });
        match opened.await {
            Ok(Ok(())) => {}
            Ok(Err(FileError::Missing { path })) => return Err(ConnectError::Missing { path }),
            Ok(Err(error)) => return Err(ConnectError::File(error)),
            Err(stopped) => return Err(ConnectError::File(stopped)),
        }
        Ok(Self {
            file,
            changing: Arc::default(),
        })
    }

    fn is_for_good(error: &ConnectError) -> bool {
        matches!(error, ConnectError::Settings(_))
    }

    fn check(options: &AgeOptions) -> Result<(), SettingsError> {
        options.parsed().map(drop)
    }

    /// Whether the file is there, and the key opens it.
    async fn probe(&self, context: &CallContext) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(self.look(context, |_contents| Ok(())).await?)
    }
}

impl Serves<WrtVault> for Age {
    fn serve(entry: &mut Entry<Self>) {
        wrt_vault::offer(entry);
    }
}

impl Age {
    /// Reads the file, and looks at what is in it.
    async fn look<T: Send + 'static>(
        &self,
        context: &CallContext,
        look: impl FnOnce(&Contents) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let file = Arc::clone(&self.file);
        let looked = blocking(move || {
            let contents = file.read().map_err(not_executed)?;
            look(&contents)
        });
        let looked = context.bound(Hop::Backend, looked).await;
        looked?.map_err(not_executed)?
    }

    /// Reads the file, changes what is in it, and writes it, if it was changed. Changes come one after the
    /// other. One whose caller has left goes on to its end.
    async fn change<T: Send + 'static>(
        &self,
        context: &CallContext,
        change: impl FnOnce(&mut Contents) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let file = Arc::clone(&self.file);
        let changed = async {
            let turn = Arc::clone(&self.changing).lock_owned().await;
            let lock = file.lock().await.map_err(not_executed)?;
            let changed = blocking(move || {
                let _held_to_the_end = (turn, lock);
                let before = file.read().map_err(not_executed)?;
                let mut contents = before.clone();
                let answer = change(&mut contents)?;
                if contents != before {
                    file.write(&contents).map_err(failed_to_write)?;
                }
                Ok(answer)
            });
            changed.await.map_err(failed_to_write)?
        };
        context.bound(Hop::Backend, changed).await?
    }
}

/// Work on the file, off the threads that serve.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, FileError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_stopped| FileError::Stopped)
}

fn not_executed(error: FileError) -> VaultError {
    let detail = text(&error);
    Fault::not_executed(FaultKind::Unavailable, Hop::Backend, detail).into()
}

/// The old file is in its place as long as the new one is not whole, and which of them a machine that
/// loses its power now has later is not known.
fn failed_to_write(error: FileError) -> VaultError {
    match error {
        FileError::Full { .. } => VaultError::Full,
        error => {
            let detail = text(&error);
            Fault::maybe_executed(FaultKind::Unavailable, Hop::Backend, detail).into()
        }
    }
}

fn text(error: &FileError) -> String {
    let source = error.source().map(|source| format!(": {source}"));
    format!("age: {error}{}", source.unwrap_or_default())
}

#[async_trait]
impl Vault for Age {
    async fn get(
        &self,
        context: &CallContext,
        locker: &LockerName,
        name: &SecretName,
        version: Option<Version>,
    ) -> Result<Option<Secret>, VaultError> {
        let (locker, name) = (locker.clone(), name.clone());
        self.look(context, move |it| {
            Ok(it.get(&locker, &name, version.as_ref()))
        })
        .await
    }

    async fn set(
        &self,
        context: &CallContext,
        locker: &LockerName,
        name: &SecretName,
        value: SecretValue,
    ) -> Result<Version, VaultError> {
        let (locker, name) = (locker.clone(), name.clone());
        self.change(context, move |it| it.set(&locker, &name, value, BYTES_MAX))
            .await
    }

    async fn delete(
        &self,
        context: &CallContext,
        locker: &LockerName,
        name: &SecretName,
    ) -> Result<(), VaultError> {
        let (locker, name) = (locker.clone(), name.clone());
        let deleted = self.change(context, move |it| Ok(it.delete(&locker, &name)));
        deleted.await.map(drop)
    }

    async fn exists(
        &self,
        context: &CallContext,
        locker: &LockerName,
        name: &SecretName,
    ) -> Result<bool, VaultError> {
        let (locker, name) = (locker.clone(), name.clone());
        self.look(context, move |it| Ok(it.exists(&locker, &name)))
            .await
    }

    async fn list(
        &self,
        context: &CallContext,
        locker: &LockerName,
        cursor: Option<Cursor>,
    ) -> Result<NamePage, VaultError> {
        let locker = locker.clone();
        self.look(context, move |it| it.list(&locker, cursor.as_ref()))
            .await
    }

    async fn versions(
        &self,
        context: &CallContext,
        locker: &LockerName,
        name: &SecretName,
    ) -> Result<Vec<Version>, VaultError> {
        let (locker, name) = (locker.clone(), name.clone());
        self.look(context, move |it| Ok(it.versions(&locker, &name)))
            .await
    }
}
