//! A backend that offers `example:greeting`, in this process.

use std::convert::Infallible;

use greeting::{ExampleGreeting, Greeting, GreetingError, GreetingInterface};
use wrt_contract::{CallContext, async_trait};
use wrt_runtime::{Backend, Entry, Serves};

/// How it speaks.
#[derive(Debug, confique::Config)]
pub struct PoliteOptions {
    /// What stands before the name.
    #[config(env = "GREETING_STYLE", default = "good day")]
    pub style: String,
}

/// Greets everybody alike.
#[derive(Debug)]
pub struct Polite(PoliteOptions);

impl Backend for Polite {
    const NAME: &'static str = "polite";

    type ConnectOptions = PoliteOptions;
    type ConnectError = Infallible;

    async fn connect_with(options: PoliteOptions) -> Result<Self, Infallible> {
        Ok(Self(options))
    }
}

impl Serves<ExampleGreeting> for Polite {
    fn serve(entry: &mut Entry<Self>) {
        entry.offers::<GreetingInterface>(|polite| polite);
    }
}

#[async_trait]
impl Greeting for Polite {
    async fn greet(&self, _: &CallContext, name: &str) -> Result<String, GreetingError> {
        named(name).map(|name| format!("{}, {name}", self.0.style))
    }

    async fn farewell(&self, _: &CallContext, name: &str) -> Result<String, GreetingError> {
        named(name).map(|name| format!("farewell, {name}"))
    }
}

fn named(name: &str) -> Result<&str, GreetingError> {
    match name {
        "" => Err(GreetingError::Nameless),
        name => Ok(name),
    }
}
