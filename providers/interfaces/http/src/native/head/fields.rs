//! Header fields and trailers, between a map and bytes.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use wrt_contract::{Schema, Trailers, generated::Bytes};

/// The fields of a head, in its order. A value may be any bytes.
pub(super) struct Fields<'a>(pub(super) &'a HeaderMap);

impl Schema for Fields<'_> {
    const FINGERPRINT: u64 = Vec::<(String, Bytes)>::FINGERPRINT;
}

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = self.0.iter();
        serializer.collect_seq(FieldsIter(fields, self.0.len()))
    }
}

/// Says how many there are, which postcard writes first.
struct FieldsIter<'a>(http::header::Iter<'a, HeaderValue>, usize);

impl<'a> Iterator for FieldsIter<'a> {
    type Item = (&'a str, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.0.next()?;
        Some((name.as_str(), Value(value.as_bytes())))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.1, Some(self.1))
    }
}

struct Value<'a>(&'a [u8]);

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// The reverse of [`Fields`].
pub(super) struct OwnedFields(pub(super) HeaderMap);

impl<'de> Deserialize<'de> for OwnedFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = OwnedFields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("header fields")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(
                self,
                mut fields: A,
            ) -> Result<OwnedFields, A::Error> {
                let mut map = HeaderMap::new();
                while let Some((name, value)) = fields.next_element::<(OwnedName, OwnedValue)>()? {
                    map.try_append(name.0, value.0).map_err(de::Error::custom)?;
                }
                Ok(OwnedFields(map))
            }
        }

        deserializer.deserialize_seq(Visitor)
    }
}

macro_rules! parsed {
    ($type:ident, $of:ty, $what:literal, $ask:ident, $visit:ident, $given:ty) => {
        struct $type($of);

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;

                impl de::Visitor<'_> for Visitor {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($what)
                    }

                    fn $visit<E: de::Error>(self, given: $given) -> Result<$type, E> {
                        <$of>::from_bytes(given.as_ref())
                            .map($type)
                            .map_err(E::custom)
                    }
                }

                deserializer.$ask(Visitor)
            }
        }
    };
}

parsed!(
    OwnedName,
    HeaderName,
    "a field's name",
    deserialize_str,
    visit_str,
    &str
);
parsed!(
    OwnedValue,
    HeaderValue,
    "a field's value",
    deserialize_bytes,
    visit_bytes,
    &[u8]
);

/// The fields of a map, in its order.
pub(crate) fn from_map(map: &HeaderMap) -> Trailers {
    map.iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect()
}

/// `None` when a name or a value is illegal, or when there are too many for a map.
pub(crate) fn into_map(fields: Trailers) -> Option<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        let value = HeaderValue::from_maybe_shared(Bytes::from(value)).ok()?;
        map.try_append(name, value).ok()?;
    }
    Some(map)
}
