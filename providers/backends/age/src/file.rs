//! The file: read whole, and replaced whole.

use std::{
    fmt,
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use age::x25519::Identity;
use tempfile::NamedTempFile;
use wrt_vault::Contents;
use zeroize::Zeroizing;

/// Bytes of a file that is read: what all values take as base64, with room for names and for what
/// somebody else has put in by hand.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// How often somebody else's lock is asked for.
const LOCK_INTERVAL: Duration = Duration::from_millis(5);
/// For how long: a process that was stopped while it wrote does not hold up calls for ever.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// The file and its key.
pub(crate) struct SecretsFile {
    path: PathBuf,
    identity: Identity,
}

/// Why a file cannot be read or written. None of them holds what is in it, nor the key.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is none.
    #[error("there is no file {}", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The system does not let it be read or written.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What for.
        what: &'static str,
        /// Which one.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The disk is full; the old file is in its place.
    #[error("no room left for {}", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// The key does not open it, or it is no age file, or it is damaged.
    #[error("{} is no age file that the identity opens", path.display())]
    Closed {
        /// The file.
        path: PathBuf,
    },
    /// What is in it is not what this provider writes.
    #[error("{} opens, and holds no vault: line {line}, column {column}", path.display())]
    NotAVault {
        /// The file.
        path: PathBuf,
        /// Where in the text.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// Larger than any vault.
    #[error("{} has more than {FILE_BYTES_MAX} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Another process has held the lock for too long.
    #[error("another process holds the lock on the file")]
    Locked,
    /// The program stops.
    #[error("the program stops")]
    Stopped,
}

impl SecretsFile {
    pub(crate) fn new(path: PathBuf, identity: Identity) -> Self {
        Self { path, identity }
    }

    /// What is in it now.
    pub(crate) fn read(&self) -> Result<Contents, FileError> {
        let path = self.path.clone();
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(FileError::Missing { path });
            }
            Err(source) => return Err(self.io("open", source)),
        };
        let mut encrypted = Vec::new();
        let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut encrypted);
        read.map_err(|source| self.io("read", source))?;
        if encrypted.len() as u64 > FILE_BYTES_MAX {
            return Err(FileError::TooLarge { path });
        }
        let Ok(text) = age::decrypt(&self.identity, &encrypted).map(Zeroizing::new) else {
            return Err(FileError::Closed { path });
        };
        // What the parser says may quote a value.
        serde_json::from_slice(&text).map_err(|error| FileError::NotAVault {
            path,
            line: error.line(),
            column: error.column(),
        })
    }

    /// An empty one, unless somebody else was faster.
    pub(crate) fn create(&self) -> Result<(), FileError> {
        match self.read() {
            Err(FileError::Missing { .. }) => {
                self.write(&Contents::default())?;
                tracing::info!(file = %self.path.display(), "a new vault, which is empty");
                Ok(())
            }
            read => read.map(drop),
        }
    }

    /// Puts a new file into the place of the old one. Under the lock.
    pub(crate) fn write(&self, contents: &Contents) -> Result<(), FileError> {
        // With room for all of it: a buffer that grows leaves its old memory behind as it is.
        let mut text = Zeroizing::new(Vec::with_capacity(contents.bytes() * 2 + 4096));
        let written = serde_json::to_writer_pretty(&mut *text, contents);
        written.map_err(|error| self.io("write", error.into()))?;
        let encrypted = age::encrypt(&self.identity.to_public(), &text);
        let encrypted = encrypted.map_err(|error| self.io("encrypt", io::Error::other(error)))?;
        self.replace(&encrypted)
            .map_err(|error| match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FileError::Full {
                    path: self.path.clone(),
                },
                _ => self.io("write", error),
            })
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        // Of mode 0600 from the first byte on.
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        File::open(folder)?.sync_all()
    }

    /// Waits for the lock that whoever writes holds, of this process and of others.
    ///
    /// # Cancel safety
    /// Nothing is held when it is dropped.
    pub(crate) async fn lock(&self) -> Result<File, FileError> {
        let end = tokio::time::Instant::now() + LOCK_TIMEOUT;
        loop {
            if let Some(lock) = self.try_lock()? {
                return Ok(lock);
            }
            if tokio::time::Instant::now() >= end {
                return Err(FileError::Locked);
            }
            tokio::time::sleep(LOCK_INTERVAL).await;
        }
    }

    /// The lock, if nobody has it. It is let go when the file is closed.
    pub(crate) fn try_lock(&self) -> Result<Option<File>, FileError> {
        let mut path = self.path.clone().into_os_string();
        path.push(".lock");
        let path = PathBuf::from(path);
        let io = |source| FileError::Io {
            what: "lock",
            path: path.clone(),
            source,
        };
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).write(true);
        let file = file.open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }

    fn io(&self, what: &'static str, source: io::Error) -> FileError {
        FileError::Io {
            what,
            path: self.path.clone(),
            source,
        }
    }
}

impl fmt::Debug for SecretsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretsFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
