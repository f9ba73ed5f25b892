//! What a deployment changes: a pure function of what is desired now and what shall be.
//!
//! It is told to people and written to logs, so it names settings and variables and never what they are
//! set to: any of them may be a secret.

use std::{collections::BTreeMap, fmt};

use wrt_protocol::{ActorAddress, Name};

use crate::{DesiredApp, DesiredComponent, DesiredProvider, Digest};

/// What becomes of one actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Who.
    pub actor: ActorAddress,
    /// What.
    pub change: Change,
}

/// A change of an actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added,
    /// It goes.
    Removed,
    /// So much of it is another one: `code 12ab -> 34cd`, `environment MODE`, `links`.
    Changed(Vec<String>),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actor = &self.actor;
        match &self.change {
            Change::Added => write!(f, "+ {actor}"),
            Change::Removed => write!(f, "- {actor}"),
            Change::Changed(what) => write!(f, "~ {actor}: {}", what.join(", ")),
        }
    }
}

/// What changes when `after` is stored in place of `before`, or where there is none: components, then
/// providers, by name. Nothing where both are the same.
#[must_use]
pub fn differences(before: Option<&DesiredApp>, after: &DesiredApp) -> Vec<Difference> {
    let empty = DesiredApp::empty(after.app.clone());
    let before = before.unwrap_or(&empty);
    let component = |name: &Name| ActorAddress::component(after.app.clone(), name.clone());
    let provider = |name: &Name| ActorAddress::provider(after.app.clone(), name.clone());
    let components = pairs(&before.components, &after.components)
        .filter_map(|(name, pair)| Difference::of(component(name), pair, of_component));
    let providers = pairs(&before.providers, &after.providers)
        .filter_map(|(name, pair)| Difference::of(provider(name), pair, of_provider));
    components.chain(providers).collect()
}

/// What was and what shall be.
type Pair<'a, T> = (Option<&'a T>, Option<&'a T>);

impl Difference {
    fn of<T: PartialEq>(
        actor: ActorAddress,
        pair: Pair<'_, T>,
        parts: fn(&T, &T) -> Vec<String>,
    ) -> Option<Self> {
        let change = match pair {
            (Some(before), Some(after)) if before == after => return None,
            (Some(before), Some(after)) => Change::Changed(parts(before, after)),
            (None, Some(_)) => Change::Added,
            (Some(_), None) => Change::Removed,
            (None, None) => return None,
        };
        Some(Self { actor, change })
    }
}

/// The entries of two maps, by key.
fn pairs<'a, K: Ord, T>(
    before: &'a BTreeMap<K, T>,
    after: &'a BTreeMap<K, T>,
) -> impl Iterator<Item = (&'a K, Pair<'a, T>)> {
    let mut all: BTreeMap<&K, Pair<'_, T>> = BTreeMap::new();
    for (key, value) in before {
        all.entry(key).or_default().0 = Some(value);
    }
    for (key, value) in after {
        all.entry(key).or_default().1 = Some(value);
    }
    all.into_iter()
}

fn of_component(before: &DesiredComponent, after: &DesiredComponent) -> Vec<String> {
    // Named one by one: a field that is new must be told as well.
    let DesiredComponent {
        digest,
        environment,
        placement,
        links,
        limits,
    } = before;
    let mut what = Vec::new();
    if *digest != after.digest {
        what.push(format!(
            "code {} -> {}",
            short(digest),
            short(&after.digest)
        ));
    }
    what.extend(keys("environment", environment, &after.environment));
    what.extend(keys("links", links, &after.links));
    what.extend(part("placement", placement == &after.placement));
    what.extend(part("limits", limits == &after.limits));
    what
}

fn of_provider(before: &DesiredProvider, after: &DesiredProvider) -> Vec<String> {
    let DesiredProvider {
        backend,
        config,
        calls,
        address,
        deduplicates_for_ms,
        placement,
        limits,
    } = before;
    let mut what = Vec::new();
    if *backend != after.backend {
        what.push(format!("backend {backend} -> {}", after.backend));
    }
    what.extend(keys("config", &config.0, &after.config.0));
    what.extend(part("calls", calls == &after.calls));
    what.extend(part("address", address == &after.address));
    let is_same = deduplicates_for_ms == &after.deduplicates_for_ms;
    what.extend(part("deduplication", is_same));
    what.extend(part("placement", placement == &after.placement));
    what.extend(part("limits", limits == &after.limits));
    what
}

