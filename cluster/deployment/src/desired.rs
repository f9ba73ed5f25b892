//! An app as it is stored: checked, complete, and the same for every node.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wrt_protocol::{
    ActorAddress, ActorKind, ComponentLimits, InterfaceName, LimitError, Name, ProviderLimits,
};

use crate::{Config, Digest, PlacementRule};

/// The version of the stored form, as far as an app says nothing that came later. A node refuses what
/// it does not know rather than guess.
pub const DESIRED_VERSION: u32 = 2;

/// The latest version of the stored form. An app has it that says something of what came with it, so
/// that no node which would not keep that takes the app up: in 3 came `every_node`, `spread`,
/// `apart_from` and `room` of a [`PlacementRule`], in 4 `exclusive`.
pub const DESIRED_VERSION_MAX: u32 = 4;

/// The links of a component: interface, then the link's name, then who serves it.
pub type LinkTable = BTreeMap<InterfaceName, BTreeMap<Name, LinkEnd>>;

/// An actor of the same app, for instance who serves a link. Stored as `{"provider": "store"}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkEnd {
    /// A provider.
    Provider(Name),
    /// A component.
    Component(Name),
}

impl LinkEnd {
    /// Whether it is `actor`, which is of the same app.
    #[must_use]
    pub fn is(&self, actor: &ActorAddress) -> bool {
        match self {
            Self::Provider(name) => actor.kind == ActorKind::Provider && *name == actor.name,
            Self::Component(name) => actor.kind == ActorKind::Component && *name == actor.name,
        }
    }

    /// Its address in `app`.
    #[must_use]
    pub fn of_app(&self, app: &Name) -> ActorAddress {
        match self {
            Self::Provider(name) => ActorAddress::provider(app.clone(), name.clone()),
            Self::Component(name) => ActorAddress::component(app.clone(), name.clone()),
        }
    }
}

/// What one manifest asks for. Stored as JSON in the lattice's bucket, under the app's name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredApp {
    /// [`DesiredApp::version_needed`].
    pub version: u32,
    /// The app.
    pub app: Name,
    /// Its components.
    pub components: BTreeMap<Name, DesiredComponent>,
    /// Its providers.
    pub providers: BTreeMap<Name, DesiredProvider>,
}

/// A component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredComponent {
    /// Which code.
    pub digest: Digest,
    /// What the guest sees as its environment.
    pub environment: BTreeMap<String, String>,
    /// Where.
    pub placement: PlacementRule,
    /// Who serves its imports.
    pub links: LinkTable,
    /// What it may use.
    pub limits: ComponentLimits,
}

/// A provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredProvider {
    /// Which backend.
    pub backend: String,
    /// Its settings.
    pub config: Config,
    /// The components that it calls, in the manifest's order.
    pub calls: Vec<DesiredTarget>,
    /// What it takes for itself on its node, as its backend told when the manifest was checked.
    pub address: Option<String>,
    /// For how long, in milliseconds, a call that arrives again under its idempotency key gets its
    /// first answer, as its backend told when the manifest was checked.
    pub deduplicates_for_ms: Option<u64>,
    /// Where.
    pub placement: PlacementRule,
    /// What it may take in hand.
    pub limits: ProviderLimits,
}

/// A component that a provider calls, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredTarget {
    /// Who is called.
    pub component: Name,
    /// What it is called for. Only the provider's backend can read it.
    pub selection: Config,
}

/// Why a stored app cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DesiredError {
    /// Another version of WRT wrote it.
    #[error(
        "stored in form {found}, and this build reads forms {DESIRED_VERSION} to \
         {DESIRED_VERSION_MAX}: run `wrt up` of this build again, or bring the nodes to the build \
         that wrote it"
    )]
    Version {
        /// The version that it has.
        found: u32,
    },
    /// It is not what its version says.
    #[error("not a stored app")]
    Malformed(#[source] serde_json::Error),
    /// One of its actors has a limit that no node keeps.
    #[error("{actor} has a limit that this build cannot keep")]
    Limit {
        /// The actor.
        actor: ActorAddress,
        /// The limit.
        #[source]
        source: LimitError,
    },
}

impl DesiredApp {
    /// An app without anything in it.
    #[must_use]
    pub fn empty(app: Name) -> Self {
        Self {
            version: DESIRED_VERSION,
            app,
            components: BTreeMap::new(),
            providers: BTreeMap::new(),
        }
    }

