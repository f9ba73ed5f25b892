//! Which providers of an app remember what they have answered.

use std::{collections::BTreeMap, time::Duration};

use wrt_deployment::{DesiredApp, DesiredProvider, LinkEnd, LinkTable};
use wrt_protocol::Name;

/// For how long each provider of an app deduplicates, in milliseconds; not those that do not.
#[derive(Default)]
pub(crate) struct Deduplication(BTreeMap<Name, u64>);

impl Deduplication {
    pub(crate) fn of(app: &DesiredApp) -> Self {
        let of_provider = |(name, provider): (&Name, &DesiredProvider)| {
            Some((name.clone(), provider.deduplicates_for_ms?))
        };
        Self(app.providers.iter().filter_map(of_provider).collect())
    }

    /// Those that a component links to.
    pub(crate) fn of_links<'a>(&self, links: &'a LinkTable) -> BTreeMap<&'a Name, u64> {
        let linked = links.values().flat_map(BTreeMap::values);
        let of_provider = |end: &'a LinkEnd| match end {
            LinkEnd::Provider(provider) => Some((provider, *self.0.get(provider)?)),
            LinkEnd::Component(_) => None,
        };
        linked.filter_map(of_provider).collect()
    }

    pub(crate) fn of_provider(&self, provider: &Name) -> Option<Duration> {
        self.0.get(provider).copied().map(Duration::from_millis)
    }
}
