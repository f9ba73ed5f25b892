//! Actors for the tests.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test program uses a part")]

use std::{io, sync::Arc};

use parking_lot::Mutex;
use tracing_subscriber::fmt::MakeWriter;
use wasmtime::component::{ComponentNamedList, Lift, Lower};
use wrt_component::{ComponentActor, ComponentSpec, EngineOptions, Engines};
use wrt_contract::{CallContext, Links};
use wrt_host::Instances;
use wrt_protocol::{ActorAddress, ComponentLimits, Name};

pub fn engines() -> Engines {
    let options = EngineOptions {
        instances_max: 64,
        ..EngineOptions::default()
    };
    Engines::new(options).expect("engines")
}

pub async fn spec(engines: &Engines, bytes: Vec<u8>) -> ComponentSpec {
    ComponentSpec {
        actor: ActorAddress::component(Name::new("app").unwrap(), Name::new("guest").unwrap()),
        compiled: engines.compile(bytes.into()).await.expect("it compiles"),
        environment: Vec::new(),
        limits: ComponentLimits::default(),
        links: Arc::new(Links::default()),
    }
}

pub async fn actor(
    bytes: Vec<u8>,
    limits: ComponentLimits,
    environment: &[(&str, &str)],
) -> Arc<ComponentActor> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let environment = environment.iter().map(owned).collect();
    let spec = ComponentSpec {
        limits,
        environment,
        ..spec(&engines(), bytes).await
    };
    ComponentActor::new(spec, &[]).expect("it links")
}

/// One invocation in an instance of its own.
pub async fn call<A, R>(
    actor: &ComponentActor,
    function: &'static str,
    arguments: A,
) -> wasmtime::Result<R>
where
    A: ComponentNamedList + Lower + Send + Sync + 'static,
    R: ComponentNamedList + Lift + Send + Sync + 'static,
{
    call_within(&CallContext::default(), actor, function, arguments).await
}

/// The same, as part of another call.
pub async fn call_within<A, R>(
    context: &CallContext,
    actor: &ComponentActor,
    function: &'static str,
    arguments: A,
) -> wasmtime::Result<R>
where
    A: ComponentNamedList + Lower + Send + Sync + 'static,
    R: ComponentNamedList + Lift + Send + Sync + 'static,
{
    let pre = actor.instance_pre().clone();
    let called = actor.prepare(context).call(move |mut lent| async move {
        let instance = lent.instance(&pre).await?;
        let function = instance
            .get_func(&mut lent, function)
            .expect("it exports that");
        let function = function.typed::<A, R>(&lent)?;
        let answer = function.call_async(&mut lent, arguments).await?;
        lent.keep();
        Ok(answer)
    });
    called.await
}

/// What was logged.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().clone()).expect("a log is text")
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
