//! Where a call goes: an actor, one of its interfaces, one operation of that.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Name, NameError, limits::NAME_BYTES_MAX};

/// What kind of actor an address names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActorKind {
    /// A WebAssembly component.
    Component,
    /// A running, configured backend.
    Provider,
}

impl ActorKind {
    /// The kind as it stands in a subject.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::Provider => "provider",
        }
    }
}

/// An actor on the lattice, wherever its replicas run: `component/shop/cart`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ActorAddress {
    /// What it is.
    pub kind: ActorKind,
    /// The application whose manifest declares it.
    pub app: Name,
    /// Its name there.
    pub name: Name,
}

impl ActorAddress {
    /// The component `name` of `app`.
    #[must_use]
    pub const fn component(app: Name, name: Name) -> Self {
        Self {
            kind: ActorKind::Component,
            app,
            name,
        }
    }

    /// The provider `name` of `app`.
    #[must_use]
    pub const fn provider(app: Name, name: Name) -> Self {
        Self {
            kind: ActorKind::Provider,
            app,
            name,
        }
    }
}

impl fmt::Display for ActorAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind.as_str(), self.app, self.name)
    }
}

impl fmt::Debug for ActorAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ActorAddress {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let mut parts = text.splitn(3, '/');
        let kind = match parts.next() {
            Some("component") => ActorKind::Component,
            Some("provider") => ActorKind::Provider,
            other => {
                return Err(Name::new(other.unwrap_or_default())
                    .err()
                    .unwrap_or_else(|| {
                        // A legal name that is no kind: let the error show the whole text.
                        Name::new(&format!("{text}/")).expect_err("a slash is not legal in a name")
                    }));
            }
        };
        let app = Name::new(parts.next().unwrap_or_default())?;
        let name = Name::new(parts.next().unwrap_or_default())?;
        Ok(Self { kind, app, name })
    }
}

/// Bytes that may stand in a token of an interface's or an operation's name. No dot, no wildcard
/// and no white space, so that the name is one token of a subject.
const fn is_token(text: &[u8]) -> bool {
    if text.is_empty() || text.len() > NAME_BYTES_MAX {
        return false;
    }
    let mut at = 0;
    while at < text.len() {
        let legal = matches!(text[at], b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b':' | b'/' | b'@');
        if !legal {
            return false;
        }
        at += 1;
    }
    true
}

macro_rules! token {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $type(Cow<'static, str>);

        impl $type {
            /// Makes one from a text that the program itself contains.
            ///
            /// # Panics
            /// When `text` is not legal; evaluated in a `const`, that is an error of the build.
            #[must_use]
            pub const fn from_static(text: &'static str) -> Self {
                assert!(is_token(text.as_bytes()), "not one token of a subject");
                Self(Cow::Borrowed(text))
            }

            /// Makes one from a text that came from outside; `None` if it is not legal.
            #[must_use]
            pub fn new(text: &str) -> Option<Self> {
                is_token(text.as_bytes()).then(|| Self(Cow::Owned(text.to_owned())))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("one token of a subject")
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        $type::new(text).ok_or_else(|| E::custom("not one token of a subject"))
                    }
                }
                deserializer.deserialize_str(Visitor)
            }
        }
    };
}

token! {
    /// An interface as the lattice names it: `wasi:keyvalue`. Without a version: versions of one
    /// package are glues over one trait, and the trait's version is the protocol's.
    InterfaceName
}
token! {
    /// An operation of an interface: `get`, `compare-and-swap`.
    OperationName
}
