//! Compiled code on disk, in a folder that belongs to this user alone.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;
use tempfile::NamedTempFile;
use tracing::warn;

use crate::{
    CacheError,
    artefact::{self, ArtefactHeader},
    folder::CacheFolder,
};

const KEY_FILE: &str = "key";
const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 32;
/// How much of what stands for a build is in a name.
const BUILD_BYTES: usize = 8;
/// Code of one component. Far above the largest that is known, an interpreter with its library.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// A folder of artefacts, each behind a keyed hash of its name and its bytes. A file without the
/// right hash is not read as code: it is removed, and the component compiled again.
pub(crate) struct Cache {
    folder: CacheFolder,
    bytes_max: u64,
    key: [u8; KEY_BYTES],
}

impl Cache {
    pub(crate) fn open(path: PathBuf, bytes_max: u64) -> Result<Self, CacheError> {
        let io = |source| CacheError::Io {
            path: path.clone(),
            source,
        };
        // Before anything in it is touched.
        if path.symlink_metadata().is_ok() {
            check_private(&path)?;
        }
        let folder = CacheFolder::open(path.clone()).map_err(io)?;
        check_private(&path)?;
        let key = key(&path.join(KEY_FILE))?;
        Ok(Self {
            folder,
            bytes_max,
            key,
        })
    }

    /// The code that was kept for `header`, if there is any.
    pub(crate) fn get(&self, header: &ArtefactHeader) -> Result<Option<Vec<u8>>, CacheError> {
        let name = name(header);
        let path = self.folder.path(&name);
        let io = |source| CacheError::Io {
            path: path.clone(),
            source,
        };
        match fs::metadata(&path) {
            Ok(metadata) if metadata.len() > FILE_BYTES_MAX => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(error)),
        }
        let bytes = fs::read(&path).map_err(io)?;
        let Some(code) = self.open_sealed(&name, header, bytes) else {
            warn!(path = %path.display(), "a file in the cache is not what this node wrote");
            self.folder.remove(&name).map_err(io)?;
            return Ok(None);
        };
        self.folder.touch(&name);
        Ok(Some(code))
    }

    /// Keeps `code` for `header`. The file appears whole, or not at all.
    pub(crate) fn put(&self, header: &ArtefactHeader, code: &[u8]) -> Result<(), CacheError> {
        let name = name(header);
        let io = |source| CacheError::Io {
            path: self.folder.path(&name),
            source,
        };
        let artefact = artefact::write(header, code);
        let tag = tag(&self.key, &[name.as_bytes(), &artefact]);
        let bytes = (tag.len() + artefact.len()) as u64;
        let Some(left) = self.bytes_max.checked_sub(bytes) else {
            warn!(
                bytes,
                bytes_max = self.bytes_max,
                "compiled code is larger than the cache may be"
            );
            return Ok(());
        };
        let is_kept = |name: &str| name == KEY_FILE;
        self.folder.shrink(left, is_kept).map_err(io)?;
        let mut file = self.folder.begin(&name).map_err(io)?;
        file.write_all(&tag)
            .and_then(|()| file.write_all(&artefact))
            .and_then(|()| file.keep())
            .map_err(io)
    }

    fn open_sealed(
        &self,
        name: &str,
        header: &ArtefactHeader,
        mut bytes: Vec<u8>,
    ) -> Option<Vec<u8>> {
        let (theirs, artefact) = bytes.split_first_chunk::<TAG_BYTES>()?;
        let ours = tag(&self.key, &[name.as_bytes(), artefact]);
        if !bool::from(theirs.ct_eq(&ours)) {
            return None;
        }
        let (found, code) = artefact::read(artefact).ok()?;
        if found.component != header.component || found.check(header).is_err() {
            return None;
        }
        // In place: code may be large.
        let start = bytes.len() - code.len();
        bytes.drain(..start);
        Some(bytes)
    }
}

fn check_private(folder: &Path) -> Result<(), CacheError> {
    let path = folder.to_owned();
    let metadata = match fs::symlink_metadata(folder) {
        Ok(metadata) => metadata,
        Err(source) => return Err(CacheError::Io { path, source }),
    };
    if !metadata.is_dir() {
        return Err(CacheError::NotAFolder { path });
    }
    let (owner, user) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != user {
        return Err(CacheError::NotOurs { path, owner, user });
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(CacheError::NotPrivate { path, mode });
    }
    Ok(())
}

/// Reads the key, or makes one. Of two processes that make one at a time, one wins and both use it.
fn key(path: &Path) -> Result<[u8; KEY_BYTES], CacheError> {
    let io = |source| CacheError::Io {
        path: path.to_owned(),
        source,
    };
    if !path.try_exists().map_err(io)? {
        let folder = path.parent().expect("the key lies in the cache's folder");
        // Mode 0600: what a temporary file is made with.
        let mut file = NamedTempFile::new_in(folder).map_err(io)?;
        file.write_all(&rand::random::<[u8; KEY_BYTES]>())
            .map_err(io)?;
        match file.persist_noclobber(path) {
            Ok(_) => {}
            Err(lost) if lost.error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(failed) => return Err(io(failed.error)),
        }
    }
    let bytes = fs::read(path).map_err(io)?;
    bytes.try_into().map_err(|_length| CacheError::Key {
        path: path.to_owned(),
    })
}

/// One name for each component, engine and build: another build's files are other files. The component
/// comes first, so that who knows which components are needed knows which files are.
fn name(header: &ArtefactHeader) -> String {
    let mut digest = Sha256::new();
    digest.update(header.settings);
    digest.update(header.wrt_version.as_bytes());
    let build = hex::encode(&digest.finalize()[..BUILD_BYTES]);
    format!("{}-{build}.{}", header.component, header.engine)
}

/// HMAC of the parts, each with its length before it.
fn tag(key: &[u8; KEY_BYTES], parts: &[&[u8]]) -> [u8; TAG_BYTES] {
    let lengths: Vec<_> = parts
        .iter()
        .map(|part| (part.len() as u64).to_le_bytes())
        .collect();
    let framed = lengths.iter().zip(parts);
    hmac(key, framed.flat_map(|(length, part)| [&length[..], part]))
}

/// HMAC-SHA256 (RFC 2104). By hand and not by `hmac`: that crate wants a feature of `digest`, which lies
/// under cranelift, for these lines.
fn hmac<'a>(key: &[u8; KEY_BYTES], message: impl IntoIterator<Item = &'a [u8]>) -> [u8; TAG_BYTES] {
    let mut inner = Sha256::new_with_prefix(padded(key, 0x36));
    for part in message {
        inner.update(part);
    }
    Sha256::new_with_prefix(padded(key, 0x5c))
        .chain_update(inner.finalize())
        .finalize()
        .into()
}

fn padded(key: &[u8; KEY_BYTES], pad: u8) -> [u8; 64] {
    let mut block = [pad; 64];
    for (byte, key) in block.iter_mut().zip(key) {
        *byte ^= key;
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The second case of RFC 4231; a shorter key is one with zeros after it.
    #[test]
    fn the_hmac_is_that_of_the_rfc() {
        let mut key = [0; KEY_BYTES];
        key[..4].copy_from_slice(b"Jefe");
        let parts: [&[u8]; 2] = [b"what do ya want ", b"for nothing?"];
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex::encode(hmac(&key, parts)), expected);
    }

    #[test]
    fn where_a_part_ends_is_part_of_the_tag() {
        let key = [7; KEY_BYTES];
        assert_ne!(tag(&key, &[b"ab", b"c"]), tag(&key, &[b"a", b"bc"]));
    }
}
