//! Who serves which import.

use std::{fmt, sync::Arc};

use wasmtime::component::Linker;
use wrt_host::{HostInterface, InstanceState};

use crate::EngineKind;

/// What every component of WASI 0.2 is given. Files, sockets and outgoing requests are there to be
/// imported, and are refused when used: the standard libraries of many languages import them all.
const WASI_0_2: &[(&str, &[&str])] = &[
    (
        "wasi:cli",
        &[
            "environment",
            "exit",
            "stdin",
            "stdout",
            "stderr",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
        ],
    ),
    ("wasi:clocks", &["monotonic-clock", "wall-clock"]),
    ("wasi:filesystem", &["types", "preopens"]),
    ("wasi:http", &["types", "outgoing-handler"]),
    ("wasi:io", &["error", "poll", "streams"]),
    ("wasi:random", &["random", "insecure", "insecure-seed"]),
    (
        "wasi:sockets",
        &[
            "instance-network",
            "ip-name-lookup",
            "network",
            "tcp",
            "tcp-create-socket",
            "udp",
            "udp-create-socket",
        ],
    ),
];

/// What every component of WASI 0.3 is given on top.
const WASI_0_3: &[(&str, &[&str])] = &[
    (
        "wasi:cli",
        &[
            "environment",
            "exit",
            "stdin",
            "stdout",
            "stderr",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
            "types",
        ],
    ),
    ("wasi:clocks", &["monotonic-clock", "system-clock", "types"]),
    ("wasi:filesystem", &["types", "preopens"]),
    ("wasi:http", &["types", "client"]),
    ("wasi:random", &["random", "insecure", "insecure-seed"]),
    ("wasi:sockets", &["types", "ip-name-lookup"]),
];

/// An import that nobody serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnservedImport {
    /// Its name.
    pub import: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for UnservedImport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, which nobody serves: {}", self.import, self.hint)
    }
}

/// Those of `imports` that neither the runtime nor one of `hosts` serves.
#[must_use]
pub fn unserved_imports(
    imports: &[String],
    hosts: &[Arc<dyn HostInterface>],
) -> Vec<UnservedImport> {
    let unserved = |import: &&String| {
        !is_given(import) && !hosts.iter().any(|host| serves(host.as_ref(), import))
    };
    let explain = |import: &String| UnservedImport {
        import: import.clone(),
        hint: hint(import, hosts),
    };
    imports.iter().filter(unserved).map(explain).collect()
}

/// Those of `hosts` that `imports` ask for.
pub(crate) fn imported(
    imports: &[String],
    hosts: &[Arc<dyn HostInterface>],
) -> Vec<Arc<dyn HostInterface>> {
    let is_imported =
        |host: &&Arc<dyn HostInterface>| imports.iter().any(|import| serves(host.as_ref(), import));
    hosts.iter().filter(is_imported).cloned().collect()
}

/// A linker with what every component is given, and `hosts`.
///
/// # Errors
/// When two definitions collide.
pub(crate) fn linker(
    engine: &wasmtime::Engine,
    kind: EngineKind,
    hosts: &[Arc<dyn HostInterface>],
) -> wasmtime::Result<Linker<InstanceState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    if kind == EngineKind::Concurrent {
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    }
    for host in hosts {
        host.add_to_linker(&mut linker)?;
    }
    Ok(linker)
}

fn is_given(import: &str) -> bool {
    let Some((path, version)) = import.split_once('@') else {
        return false;
    };
    let Some((package, interface)) = path.split_once('/') else {
        return false;
    };
    let given = match compatible_version(version) {
        "0.2" => WASI_0_2,
        "0.3" => WASI_0_3,
        _ => return false,
    };
    given
        .iter()
        .any(|(name, interfaces)| *name == package && interfaces.contains(&interface))
}

/// Whether `host` lists `import`, or a version of it that goes with its own.
#[must_use]
pub fn serves(host: &dyn HostInterface, import: &str) -> bool {
    host.imports().iter().any(|served| {
        let (served, import) = (split_version(served), split_version(import));
        served.0 == import.0 && compatible_version(served.1) == compatible_version(import.1)
    })
}

