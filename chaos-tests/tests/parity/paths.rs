//! The ways between a client and a guest.

use std::fmt;

/// Which version of wasi:http the guest is made with, and whether its instances serve several requests at
/// once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guest {
    P2,
    P3,
    P3Shared,
}

/// Where the guest runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the node that has the port.
    Here,
    /// In another one.
    There,
}

/// Whether a body is here at once, or comes so slowly that nobody waits for all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    Quick,
    Slow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    pub guest: Guest,
    pub place: Place,
    pub pace: Pace,
    pub protocol: Protocol,
}

pub const GUESTS: [Guest; 3] = [Guest::P2, Guest::P3, Guest::P3Shared];
pub const PLACES: [Place; 2] = [Place::Here, Place::There];

impl Path {
    pub fn all() -> impl Iterator<Item = Self> {
        let (paces, protocols) = (
            [Pace::Quick, Pace::Slow],
            [Protocol::Http1, Protocol::Http2],
        );
        (0..8).flat_map(move |n: usize| {
            GUESTS.map(|guest| Self {
                guest,
                place: PLACES[n & 1],
                pace: paces[n >> 1 & 1],
                protocol: protocols[n >> 2],
            })
        })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            guest,
            place,
            pace,
            protocol,
        } = self;
        write!(f, "{guest:?} {place:?} {pace:?} {protocol:?}")
    }
}
