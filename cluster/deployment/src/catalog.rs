//! What a manifest is checked against.

use bytes::Bytes;
use wrt_protocol::{ComponentNeeds, InterfaceName};

use crate::Config;

/// What the one who checks a manifest knows of backends, interfaces and components. The node has the
/// real one, made from what it was built of; tests have small ones.
pub trait Catalog {
    /// The backends that a provider can have.
    fn backends(&self) -> Vec<BackendInfo>;

    /// Checks the settings of one provider and the selections of its targets, in the manifest's order.
    /// References to the environment are not resolved: their values are not known here.
    ///
    /// # Errors
    /// All that the backend has to say against them.
    fn check_provider(
        &self,
        backend: &str,
        config: &Config,
        selections: &[Config],
    ) -> Result<ProviderFacts, Vec<ProviderComplaint>>;

    /// Reads the component that a manifest names.
    ///
    /// # Errors
    /// Why it cannot be read, or is no component.
    fn component(&self, source: &str) -> Result<ComponentSource, SourceComplaint>;

    /// Who serves an import, by its WIT name and version.
    fn import(&self, import: &str) -> ImportServer;

    /// The interfaces on the lattice under which an export can be called, by its WIT name: as its
    /// package, as its package with its interface, both, or neither.
    fn exports(&self, export: &str) -> Vec<InterfaceName>;
}

/// A backend, as manifests know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendInfo {
    /// Its name in manifests.
    pub name: String,
    /// The interfaces that it offers.
    pub offers: Vec<InterfaceName>,
    /// What a component must export to be called by it: one of these, and nothing if it calls none.
    pub calls: Vec<InterfaceName>,
}

/// What the lattice knows of a provider beyond its backend's name: told by the backend, from the
/// provider's settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProviderFacts {
    /// What it takes for itself on its node, such as `127.0.0.1:8080`: nobody else there can have it.
    /// One that is a reference to the environment is told as a text that is the same for the same
    /// reference, such as `env HTTP_ADDR`: it is an address all the same, and two of it clash.
    pub address: Option<String>,
    /// For how long, in milliseconds, a call that arrives again under its idempotency key gets its
    /// first answer; `None` if it does not.
    pub deduplicates_for_ms: Option<u64>,
    /// What the component of each target must export, in the manifest's order.
    pub called: Vec<InterfaceName>,
}

/// A component as it was read.
#[derive(Debug, Clone)]
pub struct ComponentSource {
    /// The component.
    pub bytes: Bytes,
    /// The WIT interfaces that it imports: `wasi:keyvalue/store@0.2.0-draft2`.
    pub imports: Vec<String>,
    /// The WIT interfaces that it exports.
    pub exports: Vec<String>,
    /// What its instances need, as far as that is known.
    pub needs: ComponentNeeds,
    /// Whether it is made for WASI 0.3: its instances can serve several invocations at once.
    pub is_of_0_3: bool,
}

/// Who serves an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportServer {
    /// Each node, for itself: clocks, random numbers, standard output.
    Node,
    /// Whoever is linked for this interface.
    Link(InterfaceName),
    /// Whoever is linked for this interface; where nobody is, each use is refused and nothing else.
    OptionalLink(InterfaceName),
    /// Nobody: no node can run the component.
    Nobody {
        /// What to do next.
        hint: String,
    },
}

/// What a backend has to say against a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderComplaint {
    /// What it is about.
    pub about: ComplaintAbout,
    /// What is wrong.
    pub message: String,
    /// What to do next.
    pub help: String,
}

/// The part of a provider that a complaint is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComplaintAbout {
    /// All of it, or something that is not there.
    Provider,
    /// A field of its settings.
    Config(String),
    /// A target, by its place among those that were given, and a field of its selection.
    Selection(usize, Option<String>),
}

/// Why a component cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceComplaint {
    /// What is wrong.
    pub message: String,
    /// What to do next.
    pub help: String,
}
