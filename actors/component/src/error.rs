//! What can go wrong before a component serves.

use std::{io, path::PathBuf};

use wrt_protocol::{ActorAddress, Shortage};

use crate::{EngineKind, UnservedImport};

/// Why a component cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// An engine could not be made.
    #[error("the {kind} engine cannot be made")]
    Engine {
        /// Which one.
        kind: EngineKind,
        /// Why.
        source: wasmtime::Error,
    },
    /// A thread of the engines could not be started.
    #[error("the engines' {thread} thread cannot be started")]
    Thread {
        /// Which one.
        thread: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The folder for compiled code cannot be used.
    #[error("compiled code cannot be kept")]
    Cache(#[source] CacheError),
    /// The bytes are not WebAssembly.
    #[error("this is not a WebAssembly component: {hint}")]
    NotWasm {
        /// What they look like.
        hint: &'static str,
    },
    /// The bytes are a core module.
    #[error(
        "this is a core WebAssembly module and not a component: build for wasm32-wasip2 \
         (`cargo build --target wasm32-wasip2`), or wrap it with `wasm-tools component new`"
    )]
    CoreModule,
    /// The bytes start as a component and do not go on as one.
    #[error("this is not a valid component")]
    Invalid(#[source] wasmparser::Error),
    /// It has more imports or exports than a manifest could link.
    #[error("the component has more than {max} imports or exports")]
    TooManyInterfaces {
        /// How many it may have.
        max: usize,
    },
    /// The compiler refused it.
    #[error("the component does not compile")]
    Compile(#[source] wasmtime::Error),
    /// Its file cannot be read.
    #[error("{path} cannot be read")]
    Unread {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its file has something else in it.
    #[error("{path} is not the component that its name says")]
    Another {
        /// The file.
        path: PathBuf,
    },
    /// The compile job ended without an answer.
    #[error("the compile job was stopped")]
    CompileStopped,
    /// No instance of it could be made within its limits.
    #[error("{actor} cannot start within its limits: {shortage}")]
    LimitTooLow {
        /// The component.
        actor: ActorAddress,
        /// Which one, and what it must be at least.
        shortage: Shortage,
    },
    /// Its instances are to serve several invocations at once, and cannot.
    #[error(
        "{actor} serves one invocation at a time: take `invocations_at_once_max` out of its limits, or \
         build it for WASI 0.3"
    )]
    OneAtATime {
        /// The component.
        actor: ActorAddress,
    },
    /// Nobody serves one of its imports.
    #[error("{actor} imports {unserved}")]
    UnservedImport {
        /// The component.
        actor: ActorAddress,
        /// The import, and what to do about it.
        unserved: UnservedImport,
    },
    /// Its imports are all known, and one does not fit what serves it.
    #[error("{actor} cannot be linked")]
    Link {
        /// The component.
        actor: ActorAddress,
        /// Which import, and how it differs.
        source: wasmtime::Error,
    },
}

/// Why the folder for compiled code cannot be used. It holds machine code that this node will run,
/// so that nobody else may be able to write there.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// It cannot be made, read or written.
    #[error("{path} cannot be used")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is something else, or a link to somewhere else.
    #[error("{path} is not a folder")]
    NotAFolder {
        /// The folder.
        path: PathBuf,
    },
    /// It belongs to another user.
    #[error("{path} belongs to user {owner} and this process runs as user {user}")]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who this process is.
        user: u32,
    },
    /// Others have access.
    #[error(
        "{path} is open to others (mode {mode:03o}): it must have mode 700 (`chmod 700 {path}`)"
    )]
    NotPrivate {
        /// The folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The key in it is damaged.
    #[error("the key {path} is damaged: remove the folder that it lies in")]
    Key {
        /// The key's file.
        path: PathBuf,
    },
}
