//! What the services of an app's providers must permit them, where those are asked by subjects, as NATS is.

use toml::Table;
use wrt_deployment::{DesiredApp, DesiredProvider, LinkEnd, Permissions};
use wrt_protocol::{InterfaceName, Name};
use wrt_runtime::{BackendEntry, Runtime, Usage};

use crate::catalog::referred;

/// The providers of an app that have such a service, and what it must permit each.
pub(super) fn of_app(runtime: &Runtime, app: &DesiredApp) -> Vec<(Name, Permissions)> {
    let permitted = app.providers.iter().filter_map(|(name, provider)| {
        let entry = runtime.backend(&provider.backend)?;
        Some((name.clone(), of_provider(entry, app, name, provider)?))
    });
    permitted.collect()
}

fn of_provider(
    entry: &BackendEntry,
    app: &DesiredApp,
    name: &Name,
    provider: &DesiredProvider,
) -> Option<Permissions> {
    let referred = referred(&provider.config);
    let mut written = provider.config.clone();
    written.0.retain(|field, _| !referred.contains_key(field));
    let table = written.resolve(&|_reference| None).ok()?;
    let calls = provider.calls.iter().map(|target| {
        let selection = target.selection.resolve(&|_reference| None);
        (target.component.clone(), selection.unwrap_or_default())
    });
    let calls: Vec<(Name, Table)> = calls.collect();
    let usage = Usage {
        interfaces: &used(entry, app, name, provider),
        calls: &calls,
    };
    let permitted = entry.permissions(table, &referred, &app.app, &usage)?;
    Some(Permissions {
        publish: permitted.publish,
        subscribe: permitted.subscribe,
    })
}

/// By which interfaces the app calls it, and it calls.
fn used(
    entry: &BackendEntry,
    app: &DesiredApp,
    name: &Name,
    provider: &DesiredProvider,
) -> Vec<InterfaceName> {
    let end = LinkEnd::Provider(name.clone());
    let links = app.components.values().flat_map(|it| &it.links);
    let links = links.filter(|(_, named)| named.values().any(|it| *it == end));
    let mut used: Vec<_> = links.map(|(interface, _)| interface.clone()).collect();
    if !provider.calls.is_empty() {
        used.extend(entry.calls());
    }
    used
}
