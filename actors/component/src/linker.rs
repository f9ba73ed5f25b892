//! Who serves which import.

use std::fmt;

use wasmtime::component::Linker;
use wrt_host::{InstanceState, Package};

use crate::{EngineKind, io_error};

/// Packages and their interfaces.
type Given = &'static [(&'static str, &'static [&'static str])];

/// What is given, and how the versions of it begin.
const GIVEN: [(&str, Given); 2] = [("0.2.x", WASI_0_2), ("0.3.x", WASI_0_3)];

/// What every component of WASI 0.2 is given. Files and sockets are there to be imported, and are
/// refused when used: the standard libraries of many languages import them all.
const WASI_0_2: Given = &[
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
const WASI_0_3: Given = &[
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

/// Those of `imports` that neither the engine nor one of `packages` serves.
#[must_use]
pub fn unserved_imports(imports: &[String], packages: &[Package]) -> Vec<UnservedImport> {
    let unserved = |import: &&String| {
        !is_given(import) && !packages.iter().any(|package| serves(package, import))
    };
    let explain = |import: &String| UnservedImport {
        import: import.clone(),
        hint: hint(import, packages),
    };
    imports.iter().filter(unserved).map(explain).collect()
}

/// A linker with what every component is given, and those of `packages` that `imports` ask for.
///
/// # Errors
/// When two definitions collide.
pub(crate) fn linker(
    engine: &wasmtime::Engine,
    kind: EngineKind,
    imports: &[String],
    packages: &[Package],
) -> wasmtime::Result<Linker<InstanceState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    io_error::add_to_linker(&mut linker)?;
    if kind == EngineKind::Concurrent {
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    }
    for package in imported(packages, imports) {
        let is_imported = |wit: &str| imports.iter().any(|import| go_together(wit, import));
        package.add_to_linker(&mut linker, is_imported)?;
    }
    Ok(linker)
}

/// Those of `packages` that serve one of `imports`.
pub(crate) fn imported<'a>(
    packages: &'a [Package],
    imports: &'a [String],
) -> impl Iterator<Item = &'a Package> {
    packages
        .iter()
        .filter(|package| imports.iter().any(|import| serves(package, import)))
}

fn is_given(import: &str) -> bool {
    let Some((path, version)) = import.split_once('@') else {
        return false;
    };
    let given = match compatible_version(version) {
        "0.2" => WASI_0_2,
        "0.3" => WASI_0_3,
        _ => return false,
    };
    contains(given, path)
}

fn contains(given: Given, path: &str) -> bool {
    let Some((package, interface)) = path.split_once('/') else {
        return false;
    };
    given
        .iter()
        .any(|(name, interfaces)| *name == package && interfaces.contains(&interface))
}

fn serves(package: &Package, import: &str) -> bool {
    package.wit().any(|served| go_together(served, import))
}

/// Whether what is served as `served` serves `import`, as the linker has it.
#[must_use]
pub fn go_together(served: &str, import: &str) -> bool {
    let (served, import) = (split_version(served), split_version(import));
    served.0 == import.0 && compatible_version(served.1) == compatible_version(import.1)
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

fn hint(import: &str, packages: &[Package]) -> String {
    let (path, _) = split_version(import);
    let given: Vec<String> = GIVEN
        .iter()
        .filter(|(_, given)| contains(given, path))
        .map(|(version, _)| format!("{path}@{version}"))
        .collect();
    if !given.is_empty() {
        return format!("each component is given {}", given.join(", "));
    }
    let other_versions: Vec<&str> = packages
        .iter()
        .flat_map(Package::wit)
        .filter(|served| split_version(served).0 == path)
        .collect();
    if !other_versions.is_empty() {
        return format!("this node serves {}", other_versions.join(", "));
    }
    if !import.contains(':') {
        return "it stands outside of an interface, and only interfaces can be linked".to_owned();
    }
    let package = path.split('/').next().unwrap_or(path);
    let siblings: Vec<&str> = packages
        .iter()
        .flat_map(Package::wit)
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
    use wrt_host::Host;

    use super::*;

    #[derive(Debug)]
    struct WasiKeyValue;

    impl Host for WasiKeyValue {
        fn describe(package: &mut Package) {
            package.answers(&[
                "wasi:keyvalue/store@0.2.0-draft2",
                "wasi:keyvalue/store@0.2.0-draft",
            ]);
        }

        fn add_to_linker(_: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
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
        let packages = [Package::of::<WasiKeyValue>()];
        for (import, expected) in [
            ("wasi:cli/stdout@0.2.99", None),
            ("wasi:cli/stdout@0.3.0", None),
            (
                "wasi:http/types@0.3.0",
                Some("this node has no such interface"),
            ),
            ("wasi:keyvalue/store@0.2.0-draft", None),
            // One draft of what there is a release of.
            (
                "wasi:cli/stdout@0.3.0-rc-2025-09-16",
                Some("each component is given wasi:cli/stdout@0.2.x, wasi:cli/stdout@0.3.x"),
            ),
            (
                "wasi:clocks/wall-clock@0.2.0-rc-2023-11-10",
                Some("each component is given wasi:clocks/wall-clock@0.2.x"),
            ),
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
            let unserved = unserved_imports(&[import.to_owned()], &packages);
            match expected {
                None => assert_eq!(unserved, [], "{import}"),
                Some(hint) if import == "@" => assert_eq!(unserved.len(), 1, "{hint}"),
                Some(hint) => assert!(unserved[0].hint.contains(hint), "{}", unserved[0]),
            }
        }
    }
}
