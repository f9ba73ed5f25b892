//! What `run` runs: a manifest, or a component with everything around it made up.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
    path::Path,
};

use anyhow::Context as _;
use bytes::Bytes;
use toml::Value;
use wrt_component::Engines;
use wrt_contract::Interface as _;
use wrt_deployment::{
    Catalog as _, ComponentSource, Config, ConfigValue, DesiredApp, DesiredComponent,
    DesiredProvider, DesiredTarget, Digest, ImportServer, LinkEnd, LinkTable, PlacementRule, Scope,
};
use wrt_protocol::{ComponentLimits, InterfaceName, Name, actor_limits::WALL_TIME_MS};
use wrt_runtime::{ADDRESS_SETTING, BackendEntry, JobsInterface, Runtime};

use crate::{
    AppEnvironment, LocalCode, NodeCatalog,
    cli::{
        args::{ProcessArgs, RunArgs},
        exit::Failure,
        manifest_file,
    },
};

/// An app and its code.
pub struct LocalApp {
    pub app: DesiredApp,
    pub code: BTreeMap<Digest, LocalCode>,
    /// What fills settings that nobody gave.
    pub environment: AppEnvironment,
    /// Who serves what, where the one who started it has not said so.
    pub choices: Vec<String>,
    /// What runs to its end, if that is all that is done.
    pub job: Option<Job>,
}

/// A component that runs to its end.
pub struct Job {
    /// Who runs it.
    pub provider: Name,
    /// The component.
    pub component: Name,
}

pub fn read(
    arguments: &RunArgs,
    runtime: &Runtime,
    engines: &Engines,
) -> Result<LocalApp, Failure> {
    let source = &arguments.source;
    if source
        .extension()
        .is_some_and(|extension| extension == "toml")
    {
        no_component(arguments)?;
        let RunArgs {
            address, process, ..
        } = arguments;
        from_manifest(source, address, process, runtime, engines)
    } else {
        from_component(arguments, runtime, engines)
    }
}

/// Refuses what goes with a component alone.
fn no_component(arguments: &RunArgs) -> Result<(), Failure> {
    if !arguments.environment.is_empty() {
        return Err(Failure::usage(
            "--env goes with a component; a manifest has `environment`",
        ));
    }
    if !arguments.arguments.is_empty() {
        return Err(Failure::usage(
            "arguments go with a component; a manifest has `arguments` for each that it runs",
        ));
    }
    Ok(())
}

/// The app of a manifest, its providers at these addresses.
pub fn from_manifest(
    source: &Path,
    addresses: &[String],
    process: &ProcessArgs,
    runtime: &Runtime,
    engines: &Engines,
) -> Result<LocalApp, Failure> {
    let environment = AppEnvironment::allowed(process.allow_env.clone());
    let here = Some((engines.clone(), environment.clone()));
    let read = manifest_file::read(source, runtime, Scope::SingleNode, here, &[])?;
    let mut app = read.checked.app;
    everywhere(&mut app);
    listen_elsewhere(&mut app, runtime, addresses)?;
    Ok(LocalApp {
        app,
        code: read.code,
        environment,
        choices: Vec::new(),
        job: None,
    })
}

/// One process has one replica of everything.
fn everywhere(app: &mut DesiredApp) {
    let components = app.components.values_mut().map(|it| &mut it.placement);
    let providers = app.providers.values_mut().map(|it| &mut it.placement);
    for placement in components.chain(providers) {
        *placement = PlacementRule::default();
    }
}

/// Gives providers that listen the addresses of the command line.
fn listen_elsewhere(
    app: &mut DesiredApp,
    runtime: &Runtime,
    given: &[String],
) -> Result<(), Failure> {
    for (provider, address) in addresses(given)? {
        let listening = app.providers.iter_mut();
        let mut listening: Vec<_> = listening.filter(|(_, it)| it.address.is_some()).collect();
        let names: Vec<String> = listening.iter().map(|(name, _)| name.to_string()).collect();
        let at = match &provider {
            Some(name) => names.iter().position(|known| known == name),
            None if names.len() == 1 => Some(0),
            None => None,
        };
        let Some(at) = at else {
            let names = match names.as_slice() {
                [] => "none listens".to_owned(),
                names => names.join(", "),
            };
            return Err(Failure::usage(format!(
                "--address {address}: write PROVIDER={address} with one of the app's providers \
                 that listen: {names}"
            )));
        };
        let (name, provider) = &mut listening[at];
        let backend = &provider.backend;
        let fields = runtime.backend(backend).map(BackendEntry::fields);
        if !fields.is_some_and(|fields| fields.contains(&ADDRESS_SETTING)) {
            return Err(Failure::usage(format!(
                "--address {address}: backend `{backend}` of provider {name} reads its address from \
                 another setting than `{ADDRESS_SETTING}`: write that one in a manifest"
            )));
        }
        let address = address.to_string();
        let setting = ConfigValue::Text(address.clone());
        provider
            .config
            .0
            .insert(ADDRESS_SETTING.to_owned(), setting);
        provider.address = Some(address);
    }
    Ok(())
}

