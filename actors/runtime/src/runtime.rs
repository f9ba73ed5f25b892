//! What a build can do, as a value.

use std::{collections::HashMap, fmt, sync::Arc};

use wrt_host::{Host, Imported, LinkKind, Package};
use wrt_protocol::InterfaceName;

use crate::{
    BackendEntry, Serves,
    entry::{Entry, Part},
};

/// The packages and backends that a node, a manifest's check and a command line know. There is no
/// other place where they could be looked up.
#[derive(Debug, Clone)]
pub struct Runtime(Arc<Parts>);

#[derive(Debug, Default)]
struct Parts {
    packages: Vec<Package>,
    backends: Vec<BackendEntry>,
}

/// Gathers a [`Runtime`], package by package.
#[derive(Debug, Default)]
pub struct RuntimeBuilder {
    parts: Parts,
    error: Option<RuntimeError>,
}

/// Parts that do not go together: an error of the program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeError {
    /// Two backends of one name that cannot be parts of one provider.
    #[error("the backends named `{name}` cannot be parts of one provider: both have {what}")]
    SameName {
        /// The name.
        name: &'static str,
        /// What both have.
        what: String,
    },
    /// Two traits under one interface name: links between them could not be made.
    #[error("{interface} stands for two traits: {first} and {second}")]
    SameInterface {
        /// The name.
        interface: InterfaceName,
        /// One of them.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// Two packages that serve the same imports.
    #[error("the packages {first} and {second} both serve {wit}")]
    SameImport {
        /// One of them.
        first: &'static str,
        /// The other.
        second: &'static str,
        /// The WIT interface.
        wit: &'static str,
    },
}

/// A backend, or several that belong together, for a package: what stands behind the colon in
/// `runtime!`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does nothing for the package `{H}`",
    label = "neither a backend that serves `{H}` nor a bundle of such",
    note = "a backend serves a package by `impl Serves<{H}> for {Self}`"
)]
pub trait Bundle<H: Host> {
    /// Adds what is in it.
    fn add_to(builder: RuntimeBuilder) -> RuntimeBuilder;
}

impl<H: Host, B: Serves<H>> Bundle<H> for B {
    fn add_to(builder: RuntimeBuilder) -> RuntimeBuilder {
        builder.with_backend::<H, B>()
    }
}

impl Runtime {
    /// Starts with nothing.
    #[must_use]
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder::default()
    }

    /// The packages.
    #[must_use]
    pub fn packages(&self) -> &[Package] {
        &self.0.packages
    }

    /// The backends, in the order in which they were named: the first that fits is the one that a
    /// component without a manifest gets.
    #[must_use]
    pub fn backends(&self) -> &[BackendEntry] {
        &self.0.backends
    }

    /// The backend of a name.
    #[must_use]
    pub fn backend(&self, name: &str) -> Option<&BackendEntry> {
        let mut backends = self.0.backends.iter();
        backends.find(|backend| backend.name() == name)
    }

    /// The first backend that offers `interface`.
    #[must_use]
    pub fn first_that_offers(&self, interface: &InterfaceName) -> Option<&BackendEntry> {
        let mut backends = self.0.backends.iter();
        backends.find(|backend| backend.offers().contains(interface))
    }

    /// The first backend that calls `interface`.
    #[must_use]
    pub fn first_that_calls(&self, interface: &InterfaceName) -> Option<&BackendEntry> {
        let mut backends = self.0.backends.iter();
        backends.find(|backend| backend.calls().contains(interface))
    }

    /// How links that carry `interface` are made.
    #[must_use]
    pub fn link_kind(&self, interface: &InterfaceName) -> Option<&LinkKind> {
        let mut kinds = self.0.packages.iter().flat_map(Package::links);
        kinds.find(|kind| kind.interface == *interface)
    }

    /// Under which interfaces an export can be called, by its WIT name.
    #[must_use]
    pub fn exported(&self, export: &str) -> Vec<InterfaceName> {
        let exported = self.0.packages.iter().flat_map(Package::exported);
        exported
            .filter(|exported| exported.includes(export))
            .map(|exported| exported.interface.clone())
            .collect()
    }

    /// The group of imports that serves one with this name, as `matches` compares names.
    pub fn imported(&self, matches: impl Fn(&str) -> bool) -> Option<&Imported> {
        let mut imported = self.0.packages.iter().flat_map(Package::imported);
        imported.find(|imported| imported.wit.iter().any(|wit| matches(wit)))
    }
}

impl RuntimeBuilder {
    /// Adds a package, and a backend or a bundle of them that serves it.
    #[must_use]
    pub fn with<H: Host, B: Bundle<H>>(self) -> Self {
        B::add_to(self.with_package::<H>())
    }

    /// Adds a package that needs no backend, or whose backends come later.
    #[must_use]
    pub fn with_package<H: Host>(mut self) -> Self {
        let package = Package::of::<H>();
        for known in &self.parts.packages {
            // Named again with another backend.
            if known.is_same(&package) {
                return self;
            }
            if let Some(wit) = known.wit().find(|wit| package.serves(wit)) {
                self.error.get_or_insert(RuntimeError::SameImport {
                    first: known.host(),
                    second: package.host(),
                    wit,
                });
            }
        }
        self.parts.packages.push(package);
        self
    }

    /// Adds what `B` does for the package `H`.
    #[must_use]
    pub fn with_backend<H: Host, B: Serves<H>>(mut self) -> Self {
        let mut entry = Entry::new();
        B::serve(&mut entry);
        let part = Part::<B>::new(entry);
        let backends = &mut self.parts.backends;
        let at = match backends.iter().position(|known| known.name() == B::NAME) {
            Some(at) => at,
            None => {
                backends.push(BackendEntry::new(B::NAME));
                backends.len() - 1
            }
        };
        if let Err(what) = backends[at].add(part) {
            self.error.get_or_insert(RuntimeError::SameName {
                name: B::NAME,
                what,
            });
        }
        self
    }

    /// The whole.
    ///
    /// # Errors
    /// The first two parts that do not go together.
    pub fn build(self) -> Result<Runtime, RuntimeError> {
        match self.error.or_else(|| self.parts.two_of_one_name()) {
            Some(error) => Err(error),
            None => Ok(Runtime(Arc::new(self.parts))),
        }
    }
}

impl Parts {
    /// The first interface name that stands for two traits.
    fn two_of_one_name(&self) -> Option<RuntimeError> {
        let packages = self.packages.iter().flat_map(Package::interfaces).cloned();
        let backends = self.backends.iter().flat_map(BackendEntry::interfaces);
        let mut known = HashMap::new();
        for interface in packages.chain(backends) {
            let name = interface.name().clone();
            let first = known.entry(name).or_insert_with(|| interface.clone());
            if *first != interface {
                return Some(RuntimeError::SameInterface {
                    interface: interface.name().clone(),
                    first: first.type_name(),
                    second: interface.type_name(),
                });
            }
        }
        None
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let backends: Vec<&str> = self.0.backends.iter().map(BackendEntry::name).collect();
        write!(f, "{}", backends.join(", "))
    }
}
