//! `--metrics` and `--view`

use std::{
    net::{Ipv4Addr, SocketAddr},
    str::FromStr,
};

/// Where something is told by HTTP: a port alone is one of the loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenAddress(pub SocketAddr);

impl FromStr for ListenAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(port) = text.parse::<u16>() {
            return Ok(Self((Ipv4Addr::LOCALHOST, port).into()));
        }
        let address = text.parse().map(Self);
        address.map_err(|_error| "use a port, or an IP address and a port: 0.0.0.0:9464")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_on_the_loopback() {
        for (text, expected) in [
            ("9464", Some("127.0.0.1:9464")),
            ("0.0.0.0:1", Some("0.0.0.0:1")),
            ("[::1]:2", Some("[::1]:2")),
            ("localhost:1", None),
            ("70000", None),
            ("", None),
        ] {
            let read = text.parse::<ListenAddress>().ok();
            let read = read.map(|ListenAddress(address)| address.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }
}
