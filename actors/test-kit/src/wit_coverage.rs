//! Whether an interface's glue serves all that its WIT says, and nothing else.

use std::{collections::BTreeSet, path::Path};

use wit_parser::{PackageName, Resolve, UnresolvedPackageGroup};
use wrt_contract::Interface;
use wrt_host::{Host, Package};

/// What serves a function of the WIT.
#[derive(Debug, Clone, Copy)]
pub enum Served {
    /// The operation of that name.
    By(&'static str),
    /// The host alone, and why.
    Locally(&'static str),
}

/// What an interface says of its WIT.
#[derive(Debug, Clone, Copy)]
pub struct WitCoverage {
    /// Folders with the versions of the package, or of several with the same glue, seen from the folder of
    /// the crate, where cargo runs its tests.
    pub folders: &'static [&'static str],
    /// The package's interfaces that are not served.
    pub not_served: &'static [&'static str],
    /// The functions that are not served by the operation of their name, as `interface.function` in the
    /// words of `wit-parser`.
    pub table: &'static [(&'static str, Served)],
}

impl WitCoverage {
    /// Each function of each interface is served by the operation of its name.
    #[must_use]
    pub const fn of(folders: &'static [&'static str]) -> Self {
        Self {
            folders,
            not_served: &[],
            table: &[],
        }
    }

    /// Checks that each function of the WIT is served, each operation of `I` is needed, and each
    /// interface that is served is listed by `H`, in every version.
    ///
    /// # Panics
    /// When it is not so: with what is missing, or is too much.
    pub fn check<H: Host, I: Interface>(&self) {
        let operations: BTreeSet<_> = I::OPERATIONS
            .iter()
            .map(|operation| operation.name.as_str())
            .collect();
        let (mut imports, mut used) = (BTreeSet::new(), BTreeSet::new());
        let mut all = BTreeSet::new();
        for folder in self.folders {
            let functions = self.read(folder, &mut imports);
            for function in &functions {
                let Some(operation) = self.operation(function) else {
                    continue;
                };
                let known = operations.get(operation);
                used.extend(known);
                let served = known.is_some();
                assert!(
                    served,
                    "{folder}: {function} needs {operation}, which does not exist"
                );
            }
            all.extend(functions);
        }
        for (function, served) in self.table {
            assert!(all.contains(*function), "{function} is in no WIT");
            let reasonless = matches!(served, Served::Locally(""));
            assert!(!reasonless, "{function}: why?");
        }
        assert_eq!(used, operations, "what functions need, and what there is");
        let package = Package::of::<H>();
        let listed: BTreeSet<_> = package.wit().map(str::to_owned).collect();
        assert_eq!(listed, imports, "what the host lists, and the WIT");
    }

    /// The operation that a function needs, if it needs one.
    fn operation<'a>(&self, function: &'a str) -> Option<&'a str> {
        let exception = self.table.iter().find(|(name, _)| *name == function);
        match exception {
            Some((_, Served::By(operation))) => Some(operation),
            Some((_, Served::Locally(_))) => None,
            None => function.rsplit('.').next(),
        }
    }

    /// The functions of the interfaces that are served, as `interface.function`; the interfaces, as a
    /// component imports them, go to `imports`.
    fn read(&self, folder: &str, imports: &mut BTreeSet<String>) -> BTreeSet<String> {
        let (resolve, package) = parse(folder);
        let package = &resolve.packages[package];
        let mut functions = BTreeSet::new();
        for (name, interface) in &package.interfaces {
            if self.not_served.contains(&name.as_str()) {
                continue;
            }
            imports.insert(package.name.interface_id(name));
            let of_interface = resolve.interfaces[*interface].functions.keys();
            functions.extend(of_interface.map(|function| format!("{name}.{function}")));
        }
        functions
    }
}

fn parse(folder: &str) -> (Resolve, wit_parser::PackageId) {
    let mut resolve = Resolve::default();
    let package = push_with_named(&mut resolve, Path::new(folder));
    (resolve, package)
}

/// After the packages that it names, and those that these name.
fn push_with_named(resolve: &mut Resolve, folder: &Path) -> wit_parser::PackageId {
    for named in named_by(folder) {
        let beside = folder.with_file_name(folder_of(&named));
        if beside.is_dir() && !resolve.package_names.contains_key(&named) {
            push_with_named(resolve, &beside);
        }
    }
    push(resolve, folder)
}

fn push(resolve: &mut Resolve, folder: &Path) -> wit_parser::PackageId {
    let parsed = resolve.push_dir(folder);
    let (package, _) = parsed.unwrap_or_else(|error| panic!("{}: {error:#}", folder.display()));
    package
}

/// The packages that one names. They lie in the folder `deps` of its own, or beside it.
fn named_by(folder: &Path) -> Vec<PackageName> {
    let parsed = UnresolvedPackageGroup::parse_dir(folder);
    let parsed = parsed.unwrap_or_else(|error| panic!("{}: {error:#}", folder.display()));
    parsed.main.foreign_deps.into_keys().collect()
}

/// As the folders of `wit/deps` are named.
fn folder_of(package: &PackageName) -> String {
    match &package.version {
        Some(version) => format!("{}-{version}", package.name),
        None => package.name.clone(),
    }
}
