//! The one place where bytes become code that runs.
#![allow(
    unsafe_code,
    reason = "wasmtime cannot check machine code; the proof that it need not is in this module"
)]

use wasmtime::{Engine, component::Component};

/// Why code may be run: every way to get here is one of these.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Provenance {
    /// An engine of this process returned these bytes, and they never left its memory.
    JustCompiled,
    /// They were read from the cache, once, and a keyed hash over them was checked in memory. The
    /// key is 32 random bytes in a folder that only this user can read; so whoever made the hash is
    /// this node, or can already do as this user pleases.
    WrittenByThisNode,
    /// Who started this process named the artefact. That person chose this program as well, and the
    /// artefact is trusted as far as the program is. The format has no way to come here from the
    /// lattice: components are pushed as WebAssembly, and compiled by the node that runs them.
    NamedByOperator,
}

/// Loads machine code. Other versions, settings and targets are refused by the engine's own check.
///
/// # Errors
/// When the engine cannot use the code.
pub(crate) fn deserialise(
    engine: &Engine,
    code: &[u8],
    provenance: Provenance,
) -> wasmtime::Result<Component> {
    match provenance {
        Provenance::JustCompiled | Provenance::WrittenByThisNode | Provenance::NamedByOperator => {
            // SAFETY: `Component::deserialize` asks that the bytes were made by wasmtime's
            // `precompile_component` and not altered since. For each provenance that is argued at
            // its variant. The bytes are copied from memory, not mapped from a file, so that nobody
            // can alter them after the check.
            unsafe { Component::deserialize(engine, code) }
        }
    }
}
