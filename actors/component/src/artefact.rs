//! Compiled components as bytes: what `wrt-node compile` writes, and what the cache keeps.
//!
//! ```text
//! "wrt-aot\0" | u32 length | header (postcard) | machine code
//! ```
//!
//! An artefact is *trusted input*, like the program itself: machine code cannot be checked, and one
//! that was made to do harm does it with all rights of the process. It is taken from whoever starts
//! a node, by name, and never from the lattice. The digest in the header finds damage, not malice;
//! the cache, which nobody names, has a keyed hash on top.

use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wrt_protocol::ComponentNeeds;

use crate::{ComponentDigest, EngineKind};

const MAGIC: &[u8; 8] = b"wrt-aot\0";
/// Far above any honest header.
const HEADER_BYTES_MAX: usize = 4096;
const WRT_VERSION: &str = env!("CARGO_PKG_VERSION");

/// What an artefact says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtefactHeader {
    /// The version of this program that made it.
    pub wrt_version: String,
    /// The machine that it is for.
    pub target: String,
    /// The engine that it is for.
    pub engine: EngineKind,
    /// That engine's settings and version, hashed.
    pub settings: [u8; 32],
    /// The component that it was made of.
    pub component: ComponentDigest,
    /// What its instances need: of the code it could not be told any more.
    pub needs: ComponentNeeds,
    /// The digest of the code; of nothing before there is code.
    pub code: [u8; 32],
    /// Length of the code.
    pub code_bytes: u64,
}

/// Why an artefact is refused.
#[derive(Debug, thiserror::Error)]
pub enum ArtefactError {
    /// Something else.
    #[error("this is not an artefact of `compile`")]
    NotAnArtefact,
    /// It ends too soon, or goes on too long.
    #[error(
        "the artefact is cut off or has something at its end: {found} bytes of code, not {expected}"
    )]
    Length {
        /// What its header says.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// Its header makes no sense.
    #[error("the artefact's header is damaged")]
    Header,
    /// Its code is not what was written.
    #[error("the artefact's code is damaged: its digest differs")]
    Damaged,
    /// It was made by another version of this program.
    #[error("the artefact was made by wrt {theirs} and this is wrt {ours}: compile it again")]
    OtherVersion {
        /// Who made it.
        theirs: String,
        /// This program.
        ours: String,
    },
    /// It is for another machine.
    #[error("the artefact is for {theirs} and this machine is {ours}: compile it for this one")]
    OtherTarget {
        /// What it is for.
        theirs: String,
        /// This machine.
        ours: String,
    },
    /// It was made with other settings or another wasmtime.
    #[error(
        "the artefact was made for other settings or another wasmtime of the {engine} engine: \
         compile it again"
    )]
    OtherSettings {
        /// Which engine.
        engine: EngineKind,
    },
    /// There is no engine for it.
    #[error("the artefact's engine cannot be made")]
    Engine(#[source] Box<crate::ComponentError>),
    /// The engine cannot use it.
    #[error("the engine refuses the artefact's code")]
    Refused(#[source] wasmtime::Error),
}

/// Whether `bytes` start as an artefact does.
#[must_use]
pub fn is_artefact(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

impl ArtefactHeader {
    pub(crate) fn of(
        engine: &Engine,
        kind: EngineKind,
        component: ComponentDigest,
        needs: ComponentNeeds,
    ) -> Self {
        let mut settings = DigestHasher(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut settings);
        Self {
            wrt_version: WRT_VERSION.to_owned(),
            target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
            engine: kind,
            settings: settings.0.finalize().into(),
            component,
            needs,
            code: [0; 32],
            code_bytes: 0,
        }
    }

    /// Whether code of this header runs where `ours` would be made.
    pub(crate) fn check(&self, ours: &Self) -> Result<(), ArtefactError> {
        if self.wrt_version != ours.wrt_version {
            let (theirs, ours) = (self.wrt_version.clone(), ours.wrt_version.clone());
            return Err(ArtefactError::OtherVersion { theirs, ours });
        }
        if self.target != ours.target {
            let (theirs, ours) = (self.target.clone(), ours.target.clone());
            return Err(ArtefactError::OtherTarget { theirs, ours });
        }
        if self.settings != ours.settings {
            return Err(ArtefactError::OtherSettings {
                engine: self.engine,
            });
        }
        Ok(())
    }
}

pub(crate) fn write(header: &ArtefactHeader, code: &[u8]) -> Vec<u8> {
    let header = ArtefactHeader {
        code: Sha256::digest(code).into(),
        code_bytes: code.len() as u64,
        ..header.clone()
    };
    let header = postcard::to_stdvec(&header).expect("a header of plain fields has an encoding");
    let header_bytes = u32::try_from(header.len()).expect("a header is a few hundred bytes");
    let mut bytes = Vec::with_capacity(MAGIC.len() + 4 + header.len() + code.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&header_bytes.to_le_bytes());
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(code);
    bytes
}

pub(crate) fn read(bytes: &[u8]) -> Result<(ArtefactHeader, &[u8]), ArtefactError> {
    let rest = bytes
        .strip_prefix(MAGIC)
        .ok_or(ArtefactError::NotAnArtefact)?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(ArtefactError::Header)?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > HEADER_BYTES_MAX || length > rest.len() {
        return Err(ArtefactError::Header);
    }
    let (header, code) = rest.split_at(length);
    // The version comes first in the header, so that one with other fields still says whose it is.
    let (wrt_version, _) = postcard::take_from_bytes::<String>(header)
        .map_err(|_not_even_a_version| ArtefactError::Header)?;
    if wrt_version != WRT_VERSION {
        let (theirs, ours) = (wrt_version, WRT_VERSION.to_owned());
        return Err(ArtefactError::OtherVersion { theirs, ours });
    }
    let header: ArtefactHeader =
        postcard::from_bytes(header).map_err(|_damaged| ArtefactError::Header)?;
    if header.code_bytes != code.len() as u64 {
        let (expected, found) = (header.code_bytes, code.len() as u64);
        return Err(ArtefactError::Length { expected, found });
    }
    if header.code != <[u8; 32]>::from(Sha256::digest(code)) {
        return Err(ArtefactError::Damaged);
    }
    Ok((header, code))
}

/// Feeds what is hashed to a digest: the same in each process, which the standard hasher is not
/// promised to be.
struct DigestHasher(Sha256);

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest: [u8; 32] = self.0.clone().finalize().into();
        let (first, _) = digest
            .split_first_chunk::<8>()
            .expect("a digest has 32 bytes");
        u64::from_le_bytes(*first)
    }
}
