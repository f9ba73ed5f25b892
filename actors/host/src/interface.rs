//! How an interface reaches a linker.

use wasmtime::component::Linker;
use wrt_protocol::InterfaceName;

use crate::InstanceState;

/// An interface's host glue: the imports that it serves, and what each instance needs for them.
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

    /// Whether a component that imports it must be linked to somebody who serves it.
    fn link_need(&self) -> LinkNeed {
        LinkNeed::Required
    }

    /// Puts what the interface needs into the state of a new instance: hooks, allow-lists. Called for
    /// each instance of a component that imports one of [`imports`](Self::imports), before anything of
    /// it runs; what is only needed once the guest calls is better made
    /// [on demand](InstanceState::extension).
    fn prepare(&self, _state: &mut InstanceState) {}
}

/// Whether an import needs a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkNeed {
    /// Without one the component is refused.
    Required,
    /// A link is used where there is one. Without it the component runs all the same: standard
    /// libraries import the interface whether it is called or not.
    Optional,
    /// The node serves it by itself.
    Never,
}
