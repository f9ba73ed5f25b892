//! A WIT package: what serves its imports, and what components that export it offer.

use std::{any::TypeId, fmt, sync::Arc};

use wasmtime::component::Linker;
use wrt_contract::{Gate, Interface, Links, NamedInterface, Offer};
use wrt_protocol::{InterfaceName, Name};

use crate::{InstanceState, Instances, LinkSite};

/// The host's side of a WIT package, one type a package: `WasiKeyValue`.
///
/// A failure of whoever serves a link MUST become the interface's own error. A function without an
/// error type ends its invocation with the fault as the cause: an empty answer would be a lie.
///
/// ```
/// use wasmtime::component::Linker;
/// use wrt_host::{Host, InstanceState, Package};
///
/// /// `example:clock`, which the node answers by itself.
/// #[derive(Debug)]
/// struct ExampleClock;
///
/// impl Host for ExampleClock {
///     fn describe(package: &mut Package) {
///         package.answers(&["example:clock/now@1.0.0"]);
///     }
///
///     fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
///         let mut now = linker.instance("example:clock/now@1.0.0")?;
///         now.func_wrap("hour", |_, ()| Ok((7_u32,)))
///     }
/// }
///
/// assert!(Package::of::<ExampleClock>().serves("example:clock/now@1.0.0"));
/// ```
pub trait Host: fmt::Debug + Send + Sync + 'static {
    /// Says which WIT interfaces the package serves and offers, and through which links.
    fn describe(package: &mut Package);

    /// Puts the imports on a linker.
    ///
    /// # Errors
    /// When two definitions collide: an error of the program.
    fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()>;

    /// Readies an instance of a component that imports the package, before it runs.
    fn prepare(_instance: &mut InstanceState) {}
}

/// A [`Host`] as a value, for whoever has many of them.
#[derive(Clone)]
pub struct Package {
    host: &'static str,
    host_type: TypeId,
    imports: Vec<Imported>,
    exports: Vec<Exported>,
    add_to_linker: AddToLinker,
    prepare: fn(&mut InstanceState),
}

/// WIT interfaces that one kind of link serves.
#[derive(Clone)]
pub struct Imported {
    /// Their names with versions: `wasi:keyvalue/store@0.2.0-draft2`.
    pub wit: &'static [&'static str],
    /// Who serves them.
    pub server: ImportedFrom,
    /// Puts them on a linker, where the package's own way does not.
    add_to_linker: Option<AddToLinker>,
}

type AddToLinker = fn(&mut Linker<InstanceState>) -> wasmtime::Result<()>;

/// Who serves imports.
#[derive(Clone)]
pub enum ImportedFrom {
    /// The node by itself.
    Node,
    /// Whoever is linked.
    Link(LinkKind),
    /// Whoever is linked; without a link each use is refused, in the interface's own words.
    OptionalLink(LinkKind),
}

/// A kind of link: the interface that it carries, and how one is made.
#[derive(Clone)]
pub struct LinkKind {
    /// The interface; a manifest links it by that name.
    pub interface: InterfaceName,
    named: NamedInterface,
    link: fn(&LinkSite<'_>, &mut Links, Name),
}

/// What a component offers of an export, behind its gate; none if the export is of no use. Only
/// components that have one are asked.
pub type OfferExport = fn(Arc<dyn Instances>, &Arc<Gate>) -> wasmtime::Result<Option<Offer>>;

/// Exports under which a component can be called.
#[derive(Clone)]
pub struct Exported {
    /// The interface that it offers then.
    pub interface: InterfaceName,
    named: NamedInterface,
    /// How the WIT names of such exports begin.
    pub wit: &'static [&'static str],
    /// How the offer is made.
    pub offer: OfferExport,
}

impl Imported {
    /// Put on a linker by `add_to_linker`, and only when one of them is imported: for what not every
    /// engine can have, as an async function.
    pub fn apart(&mut self, add_to_linker: fn(&mut Linker<InstanceState>) -> wasmtime::Result<()>) {
        self.add_to_linker = Some(add_to_linker);
    }
}

impl Exported {
    /// Whether an export of that name is one of them.
    #[must_use]
    pub fn includes(&self, export: &str) -> bool {
        self.wit.iter().any(|start| export.starts_with(start))
    }
}

impl Package {
    /// The package of `H`.
    #[must_use]
    pub fn of<H: Host>() -> Self {
        let mut package = Self {
            host: short_name(std::any::type_name::<H>()),
            host_type: TypeId::of::<H>(),
            imports: Vec::new(),
            exports: Vec::new(),
            add_to_linker: H::add_to_linker,
            prepare: H::prepare,
        };
        H::describe(&mut package);
        package
    }