fn from_component(
    arguments: &RunArgs,
    runtime: &Runtime,
    engines: &Engines,
) -> Result<LocalApp, Failure> {
    let path = &arguments.source;
    let folder = path.parent().unwrap_or(Path::new(""));
    let catalog = NodeCatalog::new(runtime.clone(), folder, Some(engines.clone()));
    let file = path
        .file_name()
        .and_then(|file| file.to_str())
        .unwrap_or_default();
    fs::metadata(path).with_context(|| {
        format!(
            "cannot read {}: build the component first, or name another",
            path.display()
        )
    })?;
    let source = catalog
        .component(file)
        .map_err(|complaint| anyhow::anyhow!("{}\n  try: {}", complaint.message, complaint.help))?;
    let name = component_name(path);
    let mut app = DesiredApp::empty(name.clone());
    let links = links(runtime, &catalog, &source, &mut app)?;
    let choices = links.iter().flat_map(choices).collect();
    let digest = Digest::of(&source.bytes);
    let has_arguments = !arguments.arguments.is_empty();
    let job = match add_job(&mut app, &name, runtime, &source, has_arguments)? {
        Some(provider) => Some(Job {
            provider,
            component: name.clone(),
        }),
        None => {
            add_servers(&mut app, &name, runtime, &source)?;
            None
        }
    };
    let mut limits = ComponentLimits::default();
    if job.is_some() {
        // Whoever has started it sits in front of it.
        limits.wall_time_ms_max = *WALL_TIME_MS.end();
    }
    let component = DesiredComponent {
        digest,
        environment: arguments.environment.iter().cloned().collect(),
        placement: PlacementRule::default(),
        links,
        limits,
    };
    app.components.insert(name.clone(), component);
    listen_elsewhere(&mut app, runtime, &arguments.address)?;
    Ok(LocalApp {
        app,
        code: code(catalog, digest, source.bytes),
        environment: AppEnvironment::everything(),
        choices,
        job,
    })
}

/// Which backend serves an interface: that `REDIS_URL` is set, for one, does not choose Redis.
fn choices<'a>(
    (interface, named): (&'a InterfaceName, &'a BTreeMap<Name, LinkEnd>),
) -> impl Iterator<Item = String> + 'a {
    named.values().filter_map(move |end| match end {
        LinkEnd::Provider(name) => Some(format!("{interface} is served by the backend {name}")),
        LinkEnd::Component(_) => None,
    })
}

/// The provider that runs the component to its end, where that is what it is for: nothing else could call it, or
/// it was given arguments.
fn add_job(
    app: &mut DesiredApp,
    component: &Name,
    runtime: &Runtime,
    source: &ComponentSource,
    has_arguments: bool,
) -> Result<Option<Name>, Failure> {
    let called = callers(runtime, source);
    let runs = called.iter().find(|(_, entry)| runs_jobs(entry));
    let serves = called.iter().any(|(_, entry)| !runs_jobs(entry));
    let Some((interface, entry)) = runs else {
        return match has_arguments {
            true => Err(Failure::usage(format!(
                "arguments are for a component that runs to its end; this one exports {}",
                source.exports.join(", ")
            ))),
            false => Ok(None),
        };
    };
    if serves && !has_arguments {
        return Ok(None);
    }
    add_target(app, component, interface, entry).map(Some)
}

fn runs_jobs(entry: &BackendEntry) -> bool {
    entry.offers().contains(&JobsInterface::NAME)
}

/// By what the component can be called, and the first backend that does so.
fn callers<'a>(
    runtime: &'a Runtime,
    source: &ComponentSource,
) -> BTreeMap<InterfaceName, &'a BackendEntry> {
    let called = source.exports.iter();
    let called: BTreeSet<_> = called.flat_map(|it| runtime.exported(it)).collect();
    let caller = |interface: InterfaceName| {
        let entry = runtime.first_that_calls(&interface)?;
        Some((interface, entry))
    };
    called.into_iter().filter_map(caller).collect()
}

/// The provider that calls the component by `interface`.
fn add_target(
    app: &mut DesiredApp,
    component: &Name,
    interface: &InterfaceName,
    entry: &BackendEntry,
) -> Result<Name, Failure> {
    let (name, provider) = provider(app, entry)?;
    let selection = Value::Table(entry.selection_for(interface));
    provider.calls.push(DesiredTarget {
        component: component.clone(),
        selection: selection.try_into::<Config>()?,
    });
    tracing::debug!(provider = %name, "calls the component");
    Ok(name)
}

/// Everything that can call the component does, for all that comes.
fn add_servers(
    app: &mut DesiredApp,
    component: &Name,
    runtime: &Runtime,
    source: &ComponentSource,
) -> Result<(), Failure> {
    let mut called = callers(runtime, source);
    called.retain(|_, entry| !runs_jobs(entry));
    for (interface, entry) in &called {
        add_target(app, component, interface, entry)?;
    }
    if !called.is_empty() {
        return Ok(());
    }
    let exports = source.exports.join(", ");
    Err(Failure::failed(anyhow::anyhow!(
        "nothing could call this component: it exports {exports}, and this program calls {}",
        callable(runtime)
    )))
}

