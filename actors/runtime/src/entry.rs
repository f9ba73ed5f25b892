//! A backend as the node has it: without its types.

mod files;
mod part;
mod permitted;

use std::{collections::BTreeMap, error::Error, fmt, sync::Arc};

use futures::future::BoxFuture;
use toml::Table;
use wrt_contract::{CallContext, Gate, Interface, NamedInterface, Offer};
use wrt_host::Host;
use wrt_protocol::{InterfaceName, Name};

use crate::{
    Backend, Environment, LatticeState, Referred, Server, Serving, Setting, Settings, SettingsError,
};

use part::ErasedPart;
pub(crate) use part::Part;
pub use permitted::{ServicePermissions, Usage};

/// What a backend does for a WIT package: it serves the package's imports, or calls what components
/// export of it, or both.
///
/// ```
/// # use wrt_contract::{CallContext, interface, async_trait};
/// # use wrt_protocol::Fault;
/// # use wrt_host::{Host, InstanceState, Package};
/// # #[interface(name = "example:greeting", error = Fault)]
/// # pub trait Greeting {
/// #     async fn greet(&self, context: &CallContext, name: &str) -> Result<String, Fault>;
/// # }
/// # #[derive(Debug)] struct ExampleGreeting;
/// # impl Host for ExampleGreeting {
/// #     fn describe(package: &mut Package) {
/// #         package.imports::<GreetingInterface>(&["example:greeting/greet@1.0.0"]);
/// #     }
/// #     fn add_to_linker(_: &mut wasmtime::component::Linker<InstanceState>) -> wasmtime::Result<()> {
/// #         Ok(())
/// #     }
/// # }
/// # use wrt_runtime::{Backend, BackendEntry, NoSettings, Serves};
/// # struct Polite;
/// # #[async_trait]
/// # impl Greeting for Polite {
/// #     async fn greet(&self, _: &CallContext, name: &str) -> Result<String, Fault> {
/// #         Ok(format!("Good day, {name}"))
/// #     }
/// # }
/// # impl Backend for Polite {
/// #     const NAME: &'static str = "polite";
/// #     type ConnectOptions = NoSettings;
/// #     type ConnectError = Fault;
/// #     async fn connect_with(_: NoSettings) -> Result<Self, Fault> { Ok(Self) }
/// # }
/// impl Serves<ExampleGreeting> for Polite {
///     fn serve(entry: &mut wrt_runtime::Entry<Self>) {
///         entry.offers::<GreetingInterface>(|polite| polite);
///     }
/// }
/// # let runtime = wrt_runtime::Runtime::builder().with::<ExampleGreeting, Polite>().build()?;
/// # assert_eq!(runtime.backend("polite").map(BackendEntry::offers).map(|offers| offers.len()), Some(1));
/// # Ok::<(), wrt_runtime::RuntimeError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "the backend `{Self}` does nothing for the package `{H}`",
    label = "no `impl Serves<{H}> for {Self}`",
    note = "name a backend that serves the package, or write `impl Serves<{H}> for {Self}`"
)]
pub trait Serves<H: Host>: Backend {
    /// Says what it offers, and whether it calls.
    fn serve(entry: &mut Entry<Self>);
}

/// What a backend offers as an interface.
type OfferOf<B> = Arc<dyn Fn(&Arc<B>, &Arc<Gate>) -> Offer + Send + Sync>;

/// What a backend says of itself.
pub struct Entry<B: Backend> {
    offers: Vec<(NamedInterface, OfferOf<B>)>,
    server: Option<part::ServerOf<B>>,
    also_called: Vec<NamedInterface>,
}

impl<B: Backend> Entry<B> {
    pub(crate) fn new() -> Self {
        Self {
            offers: Vec::new(),
            server: None,
            also_called: Vec::new(),
        }
    }

    /// With what another package adds to the same backend.
    fn joined(&self, other: &Self) -> Self {
        let is_new = |name: &NamedInterface| !self.offers.iter().any(|(known, _)| known == name);
        let new = other.offers.iter().filter(|(name, _)| is_new(name));
        Self {
            offers: self.offers.iter().chain(new).cloned().collect(),
            server: self.server.clone().or_else(|| other.server.clone()),
            also_called: [&self.also_called[..], &other.also_called].concat(),
        }
    }

