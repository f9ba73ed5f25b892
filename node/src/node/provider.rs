//! Starting a provider.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, TryFutureExt, future::BoxFuture};
use toml::Table;
use wrt_contract::{CallContext, Gate, GateLimits};
use wrt_deployment::{DesiredProvider, DesiredTarget, MissingSecret, Reference};
use wrt_protocol::{ActorAddress, Name};
use wrt_runtime::{BackendEntry, ConnectFailure, Facts, LatticeState, Settings, StartServing};
use wrt_supervision::{Probe, Running, Start, StartError};

use super::{
    Parts, capacity::Reported, deployed::DeployedApp, links::LinksTo, replica::AddressTaken,
    secrets::read_secrets, servers::Server, siblings::LatticeSiblings,
};
use crate::catalog::{chain, referred};

/// How long a provider's service may take to answer a probe; supervision waits a little longer.
const PROBE_BUDGET: Duration = Duration::from_millis(1800);

/// Resolves a provider's references, connects it, offers it, and lets it serve if it calls
/// components.
pub(crate) struct ProviderStart {
    pub(crate) actor: ActorAddress,
    pub(crate) desired: DesiredProvider,
    pub(crate) parts: Arc<Parts>,
}

impl Start for ProviderStart {
    fn start(&self) -> BoxFuture<'_, Result<Running, StartError>> {
        self.attempt().boxed()
    }
}

impl ProviderStart {
    async fn attempt(&self) -> Result<Running, StartError> {
        let Self {
            actor,
            desired,
            parts,
        } = self;
        let entry = parts.runtime.backend(&desired.backend);
        let entry = entry.ok_or_else(|| unknown_backend(&desired.backend))?;
        let gate = Gate::of_actor(actor, gate_limits(entry, desired));
        gate.obeys(Arc::new(LinksTo {
            links: Arc::clone(&parts.linked),
            actor: actor.clone(),
        }));
        let state = self.state();
        // Read at each attempt; the environment of a process does not change, and a refused attempt
        // is made rarely.
        let lookup = |variable: &str| parts.environment.get(variable);
        let settings = Settings {
            table: self.resolved(&state, &lookup).await?,
            referred: referred(&desired.config),
            environment: &lookup,
            app: actor.app.as_str(),
        };
        let targets = desired.calls.iter().map(target);
        let targets = targets.collect::<Result<Vec<_>, _>>()?;
        let known = Facts {
            address: desired.address.clone(),
            deduplicates_for_ms: desired.deduplicates_for_ms,
            ..Facts::default()
        };
        let connecting = entry.connect(settings, &known, targets, &state, &gate);
        let connected = connecting
            .await
            .map_err(|failure| self.not_connected(failure))?;
        if let Some(serve) = connected.serve {
            self.serves(serve, &gate).await?;
        }
        let ask = connected.probe;
        let probe: Probe = Arc::new(move || {
            let asked = ask(CallContext::with_budget(PROBE_BUDGET));
            asked.map_err(|error| chain(error.as_ref())).boxed()
        });
        Ok(Running {
            offers: connected.offers,
            probe: Some(probe),
            close: Some(connected.close),
            gate,
        })
    }

    /// The settings with what they refer to, as it is now.
    async fn resolved(
        &self,
        state: &LatticeState,
        lookup: &(dyn Fn(&str) -> Option<String> + Send + Sync),
    ) -> Result<Table, StartError> {
        let config = &self.desired.config;
        let wanted = config.secrets().map(|(_field, secret)| secret);
        let secrets = read_secrets(state, wanted).await?;
        let table = config.resolve(&|reference| match reference {
            Reference::Variable(variable) => lookup(&variable.env),
            Reference::Secret(secret) => secrets.get(secret).cloned(),
        });
        table.map_err(|missing| match missing {
            MissingSecret::Variable { .. } => StartError::Refused(Box::new(missing)),
            // It may be set at any time.
            MissingSecret::Secret { .. } => StartError::Transient(Box::new(missing)),
        })
    }

