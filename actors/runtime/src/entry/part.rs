//! One backend type behind an entry.

use std::{any::Any, collections::BTreeMap, sync::Arc};

use futures::{
    FutureExt, TryFutureExt,
    future::{BoxFuture, ready},
};
use toml::{Table, Value};
use wrt_contract::{Gate, Interface};
use wrt_protocol::{InterfaceName, Name};

use super::{Complaint, ConnectFailure, Connected, Entry, Facts, Probe, StartServing};
use crate::{Backend, FromEnv, LatticeState, Server, Serving, Settings, SettingsError, Target};

/// A backend type without its type.
pub(crate) trait ErasedPart: Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn offers(&self) -> Vec<InterfaceName>;
    fn calls(&self) -> Option<InterfaceName>;
    fn fields(&self) -> Vec<&'static str>;
    fn check(
        &self,
        table: Table,
        referred: &BTreeMap<String, String>,
    ) -> Result<Facts, SettingsError>;
    fn check_selections(&self, selections: &[Table]) -> Result<(), Complaint>;
    fn connect(
        &self,
        settings: Settings<'_>,
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
    calls: InterfaceName,
    check: fn(&[Table]) -> Result<(), Complaint>,
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
            calls: B::Calls::NAME,
            check: |selections| selected::<B>(selections).map(drop),
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
        self.0.offers.iter().map(|(name, _)| name.clone()).collect()
    }

    fn calls(&self) -> Option<InterfaceName> {
        self.0.server.as_ref().map(|server| server.calls.clone())
    }

    fn fields(&self) -> Vec<&'static str> {
        B::ConnectOptions::fields()
    }

    fn check(
        &self,
        table: Table,
        referred: &BTreeMap<String, String>,
    ) -> Result<Facts, SettingsError> {
        B::ConnectOptions::look_over(&table)?;
        let referred_here = |field: &str| self.fields().contains(&field);
        let is_complete = !referred.keys().any(|field| referred_here(field));
        let options = match B::ConnectOptions::load(Settings::of_table(table)) {
            Ok(options) => options,
            // A setting that must be there may well be one of the references.
            Err(SettingsError::Missing { .. }) if !is_complete => return Ok(Facts::default()),
            Err(error) => return Err(error),
        };
        if is_complete {
            B::check(&options)?;
        }
        // An address that only its node knows is an address all the same.
        let of_variable = referred.get("address");
        let of_variable = of_variable.map(|variable| format!("env {variable}"));
        Ok(Facts {
            address: B::address(&options).map(|address| of_variable.unwrap_or(address)),
            deduplicates_for_ms: B::deduplicates_for_ms(&options),
        })
    }

    fn check_selections(&self, selections: &[Table]) -> Result<(), Complaint> {
        match &self.0.server {
            Some(server) => (server.check)(selections),
            None => Ok(()),
        }
    }

    fn connect(
        &self,
        settings: Settings<'_>,
        targets: Vec<(Name, Table)>,
        state: LatticeState,
        gate: Arc<Gate>,
    ) -> BoxFuture<'static, Result<Connected, ConnectFailure>> {
        let prepared = match self.prepare(settings, targets) {
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
                probe: probe(backend),
                serve,
            })
        }
        .boxed()
    }
}

impl<B: Backend> Part<B> {
    /// All that can be wrong before anything is connected.
    fn prepare(
        &self,
        settings: Settings<'_>,
        targets: Vec<(Name, Table)>,
    ) -> Result<(B::ConnectOptions, Option<Prepared<B>>), ConnectFailure> {
        let for_good = |error: SettingsError| ConnectFailure::ForGood(error.into());
        let options = B::ConnectOptions::load(settings).map_err(for_good)?;
        B::check(&options).map_err(for_good)?;
        let server = self.0.server.as_ref();
        let server = server.map(|server| (server.prepare)(targets)).transpose();
        Ok((options, server.map_err(refused_selection)?))
    }
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

fn probe<B: Backend>(backend: Arc<B>) -> Probe {
    Arc::new(move |context| {
        let backend = Arc::clone(&backend);
        async move {
            let answer = backend.probe(&context).await;
            answer.map_err(|error| error.to_string())
        }
        .boxed()
    })
}