fn part(name: &str, is_same: bool) -> Option<String> {
    (!is_same).then(|| name.to_owned())
}

/// The keys whose values are others: `+` one that is new, `-` one that goes.
fn keys<K: Ord + fmt::Display, T: PartialEq>(
    name: &str,
    before: &BTreeMap<K, T>,
    after: &BTreeMap<K, T>,
) -> Option<String> {
    let differ = pairs(before, after).filter(|(_, (before, after))| before != after);
    let told = differ.map(|(key, pair)| match pair {
        (None, _) => format!("+{key}"),
        (_, None) => format!("-{key}"),
        _ => key.to_string(),
    });
    let told: Vec<_> = told.collect();
    (!told.is_empty()).then(|| format!("{name} {}", told.join(" ")))
}

/// So much of a digest that people tell it from others.
fn short(digest: &Digest) -> String {
    digest.to_hex().chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Config, ConfigValue, DesiredTarget, LinkTable, PlacementRule};

    fn name(name: &str) -> Name {
        Name::new(name).expect("a legal name")
    }

    fn component(code: u8, environment: &[(&str, &str)]) -> DesiredComponent {
        let text = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        DesiredComponent {
            digest: Digest::of(&[code]),
            environment: environment.iter().map(text).collect(),
            placement: PlacementRule::default(),
            links: LinkTable::default(),
            limits: wrt_protocol::ComponentLimits::default(),
        }
    }

    fn told(before: Option<&DesiredApp>, after: &DesiredApp) -> Vec<String> {
        let all = differences(before, after);
        all.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_changes_is_named_and_no_value_of_it() {
        let mut before = DesiredApp::empty(name("shop"));
        let cart = component(1, &[("MODE", "hush-1"), ("OLD", "hush-2")]);
        before.components.insert(name("cart"), cart);
        before.components.insert(name("old"), component(3, &[]));
        let mut store = DesiredProvider::new("redis");
        let text = |text: &str| ConfigValue::Text(text.to_owned());
        store.config.0.insert("url".to_owned(), text("hush-3"));
        before.providers.insert(name("store"), store.clone());

        let mut after = before.clone();
        let cart = component(2, &[("MODE", "hush-4"), ("NEW", "hush-5")]);
        after.components.insert(name("cart"), cart);
        after.components.remove(&name("old"));
        after.components.insert(name("young"), component(1, &[]));
        store.backend = "memory".to_owned();
        store.config = Config::default();
        store.placement.replicas = Some(2);
        store.calls.push(DesiredTarget {
            component: name("cart"),
            selection: Config::default(),
        });
        after.providers.insert(name("store"), store);

        insta::assert_snapshot!(told(Some(&before), &after).join("\n"), @r"
        ~ component/shop/cart: code 4bf5122f3445 -> dbc1b4c900ff, environment MODE +NEW -OLD
        - component/shop/old
        + component/shop/young
        ~ provider/shop/store: backend redis -> memory, config -url, calls, placement
        ");
        insta::assert_snapshot!(told(None, &after).join("\n"), @r"
        + component/shop/cart
        + component/shop/young
        + provider/shop/store
        ");
        assert!(told(Some(&after), &after).is_empty());
    }

    proptest! {
        /// Apps that differ differ in something that is told, and those that do not do not.
        #[test]
        fn nothing_is_told_of_the_same_alone(
            before in proptest::collection::btree_map("[a-c]", 0..3_u8, 0..3),
            after in proptest::collection::btree_map("[a-c]", 0..3_u8, 0..3),
        ) {
            let app = |codes: &BTreeMap<String, u8>| {
                let mut app = DesiredApp::empty(name("shop"));
                for (of, code) in codes {
                    app.components.insert(name(of), component(*code, &[]));
                }
                app
            };
            let (before, after) = (app(&before), app(&after));
            let told = differences(Some(&before), &after);
            prop_assert_eq!(told.is_empty(), before == after);
            for difference in told {
                let actor = &difference.actor.name;
                let is_in = |app: &DesiredApp| app.components.contains_key(actor);
                let change = match (is_in(&before), is_in(&after)) {
                    (false, true) => matches!(difference.change, Change::Added),
                    (true, false) => matches!(difference.change, Change::Removed),
                    _ => matches!(&difference.change, Change::Changed(what) if !what.is_empty()),
                };
                prop_assert!(change, "{}", difference);
            }
        }
    }
}
