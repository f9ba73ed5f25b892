//! A backend that offers `example:greeting`, in this process.

use std::convert::Infallible;

use futures::stream;
use greeting::{ExampleGreeting, Greeting, GreetingError, GreetingInterface};
use wrt_contract::{Body, BodyFrame, CallContext, async_trait};
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
        match name {
            "" => Err(GreetingError::Nameless),
            name => Ok(format!("{}, {name}", self.0.style)),
        }
    }

    async fn recite(
        &self,
        context: &CallContext,
        name: &str,
        times: u32,
    ) -> Result<Body<GreetingError>, GreetingError> {
        let line = self.greet(context, name).await? + "\n";
        let length = line.len() as u64 * u64::from(times);
        let lines = (0..times).map(move |_| Ok(BodyFrame::Data(line.clone().into())));
        Ok(Body::new(Some(length), stream::iter(lines)))
    }
}
