//! A folder of files that can be made again, shared by whoever likes: several processes, one killed in
//! the middle of a write, never disturb each other.
//!
//! A file is written under a name of its own and appears under its right one whole. While it is written
//! it is locked, so that whoever opens the folder knows what is left over of a process that is gone.

use std::{
    fs::{self, DirBuilder, File, FileTimes},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use rustix::fs::{FlockOperation, flock};
use tempfile::{Builder, NamedTempFile};

const PARTIAL: &str = ".partial";
/// How often a file that is begun may be taken for a left-over before it is locked.
const BEGIN_ATTEMPTS_MAX: usize = 8;

/// A folder of files that can be made again.
#[derive(Debug, Clone)]
pub struct CacheFolder(PathBuf);

/// A file of a [`CacheFolder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedFile {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// When it was last used, or written: by the wall clock, and so only for an order.
    pub used_at: SystemTime,
}

impl CacheFolder {
    /// Opens the folder, made for this user alone if it is missing, and removes what is left over of
    /// files that nobody writes any more.
    ///
    /// # Errors
    /// When it cannot be made. What cannot be removed stays.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)?;
        let folder = Self(path);
        let left = folder.remove_left_overs();
        if left > 0 {
            let path = folder.0.display();
            tracing::warn!(%path, files = left, "removed what a process has left half written");
        }
        Ok(folder)
    }

    /// Where a file of it is.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Begins to write a file, under a name that nobody else has.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn begin(&self, name: &str) -> io::Result<PartialFile> {
        for _ in 0..BEGIN_ATTEMPTS_MAX {
            let prefix = format!("{name}.");
            let mut builder = Builder::new();
            // Mode 0600: what a temporary file is made with.
            let file = builder
                .prefix(&prefix)
                .suffix(PARTIAL)
                .tempfile_in(&self.0)?;
            flock(file.as_file(), FlockOperation::LockExclusive)?;
            // Before it was locked, somebody who opens the folder could take it for a left-over.
            if file.as_file().metadata()?.nlink() > 0 {
                let target = self.path(name);
                return Ok(PartialFile { file, target });
            }
        }
        Err(io::Error::other(
            "its files are removed as soon as they are made",
        ))
    }

    /// What is there, but for what is being written.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn files(&self) -> io::Result<Vec<CachedFile>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            // Somebody else may have removed it meanwhile.
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if metadata.is_file() && !name.ends_with(PARTIAL) {
                files.push(CachedFile {
                    name,
                    bytes: metadata.len(),
                    used_at: metadata.modified()?,
                });
            }
        }
        Ok(files)
    }

    /// Notes that a file is used; that it cannot be noted matters to the order alone.
    #[expect(
        clippy::disallowed_methods,
        reason = "files of several processes have no other clock in common"
    )]
    pub fn touch(&self, name: &str) {
        let now = FileTimes::new().set_modified(SystemTime::now());
        let _noted = File::open(self.path(name)).and_then(|file| file.set_times(now));
    }

    /// Removes a file; one that is not there is removed.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Removes files, those first that were not used for longest, until all have `bytes_max` in all. What
    /// is `kept` stays.
    ///
    /// # Errors
    /// When the folder cannot be read, or a file not be removed.
    pub fn shrink(&self, bytes_max: u64, kept: impl Fn(&str) -> bool) -> io::Result<()> {
        let mut files = self.files()?;
        files.sort_unstable_by_key(|file| file.used_at);
        let mut bytes: u64 = files.iter().map(|file| file.bytes).sum();
        for file in files.iter().filter(|file| !kept(&file.name)) {
            if bytes <= bytes_max {
                break;
            }
            self.remove(&file.name)?;
            bytes -= file.bytes;
        }
        Ok(())
    }

    /// Answers how many there were.
    fn remove_left_overs(&self) -> usize {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        let is_partial = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.ends_with(PARTIAL))
        };
        paths
            .filter(is_partial)
            .filter(|path| remove_left_over(path).unwrap_or(false))
            .count()
    }
}

/// Removes a file that is half written, unless somebody is writing it; answers whether it did.
fn remove_left_over(path: &Path) -> io::Result<bool> {
    let file = File::open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => fs::remove_file(path).map(|()| true),
        Err(_somebody_writes_it) => Ok(false),
    }
}

/// A file that is being written. Dropped before it is kept, it is gone.
#[derive(Debug)]
pub struct PartialFile {
    file: NamedTempFile,
    target: PathBuf,
}

impl PartialFile {
    /// Gives it its right name, in place of what had it: it is whole.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn keep(self) -> io::Result<()> {
        self.file
            .persist(self.target)
            .map(drop)
            .map_err(|it| it.error)
    }
}

impl Write for PartialFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_file_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_file_mut().flush()
    }
}

#[cfg(test)]
mod tests;
