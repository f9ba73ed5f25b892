//! What [`instrument`](macro@crate::instrument) writes.

use std::{
    fmt::Display,
    future::{Future, poll_fn},
    pin::pin,
};

#[cfg(feature = "otel")]
mod scope {
    use wrt_otel::{Attribute, Span};

    /// The span of a function's call.
    #[must_use]
    pub struct Scope(Span);

    /// Begins it.
    pub fn begin(name: &str) -> Scope {
        Scope(wrt_otel::span(name))
    }

    impl Scope {
        /// The same with something said of it.
        pub fn with(mut self, key: &str, value: impl Into<Attribute>) -> Self {
            self.0.set(key, value);
            self
        }

        /// It has not ended well.
        pub fn failed(&mut self, words: String) {
            self.0.error(words);
        }

        pub(super) fn resume(&self) {
            self.0.resume();
        }

        pub(super) fn pause(&self) {
            self.0.pause();
        }
    }
}

/// The same for a component that must not import `wasi:otel`.
#[cfg(not(feature = "otel"))]
mod scope {
    #[must_use]
    pub struct Scope;

    pub fn begin(_name: &str) -> Scope {
        Scope
    }

    impl Scope {
        pub fn with<T>(self, _key: &str, _value: T) -> Self {
            self
        }

        pub fn failed(&mut self, _words: String) {}

        pub(super) fn resume(&self) {}

        pub(super) fn pause(&self) {}
    }
}

pub use scope::{Scope, begin};

/// Runs a future within a span: what it begins is a part of that, also when others run between its turns.
pub async fn within<T, F: Future<Output = T>>(scope: Scope, future: F) -> (Scope, T) {
    let mut future = pin!(future);
    scope.pause();
    let output = poll_fn(|context| {
        scope.resume();
        let turn = future.as_mut().poll(context);
        scope.pause();
        turn
    });
    let output = output.await;
    (scope, output)
}

/// An error, for what it says: this type's own method where it says something, and [`Wordless`]'s where not.
pub struct Told<'a, E>(pub &'a E);

impl<E: Display> Told<'_, E> {
    /// What it says.
    #[must_use]
    pub fn words(&self) -> String {
        self.0.to_string()
    }
}

/// See [`Told`].
pub trait Wordless {
    /// What is said of it.
    fn words(&self) -> String {
        "it has failed".to_owned()
    }
}

impl<E> Wordless for Told<'_, E> {}
