//! Where requests may go.

mod rule;
mod special;

use std::net::IpAddr;

use crate::origin::{Origin, UriHost};
use rule::Pattern;
pub use rule::{AllowRule, RuleError};

/// Where requests may go: nowhere that no rule names.
///
/// ```text
/// host of the request   may be asked for if            may be connected to if its address is
/// a name                a rule has the name            public, or in a range of the special block
/// an address            a rule has a range with it     (the same question)
/// ```
///
/// Invariants:
/// - an address that is not the public internet's is reached only through a rule that names it by an
///   address or a range *within* its special block: `10.0.0.0/8` does, `0.0.0.0/0` and `*` do not;
/// - what is decided of an address is decided of the very one that is then connected to, for each
///   connection.
#[derive(Debug, Clone, Default)]
pub struct AllowList(Vec<AllowRule>);

impl AllowList {
    /// A list of rules; one that matches is enough.
    #[must_use]
    pub fn new(rules: Vec<AllowRule>) -> Self {
        Self(rules)
    }

    /// Whether a request may be for `target`. Of a name this says nothing yet about the addresses
    /// behind it.
    #[must_use]
    pub fn permits(&self, target: &Origin) -> bool {
        match &target.host {
            UriHost::Name(name) => self.of_port(target).any(|rule| rule.pattern.has_name(name)),
            UriHost::Address(address) => self.permits_address(target, *address),
        }
    }

    /// Whether a request for `target`, which is permitted itself, may go to `address`.
    #[must_use]
    pub fn permits_address(&self, target: &Origin, address: IpAddr) -> bool {
        let address = special::canonical(address);
        let mut ranges = self.of_port(target).filter_map(|rule| match rule.pattern {
            Pattern::Range(range) if range.contains(&address) => Some(range),
            _ => None,
        });
        match special::special_block(address) {
            Some(block) => ranges.any(|range| block.contains(&range)),
            None => matches!(target.host, UriHost::Name(_)) || ranges.next().is_some(),
        }
    }

    fn of_port(&self, target: &Origin) -> impl Iterator<Item = &AllowRule> {
        self.0.iter().filter(|rule| rule.ports.have(target))
    }
}

#[cfg(test)]
mod tests;
