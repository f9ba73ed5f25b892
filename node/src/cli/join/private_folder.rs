//! A folder that only its owner reads: what lies there has environments and passwords.

use std::{
    fs::{self, DirBuilder, Permissions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use wrt_component::CacheFolder;

const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// A folder of files that only its owner reads.
pub struct PrivateFolder(CacheFolder);

impl PrivateFolder {
    /// Opens the folder, made if need be. One that was made by an earlier build, and what lies in it,
    /// is closed to others.
    ///
    /// # Errors
    /// When it cannot be made, or not be closed.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(FOLDER_MODE).create(&path)?;
        tighten(&path, FOLDER_MODE)?;
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            // A link is somebody else's, and leads elsewhere.
            if entry.file_type()?.is_file() {
                tighten(&entry.path(), FILE_MODE)?;
            }
        }
        Ok(Self(CacheFolder::open(path)?))
    }

    /// Where a file of it is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    /// Writes a file whole: who reads it meanwhile has what was there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        // With a mode that shuts others out.
        let mut file = self.0.begin(name)?;
        file.write_all(bytes)?;
        file.keep()
    }

    /// Reads a file; `None` if it is not there.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn tighten(path: &Path, mode: u32) -> io::Result<()> {
    let permissions = fs::metadata(path)?.permissions();
    if permissions.mode() & 0o777 == mode {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        let metadata = fs::metadata(path).expect("it is there");
        metadata.permissions().mode() & 0o777
    }

    #[test]
    fn nobody_else_reads_what_is_kept() {
        let parent = tempfile::tempdir().expect("a folder");
        let path = parent.path().join("wrt").join("desired");
        let folder = PrivateFolder::open(path.clone()).expect("it can be made");
        assert!(folder.read("a.json").expect("it can be read").is_none());
        folder.write("a.json", b"1").expect("it can be written");
        folder.write("a.json", b"2").expect("once more");
        let bytes = folder.read("a.json").expect("it can be read");
        assert_eq!(bytes.as_deref(), Some(&b"2"[..]));
        assert_eq!(
            (mode(&path), mode(&path.join("a.json"))),
            (FOLDER_MODE, FILE_MODE)
        );
    }

    /// As builds before this one left it.
    #[test]
    fn what_others_could_read_is_closed() {
        let parent = tempfile::tempdir().expect("a folder");
        let path = parent.path().join("desired");
        fs::create_dir(&path).expect("it can be made");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("it is ours");
        let files = ["default-a.json", "default-a.epoch", "default-a.partial"];
        let files = files.map(|name| path.join(name));
        for file in &files {
            fs::write(file, "[]").expect("it can be written");
            fs::set_permissions(file, Permissions::from_mode(0o644)).expect("it is ours");
        }
        PrivateFolder::open(path.clone()).expect("it can be opened");
        assert_eq!(mode(&path), FOLDER_MODE);
        let [state, epoch, partial] = &files;
        assert_eq!([mode(state), mode(epoch)], [FILE_MODE; 2]);
        assert!(!partial.exists(), "nobody writes it any more");
    }
}
