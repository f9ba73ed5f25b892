//! What a provider's service has to permit it.

use std::collections::{BTreeMap, BTreeSet};

use toml::Table;
use wrt_protocol::{InterfaceName, Name};

use super::BackendEntry;
use crate::{Referred, Settings, no_environment};

/// Subjects that a provider publishes and subscribes to, at a service that permits users such.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServicePermissions {
    /// What it publishes to.
    pub publish: BTreeSet<String>,
    /// What it subscribes to.
    pub subscribe: BTreeSet<String>,
}

/// What an app does by a provider.
#[derive(Debug, Clone, Copy)]
pub struct Usage<'a> {
    /// By which interfaces it is called, and by which it calls.
    pub interfaces: &'a [InterfaceName],
    /// The components that it calls, each for what it selects.
    pub calls: &'a [(Name, Table)],
}

impl BackendEntry {
    /// The least that the service must permit a provider of `app` with these settings; `referred` are those that
    /// are references, and not in the table. None of a service that permits no subjects, and where the settings
    /// cannot be read.
    #[must_use]
    pub fn permissions(
        &self,
        table: Table,
        referred: &BTreeMap<String, Referred>,
        app: &Name,
        usage: &Usage<'_>,
    ) -> Option<ServicePermissions> {
        self.shares(table).into_iter().find_map(|(part, table)| {
            let settings = Settings {
                table,
                referred: referred.clone(),
                environment: no_environment(),
                app: app.as_str(),
            };
            part.permissions(settings, usage)
        })
    }
}