    /// It serves links that carry `I`.
    pub fn offers<I: Interface>(&mut self, object: fn(Arc<B>) -> Arc<I::Object>) {
        self.offer::<I>(move |backend, _| object(backend));
    }

    /// It serves links that carry `I`, whose operations give leases: `object` is given the provider's
    /// gate, which its [`Leases`](wrt_contract::Leases) hold.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use wrt_contract::{
    /// #     CallContext, Gate, Lease, LeaseLimits, Leases, async_trait, interface,
    /// # };
    /// # use wrt_protocol::Fault;
    /// # use wrt_runtime::{Backend, Entry};
    /// #[interface(name = "example:counters", error = Fault)]
    /// pub trait Counters {
    ///     /// Opens one.
    ///     async fn open(&self, context: &CallContext) -> Result<Lease, Fault>;
    ///     /// Where it stands.
    ///     async fn read(&self, context: &CallContext, #[lease] lease: &Lease) -> Result<u64, Fault>;
    /// }
    ///
    /// /// The counters of one provider.
    /// struct Opened(Leases<u64>);
    ///
    /// # #[async_trait]
    /// # impl Counters for Opened {
    /// #     async fn open(&self, context: &CallContext) -> Result<Lease, Fault> {
    /// #         self.0.give(context, 7)
    /// #     }
    /// #     async fn read(&self, _: &CallContext, lease: &Lease) -> Result<u64, Fault> {
    /// #         Ok(*self.0.get(lease)?)
    /// #     }
    /// # }
    /// fn serve<B: Backend>(entry: &mut Entry<B>) {
    ///     entry.offers_leases::<CountersInterface>(|_backend, gate| {
    ///         let limits = LeaseLimits { leases_max: 16, lasts: Duration::from_secs(60) };
    ///         Arc::new(Opened(Leases::new(gate, limits)))
    ///     });
    /// }
    /// ```
    pub fn offers_leases<I: Interface>(
        &mut self,
        object: fn(Arc<B>, &Arc<Gate>) -> Arc<I::Object>,
    ) {
        self.offer::<I>(object);
    }

    fn offer<I: Interface>(
        &mut self,
        object: impl Fn(Arc<B>, &Arc<Gate>) -> Arc<I::Object> + Send + Sync + 'static,
    ) {
        let offer = move |backend: &Arc<B>, gate: &Arc<Gate>| {
            Offer::new::<I>(object(Arc::clone(backend), gate), gate)
        };
        let offer: OfferOf<B> = Arc::new(offer);
        self.offers.push((NamedInterface::of::<I>(), offer));
    }

    /// It calls components.
    pub fn calls(&mut self)
    where
        B: Server,
    {
        self.server = Some(part::ServerOf::new());
    }

    /// The same, and some of its selections are for components that offer `I` instead:
    /// [`Server::called_for`] says which.
    pub fn calls_also<I: Interface>(&mut self)
    where
        B: Server,
    {
        self.calls();
        self.also_called.push(NamedInterface::of::<I>());
    }
}

/// A backend under its name. A provider of it is checked, connected and probed through this.
#[derive(Clone)]
pub struct BackendEntry {
    name: &'static str,
    parts: Vec<Arc<dyn ErasedPart>>,
}

/// What others must know of a provider, from its settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Where it listens, if it does and if that is known already.
    pub address: Option<String>,
    /// For how long, in milliseconds, it gives a repeated call its first answer.
    pub deduplicates_for_ms: Option<u64>,
    /// What the component of each selection must offer, in their order.
    pub called: Vec<InterfaceName>,
}

/// What is wrong with a provider's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Complaint {
    /// With one of its settings, or with several together.
    Setting(SettingsError),
    /// With one of its selections.
    Selection {
        /// Which of them, from 0.
        at: usize,
        /// The field, if it is about one.
        field: Option<String>,
        /// What is wrong.
        message: String,
    },
}

/// How to ask a provider whether it works.
pub type BackendProbe = Arc<dyn Fn(CallContext) -> BoxFuture<'static, ProbeResult> + Send + Sync>;

