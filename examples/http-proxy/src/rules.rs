//! What may be kept, for whom, and for how long. A strict part of RFC 9111: where that needs more to be
//! known, nothing is kept.

use wrt_guest::wasip2::clocks::wall_clock;

type Entries = Vec<(String, Vec<u8>)>;

/// The longest path that is a key.
const KEY_BYTES_MAX: usize = 512;

/// For how long a response is fresh that does not say.
const FRESH_SECONDS_DEFAULT: u64 = 60;

/// Fields of a connection, which end at the proxy (RFC 9110, section 7.6.1), and those that the host sets.
const OF_THE_CONNECTION: [&str; 10] = [
    "connection",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// What a request may be answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// What is kept.
    Kept,
    /// A new response, which is kept.
    New,
    /// A response that is its own.
    NotKept,
}

pub fn of_request(is_get: bool, path: &str, fields: &Entries) -> Asked {
    let is_its_own = ["authorization", "cookie", "range"]
        .iter()
        .any(|name| !field(fields, name).is_empty());
    if !is_get || is_its_own || path.is_empty() || path.len() > KEY_BYTES_MAX {
        return Asked::NotKept;
    }
    let says = |word| directives(fields).any(|(name, _)| name == word);
    match () {
        () if says("no-store") => Asked::NotKept,
        () if says("no-cache") => Asked::New,
        () => Asked::Kept,
    }
}

/// For how many seconds a response is fresh; none where it is not to be kept.
pub fn fresh_for(fields: &Entries) -> Option<u64> {
    let is_its_own = ["set-cookie", "vary", "content-encoding"]
        .iter()
        .any(|name| !field(fields, name).is_empty());
    let forbids = |(name, _): (String, Option<u64>)| {
        matches!(name.as_str(), "no-store" | "no-cache" | "private")
    };
    if is_its_own || directives(fields).any(forbids) {
        return None;
    }
    let given = |word| {
        let mut all = directives(fields);
        all.find_map(|(name, seconds)| seconds.filter(|_| name == word))
    };
    let fresh_for = given("s-maxage").or_else(|| given("max-age"));
    let fresh_for = fresh_for.unwrap_or_else(|| {
        let set = std::env::var("FRESH_SECONDS");
        set.ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(FRESH_SECONDS_DEFAULT)
    });
    (fresh_for > 0).then_some(fresh_for)
}

/// The directives of `cache-control`, with their numbers.
fn directives(fields: &Entries) -> impl Iterator<Item = (String, Option<u64>)> {
    let values = fields
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("cache-control"));
    let text = values
        .map(|(_, value)| String::from_utf8_lossy(value))
        .collect::<Vec<_>>()
        .join(",");
    let parts: Vec<_> = text
        .split(',')
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let number = value.trim().trim_matches('"').parse().ok();
            (name.trim().to_ascii_lowercase(), number)
        })
        .collect();
    parts.into_iter()
}

/// The first field of a name; empty where there is none.
pub fn field<'a>(fields: &'a Entries, name: &str) -> &'a [u8] {
    let found = fields.iter().find(|(it, _)| it.eq_ignore_ascii_case(name));
    found.map_or(&[], |(_, value)| value)
}

/// Those that go on to the other side.
pub fn passed_on(mut fields: Entries) -> Entries {
    fields.retain(|(name, _)| {
        let name = name.to_ascii_lowercase();
        !OF_THE_CONNECTION.contains(&name.as_str())
    });
    fields
}

/// Since 1970: what is kept may be read by another instance, on another machine.
pub fn seconds_now() -> u64 {
    wall_clock::now().seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(fields: &[(&str, &str)]) -> Entries {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), value.as_bytes().to_vec());
        fields.iter().map(owned).collect()
    }

    #[test]
    fn what_is_somebodys_own_is_not_kept() {
        for (fields, expected) in [
            (&[][..], Asked::Kept),
            (&[("Cache-Control", "No-Cache")], Asked::New),
            (&[("cache-control", "max-age=0, no-store")], Asked::NotKept),
            (&[("authorization", "x")], Asked::NotKept),
            (&[("cookie", "a=b")], Asked::NotKept),
            (&[("range", "bytes=0-1")], Asked::NotKept),
        ] {
            assert_eq!(
                of_request(true, "/", &entries(fields)),
                expected,
                "{fields:?}"
            );
        }
        assert_eq!(of_request(false, "/", &Entries::new()), Asked::NotKept);
    }

    #[test]
    fn a_response_says_how_long_it_is_fresh() {
        for (fields, expected) in [
            (&[][..], Some(60)),
            (&[("cache-control", "max-age=5")], Some(5)),
            (&[("cache-control", "max-age=5, s-maxage=\"7\"")], Some(7)),
            (
                &[("cache-control", "public"), ("Cache-Control", "max-age=9")],
                Some(9),
            ),
            (&[("cache-control", "max-age=0")], None),
            (&[("cache-control", "private, max-age=5")], None),
            (&[("set-cookie", "a=b")], None),
            (&[("vary", "accept")], None),
        ] {
            assert_eq!(fresh_for(&entries(fields)), expected, "{fields:?}");
        }
    }
}
