//! What is behind a component in a test: a provider in memory for each of its imports.

use std::{collections::BTreeMap, path::Path};

use wrt_blobstore::{BlobstoreDefault, WasiBlobstore};
use wrt_component::CompiledComponent;
use wrt_config::{ConfigDefault, WasiConfig};
use wrt_deployment::{
    Catalog as _, Config, ConfigValue, DesiredApp, DesiredComponent, DesiredProvider, Digest,
    ImportServer, LinkEnd, LinkTable, PlacementRule,
};
use wrt_http::WasiHttp;
use wrt_keyvalue::{KeyValueDefault, WasiKeyValue};
use wrt_logging::WasiLogging;
use wrt_messaging::WasiMessaging;
use wrt_node::NodeCatalog;
use wrt_otel::WasiOtel;
use wrt_protocol::{ComponentLimits, Name};
use wrt_runtime::{Backend as _, Runtime};
use wrt_sql::{SqlDefault, WrtSql};
use wrt_vault::{VaultDefault, WrtVault};

use crate::{Error, Result, records::Recorder};

/// The app and its component.
pub(crate) const APP: &str = "test";
pub(crate) const COMPONENT: &str = "component";
/// The provider of what is in memory alone.
pub(crate) const MEMORY: &str = KeyValueDefault::NAME;

/// What the program of a test is made of.
pub(crate) fn runtime() -> Result<Runtime> {
    let runtime = wrt_node::runtime_value!({
        WasiBlobstore: BlobstoreDefault,
        WasiConfig: ConfigDefault,
        WasiHttp: Recorder,
        WasiKeyValue: KeyValueDefault,
        WasiLogging: _,
        WasiMessaging: Recorder,
        WasiOtel: Recorder,
        WrtSql: SqlDefault,
        WrtVault: VaultDefault,
    });
    runtime.map_err(|error| Error::of("the parts of the test do not go together", &error))
}

pub(crate) fn name(text: &'static str) -> Name {
    Name::new(text).expect("a legal name")
}

/// The app of a component: `environment` is what it sees, `values` what it is configured with.
pub(crate) fn app(
    runtime: &Runtime,
    component: &CompiledComponent,
    digest: Digest,
    test: u64,
    environment: BTreeMap<String, String>,
    values: BTreeMap<String, String>,
) -> Result<DesiredApp> {
    let mut app = DesiredApp::empty(name(APP));
    let links = links(runtime, component, &mut app)?;
    let number = i64::try_from(test).unwrap_or(i64::MAX);
    let settings = [
        (Recorder::NAME, "test", ConfigValue::Integer(number)),
        (MEMORY, "values", ConfigValue::Table(texts(values))),
    ];
    for (provider, setting, value) in settings {
        let is_set = value != ConfigValue::Table(Config::default());
        if let Some(provider) = app.providers.get_mut(&name(provider)).filter(|_| is_set) {
            provider.config.0.insert(setting.to_owned(), value);
        }
    }
    let component = DesiredComponent {
        digest,
        environment,
        placement: PlacementRule::default(),
        links,
        limits: ComponentLimits::default(),
    };
    app.components.insert(name(COMPONENT), component);
    Ok(app)
}

fn texts(values: BTreeMap<String, String>) -> Config {
    let values = values.into_iter();
    Config(
        values
            .map(|(key, value)| (key, ConfigValue::Text(value)))
            .collect(),
    )
}

fn links(
    runtime: &Runtime,
    component: &CompiledComponent,
    app: &mut DesiredApp,
) -> Result<LinkTable> {
    let catalog = NodeCatalog::new(runtime.clone(), Path::new(""), None);
    let mut links = LinkTable::new();
    for import in component.imports() {
        let interface = match catalog.import(&import) {
            ImportServer::Node => continue,
            ImportServer::Link(interface) | ImportServer::OptionalLink(interface) => interface,
            ImportServer::Nobody { hint } => return Err(unserved(&import, &hint)),
        };
        let Some(entry) = runtime.first_that_offers(&interface) else {
            return Err(unserved(&import, &format!("nothing offers {interface}")));
        };
        let provider = name(entry.name());
        let link = (name("default"), LinkEnd::Provider(provider.clone()));
        links.insert(interface, BTreeMap::from([link]));
        let desired = DesiredProvider::new(entry.name());
        app.providers.entry(provider).or_insert(desired);
    }
    Ok(links)
}

fn unserved(import: &str, hint: &str) -> Error {
    Error::new(format!(
        "the component imports {import}, and a test has nothing for that ({hint}): test it with `wrt-node run` and a \
         manifest"
    ))
}
