//! Files that somebody names as a component.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

/// Bytes of a file that is read: an artefact is several times as large as its component.
const FILE_BYTES_MAX: u64 = 2 << 30;

/// Reads a file that may be a component, or an artefact of one.
///
/// # Errors
/// What the system says; and when it is no file, which may have no end or no writer, or a larger one than
/// any component.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_up_to(path, FILE_BYTES_MAX)
}

fn read_up_to(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    // Before it is opened: to open a pipe waits for its other end.
    let metadata = path.metadata()?;
    if !metadata.is_file() {
        let what = match metadata.is_dir() {
            true => "it is a folder",
            false => "it is a device or a pipe, and not a file",
        };
        return Err(io::Error::other(what));
    }
    let too_large = || io::Error::other(format!("it has more than {bytes_max} bytes"));
    if metadata.len() > bytes_max {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    // Some files grow, and those of /proc have no length.
    File::open(path)?
        .take(bytes_max + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(too_large());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// They were read for ever, or until the memory was full.
    #[test]
    fn only_a_file_is_read_and_not_more_of_it_than_there_may_be() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("component.wasm");
        std::fs::write(&file, [7; 100]).unwrap();
        assert_eq!(read_up_to(&file, 100).unwrap(), [7; 100]);
        for (path, bytes_max, reason) in [
            (Path::new("/dev/zero"), 100, "a device or a pipe"),
            (folder.path(), 100, "it is a folder"),
            (&file, 99, "more than 99 bytes"),
            (Path::new("/proc/self/maps"), 99, "more than 99 bytes"),
        ] {
            let error = read_up_to(path, bytes_max).unwrap_err().to_string();
            assert!(error.contains(reason), "{}: {error}", path.display());
        }
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let error = read_up_to(&pipe, 100).unwrap_err().to_string();
        assert!(error.contains("a device or a pipe"), "{error}");
    }
}
