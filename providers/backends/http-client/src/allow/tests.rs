use http::Uri;
use proptest::prelude::*;

use super::*;

fn list(rules: &[&str]) -> AllowList {
    AllowList::new(rules.iter().map(|rule| rule.parse().unwrap()).collect())
}

fn target(uri: &str) -> Origin {
    Origin::of(&uri.parse::<Uri>().unwrap()).unwrap()
}

/// Whether `uri`, whose host has the address `address`, may be asked for and connected to.
fn permits(rules: &[&str], uri: &str, address: &str) -> bool {
    let (list, target) = (list(rules), target(uri));
    list.permits(&target) && list.permits_address(&target, address.parse().unwrap())
}

#[test]
fn nothing_is_allowed_by_default() {
    assert!(!permits(&[], "https://a.test/", "8.8.8.8"));
    assert!(!permits(&[], "https://8.8.8.8/", "8.8.8.8"));
}

#[test]
fn names_and_ports() {
    for (rule, uri, expected) in [
        ("a.test", "https://a.test/", true),
        ("a.test", "http://A.Test.:80/", true),
        ("A.TEST.", "http://a.test/", true),
        ("a.test", "https://a.test:80/", false),
        ("a.test", "https://a.test:8443/", false),
        ("a.test:8443", "https://a.test:8443/", true),
        ("a.test:8443", "https://a.test/", false),
        ("a.test:*", "http://a.test:1/", true),
        ("a.test", "https://b.a.test/", false),
        ("a.test", "https://xa.test/", false),
        ("*.a.test", "https://b.a.test/", true),
        ("*.a.test", "https://c.b.a.test/", true),
        ("*.a.test", "https://a.test/", false),
        ("*.a.test", "https://xa.test/", false),
        ("*", "https://any.test/", true),
        ("*", "https://any.test:8443/", false),
        ("*", "https://8.8.8.8/", false),
        ("8.8.8.8", "https://8.8.8.8/", true),
        ("8.8.8.0/24:53", "http://8.8.8.8:53/", true),
        ("0.0.0.0/0", "https://8.8.8.8/", true),
        ("0.0.0.0/0", "https://a.test/", false),
        ("0.0.0.0/0", "https://[::ffff:8.8.8.8]/", true),
    ] {
        assert_eq!(permits(&[rule], uri, "8.8.8.8"), expected, "{rule} {uri}");
    }
}

#[test]
fn special_addresses_are_reached_only_when_they_are_named() {
    for (rules, uri, address, expected) in [
        (&["a.test"][..], "https://a.test/", "10.0.0.1", false),
        (&["*"], "https://a.test/", "127.0.0.1", false),
        (
            &["a.test", "0.0.0.0/0", "::/0"],
            "https://a.test/",
            "10.0.0.1",
            false,
        ),
        (
            &["a.test", "10.0.0.0/8"],
            "https://a.test/",
            "10.0.0.1",
            true,
        ),
        (
            &["a.test", "10.0.0.0/8"],
            "https://a.test/",
            "::ffff:10.0.0.1",
            true,
        ),
        (
            &["a.test", "10.0.0.0/8"],
            "https://a.test/",
            "127.0.0.1",
            false,
        ),
        (
            &["a.test", "10.0.0.0/8:8080"],
            "https://a.test/",
            "10.0.0.1",
            false,
        ),
        (&["10.0.0.0/8"], "https://a.test/", "10.0.0.1", false),
        (&["127.0.0.1:*"], "http://127.0.0.1:9/", "127.0.0.1", true),
        (&["0.0.0.0/0:*"], "http://127.0.0.1:9/", "127.0.0.1", false),
        (
            &["127.0.0.1:*"],
            "http://[::ffff:127.0.0.1]:9/",
            "127.0.0.1",
            true,
        ),
        (
            &["[::ffff:127.0.0.0/104]:*"],
            "http://127.0.0.1:9/",
            "127.0.0.1",
            true,
        ),
        (&["[::1]:8080"], "http://[::1]:8080/", "::1", true),
        (&["::1"], "http://[::1]/", "::1", true),
        (&["::/0"], "http://[::1]/", "::1", false),
        (
            &["fc00::/7"],
            "http://[fd00:ec2::254]/",
            "fd00:ec2::254",
            true,
        ),
        (&["172.0.0.0/8"], "http://172.16.0.1/", "172.16.0.1", false),
        (&["172.16.0.0/12"], "http://172.16.0.1/", "172.16.0.1", true),
    ] {
        assert_eq!(
            permits(rules, uri, address),
            expected,
            "{rules:?} {uri} {address}"
        );
    }
}

