//! A component that is about to be started.

use std::{collections::BTreeMap, path::PathBuf};

use crate::{App, Result, inside::Inside};

/// A component, and what it is to find.
#[derive(Debug, Clone)]
pub struct Setup {
    pub(crate) component: PathBuf,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) values: BTreeMap<String, String>,
}

impl Setup {
    pub(crate) fn of(component: PathBuf) -> Self {
        Self {
            component,
            environment: BTreeMap::new(),
            values: BTreeMap::new(),
        }
    }

    /// With a variable in the component's environment. It sees no others.
    #[must_use]
    pub fn environment(mut self, variable: &str, value: &str) -> Self {
        self.environment
            .insert(variable.to_owned(), value.to_owned());
        self
    }

    /// With a value in its configuration (`wasi:config`).
    #[must_use]
    pub fn config(mut self, key: &str, value: &str) -> Self {
        self.values.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Starts it, with providers of its own: nothing is there yet, whatever other tests have done. Compiling takes
    /// a moment, once for each process of tests.
    ///
    /// # Errors
    /// A file that is no component; an import that no test serves, by its name; and whatever a node would
    /// refuse.
    pub fn start(self) -> Result<App> {
        Inside::start(self).map(App::of)
    }
}
