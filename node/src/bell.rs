//! A trigger for tests: it listens, and calls nobody.

use std::{
    error::Error,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use wrt_contract::{CallContext, interface};
use wrt_host::{Host, InstanceState, Package};
use wrt_protocol::Fault;
use wrt_runtime::{
    Backend, Entry, Runtime, Server, ServerLoad, Serves, Serving, State, Target, runtime_value,
};

/// What the tests' programs are made of.
pub(crate) fn runtime() -> Runtime {
    let runtime = runtime_value!({ ExampleBell: [Bell, Whistle] });
    runtime.expect("they go together")
}

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
    #[config(env = "BELL_ADDRESS", default = "127.0.0.1:0")]
    address: SocketAddr,
    #[config(default = "ding")]
    sound: String,
    #[config(env = "BELL_DEDUPLICATE_FOR_MS")]
    deduplicate_for_ms: Option<u64>,
}

impl Backend for Bell {
    const NAME: &'static str = "bell";
    type ConnectOptions = BellOptions;
    type ConnectError = std::io::Error;

    async fn connect_with(options: BellOptions) -> Result<Self, std::io::Error> {
        Ok(Self(options))
    }

    async fn probe(&self, _: &CallContext) -> Result<(), Box<dyn Error + Send + Sync>> {
        match self.0.sound.as_str() {
            "" => Err(Silent(NoRope).into()),
            _ => Ok(()),
        }
    }

    fn address(options: &BellOptions) -> Option<String> {
        Some(options.address.to_string())
    }

    fn deduplicates_for_ms(options: &BellOptions) -> Option<u64> {
        options.deduplicate_for_ms
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

/// Why it does not ring.
#[derive(Debug, thiserror::Error)]
#[error("the bell is silent")]
struct Silent(#[source] NoRope);

/// What lies behind that.
#[derive(Debug, thiserror::Error)]
#[error("its rope is gone")]
struct NoRope;

struct Ringing {
    address: SocketAddr,
    listener: Mutex<Option<TcpListener>>,
}

impl Serving for Ringing {
    fn address(&self) -> Option<SocketAddr> {
        Some(self.address)
    }

    fn scheme(&self) -> Option<&'static str> {
        Some("bell")
    }

    fn load(&self) -> ServerLoad {
        ServerLoad::default()
    }

    fn drain(&self, _: Duration) -> BoxFuture<'_, bool> {
        self.listener.lock().take();
        Box::pin(std::future::ready(true))
    }
}

/// Names the setting with its address as no other backend does.
struct Whistle;

/// Its settings.
#[derive(confique::Config)]
struct WhistleOptions {
    #[config(default = "127.0.0.1:0")]
    listen: String,
}

impl Backend for Whistle {
    const NAME: &'static str = "whistle";
    type ConnectOptions = WhistleOptions;
    type ConnectError = Silent;

    async fn connect_with(_: WhistleOptions) -> Result<Self, Silent> {
        Ok(Self)
    }

    fn address(options: &WhistleOptions) -> Option<String> {
        Some(options.listen.clone())
    }
}

impl Serves<ExampleBell> for Whistle {
    fn serve(_: &mut Entry<Self>) {}
}
