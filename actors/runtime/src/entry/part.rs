//! One backend type behind an entry.

use std::{any::Any, collections::BTreeMap, sync::Arc};

use futures::{
    FutureExt, TryFutureExt,
    future::{BoxFuture, ready},
};
use toml::{Table, Value};
use wrt_contract::{Gate, NamedInterface};
use wrt_protocol::{InterfaceName, Name};

use super::{
    BackendClose, BackendProbe, Complaint, ConnectFailure, Connected, Entry, Facts,
    ServicePermissions, StartServing, Usage,
};
use crate::{
    ADDRESS_SETTING, Backend, DEDUPLICATION_SETTING, Environment, FromEnv, LatticeState, Referred,
    Server, Serving, Setting, Settings, SettingsError, Target,
};

/// A backend type without its type.
pub(crate) trait ErasedPart: Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn offers(&self) -> Vec<InterfaceName>;
    fn interfaces(&self) -> Vec<NamedInterface>;
    fn calls(&self) -> Vec<InterfaceName>;
    fn selection_for(&self, interface: &InterfaceName) -> Table;
    fn fields(&self) -> Vec<&'static str>;
    fn settings(&self) -> Vec<Setting>;
    fn node_files(&self) -> &'static [&'static str];
    fn check(
        &self,
        table: Table,
        referred: &BTreeMap<String, Referred>,
        environment: Environment<'_>,
    ) -> Result<Facts, SettingsError>;
    /// What its service must permit it.
    fn permissions(&self, settings: Settings<'_>, usage: &Usage<'_>) -> Option<ServicePermissions>;
    /// What the component of each must offer.
    fn check_selections(&self, selections: &[Table]) -> Result<Vec<InterfaceName>, Complaint>;
    fn connect(
        &self,
        settings: Settings<'_>,
        facts: &Facts,
        targets: Vec<(Name, Table)>,
        state: LatticeState,
        gate: Arc<Gate>,
    ) -> BoxFuture<'static, Result<Connected, ConnectFailure>>;
}

pub(crate) struct Part<B: Backend>(Arc<Entry<B>>);

impl<B: Backend> Part<B> {
    pub(crate) fn new(entry: Entry<B>) -> Self {
        Self(Arc::new(entry))
    }

    /// With what another package adds to the same backend.
    pub(super) fn joined(&self, other: Self) -> Self {
        Self::new(self.0.joined(&other.0))
    }
}

type Started<B> = Result<Box<dyn Serving>, <B as Backend>::ConnectError>;

/// What a part can do because its type is a [`Server`].
pub(crate) struct ServerOf<B: Backend> {
    calls: NamedInterface,
    check: fn(&[Table]) -> Result<Vec<InterfaceName>, Complaint>,
    selection_for: fn(&InterfaceName) -> Table,
    prepare: Prepare<B>,
}

type Prepare<B> = fn(Vec<(Name, Table)>) -> Result<Prepared<B>, Complaint>;

/// Serves targets that were read.
type Prepared<B> = Box<dyn FnOnce(Arc<B>, LatticeState) -> Starting<B> + Send>;

type Starting<B> = BoxFuture<'static, Started<B>>;

impl<B: Backend> Clone for ServerOf<B> {
    fn clone(&self) -> Self {
        Self {
            calls: self.calls.clone(),
            ..*self
        }
    }
}

impl<B: Server> ServerOf<B> {
    pub(super) fn new() -> Self {
        Self {
            calls: NamedInterface::of::<B::Calls>(),
            check: |selections| {
                let selected = selected::<B>(selections)?;
                Ok(selected.iter().map(B::called_for).collect())
            },
            selection_for: B::selection_for,
            prepare: |targets| {
                let (components, selections): (Vec<_>, Vec<_>) = targets.into_iter().unzip();
                let selections = selected::<B>(&selections)?;
                let targets = components.into_iter().zip(selections);
                let targets = targets.map(|(component, selection)| Target {
                    component,
                    selection,
                });
                let targets = targets.collect();
                Ok(Box::new(move |server: Arc<B>, state: LatticeState| {
                    async move { server.serve(&state, targets).await }.boxed()
                }))
            },
        }
    }
}

fn selected<B: Server>(selections: &[Table]) -> Result<Vec<B::Selection>, Complaint> {
    let mut read = Vec::new();
    for (at, table) in selections.iter().enumerate() {
        let selection = Value::Table(table.clone()).try_into();
        read.push(selection.map_err(|error: toml::de::Error| {
            Complaint::Selection {
                at,
                field: table
                    .keys()
                    .find(|field| error.message().contains(&format!("`{field}`")))
                    .cloned(),
                message: error.message().to_owned(),
            }
        })?);
    }
    B::check_selections(&read).map_err(|error| Complaint::Selection {
        at: error.at,
        field: error.field.map(str::to_owned),
        message: error.message,
    })?;
    Ok(read)
}

