//! Host glue: the imports of a component, and what it offers by its export.

use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::p2::DynInputStream;
use wrt_contract::{CallContext, Offer, async_trait};
use wrt_host::{Host, InstanceState, Instances, Package, body::BodyInput, guest_fault};
use wrt_protocol::{Fault, FaultKind, Hop};

use crate::{GreetingError, GreetingInterface, Listener, ListenerInterface};
use bindings::{GuestIndices, example::greeting::greeter};

/// The link that serves the imports: the interface knows no names.
const LINK: &str = "default";
/// The export by which a component is called.
const LISTENER: &str = "example:greeting/listener@1.0.0";

mod bindings {
    #![allow(missing_docs, reason = "written by bindgen")]

    wasmtime::component::bindgen!({
        path: "wit",
        world: "example:greeting/guest",
        imports: { default: async | trappable },
        exports: { default: async },
        with: { "wasi:io": wasmtime_wasi::p2::bindings::io },
        trappable_error_type: { "example:greeting/greeter.error" => crate::GreetingError },
    });
}

/// `example:greeting`.
#[derive(Debug)]
pub struct ExampleGreeting;

impl Host for ExampleGreeting {
    fn describe(package: &mut Package) {
        package.imports::<GreetingInterface>(&["example:greeting/greeter@1.0.0"]);
        package.exports::<ListenerInterface>(&[LISTENER], |instances, gate| {
            let guest = Arc::new(GuestIndices::new(instances.instance_pre())?);
            let component = ComponentListener { instances, guest };
            let offer = Offer::new::<ListenerInterface>(Arc::new(component), gate);
            Ok(Some(offer))
        });
    }

    fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
        greeter::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
    }
}

impl greeter::Host for InstanceState {
    async fn greet(&mut self, name: String) -> Result<String, GreetingError> {
        let greeting = self.linked::<GreetingInterface>(LINK)?;
        greeting.greet(self.context(), &name).await
    }

    async fn recite(
        &mut self,
        name: String,
        times: u32,
    ) -> Result<Resource<DynInputStream>, GreetingError> {
        let greeting = self.linked::<GreetingInterface>(LINK)?;
        let body = greeting.recite(self.context(), &name, times).await?;
        let stream: DynInputStream = Box::new(BodyInput::new(body, wasmtime::Error::new));
        let stream = self.table().push(stream);
        stream.map_err(|full| {
            Fault::maybe_executed(FaultKind::TooLarge, Hop::Caller, full.to_string()).into()
        })
    }

    /// The one place where an error, a fault among them, becomes words for a guest.
    fn convert_error(&mut self, error: GreetingError) -> wasmtime::Result<greeter::Error> {
        Ok(match error {
            GreetingError::Nameless => greeter::Error::Nameless,
            GreetingError::Fault(fault) => greeter::Error::Unavailable(fault.to_string()),
        })
    }
}

/// A component as a listener: an instance for each tick, which may have served others before.
struct ComponentListener {
    instances: Arc<dyn Instances>,
    guest: Arc<GuestIndices>,
}

#[async_trait]
impl Listener for ComponentListener {
    async fn tick(&self, context: &CallContext, count: u64) -> Result<(), Fault> {
        let pre = self.instances.instance_pre().clone();
        let guest = Arc::clone(&self.guest);
        let called = self
            .instances
            .prepare(context)
            .call(move |mut lent| async move {
                let instance = lent.instance(&pre).await?;
                let guest = guest.load(&mut lent, &instance)?;
                let listener = guest.example_greeting_listener();
                listener.call_tick(&mut lent, count).await?;
                // It has ended as it should, and may serve another call.
                lent.keep();
                Ok(())
            });
        called.await.map_err(|error: wasmtime::Error| {
            let actor = self.instances.actor();
            tracing::error!(%actor, count, ?error, "the guest failed");
            guest_fault(&error)
        })
    }
}
