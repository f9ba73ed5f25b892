//! What every provider of the interface does, as code.

use std::sync::Arc;

use wrt_conformance::{Case, cases, run_cases};
use wrt_contract::CallContext;

use crate::{Greeting, GreetingError};

const CASES: &[Case<Arc<dyn Greeting>>] = cases![
    both_name_who_is_spoken_to,
    a_greeting_is_no_farewell,
    nobody_is_not_greeted,
];

/// Runs every case.
///
/// # Panics
/// With the cases that failed.
pub async fn run(greeting: Arc<dyn Greeting>) {
    run_cases(CASES, |_case| Arc::clone(&greeting)).await;
}

async fn both(greeting: &dyn Greeting, name: &str) -> [Result<String, GreetingError>; 2] {
    let context = CallContext::default();
    let greet = greeting.greet(&context, name).await;
    [greet, greeting.farewell(&context, name).await]
}

async fn both_name_who_is_spoken_to(greeting: Arc<dyn Greeting>) {
    for name in ["Ada", "two words", "{name}", "\u{1F980}"] {
        for said in both(&*greeting, name).await {
            let said = said.unwrap_or_else(|error| panic!("{name:?}: {error}"));
            assert!(said.contains(name), "{name:?}: {said:?}");
        }
    }
}

async fn a_greeting_is_no_farewell(greeting: Arc<dyn Greeting>) {
    let [greet, farewell] = both(&*greeting, "Ada").await;
    assert_ne!(greet, farewell);
}

async fn nobody_is_not_greeted(greeting: Arc<dyn Greeting>) {
    for said in both(&*greeting, "").await {
        assert_eq!(said, Err(GreetingError::Nameless));
    }
}