impl<B: Backend> ErasedPart for Part<B> {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn offers(&self) -> Vec<InterfaceName> {
        let offers = self.0.offers.iter();
        offers.map(|(named, _)| named.name().clone()).collect()
    }

    fn interfaces(&self) -> Vec<NamedInterface> {
        let offers = self.0.offers.iter().map(|(named, _)| named.clone());
        let called = self.0.server.as_ref().map(|server| server.calls.clone());
        let also = self.0.also_called.iter().cloned();
        offers.chain(called).chain(also).collect()
    }

    fn calls(&self) -> Vec<InterfaceName> {
        let called = self.0.server.iter().map(|server| &server.calls);
        let called = called.chain(&self.0.also_called);
        called.map(|named| named.name().clone()).collect()
    }

    fn selection_for(&self, interface: &InterfaceName) -> Table {
        let server = self.0.server.as_ref();
        server.map_or_else(Table::new, |server| (server.selection_for)(interface))
    }

    fn fields(&self) -> Vec<&'static str> {
        B::ConnectOptions::fields()
    }

    fn settings(&self) -> Vec<Setting> {
        B::ConnectOptions::described()
    }

    fn node_files(&self) -> &'static [&'static str] {
        B::NODE_FILES
    }

    fn check(
        &self,
        table: Table,
        referred: &BTreeMap<String, Referred>,
        environment: Environment<'_>,
    ) -> Result<Facts, SettingsError> {
        B::ConnectOptions::look_over(&table)?;
        let referred_here = referred.keys().filter(|field| self.has(field));
        let referred_here: Vec<&str> = referred_here.map(String::as_str).collect();
        if referred_here.contains(&DEDUPLICATION_SETTING) {
            return Err(SettingsError::Value {
                field: DEDUPLICATION_SETTING.to_owned(),
                message: "every caller must know it: write the value itself, and no reference"
                    .to_owned(),
            });
        }
        if let Some(Referred::Secret(_)) = referred
            .get(ADDRESS_SETTING)
            .filter(|_| self.has(ADDRESS_SETTING))
        {
            return Err(SettingsError::Value {
                field: ADDRESS_SETTING.to_owned(),
                message: "it is no secret: write it, or refer to a variable of the node".to_owned(),
            });
        }
        let load = |table| {
            B::ConnectOptions::load(Settings {
                table,
                environment,
                ..Settings::default()
            })
        };
        let options = match load(table.clone()) {
            Ok(options) => options,
            // A setting that must be there may well be one of the references.
            Err(SettingsError::Missing { .. }) if !referred_here.is_empty() => {
                match load(with_texts(table, &referred_here)) {
                    Ok(options) => options,
                    Err(_no_text) => return Ok(Facts::default()),
                }
            }
            Err(error) => return Err(error),
        };
        if referred_here.is_empty() {
            B::check(&options)?;
        }
        let mut facts = facts::<B>(&options);
        // An address that only its node knows is an address all the same.
        if let Some(source) = referred.get(ADDRESS_SETTING) {
            facts.address = facts.address.map(|_address| source.to_string());
        }
        Ok(facts)
    }

    fn permissions(&self, settings: Settings<'_>, usage: &Usage<'_>) -> Option<ServicePermissions> {
        let Settings {
            table,
            referred,
            environment,
            app,
        } = settings;
        // What a login refers to says nothing of what it is permitted.
        let referred_here = referred.keys().filter(|field| self.has(field));
        let referred_here: Vec<&str> = referred_here.map(String::as_str).collect();
        let options = B::ConnectOptions::load(Settings {
            table: with_texts(table, &referred_here),
            environment,
            app,
            ..Settings::default()
        });
        B::permissions(&options.ok()?, usage)
    }

    fn check_selections(&self, selections: &[Table]) -> Result<Vec<InterfaceName>, Complaint> {
        match &self.0.server {
            Some(server) => (server.check)(selections),
            None => Ok(Vec::new()),
        }
    }

    fn connect(
        &self,
        settings: Settings<'_>,
        facts: &Facts,
        targets: Vec<(Name, Table)>,
        state: LatticeState,
        gate: Arc<Gate>,
    ) -> BoxFuture<'static, Result<Connected, ConnectFailure>> {
        let prepared = match self.prepare(settings, facts, targets) {
            Ok(prepared) => prepared,
            Err(failure) => return ready(Err(failure)).boxed(),
        };
        let (options, server) = prepared;
        let entry = Arc::clone(&self.0);
        async move {
            let backend = B::connect_with(options).await.map_err(failure::<B>)?;
            let backend = Arc::new(backend);
            let offers = entry.offers.iter();
            let offers = offers.map(|(_, offer)| offer(&backend, &gate)).collect();
            let serve = server.map(|server| {
                let backend = Arc::clone(&backend);
                Box::new(move || server(backend, state).map_err(failure::<B>).boxed())
                    as StartServing
            });
            Ok(Connected {
                offers,
                close: close(Arc::clone(&backend)),
                probe: probe(backend),
                serve,
            })
        }
        .boxed()
    }
}

