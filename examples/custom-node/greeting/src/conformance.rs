//! What every provider of the interface does, as code.

use std::sync::Arc;

use wrt_contract::CallContext;

use crate::{Greeting, GreetingError};

wrt_conformance::suite! {
    Arc<dyn Greeting>:
    a_greeting_names_who_is_greeted,
    a_recital_is_the_greeting_so_many_times,
    nobody_is_not_greeted,
}

async fn a_greeting_names_who_is_greeted(greeting: Arc<dyn Greeting>) {
    for name in ["Ada", "two words", "{name}", "\u{1F980}"] {
        let said = greeting.greet(&CallContext::default(), name).await;
        let said = said.unwrap_or_else(|error| panic!("{name:?}: {error}"));
        assert!(said.contains(name), "{name:?}: {said:?}");
    }
}

async fn a_recital_is_the_greeting_so_many_times(greeting: Arc<dyn Greeting>) {
    let context = CallContext::default();
    let line = greeting.greet(&context, "Ada").await.expect("a name") + "\n";
    for times in [0, 1, 1000] {
        let body = greeting.recite(&context, "Ada", times).await;
        let recital = body.expect("a name").collect(1 << 20).await;
        let expected = line.repeat(times as usize);
        assert_eq!(recital.expect("it ends"), expected, "{times}");
    }
}

async fn nobody_is_not_greeted(greeting: Arc<dyn Greeting>) {
    let context = CallContext::default();
    let greet = greeting.greet(&context, "").await;
    assert_eq!(greet, Err(GreetingError::Nameless));
    let recital = greeting.recite(&context, "", 1).await;
    assert_eq!(recital.err(), Some(GreetingError::Nameless));
}
