//! What `run` runs: a manifest, or a component with everything around it made up.

use std::{collections::BTreeMap, fs, net::SocketAddr, path::Path};

use anyhow::Context as _;
use bytes::Bytes;
use wrt_component::Engines;
use wrt_deployment::{
    Catalog as _, ComponentLimits, ComponentSource, Config, DesiredApp, DesiredComponent,
    DesiredProvider, DesiredTrigger, Digest, ImportServer, LinkTable, PlacementRule,
    ProviderLimits, Route, Scope,
};
use wrt_protocol::{InterfaceName, Name};

use crate::{
    LocalCode, NodeCatalog,
    cli::{args::RunArgs, exit::Failure, manifest_file},
    registry::PROVIDERS,
};

const ADDRESS_DEFAULT: &str = "127.0.0.1:8080";
/// The backend for what a single component imports: it needs nothing and leaves nothing.
const BACKEND_DEFAULT: &str = "memory";

/// An app and its code.
pub struct LocalApp {
    pub app: DesiredApp,
    pub code: BTreeMap<Digest, LocalCode>,
}

pub fn read(arguments: &RunArgs, engines: &Engines) -> Result<LocalApp, Failure> {
    let source = &arguments.source;
    if source
        .extension()
        .is_some_and(|extension| extension == "toml")
    {
        from_manifest(arguments, engines)
    } else {
        from_component(arguments, engines)
    }
}

fn from_manifest(arguments: &RunArgs, engines: &Engines) -> Result<LocalApp, Failure> {
    if !arguments.environment.is_empty() {
        return Err(Failure::usage(
            "--env goes with a component; a manifest has `environment`",
        ));
    }
    let read = manifest_file::read(&arguments.source, Scope::SingleNode, Some(engines.clone()))?;
    let mut app = read.checked.app;
    everywhere(&mut app);
    for (trigger, address) in addresses(&arguments.address)? {
        let names: Vec<String> = app.triggers.keys().map(ToString::to_string).collect();
        let found = match &trigger {
            Some(name) => app
                .triggers
                .iter_mut()
                .find(|(known, _)| known.as_str() == name),
            None if names.len() == 1 => app.triggers.iter_mut().next(),
            None => None,
        };
        let Some((_, found)) = found else {
            let names = names.join(", ");
            return Err(Failure::usage(format!(
                "--address {address}: write TRIGGER={address} with one of the app's triggers: {names}"
            )));
        };
        found.address = address.to_string();
    }
    Ok(LocalApp {
        app,
        code: read.code,
    })
}

/// One process has one replica of everything.
fn everywhere(app: &mut DesiredApp) {
    let components = app.components.values_mut().map(|it| &mut it.placement);
    let providers = app.providers.values_mut().map(|it| &mut it.placement);
    let triggers = app.triggers.values_mut().map(|it| &mut it.placement);
    for placement in components.chain(providers).chain(triggers) {
        *placement = PlacementRule::default();
    }
}

fn from_component(arguments: &RunArgs, engines: &Engines) -> Result<LocalApp, Failure> {
    let path = &arguments.source;
    let folder = path.parent().unwrap_or(Path::new(""));
    let catalog = NodeCatalog::new(folder, Some(engines.clone()));
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
    let links = links(&catalog, &source, &mut app)?;
    let digest = Digest::of(&source.bytes);
    let component = DesiredComponent {
        digest,
        environment: arguments.environment.iter().cloned().collect(),
        placement: PlacementRule::default(),
        links,
        limits: ComponentLimits::default(),
    };
    app.components.insert(name.clone(), component);
    add_trigger(&mut app, &name, arguments, &catalog, &source)?;
    Ok(LocalApp {
        app,
        code: code(catalog, digest, source.bytes),
    })
}

fn add_trigger(
    app: &mut DesiredApp,
    component: &Name,
    arguments: &RunArgs,
    catalog: &NodeCatalog,
    source: &ComponentSource,
) -> Result<(), Failure> {
    if !source
        .exports
        .iter()
        .any(|export| catalog.export(export).is_some())
    {
        let exports = source.exports.join(", ");
        return Err(Failure::failed(anyhow::anyhow!(
            "nothing could call this component: it exports {exports}, and no wasi:http handler"
        )));
    }
    let mut address = ADDRESS_DEFAULT.to_owned();
    for (trigger, given) in addresses(&arguments.address)? {
        if trigger.is_some() {
            return Err(Failure::usage(
                "--address TRIGGER=ADDRESS goes with a manifest",
            ));
        }
        address = given.to_string();
    }
    let mut trigger = DesiredTrigger::new("http-server", &address);
    trigger.routes.push(Route {
        host: "*".to_owned(),
        path: "/".to_owned(),
        component: component.clone(),
    });
    app.triggers.insert(Name::new("http")?, trigger);
    Ok(())
}

/// A link to memory for each interface that the component imports.
fn links(
    catalog: &NodeCatalog,
    source: &ComponentSource,
    app: &mut DesiredApp,
) -> Result<LinkTable, Failure> {
    let mut links = LinkTable::new();
    for import in &source.imports {
        match catalog.import(import) {
            // One component alone reaches nobody outside: who may be asked is for a manifest to say.
            ImportServer::Node | ImportServer::OptionalLink(_) => {}
            ImportServer::Link(interface) => {
                let provider = memory(&interface, import)?;
                let named = BTreeMap::from([(Name::new("default")?, provider.clone())]);
                links.insert(interface, named);
                app.providers
                    .entry(provider)
                    .or_insert_with(|| DesiredProvider {
                        backend: BACKEND_DEFAULT.to_owned(),
                        config: Config::default(),
                        placement: PlacementRule::default(),
                        limits: ProviderLimits::default(),
                    });
            }
            ImportServer::Nobody { hint } => {
                return Err(Failure::failed(anyhow::anyhow!(
                    "the component imports {import}, which nobody serves: {hint}"
                )));
            }
        }
    }
    Ok(links)
}

fn memory(interface: &InterfaceName, import: &str) -> Result<Name, Failure> {
    let memory = PROVIDERS.iter().find(|entry| entry.name == BACKEND_DEFAULT);
    if memory.is_some_and(|memory| memory.offers.contains(interface)) {
        return Ok(Name::new(BACKEND_DEFAULT)?);
    }
    Err(Failure::failed(anyhow::anyhow!(
        "the component imports {import}, which needs a provider: write a manifest with a link for \
         `{interface}` and run that"
    )))
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
        let (trigger, address) = match text.split_once('=') {
            Some((trigger, address)) => (Some(trigger.to_owned()), address),
            None => (None, text.as_str()),
        };
        let address = address.parse().map_err(|_no_address| {
            Failure::usage(format!(
                "--address {text}: write an IP address and a port: {ADDRESS_DEFAULT}"
            ))
        });
        Ok((trigger, address?))
    };
    given.iter().map(parse).collect()
}
