//! What two paths have in common that mean the same (RFC 3986, section 6.2.2).

use std::borrow::Cow;

/// The normal form of a path: letters, digits and `-._~` are not encoded, encoded bytes are in capitals,
/// and there are neither dots for segments nor empty segments. The last is our own: to the RFC
/// `//api` is another path than `/api`, but most servers take the one for the other, and a route in front
/// of them must not be passed by a slash.
pub(crate) fn normal(path: &str) -> Cow<'_, str> {
    if !path.starts_with('/') || is_normal(path) {
        return Cow::Borrowed(path);
    }
    let path = decoded(path);
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let is_folder = ["/", "/.", "/.."].iter().any(|end| path.ends_with(end));
    let mut normal = String::with_capacity(path.len());
    for segment in &segments {
        normal.push('/');
        normal.push_str(segment);
    }
    if is_folder || normal.is_empty() {
        normal.push('/');
    }
    Cow::Owned(normal)
}

/// Most paths are, and need no copy.
fn is_normal(path: &str) -> bool {
    !path.contains('%') && !path.contains("//") && !path.contains("/.")
}

fn decoded(path: &str) -> String {
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, encoded)) = rest.split_once('%') {
        decoded.push_str(before);
        let digits = encoded.get(..2);
        let byte = digits
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        rest = match byte {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                decoded.push(char::from(byte));
                &encoded[2..]
            }
            Some(byte) => {
                decoded.push_str(&format!("%{byte:02X}"));
                &encoded[2..]
            }
            // No encoding: it stands for itself.
            None => {
                decoded.push('%');
                encoded
            }
        };
    }
    decoded.push_str(rest);
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_mean_the_same_are_the_same() {
        for (path, expected) in [
            ("/", "/"),
            ("*", "*"),
            ("/api", "/api"),
            ("/api/", "/api/"),
            ("/%61pi", "/api"),
            ("/%61%70%69/%7Ex", "/api/~x"),
            ("/x/../api", "/api"),
            ("/x/%2e%2E/api", "/api"),
            ("/x/%2e./api/./y", "/api/y"),
            ("/../../api", "/api"),
            ("/api/..", "/"),
            ("/api/x/..", "/api/"),
            ("/api/.", "/api/"),
            ("/..", "/"),
            ("//api", "/api"),
            ("/x///api//", "/x/api/"),
            ("//", "/"),
            // What is encoded for a reason stays so, once over.
            ("/a%2fb", "/a%2Fb"),
            ("/%2561pi", "/%2561pi"),
            ("/x%2F..%2fapi", "/x%2F..%2Fapi"),
            ("/%c3%a4", "/%C3%A4"),
            ("/%", "/%"),
            ("/%6", "/%6"),
            ("/%zz", "/%zz"),
            ("/%+1", "/%+1"),
            ("/.well-known/x", "/.well-known/x"),
            ("/...", "/..."),
            ("/api.", "/api."),
        ] {
            assert_eq!(normal(path), expected, "{path}");
            assert_eq!(normal(&normal(path)), normal(path), "{path}");
        }
    }
}
