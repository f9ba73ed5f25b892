//! The kinds of part: where each lies, what it begins with, and which lines make it known.

use crate::{guests, new::registration::Registration, repository::Repository};

/// A kind of part.
pub(super) struct Kind {
    /// As it is typed.
    pub name: &'static str,
    /// One line for the help.
    pub about: &'static str,
    /// Where its folder lies.
    pub parent: &'static str,
    /// Its files with their templates: in its folder, or from the root if they begin with a slash.
    pub files: &'static [(&'static str, &'static str)],
    /// How programs come to know it.
    pub registration: Registration,
    /// What makes the lock know it.
    pub lock: fn(&Repository) -> anyhow::Result<()>,
    /// What is left to do.
    pub next: &'static str,
}

macro_rules! template {
    ($path:literal) => {
        include_str!(concat!("../../templates/", $path, ".template"))
    };
}

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "interface",
        about: "An interface of our own: WIT, trait, host glue, default in memory, suite, guest's side",
        parent: "providers/interfaces",
        files: &[
            ("Cargo.toml", template!("interface/Cargo.toml")),
            ("src/lib.rs", template!("interface/lib.rs")),
            ("src/guest.rs", template!("interface/guest.rs")),
            ("src/native.rs", template!("interface/native.rs")),
            ("src/native/host.rs", template!("interface/host.rs")),
            ("src/native/memory.rs", template!("interface/memory.rs")),
            (
                "src/native/conformance.rs",
                template!("interface/conformance.rs"),
            ),
            (
                "tests/conformance.rs",
                template!("interface/conformance_test.rs"),
            ),
            (
                "/wit/{{name}}/{{name}}.wit",
                template!("interface/package.wit"),
            ),
        ],
        registration: Registration::Package,
        lock: lock_workspace,
        next: "replace `echo` in the WIT, the trait, the glue, the default, the suite and the guest's \
               side; node/ADDING.md says how",
    },
    Kind {
        name: "backend",
        about: "A backend that offers an interface, and passes its suite",
        parent: "providers/backends",
        files: &[
            ("Cargo.toml", template!("backend/Cargo.toml")),
            ("src/lib.rs", template!("backend/lib.rs")),
            (
                "tests/conformance.rs",
                template!("backend/conformance_test.rs"),
            ),
        ],
        registration: Registration::BackendOf(None),
        lock: lock_workspace,
        next: "replace `echo` by the trait's operations, and connect to the service in `connect_with`",
    },
    Kind {
        name: "trigger",
        about: "A backend that calls components, by wasi:http/handler as it is written",
        parent: "providers/backends",
        files: &[
            ("Cargo.toml", template!("trigger/Cargo.toml")),
            ("src/lib.rs", template!("trigger/lib.rs")),
            ("src/serving.rs", template!("trigger/serving.rs")),
            ("tests/calls.rs", template!("trigger/calls_test.rs")),
        ],
        registration: Registration::BackendOf(Some("http")),
        lock: lock_workspace,
        next: "replace the clock in src/serving.rs by what the calls come from, and say in the \
               selection what a component may choose",
    },
    Kind {
        name: "guest",
        about: "A component in examples/, and its entry in the lock",
        parent: "examples",
        files: &[
            ("Cargo.toml", template!("guest/Cargo.toml")),
            ("README.md", template!("guest/README.md")),
            ("app.toml", template!("guest/app.toml")),
            ("src/lib.rs", template!("guest/lib.rs")),
        ],
        registration: Registration::Nowhere,
        lock: guests::lock,
        next: "a line in examples/README.md, and a test that runs it in node/tests/programs/examples.rs",
    },
];

fn lock_workspace(repository: &Repository) -> anyhow::Result<()> {
    crate::step::Step {
        title: "lock the workspace",
        usually: "1 s",
    }
    .run(repository.cargo("update --workspace"))
}
