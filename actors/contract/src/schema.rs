//! What a type looks like on the wire, as a number.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use wrt_protocol::Fault;

use crate::{Body, Lease};

/// A type whose structure two builds can compare. Derived, like serde's traits, for the types of an
/// interface's arguments, results and errors:
///
/// ```
/// #[derive(serde::Serialize, serde::Deserialize, wrt_contract::Schema)]
/// pub struct Page {
///     keys: Vec<String>,
///     cursor: Option<u64>,
/// }
/// ```
///
/// The encoding says nothing of itself, so a peer whose type has one field more would read other
/// values from the same bytes. Names of fields and variants count, names of types do not: two fields
/// that change places are another structure, a type that moves is not. Attributes of serde count as
/// they are written.
///
/// A type that contains itself has no such number, and cannot be derived.
pub trait Schema {
    /// The same for the same structure, and hardly ever for another.
    const FINGERPRINT: u64;
}

/// A number in the making: FNV-1a over 64 bits. Against mistakes, not against malice.
#[derive(Debug, Clone, Copy)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// Of a `kind` of thing: `"struct"`, `"sequence"`.
    #[must_use]
    pub const fn of(kind: &str) -> Self {
        Self(0xcbf2_9ce4_8422_2325).text(kind)
    }

    /// With a text, and its length, so that two texts are not one.
    #[must_use]
    pub const fn text(self, text: &str) -> Self {
        let mut hash = self.number(text.len() as u64);
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            hash = hash.byte(bytes[at]);
            at += 1;
        }
        hash
    }

    /// With a flag.
    #[must_use]
    pub const fn flag(self, flag: bool) -> Self {
        self.byte(flag as u8)
    }

    /// With the structure of a type.
    #[must_use]
    pub const fn schema<T: Schema + ?Sized>(self) -> Self {
        self.number(T::FINGERPRINT)
    }

    /// The number.
    #[must_use]
    pub const fn finish(self) -> u64 {
        self.0
    }

    const fn number(self, number: u64) -> Self {
        let bytes = number.to_le_bytes();
        let mut hash = self;
        let mut at = 0;
        while at < bytes.len() {
            hash = hash.byte(bytes[at]);
            at += 1;
        }
        hash
    }

    const fn byte(self, byte: u8) -> Self {
        Self((self.0 ^ byte as u64).wrapping_mul(0x0100_0000_01b3))
    }
}

macro_rules! kinds {
    ($($kind:literal: $($type:ty),+;)*) => {
        $($(impl Schema for $type {
            const FINGERPRINT: u64 = Fingerprint::of($kind).finish();
        })+)*
    };
}

// Types under one kind have one encoding.
kinds! {
    "unit": ();
    "bool": bool;
    "u8": u8;
    "u16": u16;
    "u32": u32;
    "u64": u64, usize;
    "u128": u128;
    "i8": i8;
    "i16": i16;
    "i32": i32;
    "i64": i64, isize;
    "i128": i128;
    "f32": f32;
    "f64": f64;
    "char": char;
    "string": String, str;
    "bytes": Bytes;
    "duration": Duration;
    // It is the protocol's, and changes with that.
    "fault": Fault;
    // Opaque to everybody but the replica that gave it, and the routing.
    "lease": Lease;
}

macro_rules! wrappers {
    ($($kind:literal: $($type:ty),+;)*) => {
        $($(impl<T: Schema> Schema for $type {
            const FINGERPRINT: u64 = Fingerprint::of($kind).schema::<T>().finish();
        })+)*
    };
}

wrappers! {
    "option": Option<T>;
    "sequence": Vec<T>, [T], std::collections::VecDeque<T>, std::collections::BTreeSet<T>;
    "body": Body<T>;
}

macro_rules! transparent {
    ($($type:ty),+) => {
        $(impl<T: Schema + ?Sized> Schema for $type {
            const FINGERPRINT: u64 = T::FINGERPRINT;
        })+
    };
}

transparent!(Box<T>, Arc<T>, &T);

impl<T: Schema, const LENGTH: usize> Schema for [T; LENGTH] {
    const FINGERPRINT: u64 = Fingerprint::of("array")
        .number(LENGTH as u64)
        .schema::<T>()
        .finish();
}

impl<T: Schema, E: Schema> Schema for Result<T, E> {
    const FINGERPRINT: u64 = Fingerprint::of("result")
        .schema::<T>()
        .schema::<E>()
        .finish();
}

macro_rules! maps {
    ($($type:ident),+) => {
        $(impl<K: Schema, V: Schema> Schema for $type<K, V> {
            const FINGERPRINT: u64 = Fingerprint::of("map")
                .schema::<K>()
                .schema::<V>()
                .finish();
        })+
    };
}

maps!(BTreeMap, HashMap);

macro_rules! tuples {
    ($($($type:ident)+;)*) => {
        $(impl<$($type: Schema),+> Schema for ($($type,)+) {
            const FINGERPRINT: u64 = Fingerprint::of("tuple")$(.schema::<$type>())+.finish();
        })*
    };
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(wrt_contract_macros::Schema)]
    #[expect(dead_code, reason = "only its structure counts")]
    struct Page {
        keys: Vec<String>,
        cursor: Option<u64>,
    }

    mod other {
        #[derive(wrt_contract_macros::Schema)]
        #[expect(dead_code, reason = "only its structure counts")]
        pub struct Moved {
            keys: Vec<String>,
            cursor: Option<u64>,
        }

        #[derive(wrt_contract_macros::Schema)]
        #[expect(dead_code, reason = "only its structure counts")]
        pub struct Swapped {
            cursor: Option<u64>,
            keys: Vec<String>,
        }

        #[derive(wrt_contract_macros::Schema)]
        #[expect(dead_code, reason = "only its structure counts")]
        pub struct Renamed {
            keys: Vec<String>,
            next: Option<u64>,
        }

        #[derive(wrt_contract_macros::Schema)]
        #[expect(dead_code, reason = "only its structure counts")]
        pub struct Longer {
            keys: Vec<String>,
            cursor: Option<u64>,
            more: bool,
        }
    }

    #[derive(wrt_contract_macros::Schema)]
    #[expect(dead_code, reason = "only its structure counts")]
    enum Choice<T> {
        Unit,
        One(T),
        Named { value: T },
    }

    #[test]
    fn structures_differ_and_names_of_types_do_not_count() {
        assert_eq!(Page::FINGERPRINT, other::Moved::FINGERPRINT);
        let all = [
            Page::FINGERPRINT,
            other::Swapped::FINGERPRINT,
            other::Renamed::FINGERPRINT,
            other::Longer::FINGERPRINT,
            Choice::<u8>::FINGERPRINT,
            Choice::<u16>::FINGERPRINT,
            <(u8, u16)>::FINGERPRINT,
            <(u16, u8)>::FINGERPRINT,
            <[u8; 2]>::FINGERPRINT,
            Vec::<u8>::FINGERPRINT,
            Bytes::FINGERPRINT,
            Result::<u8, Fault>::FINGERPRINT,
            Body::<Fault>::FINGERPRINT,
            Option::<Option<u8>>::FINGERPRINT,
            Option::<u8>::FINGERPRINT,
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[..at].contains(one), "{at}");
        }
    }

    #[test]
    fn what_is_written_alike_is_alike() {
        assert_eq!(String::FINGERPRINT, <&str>::FINGERPRINT);
        assert_eq!(Box::<str>::FINGERPRINT, Arc::<str>::FINGERPRINT);
        assert_eq!(Vec::<u8>::FINGERPRINT, <&[u8]>::FINGERPRINT);
    }
}