impl<B: Backend> Part<B> {
    fn has(&self, field: &str) -> bool {
        B::ConnectOptions::fields().contains(&field)
    }

    /// All that can be wrong before anything is connected.
    fn prepare(
        &self,
        settings: Settings<'_>,
        known: &Facts,
        targets: Vec<(Name, Table)>,
    ) -> Result<(B::ConnectOptions, Option<Prepared<B>>), ConnectFailure> {
        let for_good = |error: SettingsError| ConnectFailure::ForGood(error.into());
        let only_here = [ADDRESS_SETTING, DEDUPLICATION_SETTING]
            .map(|field| from_environment_alone::<B>(&settings, field));
        let options = B::ConnectOptions::load(settings).map_err(for_good)?;
        B::check(&options).map_err(for_good)?;
        let facts = facts::<B>(&options);
        let [address, deduplication] = only_here;
        if let Some(variable) = address.filter(|_| facts.address != known.address) {
            return Err(for_good(SettingsError::OnlyHere {
                field: ADDRESS_SETTING.to_owned(),
                variable: variable.to_owned(),
                help: format!("`{ADDRESS_SETTING} = {{ env = \"{variable}\" }}`, or its value,"),
            }));
        }
        let is_known = facts.deduplicates_for_ms == known.deduplicates_for_ms;
        if let Some(variable) = deduplication.filter(|_| !is_known) {
            return Err(for_good(SettingsError::OnlyHere {
                field: DEDUPLICATION_SETTING.to_owned(),
                variable: variable.to_owned(),
                help: "its value".to_owned(),
            }));
        }
        let server = self.0.server.as_ref();
        let server = server.map(|server| (server.prepare)(targets)).transpose();
        Ok((options, server.map_err(refused_selection)?))
    }
}

fn facts<B: Backend>(options: &B::ConnectOptions) -> Facts {
    Facts {
        address: B::address(options),
        deduplicates_for_ms: B::deduplicates_for_ms(options),
        called: Vec::new(),
    }
}

/// The variable that gives `field`, if the manifest does not.
fn from_environment_alone<B: Backend>(
    settings: &Settings<'_>,
    field: &str,
) -> Option<&'static str> {
    let variable = B::ConnectOptions::variable(field)?;
    let is_set = (settings.environment)(variable).is_some_and(|text| !text.is_empty());
    (is_set && !settings.table.contains_key(field)).then_some(variable)
}

/// With a text for each field that is a reference: what the facts are made of is elsewhere.
fn with_texts(mut table: Table, referred: &[&str]) -> Table {
    for field in referred {
        let text = match *field {
            ADDRESS_SETTING => "127.0.0.1:0",
            _ => "unknown",
        };
        table.insert((*field).to_owned(), Value::String(text.to_owned()));
    }
    table
}

fn failure<B: Backend>(error: B::ConnectError) -> ConnectFailure {
    match B::is_for_good(&error) {
        true => ConnectFailure::ForGood(Box::new(error)),
        false => ConnectFailure::Away(Box::new(error)),
    }
}

/// The manifest was checked by a build that reads selections another way.
fn refused_selection(complaint: Complaint) -> ConnectFailure {
    let text = match complaint {
        Complaint::Setting(error) => error.to_string(),
        Complaint::Selection { message, .. } => message,
    };
    ConnectFailure::ForGood(text.into())
}

fn close<B: Backend>(backend: Arc<B>) -> BackendClose {
    Arc::new(move || {
        let backend = Arc::clone(&backend);
        async move { backend.close().await }.boxed()
    })
}

fn probe<B: Backend>(backend: Arc<B>) -> BackendProbe {
    Arc::new(move |context| {
        let backend = Arc::clone(&backend);
        async move { backend.probe(&context).await }.boxed()
    })
}
