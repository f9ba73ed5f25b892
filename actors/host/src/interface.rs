//! How an interface reaches a linker.

use wasmtime::component::Linker;
use wrt_protocol::InterfaceName;

use crate::InstanceState;

/// An interface's host glue: the imports that it serves.
pub trait HostInterface: Send + Sync + 'static {
    /// The lattice's name of the interface; a manifest links it by that name.
    fn name(&self) -> InterfaceName;

    /// The WIT interfaces that it serves, with their versions: `wasi:keyvalue/store@0.2.0-draft2`.
    /// An import that no host interface lists is an error at deploy.
    fn imports(&self) -> &'static [&'static str];

    /// Defines those imports. A failure of whoever serves a link MUST become the interface's own
    /// error, and never a trap.
    ///
    /// # Errors
    /// When two definitions collide: an error of the program.
    fn add_to_linker(&self, linker: &mut Linker<InstanceState>) -> wasmtime::Result<()>;
}