    /// The stored form.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("maps with texts as keys, and finite numbers")
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// When another version wrote it, or nothing that makes sense. What is read has limits within
    /// their ranges, so that nobody needs to check them again.
    pub fn from_json(bytes: &[u8]) -> Result<Self, DesiredError> {
        /// All that is the same in every version.
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } =
            serde_json::from_slice(bytes).map_err(DesiredError::Malformed)?;
        if !(DESIRED_VERSION..=DESIRED_VERSION_MAX).contains(&version) {
            return Err(DesiredError::Version { found: version });
        }
        let app: Self = serde_json::from_slice(bytes).map_err(DesiredError::Malformed)?;
        app.validate_limits()?;
        Ok(app)
    }

    /// The least version whose readers understand all of it: nodes of an earlier build go on to take
    /// up what says nothing new.
    #[must_use]
    pub fn version_needed(&self) -> u32 {
        let needed = self.actors().map(|(_, rule)| rule.version_needed());
        needed.max().unwrap_or(DESIRED_VERSION)
    }

    /// What stands for all of it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.to_json())
    }

    fn validate_limits(&self) -> Result<(), DesiredError> {
        for (name, component) in &self.components {
            let limit = |source| {
                let actor = ActorAddress::component(self.app.clone(), name.clone());
                DesiredError::Limit { actor, source }
            };
            component.limits.validate().map_err(limit)?;
        }
        for (name, provider) in &self.providers {
            let limit = |source| {
                let actor = ActorAddress::provider(self.app.clone(), name.clone());
                DesiredError::Limit { actor, source }
            };
            provider.limits.validate().map_err(limit)?;
        }
        Ok(())
    }

    /// Every actor of the app and where it goes: components, then providers.
    pub fn actors(&self) -> impl Iterator<Item = (ActorAddress, &PlacementRule)> {
        let component = |name: &Name| ActorAddress::component(self.app.clone(), name.clone());
        let provider = |name: &Name| ActorAddress::provider(self.app.clone(), name.clone());
        let components = self
            .components
            .iter()
            .map(move |(n, c)| (component(n), &c.placement));
        let providers = self
            .providers
            .iter()
            .map(move |(n, p)| (provider(n), &p.placement));
        components.chain(providers)
    }

    /// Whether `actor` gets a replica on each matching node where its rule names no nodes.
    #[must_use]
    pub fn goes_to_each_node(&self, actor: &ActorAddress) -> bool {
        if actor.app != self.app {
            return false;
        }
        match actor.kind {
            ActorKind::Component => self
                .components
                .get(&actor.name)
                .is_some_and(|component| component.placement.every_node),
            ActorKind::Provider => self
                .providers
                .get(&actor.name)
                .is_some_and(DesiredProvider::goes_to_each_node),
        }
    }
}

impl DesiredProvider {
    /// A provider of `backend` with defaults for everything.
    #[must_use]
    pub fn new(backend: &str) -> Self {
        Self {
            backend: backend.to_owned(),
            config: Config::default(),
            calls: Vec::new(),
            address: None,
            deduplicates_for_ms: None,
            placement: PlacementRule::default(),
            limits: ProviderLimits::default(),
        }
    }

    /// Whether it gets a replica on each matching node where its rule names no nodes: it asks for that,
    /// or it asks for no number and has an address, since that is reached at each node's own.
    #[must_use]
    pub fn goes_to_each_node(&self) -> bool {
        let PlacementRule {
            every_node,
            replicas,
            exclusive,
            ..
        } = &self.placement;
        *every_node || self.address.is_some() && replicas.is_none() && !exclusive
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_refused_with_what_to_do() {
        let newer = br#"{"version": 5, "app": "x", "what": "ever"}"#;
        let error = DesiredApp::from_json(newer).unwrap_err();
        assert!(matches!(error, DesiredError::Version { found: 5 }));
        assert!(error.to_string().contains("wrt up"), "{error}");
        for wrong in ["", "{}", "[]", r#"{"version": 2}"#, r#"{"version": -1}"#] {
            let error = DesiredApp::from_json(wrong.as_bytes()).unwrap_err();
            assert!(matches!(error, DesiredError::Malformed(_)), "{wrong}");
        }
    }

    #[test]
    fn a_limit_out_of_its_range_is_refused_with_its_actor() {
        let mut app = DesiredApp::empty(Name::new("shop").unwrap());
        let mut store = DesiredProvider::new("memory");
        store.limits.concurrency_max = 0;
        app.providers.insert(Name::new("store").unwrap(), store);
        let error = DesiredApp::from_json(&app.to_json()).unwrap_err();
        let DesiredError::Limit { actor, source } = error else {
            panic!("{error:?}");
        };
        assert_eq!(
            format!("{actor}: {source}"),
            "provider/shop/store: concurrency_max is 0: it must be from 1 to 65536"
        );
    }

    #[test]
    fn the_stored_form_reads_back() {
        let mut app = DesiredApp::empty(Name::new("shop").unwrap());
        let name = |name: &str| Name::new(name).unwrap();
        let mut web = DesiredProvider::new("http-server");
        web.address = Some("127.0.0.1:8080".to_owned());
        web.calls.push(DesiredTarget {
            component: name("cart"),
            selection: Config::default(),
        });
        app.providers.insert(name("web"), web);
        assert_eq!(DesiredApp::from_json(&app.to_json()).unwrap(), app);
    }

    /// A node of the build before reads version 2 and no field that it does not know.
    #[test]
    fn only_what_says_something_new_is_of_the_new_version() {
        let mut app = DesiredApp::empty(Name::new("shop").unwrap());
        let mut store = DesiredProvider::new("memory");
        store.placement.replicas = Some(3);
        let name = Name::new("store").unwrap();
        app.providers.insert(name.clone(), store.clone());
        assert_eq!(app.version_needed(), DESIRED_VERSION);
        let stored: serde_json::Value = serde_json::from_slice(&app.to_json()).unwrap();
        let rule = stored["providers"]["store"]["placement"]
            .as_object()
            .unwrap();
        assert_eq!(rule.len(), 3, "{rule:?}");

        let rule = |change: fn(&mut PlacementRule)| {
            let mut rule = PlacementRule::default();
            change(&mut rule);
            rule
        };
        for (version, placement) in [
            (3, rule(|rule| rule.every_node = true)),
            (3, rule(|rule| rule.spread = Some("zone".to_owned()))),
            (3, rule(|rule| rule.room.concurrency = 1)),
            (
                3,
                rule(|rule| {
                    let other = LinkEnd::Component(Name::new("cart").unwrap());
                    rule.apart_from.insert(other);
                }),
            ),
            (4, rule(|rule| rule.exclusive = true)),
        ] {
            store.placement = placement;
            app.providers.insert(name.clone(), store.clone());
            app.version = app.version_needed();
            assert_eq!(app.version, version, "{:?}", store.placement);
            assert_eq!(DesiredApp::from_json(&app.to_json()).unwrap(), app);
        }
    }
}
