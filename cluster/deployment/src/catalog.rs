//! What a manifest is checked against.

use bytes::Bytes;
use wrt_protocol::InterfaceName;

use crate::Config;

/// What the one who checks a manifest knows of backends, interfaces and components. The node has the
/// real one, made from its registration tables; tests have small ones.
pub trait Catalog {
    /// The backends that a provider can have.
    fn provider_backends(&self) -> Vec<ProviderBackend>;

    /// The backends that a trigger can have.
    fn trigger_backends(&self) -> Vec<TriggerBackend>;

    /// Checks the `config` of a provider or a trigger. References to the environment are not resolved: their
    /// values are not known here.
    ///
    /// # Errors
    /// What the backend has to say against it.
    fn check_config(&self, backend: &str, config: &Config) -> Result<(), ConfigComplaint>;

    /// Reads the component that a manifest names.
    ///
    /// # Errors
    /// Why it cannot be read, or is no component.
    fn component(&self, source: &str) -> Result<ComponentSource, SourceComplaint>;

    /// Who serves an import, by its WIT name and version.
    fn import(&self, import: &str) -> ImportServer;

    /// The interface on the lattice under which an export can be called, by its WIT name.
    fn export(&self, export: &str) -> Option<InterfaceName>;
}

/// A backend that offers interfaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderBackend {
    /// Its name in manifests.
    pub name: String,
    /// What it offers.
    pub offers: Vec<InterfaceName>,
}

/// A backend that calls components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriggerBackend {
    /// Its name in manifests.
    pub name: String,
    /// What a component must export to be called by it.
    pub calls: InterfaceName,
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
}

/// Who serves an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportServer {
    /// Each node, for itself: clocks, random numbers, standard output.
    Node,
    /// Whoever is linked for this interface.
    Link(InterfaceName),
    /// The same, and without a link each node, which then refuses what the component asks.
    OptionalLink(InterfaceName),
    /// Nobody: no node can run the component.
    Nobody {
        /// What to do next.
        hint: String,
    },
}

/// What a backend has to say against a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigComplaint {
    /// The field that it is about, if it is about one.
    pub field: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do next.
    pub help: String,
}

/// Why a component cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceComplaint {
    /// What is wrong.
    pub message: String,
    /// What to do next.
    pub help: String,
}
