//! Triggers that listen do not get into each other's way.

use std::net::{IpAddr, SocketAddr};

use super::{Check, Scope};
use crate::{PlacementRule, ProblemKind, TriggerManifest};

impl Check<'_> {
    pub(super) fn addresses(&self, scope: Scope) {
        let mut earlier: Vec<(&TriggerManifest, SocketAddr)> = Vec::new();
        for trigger in self.manifest.triggers.values() {
            let Some(text) = &trigger.address else {
                continue;
            };
            let Ok(address) = text.get_ref().parse::<SocketAddr>() else {
                let message = format!("{:?} is no address to listen on", text.get_ref());
                let help = "write an IP address and a port: `127.0.0.1:8080`, or `0.0.0.0:8080` for \
                            every interface of the machine";
                self.findings
                    .add(ProblemKind::BadAddress, text.span(), message, help);
                continue;
            };
            let clashes = |(other, taken): &&(&TriggerManifest, SocketAddr)| {
                clash(*taken, address)
                    && (scope == Scope::SingleNode
                        || may_meet(&other.placement, &trigger.placement))
            };
            if let Some((other, _)) = earlier.iter().find(clashes) {
                let (name, other) = (trigger.name.get_ref(), other.name.get_ref());
                let message = format!(
                    "triggers `{other}` and `{name}` listen on port {}",
                    address.port()
                );
                let help = match scope {
                    Scope::Lattice => "use another port, or `nodes` that they do not share",
                    Scope::SingleNode => "use another port: here both run on one node",
                };
                self.findings
                    .add(ProblemKind::PortTaken, text.span(), message, help);
            }
            earlier.push((trigger, address));
        }
    }
}

/// Port 0 is a free one each time.
fn clash(a: SocketAddr, b: SocketAddr) -> bool {
    let covers = |a: IpAddr, b: IpAddr| a == b || a.is_unspecified();
    a.port() == b.port() && a.port() != 0 && (covers(a.ip(), b.ip()) || covers(b.ip(), a.ip()))
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
    fn addresses_clash_on_one_port_of_one_interface() {
        for (a, b, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "[::]:80", true),
            ("127.0.0.1:0", "127.0.0.1:0", false),
        ] {
            assert_eq!(
                clash(a.parse().unwrap(), b.parse().unwrap()),
                expected,
                "{a} {b}"
            );
        }
    }
}
