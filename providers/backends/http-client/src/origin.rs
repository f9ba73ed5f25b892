//! Whom a request is for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{Uri, uri::Scheme};
use wrt_http::HttpError;

/// Whom a request is for, in the one form in which it is checked, resolved and connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Whether it is reached over TLS.
    pub is_secure: bool,
    /// Its host.
    pub host: UriHost,
    /// Its port.
    pub port: u16,
}

/// A host as a request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UriHost {
    /// A name in lower case, without the dot that may end it.
    Name(String),
    /// An address; one of IPv4 that was written as one of IPv6 is the one of IPv4.
    Address(IpAddr),
}

impl Origin {
    /// Reads it from an absolute URI.
    ///
    /// # Errors
    /// A scheme other than http and https is a protocol error. An invalid URI is one without a host,
    /// with a host that is neither a name nor an address, with a port that is none, or with a user
    /// in it: RFC 9110, section 4.2.4, forbids to send one, and to a reader it hides the host.
    pub fn of(uri: &Uri) -> Result<Self, HttpError> {
        Self::read(uri).map(|(origin, _is_normal)| origin)
    }

    /// The same, and whether the URI writes it as [`Origin::authority`] does, as far as that is seen
    /// without writing it.
    pub(crate) fn read(uri: &Uri) -> Result<(Self, bool), HttpError> {
        let is_secure = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(HttpError::HttpProtocolError),
        };
        let authority = uri.authority().ok_or(HttpError::HttpRequestUriInvalid)?;
        let text = authority.as_str();
        let (host, is_normal, rest) = match text.strip_prefix('[') {
            Some(bracketed) => {
                let (address, rest) = bracketed
                    .split_once(']')
                    .ok_or(HttpError::HttpRequestUriInvalid)?;
                let address: Ipv6Addr = address
                    .parse()
                    .map_err(|_invalid| HttpError::HttpRequestUriInvalid)?;
                let address = IpAddr::V6(address).to_canonical();
                (UriHost::Address(address), false, rest)
            }
            None => {
                let end = text.find(':').unwrap_or(text.len());
                let (written, rest) = text.split_at(end);
                let host = parse_host(written).ok_or(HttpError::HttpRequestUriInvalid)?;
                let is_normal = match &host {
                    UriHost::Name(name) => name == written,
                    // But for the dot that may end it, no two texts are the same address.
                    UriHost::Address(_) => !written.ends_with('.'),
                };
                (host, is_normal, rest)
            }
        };
        let port = parse_port(rest, is_secure).ok_or(HttpError::HttpRequestUriInvalid)?;
        let origin = Self {
            is_secure,
            host,
            port,
        };
        let is_normal = is_normal && origin.writes_port(rest);
        Ok((origin, is_normal))
    }

    /// Whether `text`, which says this port, is how [`Origin::authority`] says it.
    fn writes_port(&self, text: &str) -> bool {
        match self.has_default_port() {
            true => text.is_empty(),
            false => !text.starts_with(":0"),
        }
    }

    /// Whether the port is the scheme's own.
    #[must_use]
    pub fn has_default_port(&self) -> bool {
        self.port == default_port(self.is_secure)
    }

    /// Host and port as they stand in a URI; the port only where it is not the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = match &self.host {
            UriHost::Name(name) => name.clone(),
            UriHost::Address(IpAddr::V4(address)) => address.to_string(),
            UriHost::Address(IpAddr::V6(address)) => format!("[{address}]"),
        };
        if self.has_default_port() {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }
}

fn default_port(is_secure: bool) -> u16 {
    if is_secure { 443 } else { 80 }
}

fn parse_port(text: &str, is_secure: bool) -> Option<u16> {
    let digits = match text.strip_prefix(':') {
        Some(digits) => digits,
        None if text.is_empty() => "",
        None => return None,
    };
    if digits.is_empty() {
        return Some(default_port(is_secure));
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|port| *port != 0)
}

/// A host without brackets; `None` if it is neither a name nor an address of IPv4.
pub(crate) fn parse_host(text: &str) -> Option<UriHost> {
    const NAME_BYTES_MAX: usize = 253;
    const LABEL_BYTES_MAX: usize = 63;
    let text = text.strip_suffix('.').unwrap_or(text);
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(UriHost::Address(address.into()));
    }
    let is_label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let is_name = text.len() <= NAME_BYTES_MAX && text.split('.').all(is_label);
    is_name.then(|| UriHost::Name(text.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &str, expected: Option<(&str, u16)>) {
        let target = uri
            .parse()
            .ok()
            .and_then(|uri: Uri| Origin::of(&uri).ok())
            .map(|target| {
                let host = match &target.host {
                    UriHost::Name(name) => name.clone(),
                    UriHost::Address(address) => address.to_string(),
                };
                (host, target.port)
            });
        let target = target.as_ref().map(|(host, port)| (host.as_str(), *port));
        assert_eq!(target, expected, "{uri}");
    }

    #[test]
    fn one_host_has_one_form() {
        check("http://a.test", Some(("a.test", 80)));
        check("https://A.TeSt.:443/x", Some(("a.test", 443)));
        check("https://a.test:/x", Some(("a.test", 443)));
        check("http://1.2.3.4.", Some(("1.2.3.4", 80)));
        check("http://[::1]:8080/", Some(("::1", 8080)));
        check("http://[::ffff:7f00:1]/", Some(("127.0.0.1", 80)));
        // Not addresses: whether such a name stands for one is seen when it is resolved.
        check("http://0x7f.1/", Some(("0x7f.1", 80)));
        check("http://2130706433/", Some(("2130706433", 80)));
    }

    #[test]
    fn what_names_no_host_is_refused() {
        for uri in [
            "/path",
            "ftp://a.test/",
            "http://user@a.test/",
            "http://a.test:80@b.test/",
            "http://a.test:0/",
            "http://a.test:65536/",
            "http://a.test:+80/",
            "http://./",
            "http://a..test/",
            "http://a%2etest/",
            "http://[fe80::1%25eth0]/",
            "http://[::1]8080/",
        ] {
            check(uri, None);
        }
    }
}
