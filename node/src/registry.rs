//! What this build can do: the tables of interfaces and of backends.
//!
//! The one place that names them all (`wrt_keyvalue`, `wrt_http`, `wrt_redis`, `wrt_nats`,
//! `wrt_http_server`,
//! `wrt_http_client`). To add an interface or a backend is to add its folder and a line here.

mod backends;
mod interfaces;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use wrt_contract::{Gate, Links, Offer};
use wrt_deployment::DesiredTrigger;
use wrt_host::{HostInterface, Instances};
use wrt_http::HttpHandler;
use wrt_protocol::{InterfaceName, Name};
use wrt_supervision::{Probe, StartError};

pub use interfaces::LinkSite;

/// The interfaces.
pub const INTERFACES: &[InterfaceEntry] = &[
    interfaces::KEYVALUE,
    interfaces::HTTP,
    interfaces::HTTP_CLIENT,
];

/// The backends that a provider can have.
pub const PROVIDERS: &[ProviderEntry] = &[
    backends::MEMORY,
    backends::REDIS,
    backends::NATS,
    backends::HTTP_CLIENT,
];

/// The backends that a trigger can have.
pub const TRIGGERS: &[TriggerEntry] = &[backends::HTTP_SERVER];

/// An interface that components import or export.
pub struct InterfaceEntry {
    /// Its name on the lattice, which links use.
    pub name: InterfaceName,
    /// The glue under its imports, if a component can import it.
    pub host: Option<fn() -> Arc<dyn HostInterface>>,
    /// Puts a link to a provider among a component's links.
    pub link: fn(&LinkSite<'_>, &mut Links, Name),
    /// How the WIT names of exports begin that make a component offer it.
    pub exports: &'static [&'static str],
    /// What a component offers of it; none if it does not export it.
    pub offer: OfferExport,
}

/// Offers an export of a component, behind its gate; none if it has no such export.
pub type OfferExport = fn(Arc<dyn Instances>, &Arc<Gate>) -> wasmtime::Result<Option<Offer>>;

/// The glue of every interface that components can import.
#[must_use]
pub fn host_interfaces() -> Vec<Arc<dyn HostInterface>> {
    INTERFACES
        .iter()
        .filter_map(|entry| entry.host)
        .map(|host| host())
        .collect()
}

/// A backend that offers interfaces.
pub struct ProviderEntry {
    /// Its name in manifests.
    pub name: &'static str,
    /// What it offers.
    pub offers: &'static [InterfaceName],
    /// Checks its settings without connecting.
    pub check: fn(toml::Table) -> Result<(), String>,
    /// Connects.
    pub connect: fn(toml::Table, Arc<Gate>) -> BoxFuture<'static, Result<Connected, StartError>>,
}

/// A provider that is connected.
pub struct Connected {
    /// What it offers, behind its gate.
    pub offers: Vec<Offer>,
    /// How to ask whether it still works.
    pub probe: Option<Probe>,
}

/// A backend that calls components.
pub struct TriggerEntry {
    /// Its name in manifests.
    pub name: &'static str,
    /// What it calls.
    pub calls: InterfaceName,
    /// Checks its settings without listening.
    pub check: fn(toml::Table) -> Result<(), String>,
    /// Starts it.
    pub start: fn(TriggerSettings) -> BoxFuture<'static, Result<TriggerServer, StartError>>,
}

/// Who answers the requests for a component.
pub type Handlers = Box<dyn Fn(&Name) -> Arc<dyn HttpHandler> + Send + Sync>;

/// What a trigger is started with.
pub struct TriggerSettings {
    /// What the manifest says.
    pub desired: DesiredTrigger,
    /// Its `config`, with secrets.
    pub config: toml::Table,
    /// Where requests go.
    pub handlers: Handlers,
}

/// A trigger that runs. Dropping it stops it at once.
pub struct TriggerServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// Requests in hand, and requests since it was started.
    pub load: Box<dyn Fn() -> (u32, u64) + Send + Sync>,
    /// Takes nothing new, and returns when nothing is in hand or the patience is over.
    pub drain: Box<dyn Fn(Duration) -> BoxFuture<'static, bool> + Send + Sync>,
}
