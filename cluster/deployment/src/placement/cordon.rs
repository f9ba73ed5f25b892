//! Nodes that take nothing new.
//!
//! What runs on such a node stays. So a cordon names what it keeps, and placement goes on being a function
//! of the desired state, the cordons and the members alone, whatever runs where: cordoned with what it has,
//! a node changes nobody's place, and without all of that it is emptied.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use wrt_protocol::{ActorAddress, NodeId};

use super::PlacedMember;

/// The form in which cordons are stored. Fields that a reader does not know are left out by it; a form that
/// it must not read has another number.
const VERSION: u32 = 1;

/// What an operator says of a node that takes nothing new.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cordon {
    /// What it has, and keeps; by name, so that another one that is deployed under that name comes here as well.
    pub keeps: BTreeSet<ActorAddress>,
}

/// The nodes that are cordoned, whether or not they are there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cordons(BTreeMap<NodeId, Arc<Cordon>>);

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    #[serde(default)]
    keeps: Vec<String>,
}

impl Cordon {
    /// As it is stored.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let stored = Stored {
            version: VERSION,
            keeps: self.keeps.iter().map(ToString::to_string).collect(),
        };
        serde_json::to_vec(&stored).expect("a number and a list of texts")
    }

    /// Reads what is stored.
    ///
    /// # Errors
    /// Why this build cannot.
    pub fn from_json(bytes: &[u8]) -> Result<Self, String> {
        let not_one = |error: &dyn std::fmt::Display| format!("not a stored cordon: {error}");
        let stored: Stored = serde_json::from_slice(bytes).map_err(|error| not_one(&error))?;
        if stored.version > VERSION {
            return Err(format!(
                "its cordon is stored in form {}, and this build reads form {VERSION}",
                stored.version
            ));
        }
        let actors = stored.keeps.iter().map(|actor| actor.parse());
        let keeps = actors.collect::<Result<_, _>>();
        let keeps = keeps.map_err(|error: wrt_protocol::NameError| not_one(&error))?;
        Ok(Self { keeps })
    }
}

impl Cordons {
    /// That of `node`, if it is cordoned.
    #[must_use]
    pub fn of(&self, node: &NodeId) -> Option<&Cordon> {
        self.0.get(node).map(|cordon| &**cordon)
    }

    /// Who is cordoned.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeId> {
        self.0.keys()
    }

    /// Says of members that they are cordoned.
    pub fn put_on(&self, members: &mut [PlacedMember]) {
        for member in members {
            member.cordon = self.0.get(&member.id).cloned();
        }
    }
}

impl FromIterator<(NodeId, Cordon)> for Cordons {
    fn from_iter<I: IntoIterator<Item = (NodeId, Cordon)>>(cordons: I) -> Self {
        let cordons = cordons.into_iter();
        Self(cordons.map(|(node, it)| (node, Arc::new(it))).collect())
    }
}

impl PlacedMember {
    /// Whether it may have `actor`, as far as it is cordoned.
    pub(super) fn is_open_to(&self, actor: &ActorAddress) -> bool {
        let cordon = self.cordon.as_ref();
        cordon.is_none_or(|cordon| cordon.keeps.contains(actor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cordon_is_read_as_it_was_stored() {
        let keeps = ["component/shop/cart", "provider/shop/store"];
        let cordon = Cordon {
            keeps: keeps.iter().map(|it| it.parse().unwrap()).collect(),
        };
        let stored = cordon.to_json();
        assert_eq!(
            String::from_utf8_lossy(&stored),
            r#"{"version":1,"keeps":["component/shop/cart","provider/shop/store"]}"#
        );
        assert_eq!(Cordon::from_json(&stored), Ok(cordon));
    }

    #[test]
    fn what_a_later_build_adds_is_left_out_and_a_later_form_is_not_read() {
        let later = br#"{"version":1,"keeps":[],"why":"its disk"}"#;
        assert_eq!(Cordon::from_json(later), Ok(Cordon::default()));
        let told = |bytes: &[u8]| Cordon::from_json(bytes).unwrap_err();
        assert!(told(br#"{"version":2,"keeps":{}}"#).contains("not a stored cordon"));
        assert!(told(br#"{"version":2}"#).contains("form 2"));
        assert!(told(br#"{"version":1,"keeps":["cart"]}"#).contains("not a stored cordon"));
    }
}