fn split_version(name: &str) -> (&str, &str) {
    name.split_once('@').unwrap_or((name, ""))
}

/// The part of a version that must be equal, as the linker has it: 1.2.3 goes with 1.0.0, 0.2.6 with
/// 0.2.0, and a draft with itself alone.
fn compatible_version(version: &str) -> &str {
    let release = version
        .split_once('+')
        .map_or(version, |(release, _build)| release);
    if release.contains('-') || release.starts_with("0.0.") {
        return version;
    }
    let parts = if release.starts_with("0.") { 2 } else { 1 };
    let end = release
        .match_indices('.')
        .nth(parts - 1)
        .map_or(release.len(), |(at, _)| at);
    &release[..end]
}

fn hint(import: &str, hosts: &[Arc<dyn HostInterface>]) -> String {
    let (path, _) = split_version(import);
    let other_versions: Vec<&str> = hosts
        .iter()
        .flat_map(|host| host.imports())
        .copied()
        .filter(|served| split_version(served).0 == path)
        .collect();
    if !other_versions.is_empty() {
        return format!("this node serves {}", other_versions.join(", "));
    }
    if !import.contains(':') {
        return "it stands outside of an interface, and only interfaces can be linked".to_owned();
    }
    let package = path.split('/').next().unwrap_or(path);
    let siblings: Vec<&str> = hosts
        .iter()
        .flat_map(|host| host.imports())
        .copied()
        .filter(|served| served.split('/').next() == Some(package))
        .collect();
    if siblings.is_empty() {
        "this node has no such interface".to_owned()
    } else {
        format!("of {package} this node serves {}", siblings.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct KeyValue;

    impl HostInterface for KeyValue {
        fn name(&self) -> wrt_protocol::InterfaceName {
            wrt_protocol::InterfaceName::from_static("wasi-keyvalue")
        }

        fn imports(&self) -> &'static [&'static str] {
            &[
                "wasi:keyvalue/store@0.2.0-draft2",
                "wasi:keyvalue/store@0.2.0-draft",
            ]
        }

        fn add_to_linker(&self, _: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn versions_go_together_as_in_the_linker() {
        for (version, expected) in [
            ("1.2.3", "1"),
            ("0.2.6", "0.2"),
            ("0.2.6+build.1", "0.2"),
            ("0.0.3", "0.0.3"),
            ("0.2.0-draft2", "0.2.0-draft2"),
            ("", ""),
        ] {
            assert_eq!(compatible_version(version), expected, "{version}");
        }
    }

    #[test]
    fn an_import_that_nobody_serves_gets_a_hint() {
        let hosts: [Arc<dyn HostInterface>; 1] = [Arc::new(KeyValue)];
        for (import, expected) in [
            ("wasi:cli/stdout@0.2.99", None),
            ("wasi:http/types@0.3.0", None),
            ("wasi:keyvalue/store@0.2.0-draft", None),
            (
                "wasi:http/handler@0.3.0",
                Some("this node has no such interface"),
            ),
            (
                "wasi:keyvalue/batch@0.2.0-draft2",
                Some("of wasi:keyvalue this node serves"),
            ),
            (
                "wasi:keyvalue/store@0.1.0",
                Some("this node serves wasi:keyvalue/store@0.2.0-draft2,"),
            ),
            ("log", Some("only interfaces can be linked")),
            ("@", Some("no such interface")),
            ("acme:shop/cart", Some("this node has no such interface")),
        ] {
            let unserved = unserved_imports(&[import.to_owned()], &hosts);
            match expected {
                None => assert_eq!(unserved, [], "{import}"),
                Some(hint) if import == "@" => assert_eq!(unserved.len(), 1, "{hint}"),
                Some(hint) => assert!(unserved[0].hint.contains(hint), "{}", unserved[0]),
            }
        }
    }
}
