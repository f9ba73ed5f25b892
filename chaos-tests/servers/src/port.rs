//! Free loopback ports.

use std::{
    collections::hash_map::RandomState,
    fs,
    hash::{BuildHasher, Hasher},
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::ServerError;

/// The lowest port that is handed out.
const PORT_MIN: u16 = 10_240;

/// The end of the range where the kernel does not tell its own.
const PORT_MAX_DEFAULT: u16 = 32_768;

/// Where the next look starts: random for each process, then one on for each port handed out, so
/// that one process never hands out a port twice in a row.
static CURSOR: LazyLock<AtomicUsize> =
    LazyLock::new(|| AtomicUsize::new(RandomState::new().build_hasher().finish() as usize >> 1));

/// Finds a loopback port that nobody listens on.
///
/// The port lies below the range from which the kernel takes ports for outgoing connections. With
/// a port from that range, a client that tries to reconnect to a killed server sooner or later gets
/// the server's own port as its source, connects to itself, and the server cannot come back.
///
/// Another process may still take the port before it is used: whoever starts a server retries.
///
/// # Errors
/// [`ServerError::NoFreePort`] when every port of the range is taken.
pub fn free_port() -> Result<u16, ServerError> {
    let range = port_range(fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok());
    let count = usize::from(range.end - range.start);
    (0..count)
        .map(|_| range.start + (CURSOR.fetch_add(1, Ordering::Relaxed) % count) as u16)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or(ServerError::NoFreePort)
}

fn port_range(kernel: Option<String>) -> Range<u16> {
    let ephemeral_start = kernel
        .and_then(|text| text.split_whitespace().next()?.parse::<u16>().ok())
        .filter(|start| *start > PORT_MIN)
        .unwrap_or(PORT_MAX_DEFAULT);
    PORT_MIN..ephemeral_start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_ends_where_the_kernels_own_begins() {
        for (kernel, expected) in [
            (Some("32768\t60999\n"), PORT_MIN..32_768),
            (Some("15000 60999"), PORT_MIN..15_000),
            (Some("1024 65535"), PORT_MIN..PORT_MAX_DEFAULT),
            (Some("nonsense"), PORT_MIN..PORT_MAX_DEFAULT),
            (None, PORT_MIN..PORT_MAX_DEFAULT),
        ] {
            assert_eq!(
                port_range(kernel.map(str::to_owned)),
                expected,
                "{kernel:?}"
            );
        }
    }

    #[test]
    fn a_taken_port_is_not_handed_out() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, free_port().unwrap())).unwrap();
        let taken = taken.local_addr().unwrap().port();
        for _ in 0..100 {
            assert_ne!(free_port().unwrap(), taken);
        }
    }
}