type ProbeResult = Result<(), Box<dyn Error + Send + Sync>>;

/// Has a backend send what it holds, when nothing calls it any more: see [`Backend::close`](crate::Backend::close).
pub type BackendClose = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// A provider that is connected. Dropping it ends it.
pub struct Connected {
    /// What it offers, behind its gate.
    pub offers: Vec<Offer>,
    /// How to ask whether it works.
    pub probe: BackendProbe,
    /// Has it send what it holds, at its end.
    pub close: BackendClose,
    /// Starts it to serve, if it calls components.
    pub serve: Option<StartServing>,
}

/// Starts a connected provider to serve. Until this is called it has taken no address, so that an
/// earlier one of the same provider may keep its own for so long.
pub type StartServing = Box<dyn FnOnce() -> BoxFuture<'static, Started> + Send>;

type Started = Result<Box<dyn Serving>, ConnectFailure>;

/// Why a provider does not start.
#[derive(Debug, thiserror::Error)]
pub enum ConnectFailure {
    /// Another attempt may do.
    #[error("it cannot connect")]
    Away(#[source] Box<dyn Error + Send + Sync>),
    /// Another attempt is not expected to do.
    #[error("it cannot be connected as it is set up")]
    ForGood(#[source] Box<dyn Error + Send + Sync>),
}

impl BackendEntry {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            parts: Vec::new(),
        }
    }

    /// Takes in another type of this name; what both have if they do not go together.
    pub(crate) fn add<B: Backend>(&mut self, part: Part<B>) -> Result<(), String> {
        for known in &mut self.parts {
            if let Some(same) = known.as_any().downcast_ref::<Part<B>>() {
                *known = Arc::new(same.joined(part));
                return Ok(());
            }
        }
        let shared = |a: &InterfaceName| self.offers().contains(a);
        if let Some(interface) = part.offers().iter().find(|offer| shared(offer)) {
            return Err(format!("the interface {interface}"));
        }
        if let Some(field) = part
            .fields()
            .iter()
            .find(|field| self.fields().contains(field))
        {
            return Err(format!("the setting `{field}`"));
        }
        if !part.calls().is_empty() && !self.calls().is_empty() {
            return Err("something to call".to_owned());
        }
        self.parts.push(Arc::new(part));
        Ok(())
    }

    /// Its name in manifests.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The interfaces that it offers.
    #[must_use]
    pub fn offers(&self) -> Vec<InterfaceName> {
        self.parts.iter().flat_map(|part| part.offers()).collect()
    }

    /// What it offers and calls, with the traits behind the names.
    pub(crate) fn interfaces(&self) -> Vec<NamedInterface> {
        let interfaces = self.parts.iter().flat_map(|part| part.interfaces());
        interfaces.collect()
    }

    /// What it calls, if it calls components; one of these for each selection.
    #[must_use]
    pub fn calls(&self) -> Vec<InterfaceName> {
        self.parts.iter().flat_map(|part| part.calls()).collect()
    }

    /// The selection of a component that runs without a manifest and offers `interface`.
    #[must_use]
    pub fn selection_for(&self, interface: &InterfaceName) -> Table {
        let mut calling = self.parts.iter();
        let calling = calling.find(|part| part.calls().contains(interface));
        calling.map_or_else(Table::new, |part| part.selection_for(interface))
    }

    /// Its settings in words.
    #[must_use]
    pub fn settings(&self) -> Vec<Setting> {
        self.parts.iter().flat_map(|part| part.settings()).collect()
    }

