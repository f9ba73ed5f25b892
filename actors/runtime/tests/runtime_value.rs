//! Which parts go together, and what is said of those that do not.

#![cfg(test)]

use std::{convert::Infallible, sync::Arc};

use wasmtime::component::Linker;
use wrt_contract::{CallContext, async_trait, interface};
use wrt_host::{Host, InstanceState, Package};
use wrt_protocol::Fault;
use wrt_runtime::{Backend, BackendEntry, Entry, Runtime, RuntimeError, Serves, runtime_value};

/// Greets.
#[interface(name = "example:greeting", error = Fault)]
pub trait Greeting {
    /// A greeting.
    async fn greet(&self, context: &CallContext) -> Result<String, Fault>;
}

/// Tells the time.
#[interface(name = "example:clock", error = Fault)]
pub trait Clock {
    /// The hour.
    async fn hour(&self, context: &CallContext) -> Result<u32, Fault>;
}

/// A package with one import.
macro_rules! package {
    ($package:ident, $interface:ty, $wit:literal) => {
        /// It.
        #[derive(Debug)]
        pub struct $package;

        impl Host for $package {
            fn describe(package: &mut Package) {
                package.imports::<$interface>(&[$wit]);
            }

            fn add_to_linker(_: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
                Ok(())
            }
        }
    };
}

package!(ExampleGreeting, GreetingInterface, "example:greeting/greet");
package!(OtherGreeting, GreetingInterface, "example:greeting/greet");
package!(ExampleClock, ClockInterface, "example:clock/now");

/// A backend with one setting, which serves both.
macro_rules! backend {
    ($backend:ident, $name:literal, $options:ident { $setting:ident }) => {
        struct $backend;

        #[derive(confique::Config)]
        #[allow(dead_code, reason = "nobody connects")]
        struct $options {
            #[config(default = "")]
            $setting: String,
        }

        impl Backend for $backend {
            const NAME: &'static str = $name;
            type ConnectOptions = $options;
            type ConnectError = Infallible;

            async fn connect_with(_: $options) -> Result<Self, Infallible> {
                Ok(Self)
            }
        }

        impl<H: Host> Serves<H> for $backend
        where
            $backend: Offers<H>,
        {
            fn serve(entry: &mut Entry<Self>) {
                <Self as Offers<H>>::offer(entry);
            }
        }

        #[async_trait]
        impl Greeting for $backend {
            async fn greet(&self, _: &CallContext) -> Result<String, Fault> {
                Ok(stringify!($backend).to_owned())
            }
        }

        #[async_trait]
        impl Clock for $backend {
            async fn hour(&self, _: &CallContext) -> Result<u32, Fault> {
                Ok(12)
            }
        }
    };
}

/// What the backends here do for a package.
trait Offers<H: Host>: Backend {
    fn offer(entry: &mut Entry<Self>);
}

impl<B: Backend + Greeting> Offers<ExampleGreeting> for B {
    fn offer(entry: &mut Entry<B>) {
        entry.offers::<GreetingInterface>(|backend| backend as Arc<dyn Greeting>);
    }
}

impl<B: Backend + Clock> Offers<ExampleClock> for B {
    fn offer(entry: &mut Entry<B>) {
        entry.offers::<ClockInterface>(|backend| backend as Arc<dyn Clock>);
    }
}

backend!(One, "one", OneOptions { voice });
backend!(AlsoOne, "one", AlsoOneOptions { speed });
backend!(OneAgain, "one", OneAgainOptions { voice });

fn refused(runtime: Result<Runtime, RuntimeError>) -> String {
    runtime.expect_err("they do not go together").to_string()
}

#[test]
fn a_backend_may_stand_behind_several_packages_and_a_package_alone() {
    let runtime = runtime_value!({
        ExampleGreeting: One,
        ExampleClock: [One],
    });
    let runtime = runtime.expect("they go together");
    let offers = runtime.backend("one").map(BackendEntry::offers);
    assert_eq!(offers.map(|offers| offers.len()), Some(2));
    let alone = runtime_value!({ ExampleGreeting: _ }).expect("it goes");
    assert_eq!((alone.packages().len(), alone.backends().len()), (1, 0));
}

#[test]
fn what_a_build_leaves_out_is_not_there() {
    let runtime = runtime_value!({
        ExampleGreeting: [#[cfg(any())] Missing, #[cfg(all())] One],
        #[cfg(any())]
        Missing: [One, Missing],
        #[cfg(any())]
        Missing: _,
        #[cfg(any())]
        ExampleClock: Missing,
    });
    let runtime = runtime.expect("they go together");
    assert_eq!((runtime.packages().len(), runtime.backends().len()), (1, 1));
}

#[test]
fn two_backends_of_one_name_are_parts_of_one_provider_or_refused() {
    let parts = runtime_value!({ ExampleGreeting: One, ExampleClock: AlsoOne });
    assert_eq!(parts.expect("they go together").backends().len(), 1);
    let cannot = "the backends named `one` cannot be parts of one provider: both have";
    assert_eq!(
        refused(runtime_value!({ ExampleGreeting: [One, AlsoOne] })),
        format!("{cannot} the interface example:greeting")
    );
    assert_eq!(
        refused(runtime_value!({ ExampleGreeting: One, ExampleClock: OneAgain })),
        format!("{cannot} the setting `voice`")
    );
}

/// What a third party's crate has under the names of others.
mod other {
    use super::*;

    /// Greets in its own way.
    #[interface(name = "example:greeting", error = Fault)]
    pub trait Greeting {
        /// A greeting to so many.
        async fn greet(&self, context: &CallContext, guests: u32) -> Result<String, Fault>;
    }

    package!(
        ExampleGreeting,
        super::GreetingInterface,
        "example:greeting/greet"
    );
    package!(Foreign, GreetingInterface, "example:foreign/greet");
}

/// A node had panicked when both were linked.
#[test]
fn two_traits_of_one_interface_name_are_refused() {
    let refused = refused(runtime_value!({ ExampleGreeting: One, other::Foreign: _ }));
    let name = |name: &str| format!("dyn runtime_value::{name}Greeting");
    let (first, second) = (name(""), name("other::"));
    assert_eq!(
        refused,
        format!("example:greeting stands for two traits: {first} and {second}")
    );
}

/// It had been taken for the other one, named again.
#[test]
fn a_package_of_the_same_type_name_is_another_package() {
    assert_eq!(
        refused(runtime_value!({ ExampleGreeting: _, other::ExampleGreeting: _ })),
        "the packages ExampleGreeting and ExampleGreeting both serve example:greeting/greet"
    );
    let twice = runtime_value!({ ExampleGreeting: _, ExampleGreeting: _ });
    assert_eq!(twice.expect("it is one").packages().len(), 1);
}

#[test]
fn two_packages_of_one_import_are_refused() {
    assert_eq!(
        refused(runtime_value!({ ExampleGreeting: _, OtherGreeting: _ })),
        "the packages ExampleGreeting and OtherGreeting both serve example:greeting/greet"
    );
}