    /// What a service refuses for good it may take with what the vault has next.
    fn not_connected(&self, failure: ConnectFailure) -> StartError {
        match failure {
            ConnectFailure::ForGood(source) if self.desired.config.secrets().next().is_some() => {
                StartError::Transient(source)
            }
            failure => start_error(failure),
        }
    }

    /// What the app has, as this replica sees it.
    fn state(&self) -> LatticeState {
        let Self { actor, parts, .. } = self;
        let state = LatticeState::new(
            actor.app.clone(),
            Arc::clone(&parts.directory),
            Arc::clone(&parts.caller),
        )
        .of_provider(actor.clone())
        .with_deployments(Arc::new(DeployedApp {
            app: actor.app.clone(),
            desired: parts.desired.clone(),
        }));
        let state = match &parts.membership {
            None => state,
            Some(membership) => {
                let siblings = LatticeSiblings {
                    directory: Arc::clone(&parts.directory),
                    membership: Arc::clone(membership),
                    actor: actor.clone(),
                };
                let reports = Reported {
                    membership: Arc::clone(membership),
                    provider: actor.clone(),
                };
                state
                    .with_siblings(actor.clone(), Arc::new(siblings))
                    .with_reports(Arc::new(reports))
            }
        };
        match parts.store.get() {
            None => state,
            Some(store) => state.with_ownership(Arc::new(parts.ownership(store, actor))),
        }
    }

    /// The server before keeps its address until all that can be wrong without it was looked at; a
    /// drain of the gate waits for the new one too, which holds a permit until its last event is done.
    async fn serves(&self, serve: StartServing, gate: &Arc<Gate>) -> Result<(), StartError> {
        if let Some(address) = &self.desired.address {
            self.parts.servers.give_up_address(&self.actor, address);
        }
        let serving = serve().await.map_err(|failure| self.serve_error(failure))?;
        if let Some(address) = serving.address() {
            tracing::info!(actor = %self.actor, %address, "listens");
        }
        let permit = gate.admit(&CallContext::default()).await;
        let permit = permit.map_err(|fault| StartError::Transient(Box::new(fault)))?;
        let address = self.desired.address.as_deref();
        let calls_somebody = !self.desired.calls.is_empty();
        let server = Server::new(address, calls_somebody, serving, permit);
        self.parts.servers.insert(&self.actor, server);
        Ok(())
    }

    /// Why it does not serve: where another provider of this node has its address, that is why.
    fn serve_error(&self, failure: ConnectFailure) -> StartError {
        let address = self.desired.address.as_deref();
        let taken = address.and_then(|address| {
            let holder = self.parts.servers.holder(address, &self.actor)?;
            let address = address.to_owned();
            Some(AddressTaken { address, holder })
        });
        match taken {
            Some(taken) => StartError::Transient(Box::new(taken)),
            None => start_error(failure),
        }
    }
}

/// A server's own permit is beyond those of its calls.
fn gate_limits(entry: &BackendEntry, desired: &DesiredProvider) -> GateLimits {
    let of_server = u32::from(!entry.calls().is_empty());
    let of_calls = match entry.offers().is_empty() {
        true => 0,
        false => desired.limits.concurrency_max,
    };
    GateLimits {
        concurrency_max: of_calls.saturating_add(of_server),
        queue_max: desired.limits.queue_max,
    }
}

fn target(target: &DesiredTarget) -> Result<(Name, Table), StartError> {
    let selection = target.selection.resolve(&|_variable| None);
    let selection = selection.map_err(|missing| StartError::Refused(Box::new(missing)))?;
    Ok((target.component.clone(), selection))
}

fn start_error(failure: ConnectFailure) -> StartError {
    match failure {
        ConnectFailure::Away(source) => StartError::Transient(source),
        ConnectFailure::ForGood(source) => StartError::Refused(source),
    }
}

/// The manifest was checked by a build that has it.
fn unknown_backend(backend: &str) -> StartError {
    let reason = format!(
        "this build has no backend `{backend}`: bring the node to the build that deployed it"
    );
    StartError::Refused(reason.into())
}