#[test]
fn a_text_that_is_no_rule_says_why() {
    for (text, expected) in [
        ("", "name a host"),
        ("https://a.test", "leave the scheme out"),
        ("a.test:0", "1 to 65535"),
        ("a.test:x", "1 to 65535"),
        ("a.*.test", "name a host"),
        ("*.1.2.3.4", "name a host"),
        ("user@a.test", "name a host"),
        ("10.0.0.1/8", "behind its prefix"),
        ("10.0.0.0/99", "number of bits"),
        ("[::1", "] is missing"),
        ("[::1]x", "only a port"),
    ] {
        let error = text.parse::<AllowRule>().unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9-]{0,8}(\\.[a-z][a-z0-9-]{0,8}){0,3}"
}

fn rule() -> impl Strategy<Value = String> {
    let host = prop_oneof![
        Just("*".to_owned()),
        name(),
        name().prop_map(|name| format!("*.{name}")),
        any::<[u8; 4]>().prop_map(|octets| IpAddr::from(octets).to_string()),
        (any::<[u8; 4]>(), 0..=32_u8).prop_map(|(octets, bits)| {
            let range = ipnet::Ipv4Net::new_assert(octets.into(), bits);
            range.trunc().to_string()
        }),
        (any::<[u8; 16]>(), 0..=128_u8).prop_map(|(octets, bits)| {
            let range = ipnet::Ipv6Net::new_assert(octets.into(), bits);
            format!("[{}]", range.trunc())
        }),
    ];
    let port = prop_oneof![
        Just(String::new()),
        Just(":*".to_owned()),
        (1..=65_535_u16).prop_map(|port| format!(":{port}")),
    ];
    (host, port).prop_map(|(host, port)| host + &port)
}

fn list_of(rules: &[String]) -> AllowList {
    list(&rules.iter().map(String::as_str).collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn a_rule_reads_what_it_writes(text in rule()) {
        let rule: AllowRule = text.parse().unwrap();
        prop_assert_eq!(rule.to_string().parse(), Ok(rule));
    }

    #[test]
    fn case_and_last_dot_change_nothing(rules in prop::collection::vec(rule(), 0..4), name in name(), port in 1..=65_535_u16) {
        let list = list_of(&rules);
        let plain = list.permits(&target(&format!("http://{name}:{port}/")));
        let dressed = list.permits(&target(&format!("HTTP://{}.:{port}/", name.to_uppercase())));
        prop_assert_eq!(plain, dressed);
    }

    #[test]
    fn mapped_addresses_are_those_of_ipv4(rules in prop::collection::vec(rule(), 0..4), octets in any::<[u8; 4]>()) {
        let list = list_of(&rules);
        let address = std::net::Ipv4Addr::from(octets);
        let mapped = address.to_ipv6_mapped();
        let direct = target(&format!("http://{address}/"));
        prop_assert_eq!(list.permits(&direct), list.permits(&target(&format!("http://[{mapped}]/"))));
        let named = target("http://a.test/");
        prop_assert_eq!(
            list.permits_address(&named, address.into()),
            list.permits_address(&named, mapped.into())
        );
    }

    /// However many names and wide ranges are allowed, what is special stays closed.
    #[test]
    fn wide_rules_open_nothing_special(names in prop::collection::vec(name(), 0..4), octets in any::<[u8; 4]>(), bits in 0..=7_u8) {
        let wide = ipnet::Ipv4Net::new_assert(octets.into(), bits).trunc();
        // 224.0.0.0/4 and 240.0.0.0/4 are as wide as that themselves.
        prop_assume!(wide.network().octets()[0] < 224);
        let mut rules: Vec<String> = names.iter().map(|name| format!("{name}:*")).collect();
        rules.extend(["*:*".to_owned(), "[::/0]:*".to_owned(), format!("{wide}:*")]);
        let list = list_of(&rules);
        for special in ["127.0.0.1", "10.9.8.7", "169.254.169.254", "192.168.0.1", "0.0.0.0", "::1", "fe80::1", "fd00::1", "::ffff:127.0.0.1"] {
            let special: IpAddr = special.parse().unwrap();
            prop_assert!(!list.permits_address(&target("http://a.test/"), special), "{}", special);
        }
    }
}
