//! Providers that take something for themselves do not get into each other's way.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use wrt_protocol::Name;

use super::{Check, Scope};
use crate::{DesiredApp, PlacementRule, ProblemKind, ProviderFacts, ProviderManifest};

/// A provider with an address, of this app or of another one.
struct Taken<'a> {
    app: Option<&'a Name>,
    name: &'a Name,
    address: &'a str,
    placement: &'a PlacementRule,
}

impl Check<'_> {
    /// Compares the addresses of this app's providers with each other, and with those of `others`.
    pub(super) fn addresses(
        &self,
        scope: Scope,
        facts: &BTreeMap<Name, ProviderFacts>,
        others: &[&DesiredApp],
    ) {
        // Its own earlier revision makes way for it.
        let others = others
            .iter()
            .filter(|app| app.app != *self.manifest.app.get_ref());
        let mut taken: Vec<Taken<'_>> = others.flat_map(|app| of_another_app(app)).collect();
        for (name, provider) in &self.manifest.providers {
            let address = facts.get(name).and_then(|told| told.address.as_deref());
            let Some(address) = address else {
                continue;
            };
            let clashing = taken.iter().find(|other| {
                addresses_clash(other.address, address)
                    && (scope == Scope::SingleNode
                        || may_meet(other.placement, &provider.placement))
            });
            if let Some(other) = clashing {
                self.address_taken(scope, provider, address, other);
            }
            taken.push(Taken {
                app: None,
                name,
                address,
                placement: &provider.placement,
            });
        }
    }

    fn address_taken(
        &self,
        scope: Scope,
        provider: &ProviderManifest,
        address: &str,
        other: &Taken<'_>,
    ) {
        let name = provider.name.get_ref();
        let who = match other.app {
            Some(app) => format!("provider `{}` of app `{app}`", other.name),
            None => format!("provider `{}`", other.name),
        };
        let as_what = if other.address == address {
            String::new()
        } else {
            format!(" as {}", other.address)
        };
        let message =
            format!("the address {address} of provider `{name}` is taken by {who}{as_what}");
        let help = match scope {
            Scope::Lattice => "use another address, or `nodes` that they do not share",
            Scope::SingleNode => "use another address: here both run on one node",
        };
        // The setting in which the address stands, where it stands in one as it is.
        let is_it = |value: &crate::ConfigValue| matches!(value, crate::ConfigValue::Text(text) if text == address);
        let settings = &provider.config;
        let field = settings.config.0.iter().find(|(_, value)| is_it(value));
        let span = field.and_then(|(field, _)| settings.spans.get(field).cloned());
        let span = span.unwrap_or_else(|| provider.name.span());
        self.findings
            .add(ProblemKind::AddressTaken, span, message, help);
    }
}

fn of_another_app(app: &DesiredApp) -> impl Iterator<Item = Taken<'_>> {
    app.providers.iter().filter_map(|(name, provider)| {
        Some(Taken {
            app: Some(&app.app),
            name,
            address: provider.address.as_deref()?,
            placement: &provider.placement,
        })
    })
}

/// Whether one node cannot have both. Port 0 is a free one each time; an address that is none of the
/// network's is compared as it is written. `0.0.0.0` is every address of IPv4; `[::]` is that and every
/// one of IPv6, as Linux has it unless a socket asks for less.
#[must_use]
pub fn addresses_clash(a: &str, b: &str) -> bool {
    let (Ok(first), Ok(second)) = (a.parse::<SocketAddr>(), b.parse::<SocketAddr>()) else {
        return a == b;
    };
    let covers = |a: IpAddr, b: IpAddr| match a {
        IpAddr::V4(a) => b == a || a.is_unspecified() && b.is_ipv4(),
        IpAddr::V6(a) => b == a || a.is_unspecified(),
    };
    let (a, b) = (first.ip().to_canonical(), second.ip().to_canonical());
    first.port() == second.port() && first.port() != 0 && (covers(a, b) || covers(b, a))
}

/// Whether one node can get both. Where labels decide against names it is not known before the nodes
/// are, and taken for no: the node that gets both says so.
fn may_meet(a: &PlacementRule, b: &PlacementRule) -> bool {
    match (a.nodes.is_empty(), b.nodes.is_empty()) {
        (false, false) => a.nodes.iter().any(|node| b.nodes.contains(node)),
        (true, false) => a.labels.is_empty() && a.replicas.is_none(),
        (false, true) => b.labels.is_empty() && b.replicas.is_none(),
        (true, true) => a
            .labels
            .iter()
            .all(|(k, v)| b.labels.get(k).is_none_or(|w| w == v)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_clash_on_one_port_of_one_interface_or_when_they_are_the_same() {
        for (a, b, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "[::]:80", true),
            ("0.0.0.0:80", "[::]:80", true),
            ("[::1]:80", "[::]:80", true),
            ("0.0.0.0:80", "[::1]:80", false),
            ("127.0.0.1:80", "[::1]:80", false),
            ("127.0.0.1:80", "[::ffff:127.0.0.1]:80", true),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("/run/web.sock", "/run/web.sock", true),
            ("/run/web.sock", "/run/api.sock", false),
            ("/run/web.sock", "127.0.0.1:80", false),
        ] {
            assert_eq!(addresses_clash(a, b), expected, "{a} {b}");
            assert_eq!(addresses_clash(b, a), expected, "{b} {a}");
        }
    }
}
