//! What a peer is known by.

use std::{fmt, str::FromStr};

use wrt_protocol::{Epoch, Incarnation, Name, NodeId};

use crate::limits::PEER_ID_BYTES_MAX;

/// A peer: which link of its handler leads to its server, on which incarnation of which node that has its
/// socket, and which of its peers it is there.
///
/// As a text it is `link/node/epoch/number`; without a lattice there is neither node nor epoch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PeerId {
    /// The link.
    pub link: Name,
    /// Where its socket is.
    pub home: Option<Incarnation>,
    /// Drawn at random: of two listeners one after the other on a node none takes the other's peer for its
    /// own.
    pub number: u64,
}

/// A text that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no peer is known by that")]
pub struct NoPeerId;

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { link, home, number } = self;
        match home {
            Some(Incarnation { node, epoch }) => write!(f, "{link}/{node}/{epoch}/{number:016x}"),
            None => write!(f, "{link}///{number:016x}"),
        }
    }
}

impl FromStr for PeerId {
    type Err = NoPeerId;

    fn from_str(text: &str) -> Result<Self, NoPeerId> {
        let parts: Vec<&str> = match text.len() <= PEER_ID_BYTES_MAX {
            true => text.split('/').collect(),
            false => return Err(NoPeerId),
        };
        let &[link, node, epoch, number] = parts.as_slice() else {
            return Err(NoPeerId);
        };
        let home = match (node, epoch) {
            ("", "") => None,
            (node, epoch) => Some(Incarnation {
                node: NodeId::new(node).map_err(|_illegal| NoPeerId)?,
                epoch: Epoch(epoch.parse().map_err(|_no_number| NoPeerId)?),
            }),
        };
        Ok(Self {
            link: Name::new(link).map_err(|_illegal| NoPeerId)?,
            home,
            number: u64::from_str_radix(number, 16).map_err(|_no_number| NoPeerId)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_same_after_it_was_a_text() {
        let home = Incarnation {
            node: NodeId::new("west-1").expect("a legal name"),
            epoch: Epoch(u64::MAX),
        };
        for home in [None, Some(home)] {
            let id = PeerId {
                link: Name::new("default").expect("a legal name"),
                home,
                number: 7,
            };
            let text = id.to_string();
            assert!(text.len() <= PEER_ID_BYTES_MAX);
            assert_eq!(text.parse(), Ok(id));
        }
    }

    #[test]
    fn any_other_text_is_none() {
        let long = format!("default/west-1/1/{}", "0".repeat(PEER_ID_BYTES_MAX));
        for text in [
            "",
            "///",
            "default/west-1/1",
            "default/west-1/1/7/7",
            "default/west-1//7",
            "default//1/7",
            "default/West/1/7",
            "default/west-1/x/7",
            "default/west-1/1/x",
            "default/west-1/1/\u{1F980}",
            long.as_str(),
        ] {
            assert_eq!(text.parse::<PeerId>(), Err(NoPeerId), "{text:?}");
        }
    }
}