/// What a component would have to export.
fn callable(runtime: &Runtime) -> String {
    let called = runtime.backends().iter().flat_map(BackendEntry::calls);
    let called: BTreeSet<String> = called.map(|interface| interface.to_string()).collect();
    match called.is_empty() {
        true => "nothing".to_owned(),
        false => called.into_iter().collect::<Vec<_>>().join(", "),
    }
}

/// A link for each interface that the component imports, to the first backend that offers it.
fn links(
    runtime: &Runtime,
    catalog: &NodeCatalog,
    source: &ComponentSource,
    app: &mut DesiredApp,
) -> Result<LinkTable, Failure> {
    let mut links = LinkTable::new();
    let mut unserved = Vec::new();
    for import in &source.imports {
        let (interface, is_optional) = match catalog.import(import) {
            ImportServer::Node => continue,
            ImportServer::Link(interface) => (interface, false),
            ImportServer::OptionalLink(interface) => (interface, true),
            ImportServer::Nobody { hint } => {
                unserved.push(format!("{import}, which nobody serves: {hint}"));
                continue;
            }
        };
        match runtime.first_that_offers(&interface) {
            Some(entry) => {
                let (name, _) = provider(app, entry)?;
                let named = BTreeMap::from([(Name::new("default")?, LinkEnd::Provider(name))]);
                links.insert(interface, named);
            }
            None if is_optional => {}
            None => unserved.push(needs_a_provider(&interface, import)),
        }
    }
    match unserved.is_empty() {
        true => Ok(links),
        false => Err(Failure::failed(anyhow::anyhow!(
            "the component imports {}",
            unserved.join("\n  and ")
        ))),
    }
}

fn needs_a_provider(interface: &InterfaceName, import: &str) -> String {
    format!(
        "{import}, which needs a provider: write a manifest with a link for `{interface}` and run \
         that"
    )
}

/// The app's provider of a backend, under the backend's name; its settings are the environment's.
fn provider<'a>(
    app: &'a mut DesiredApp,
    entry: &BackendEntry,
) -> Result<(Name, &'a mut DesiredProvider), Failure> {
    let name = Name::new(entry.name())?;
    let provider = app.providers.entry(name.clone()).or_insert_with(|| {
        let environment = AppEnvironment::everything();
        let lookup = |variable: &str| environment.get(variable);
        let facts = entry.check(toml::Table::new(), &BTreeMap::new(), &[], &lookup);
        let facts = facts.unwrap_or_default();
        DesiredProvider {
            address: facts.address,
            deduplicates_for_ms: facts.deduplicates_for_ms,
            ..DesiredProvider::new(entry.name())
        }
    });
    Ok((name, provider))
}

fn code(catalog: NodeCatalog, digest: Digest, bytes: Bytes) -> BTreeMap<Digest, LocalCode> {
    let mut code = BTreeMap::from([(digest, LocalCode::Component(bytes))]);
    let artefacts = catalog.into_artefacts().into_iter();
    code.extend(artefacts.map(|(digest, artefact)| (digest, LocalCode::Artefact(artefact))));
    code
}

/// The file's name as far as it can be a name.
fn component_name(path: &Path) -> Name {
    let stem = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    let lower = stem.to_ascii_lowercase();
    let legal: String = lower
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(wrt_protocol::limits::NAME_BYTES_MAX)
        .collect();
    let fallback = || Name::new("component").expect("a legal name");
    Name::new(legal.trim_matches('-')).unwrap_or_else(|_not_even_that| fallback())
}

fn addresses(given: &[String]) -> Result<Vec<(Option<String>, SocketAddr)>, Failure> {
    let parse = |text: &String| {
        let (provider, address) = match text.split_once('=') {
            Some((provider, address)) => (Some(provider.to_owned()), address),
            None => (None, text.as_str()),
        };
        let address = address.parse().map_err(|_no_address| {
            Failure::usage(format!(
                "--address {text}: write an IP address and a port: 127.0.0.1:8080"
            ))
        });
        Ok((provider, address?))
    };
    given.iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It was told that there is no setting `address`, whatever it had asked for.
    #[test]
    fn an_address_goes_to_the_setting_of_that_name() {
        for (backend, refused) in [("bell", None), ("whistle", Some("another setting"))] {
            let mut app = DesiredApp::empty(Name::new("app").expect("a name"));
            let provider = DesiredProvider {
                address: Some("127.0.0.1:80".to_owned()),
                ..DesiredProvider::new(backend)
            };
            app.providers
                .insert(Name::new("web").expect("a name"), provider);
            let given = ["127.0.0.1:81".to_owned()];
            let done = listen_elsewhere(&mut app, &crate::bell::runtime(), &given);
            let told = done.err().map(|failure| failure.error.to_string());
            match (told, refused) {
                (None, None) => {
                    let provider = app.providers.values().next().expect("there is one");
                    assert_eq!(provider.address.as_ref(), given.first());
                }
                (Some(told), Some(part)) => assert!(told.contains(part), "{told}"),
                (told, _) => panic!("{backend}: {told:?}"),
            }
        }
    }
}
