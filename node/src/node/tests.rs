//! Providers that are started on a node, without a lattice.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use wrt_component::{EngineOptions, Engines};
use wrt_contract::{CallContext, async_trait, interface};
use wrt_deployment::{ConfigValue, DesiredProvider, DesiredTarget, Reference};
use wrt_host::{Host, InstanceState, Package};
use wrt_protocol::{ActorAddress, Fault, FaultKind, Name};
use wrt_runtime::{
    Backend, Entry, Runtime, Server, ServerLoad, Serves, Serving, State, Target, runtime_value,
};
use wrt_supervision::{Running, Start as _, StartError};
use wrt_test_kit::UnreachableCaller;

use super::{Parts, provider::ProviderStart, servers::Servers};
use crate::{AppEnvironment, Code};

const PATIENCE: Duration = Duration::from_secs(1);

/// Is told that somebody called.
#[interface(name = "example:bell/listener", error = Fault)]
pub trait Listener {
    /// Somebody did.
    async fn rung(&self, context: &CallContext) -> Result<(), Fault>;
}

/// What the bell belongs to.
#[derive(Debug)]
struct ExampleBell;

impl Host for ExampleBell {
    fn describe(_: &mut Package) {}

    fn add_to_linker(_: &mut wasmtime::component::Linker<InstanceState>) -> wasmtime::Result<()> {
        Ok(())
    }
}

/// Listens, and calls nobody.
struct Bell(BellOptions);

/// Its settings.
#[derive(confique::Config)]
struct BellOptions {
    #[config(default = "127.0.0.1:0")]
    address: SocketAddr,
    #[config(default = "ding")]
    sound: String,
}

impl Backend for Bell {
    const NAME: &'static str = "bell";
    type ConnectOptions = BellOptions;
    type ConnectError = std::io::Error;

    async fn connect_with(options: BellOptions) -> Result<Self, std::io::Error> {
        Ok(Self(options))
    }

    fn address(options: &BellOptions) -> Option<String> {
        Some(options.address.to_string())
    }
}

impl Serves<ExampleBell> for Bell {
    fn serve(entry: &mut Entry<Self>) {
        entry.calls();
    }
}

impl Server for Bell {
    type Calls = ListenerInterface;
    type Selection = toml::Table;

    async fn serve<S: State>(
        self: Arc<Self>,
        _: &S,
        _: Vec<Target<toml::Table>>,
    ) -> Result<Box<dyn Serving>, std::io::Error> {
        let listener = TcpListener::bind(self.0.address)?;
        let address = listener.local_addr()?;
        Ok(Box::new(Ringing {
            address,
            listener: Mutex::new(Some(listener)),
        }))
    }
}

struct Ringing {
    address: SocketAddr,
    listener: Mutex<Option<TcpListener>>,
}

impl Serving for Ringing {
    fn address(&self) -> Option<SocketAddr> {
        Some(self.address)
    }

    fn load(&self) -> ServerLoad {
        ServerLoad::default()
    }

    fn drain(&self, _: Duration) -> BoxFuture<'_, bool> {
        self.listener.lock().take();
        Box::pin(std::future::ready(true))
    }
}

fn parts(environment: AppEnvironment) -> Arc<Parts> {
    let runtime: Runtime = runtime_value!({ ExampleBell: Bell }).unwrap();
    Arc::new(Parts {
        engines: Engines::new(EngineOptions::default()).unwrap(),
        runtime,
        environment,
        directory: Arc::default(),
        caller: Arc::new(UnreachableCaller(FaultKind::Unavailable)),
        code: Code::Local(Arc::default()),
        attempts: Arc::default(),
        servers: Arc::new(Servers::new(PATIENCE)),
    })
}

fn bell() -> ActorAddress {
    ActorAddress::provider(Name::new("app").unwrap(), Name::new("bell").unwrap())
}

/// A provider with one setting, as it is desired.
fn desired(setting: &str, value: ConfigValue) -> DesiredProvider {
    let mut desired = DesiredProvider::new("bell");
    desired.address = Some("127.0.0.1:0".to_owned());
    desired.config.0.insert(setting.to_owned(), value);
    desired.calls = vec![DesiredTarget {
        component: Name::new("ear").unwrap(),
        selection: wrt_deployment::Config::default(),
    }];
    desired
}

async fn start(parts: &Arc<Parts>, desired: DesiredProvider) -> Result<Running, StartError> {
    let start = ProviderStart {
        actor: bell(),
        desired,
        parts: Arc::clone(parts),
    };
    start.start().await
}

fn text(value: &str) -> ConfigValue {
    ConfigValue::Text(value.to_owned())
}

/// The port was dead until the manifest was mended.
#[tokio::test]
async fn a_server_keeps_its_address_while_its_new_settings_are_refused() {
    let parts = parts(AppEnvironment::nothing());
    start(&parts, desired("sound", text("dong"))).await.unwrap();
    let address = parts.servers.address(&bell());
    let unseen = ConfigValue::Reference(Reference {
        env: "SOUND_OF_TEST".to_owned(),
    });
    for (setting, refused) in [
        ("sound", unseen),
        ("sound", ConfigValue::Integer(1)),
        ("sond", text("dong")),
    ] {
        let refused = start(&parts, desired(setting, refused)).await;
        assert!(matches!(refused, Err(StartError::Refused(_))), "{setting}");
        assert_eq!(parts.servers.address(&bell()), address, "{setting}");
        assert!(std::net::TcpStream::connect(address.unwrap()).is_ok());
    }
    // One that can serve takes over.
    start(&parts, desired("sound", text("gong"))).await.unwrap();
    assert_ne!(parts.servers.address(&bell()), address);
}
