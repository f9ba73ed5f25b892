//! Components as actors: engines, compiled code on disk, and the actor that lends out instances.
//!
//! ```text
//! bytes ── inspect ──> imports, exports            (no compiler)
//!   └───── Engines::compile ──> CompiledComponent  (capped jobs, cache in a private folder)
//!                                 └── ComponentActor::new ──> Instances, Gate
//! ```
//!
//! Invariants:
//! - no interface of the lattice is known here: those come as `Package`;
//! - a guest gets an empty standard input, no files, no sockets, no outgoing requests, and the
//!   environment of its manifest and nothing else;
//! - machine code is run only if this node made it, or its operator named it: see [`artefact`];
//! - an instance serves one invocation, or one after another: nothing of an invocation but what the guest
//!   itself remembers is there in the next one, and an instance whose invocation did not end as it should
//!   serves none;
//! - any bytes may be given where a component is expected: the answer is an error, not a panic;
//! - an import that nobody serves is found before anything of the component runs.
//!
//! Start reading at [`ComponentActor`], then [`Engines`].

mod actor;
pub mod artefact;
mod cache;
mod compile;
mod compile_pool;
mod deserialise;
mod digest;
mod engine;
mod error;
mod folder;
mod inspect;
mod io_error;
mod kept;
mod kind;
mod limits;
mod linker;
mod needs;
mod output;
mod ticker;

pub use actor::{ComponentActor, ComponentSpec, Stdio, Surroundings};
pub use compile::{CompiledComponent, WeakCompiled};
pub use digest::ComponentDigest;
pub use engine::{EngineOptions, Engines};
pub use error::{CacheError, ComponentError};
pub use folder::{CacheFolder, CachedFile, PartialFile};
pub use inspect::{ComponentInterfaces, inspect};
pub use kind::EngineKind;
pub use linker::{UnservedImport, go_together, unserved_imports};
