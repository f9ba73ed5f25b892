//! One rule of an allow-list.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::special::canonical_range;
use crate::origin::{Origin, UriHost, parse_host};

/// A host or a range of addresses, and its ports: `api.test`, `*.example.test:8443`, `10.0.0.0/8:*`,
/// `[::1]:8080`, `*`.
///
/// `*.example.test` has every name below `example.test` and not that one; `*` has every name. Without
/// a port it is the scheme's own, 80 or 443; `:*` is any.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AllowRule {
    pub(super) pattern: Pattern,
    pub(super) ports: Ports,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pattern {
    AnyName,
    Name(String),
    /// With the dot in front.
    Suffix(String),
    Range(IpNet),
}

impl Pattern {
    pub(super) fn has_name(&self, name: &str) -> bool {
        match self {
            Self::AnyName => true,
            Self::Name(allowed) => allowed == name,
            Self::Suffix(suffix) => name.len() > suffix.len() && name.ends_with(suffix.as_str()),
            Self::Range(_) => false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ports {
    OfScheme,
    One(u16),
    Any,
}

impl Ports {
    pub(super) fn have(self, target: &Origin) -> bool {
        match self {
            Self::OfScheme => target.has_default_port(),
            Self::One(port) => target.port == port,
            Self::Any => true,
        }
    }
}

/// Why a text is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no host with a port: {reason}")]
pub struct RuleError {
    text: String,
    reason: &'static str,
}

impl FromStr for AllowRule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        parse(text).map_err(|reason| RuleError {
            text: text.to_owned(),
            reason,
        })
    }
}

fn parse(text: &str) -> Result<AllowRule, &'static str> {
    if text.contains("://") {
        return Err("leave the scheme out, and name the port where it is not 80 or 443");
    }
    let (host, port) = split_port(text)?;
    let ports = match port {
        None => Ports::OfScheme,
        Some("*") => Ports::Any,
        Some(digits) => {
            let port = digits.parse().ok().filter(|port| *port != 0);
            Ports::One(port.ok_or("the port must be 1 to 65535, or *")?)
        }
    };
    let pattern = parse_pattern(host)?;
    Ok(AllowRule { pattern, ports })
}

fn split_port(text: &str) -> Result<(&str, Option<&str>), &'static str> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']').ok_or("a ] is missing")?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err("only a port may follow the ]"),
        };
    }
    Ok(match text.split_once(':') {
        // More than one colon without brackets: an address of IPv6 without a port.
        Some((_, rest)) if rest.contains(':') => (text, None),
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    })
}

fn parse_pattern(host: &str) -> Result<Pattern, &'static str> {
    if host.contains('/') {
        let range: IpNet = host
            .parse()
            .map_err(|_invalid| "a range is an address and a number of bits, as in 10.0.0.0/8")?;
        if range.trunc() != range {
            return Err("the range has bits set behind its prefix: name its first address");
        }
        return Ok(Pattern::Range(canonical_range(range)));
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(Pattern::Range(address.to_canonical().into()));
    }
    if host == "*" {
        return Ok(Pattern::AnyName);
    }
    let (name, is_suffix) = match host.strip_prefix("*.") {
        Some(name) => (name, true),
        None => (host, false),
    };
    match parse_host(name) {
        Some(UriHost::Name(name)) if is_suffix => Ok(Pattern::Suffix(format!(".{name}"))),
        Some(UriHost::Name(name)) => Ok(Pattern::Name(name)),
        Some(UriHost::Address(address)) if !is_suffix => Ok(Pattern::Range(address.into())),
        _ => Err("name a host, *.host, an address or a range of addresses"),
    }
}

impl fmt::Display for AllowRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pattern {
            Pattern::AnyName => f.write_str("*")?,
            Pattern::Name(name) => f.write_str(name)?,
            Pattern::Suffix(suffix) => write!(f, "*{suffix}")?,
            Pattern::Range(range @ IpNet::V4(_)) => write!(f, "{range}")?,
            Pattern::Range(range @ IpNet::V6(_)) => write!(f, "[{range}]")?,
        }
        match self.ports {
            Ports::OfScheme => Ok(()),
            Ports::One(port) => write!(f, ":{port}"),
            Ports::Any => f.write_str(":*"),
        }
    }
}

impl TryFrom<String> for AllowRule {
    type Error = RuleError;

    fn try_from(text: String) -> Result<Self, RuleError> {
        text.parse()
    }
}

impl From<AllowRule> for String {
    fn from(rule: AllowRule) -> Self {
        rule.to_string()
    }
}
