//! Addresses that are not the public internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What IANA's registries of special-purpose addresses hold (RFC 6890 and its successors), multicast,
/// what is reserved, and the one public address at which a cloud serves its machines' secrets.
const SPECIAL_V4: &[(Ipv4Addr, u8)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// The only addresses of IPv6 that are the public internet: everything outside is special.
const GLOBAL_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Special ones within [`GLOBAL_V6`]. 6to4 (2002::/16) and Teredo (in 2001::/23) carry an address of
/// IPv4 that nobody would look at.
const SPECIAL_V6: &[(Ipv6Addr, u8)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Blocks outside [`GLOBAL_V6`] that have a name of their own. What is in none of them is nobody's.
const NAMED_V6: &[(Ipv6Addr, u8)] = &[
    (Ipv6Addr::UNSPECIFIED, 128),
    (Ipv6Addr::LOCALHOST, 128),
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),
];

/// The special block that `address` lies in; none if it is on the public internet. `address` is
/// [`canonical`].
pub(super) fn special_block(address: IpAddr) -> Option<IpNet> {
    match address {
        IpAddr::V4(address) => SPECIAL_V4
            .iter()
            .map(|(first, bits)| block_v4(*first, *bits))
            .find(|block| block.contains(&address))
            .map(IpNet::V4),
        IpAddr::V6(address) => special_block_v6(address).map(IpNet::V6),
    }
}

fn special_block_v6(address: Ipv6Addr) -> Option<Ipv6Net> {
    let is_global = block_v6(GLOBAL_V6.0, GLOBAL_V6.1).contains(&address);
    let blocks = if is_global { SPECIAL_V6 } else { NAMED_V6 };
    let block = blocks
        .iter()
        .map(|(first, bits)| block_v6(*first, *bits))
        .find(|block| block.contains(&address));
    match (block, is_global) {
        (None, false) => Some(Ipv6Net::from(address)),
        (block, _) => block,
    }
}

fn block_v4(first: Ipv4Addr, bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(first, bits)
}

fn block_v6(first: Ipv6Addr, bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(first, bits)
}

/// An address of IPv4 that is written as one of IPv6 (`::ffff:10.0.0.1`) is the one of IPv4.
pub(super) fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// The same for a range.
pub(super) fn canonical_range(range: IpNet) -> IpNet {
    const MAPPED_BITS: u8 = 96;
    let IpNet::V6(v6) = range else { return range };
    let mapped = v6.network().to_ipv4_mapped();
    match (mapped, v6.prefix_len().checked_sub(MAPPED_BITS)) {
        (Some(first), Some(bits)) => IpNet::V4(block_v4(first, bits)),
        _ => range,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_the_public_internet_is_special() {
        for (address, expected) in [
            ("8.8.8.8", None),
            ("172.15.255.255", None),
            ("172.32.0.0", None),
            ("100.63.255.255", None),
            ("100.128.0.0", None),
            ("0.0.0.0", Some("0.0.0.0/8")),
            ("10.1.2.3", Some("10.0.0.0/8")),
            ("127.0.0.1", Some("127.0.0.0/8")),
            ("100.100.100.200", Some("100.64.0.0/10")),
            ("169.254.169.254", Some("169.254.0.0/16")),
            ("168.63.129.16", Some("168.63.129.16/32")),
            ("172.31.255.255", Some("172.16.0.0/12")),
            ("192.0.0.192", Some("192.0.0.0/24")),
            ("239.1.1.1", Some("224.0.0.0/4")),
            ("255.255.255.255", Some("240.0.0.0/4")),
            ("2606:4700::1111", None),
            ("::", Some("::/128")),
            ("::1", Some("::1/128")),
            ("::7f00:1", Some("::7f00:1/128")),
            ("fd00:ec2::254", Some("fc00::/7")),
            ("fe80::1", Some("fe80::/10")),
            ("ff02::1", Some("ff00::/8")),
            ("64:ff9b::a00:1", Some("64:ff9b::/96")),
            ("2002:a00:1::", Some("2002::/16")),
            ("2001:0:a00::", Some("2001::/23")),
            ("4000::1", Some("4000::1/128")),
        ] {
            let block = special_block(address.parse().unwrap());
            assert_eq!(
                block.map(|block| block.to_string()).as_deref(),
                expected,
                "{address}"
            );
        }
    }

    #[test]
    fn a_mapped_range_is_the_one_of_ipv4() {
        for (range, expected) in [
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::/0", "::/0"),
            ("10.0.0.0/8", "10.0.0.0/8"),
        ] {
            let range: IpNet = range.parse().unwrap();
            assert_eq!(canonical_range(range).to_string(), expected);
        }
    }
}
