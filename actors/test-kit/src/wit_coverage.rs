//! Whether an interface's glue serves all that its WIT says, and nothing else.

use std::{collections::BTreeSet, path::Path};

use wit_parser::Resolve;
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
    /// Folders with the versions of the package, seen from the folder of the crate, where cargo runs
    /// its tests; the last one is the newest, and has every function that any has.
    pub folders: &'static [&'static str],
    /// The package's interfaces that are served.
    pub served: &'static [&'static str],
    /// The ones that are not.
    pub not_served: &'static [&'static str],
    /// Each function, as `interface.function` in the words of `wit-parser`.
    pub table: &'static [(&'static str, Served)],
}

impl WitCoverage {
    /// Checks that the table has what the WIT and the operations of `I` have, and that `H` lists each
    /// interface which is served, in every version.
    ///
    /// # Panics
    /// When it is not so: with what is missing, or is too much.
    pub fn check<H: Host, I: Interface>(&self) {
        self.check_functions::<I>();
        let package = Package::of::<H>();
        let listed: BTreeSet<_> = package.wit().map(str::to_owned).collect();
        assert_eq!(listed, self.imports(), "what the host lists, and the WIT");
    }

    /// The table against the WIT and the operations of `I`.
    fn check_functions<I: Interface>(&self) {
        let operations: Vec<_> = I::OPERATIONS
            .iter()
            .map(|operation| operation.name.as_str())
            .collect();
        for folder in self.folders {
            for function in self.functions(folder) {
                let served = self.table.iter().any(|(name, _)| *name == function);
                assert!(served, "{folder}: {function} is not served");
            }
        }
        let newest = self.folders.last().expect("a package has a folder");
        let newest = self.functions(newest);
        for (function, served) in self.table {
            assert!(newest.contains(*function), "{function} is in no WIT");
            match served {
                Served::By(operation) => assert!(
                    operations.contains(operation),
                    "{function} is served by {operation}, which does not exist"
                ),
                Served::Locally(reason) => assert!(!reason.is_empty(), "{function}: why?"),
            }
        }
        for operation in operations {
            let uses = |served: &Served| matches!(served, Served::By(name) if *name == operation);
            let used = self.table.iter().any(|(_, served)| uses(served));
            assert!(used, "no function needs {operation}");
        }
    }

    /// The names of what a component imports, with every version.
    fn imports(&self) -> BTreeSet<String> {
        let mut imports = BTreeSet::new();
        for folder in self.folders {
            let (resolve, package) = parse(folder);
            let package = &resolve.packages[package];
            let names: BTreeSet<_> = package.interfaces.keys().map(String::as_str).collect();
            let known = self.served.iter().chain(self.not_served).copied();
            assert_eq!(names, known.collect(), "interfaces of {folder}");
            let import = |name: &&str| package.name.interface_id(name);
            imports.extend(self.served.iter().map(import));
        }
        imports
    }

    /// The functions of the interfaces that are served, as `interface.function`.
    fn functions(&self, folder: &str) -> BTreeSet<String> {
        let (resolve, package) = parse(folder);
        let interfaces = &resolve.packages[package].interfaces;
        let functions = |name: &&str| {
            let interface = interfaces.get(*name);
            let interface = interface.unwrap_or_else(|| panic!("{folder} has no {name}"));
            let functions = resolve.interfaces[*interface].functions.keys();
            functions
                .map(|function| format!("{name}.{function}"))
                .collect::<Vec<_>>()
        };
        self.served.iter().flat_map(functions).collect()
    }
}

fn parse(folder: &str) -> (Resolve, wit_parser::PackageId) {
    let mut resolve = Resolve::default();
    let parsed = resolve.push_dir(Path::new(folder));
    let (package, _) = parsed.unwrap_or_else(|error| panic!("{folder}: {error:#}"));
    (resolve, package)
}