    /// The names of its settings.
    #[must_use]
    pub fn fields(&self) -> Vec<&'static str> {
        self.parts.iter().flat_map(|part| part.fields()).collect()
    }

    /// Looks at a provider's settings and selections without connecting. `referred` are the settings
    /// that are references: they are not in the table, and nothing is held
    /// against their absence. `environment` is what surely fills in where the provider will run.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn check(
        &self,
        table: Table,
        referred: &BTreeMap<String, Referred>,
        selections: &[Table],
        environment: Environment<'_>,
    ) -> Result<Facts, Vec<Complaint>> {
        let mut facts = Facts::default();
        let mut complaints = Vec::new();
        let named = self.refuse_named_files(&table, referred);
        complaints.extend(named.err().map(Complaint::Setting));
        for (part, table) in self.shares(table) {
            match part.check(table, referred, environment) {
                Ok(known) => {
                    facts.address = facts.address.or(known.address);
                    facts.deduplicates_for_ms =
                        facts.deduplicates_for_ms.or(known.deduplicates_for_ms);
                }
                Err(error) => complaints.push(Complaint::Setting(error)),
            }
            match part.check_selections(selections) {
                Ok(called) => facts.called.extend(called),
                Err(complaint) => complaints.push(complaint),
            }
        }
        match complaints.is_empty() {
            true => Ok(facts),
            false => Err(complaints),
        }
    }

    /// Connects a provider of which others know `facts`, behind `gate`; it serves once [`Connected::serve`] is called. Settings and
    /// selections are read before.
    ///
    /// # Errors
    /// Why it does not run, and whether another attempt makes sense.
    ///
    /// # Cancel safety
    /// Dropping the future gives the attempt up and leaves nothing behind.
    pub fn connect(
        &self,
        settings: Settings<'_>,
        facts: &Facts,
        targets: Vec<(Name, Table)>,
        state: &LatticeState,
        gate: &Arc<Gate>,
    ) -> BoxFuture<'static, Result<Connected, ConnectFailure>> {
        let Settings {
            table,
            referred,
            environment,
            app,
        } = settings;
        if let Err(error) = self.refuse_named_files(&table, &referred) {
            let refused = Err(ConnectFailure::ForGood(error.into()));
            return Box::pin(std::future::ready(refused));
        }
        let starts: Vec<_> = self
            .shares(table)
            .into_iter()
            .map(|(part, table)| {
                let settings = Settings {
                    table,
                    referred: referred.clone(),
                    environment,
                    app,
                };
                part.connect(
                    settings,
                    facts,
                    targets.clone(),
                    state.clone(),
                    Arc::clone(gate),
                )
            })
            .collect();
        Box::pin(async move {
            let mut connected = Vec::new();
            for start in starts {
                connected.push(start.await?);
            }
            Ok(together(connected))
        })
    }

    fn refuse_named_files(
        &self,
        table: &Table,
        referred: &BTreeMap<String, Referred>,
    ) -> Result<(), SettingsError> {
        let files = self.parts.iter().flat_map(|part| part.node_files());
        files::refuse_named(files.copied(), table, referred)
    }

    /// Each part with the settings that are its own. What is nobody's goes to the first, which refuses
    /// it.
    fn shares(&self, table: Table) -> Vec<(&Arc<dyn ErasedPart>, Table)> {
        let mut shares: Vec<_> = self.parts.iter().map(|part| (part, Table::new())).collect();
        for (field, value) in table {
            let owner = self
                .parts
                .iter()
                .position(|part| part.fields().contains(&field.as_str()));
            if let Some((_, share)) = shares.get_mut(owner.unwrap_or(0)) {
                share.insert(field, value);
            }
        }
        shares
    }
}

fn together(mut parts: Vec<Connected>) -> Connected {
    if parts.len() == 1 {
        return parts.swap_remove(0);
    }
    let mut whole = Connected {
        offers: Vec::new(),
        probe: Arc::new(|_| Box::pin(async { Ok(()) })),
        close: Arc::new(|| Box::pin(async {})),
        serve: None,
    };
    let (mut probes, mut closes) = (Vec::new(), Vec::new());
    for part in parts {
        whole.offers.extend(part.offers);
        whole.serve = whole.serve.or(part.serve);
        probes.push(part.probe);
        closes.push(part.close);
    }
    whole.close = Arc::new(move || {
        let all = futures::future::join_all(closes.iter().map(|close| close()));
        Box::pin(async move { all.await.into_iter().collect() })
    });
    whole.probe = Arc::new(move |context| {
        let answers = probes.iter().map(|probe| probe(context.clone()));
        let answers = futures::future::try_join_all(answers);
        Box::pin(async move { answers.await.map(drop) })
    });
    whole
}

impl fmt::Debug for BackendEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BackendEntry({})", self.name)
    }
}