    /// Serves `wit` through links that carry `I`.
    pub fn imports<I: Interface>(&mut self, wit: &'static [&'static str]) -> &mut Imported {
        self.add(wit, ImportedFrom::Link(LinkKind::of::<I>()))
    }

    /// Serves `wit` through links that carry `I`, and refuses each use where there is none: for what
    /// standard libraries import and few programs use.
    pub fn may_import<I: Interface>(&mut self, wit: &'static [&'static str]) -> &mut Imported {
        self.add(wit, ImportedFrom::OptionalLink(LinkKind::of::<I>()))
    }

    /// Serves `wit` by itself, on the guest's own node.
    pub fn answers(&mut self, wit: &'static [&'static str]) -> &mut Imported {
        self.add(wit, ImportedFrom::Node)
    }

    fn add(&mut self, wit: &'static [&'static str], server: ImportedFrom) -> &mut Imported {
        self.imports.push(Imported {
            wit,
            server,
            add_to_linker: None,
        });
        self.imports.last_mut().expect("it was pushed just now")
    }

    /// A component with an export whose name begins with one of `wit` offers `I`.
    pub fn exports<I: Interface>(&mut self, wit: &'static [&'static str], offer: OfferExport) {
        self.exports.push(Exported {
            interface: I::NAME,
            named: NamedInterface::of::<I>(),
            wit,
            offer,
        });
    }

    /// The name of the type behind it, for messages.
    #[must_use]
    pub fn host(&self) -> &'static str {
        self.host
    }

    /// Whether both are of the same type.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.host_type == other.host_type
    }

    /// Each interface that it links or by which components are called.
    pub fn interfaces(&self) -> impl Iterator<Item = &NamedInterface> {
        let links = self.links().map(|kind| &kind.named);
        links.chain(self.exports.iter().map(|exported| &exported.named))
    }

    /// What it serves.
    #[must_use]
    pub fn imported(&self) -> &[Imported] {
        &self.imports
    }

    /// What components may offer of it.
    #[must_use]
    pub fn exported(&self) -> &[Exported] {
        &self.exports
    }

    /// The kinds of link that it knows.
    pub fn links(&self) -> impl Iterator<Item = &LinkKind> {
        self.imports
            .iter()
            .filter_map(|imported| match &imported.server {
                ImportedFrom::Node => None,
                ImportedFrom::Link(kind) | ImportedFrom::OptionalLink(kind) => Some(kind),
            })
    }

    /// Every WIT interface that it serves.
    pub fn wit(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.imports
            .iter()
            .flat_map(|imported| imported.wit.iter().copied())
    }

    /// Whether it serves exactly `import`.
    #[must_use]
    pub fn serves(&self, import: &str) -> bool {
        self.wit().any(|served| served == import)
    }

    /// Puts those of its imports on a linker of which `is_imported` holds for one of a group.
    ///
    /// # Errors
    /// When two definitions collide: an error of the program.
    pub fn add_to_linker(
        &self,
        linker: &mut Linker<InstanceState>,
        is_imported: impl Fn(&str) -> bool,
    ) -> wasmtime::Result<()> {
        let is_needed = |imported: &&Imported| imported.wit.iter().any(|wit| is_imported(wit));
        let needed: Vec<_> = self.imports.iter().filter(is_needed).collect();
        if needed.iter().any(|group| group.add_to_linker.is_none()) {
            (self.add_to_linker)(linker)?;
        }
        let apart = needed.iter().filter_map(|group| group.add_to_linker);
        apart.into_iter().try_for_each(|add| add(linker))
    }

    /// Readies an instance of a component that imports it.
    pub fn prepare(&self, instance: &mut InstanceState) {
        (self.prepare)(instance);
    }
}

impl LinkKind {
    fn of<I: Interface>() -> Self {
        Self {
            interface: I::NAME,
            named: NamedInterface::of::<I>(),
            link: |site, links, name| links.insert::<I>(name, site.object::<I>()),
        }
    }

    /// Puts a link to the target of `site` among a component's links.
    pub fn link(&self, site: &LinkSite<'_>, links: &mut Links, name: Name) {
        (self.link)(site, links, name);
    }
}

/// A type's name without its path.
fn short_name(name: &'static str) -> &'static str {
    name.rsplit("::").next().unwrap_or(name)
}

impl fmt::Debug for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Package({})", self.host)
    }
}
