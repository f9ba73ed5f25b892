//! What components begin as. The files are in `node/templates`, and the packages that they need in `wit/`.

/// One kind of beginning.
pub struct Template {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it makes.
    pub about: &'static str,
    /// What its crate depends on, where it is one.
    dependencies: &'static [&'static str],
    /// What is done once, before it can be built.
    prepare: Option<&'static str>,
    files: &'static [(&'static str, &'static str)],
}

/// A file of `node/templates`.
macro_rules! template {
    ($path:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/", $path))
    };
}

/// A file of `wit`.
macro_rules! wit {
    ($path:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../wit/", $path))
    };
}

const WASIP2: &str = r#"wasip2 = "2.0.1""#;
const WIT_BINDGEN: &str = r#"wit-bindgen = { version = "0.63", default-features = false, features = ["macros", "realloc", "std"] }"#;
/// All of them.
pub const TEMPLATES: &[Template] = &[
    Template {
        name: "http",
        about: "Rust: answers requests (wasi:http)",
        dependencies: &[WASIP2],
        prepare: None,
        files: &[
            (".gitignore", template!("gitignore-rust.template")),
            ("Cargo.toml", template!("Cargo.toml.template")),
            ("app.toml", template!("http/app.toml.template")),
            ("src/lib.rs", template!("http/lib.rs.template")),
        ],
    },
    Template {
        name: "messaging",
        about: "Rust: handles messages and sends some (wasi:messaging)",
        dependencies: &[WASIP2, WIT_BINDGEN],
        prepare: None,
        files: &[
            (".gitignore", template!("gitignore-rust.template")),
            ("Cargo.toml", template!("Cargo.toml.template")),
            ("app.toml", template!("messaging/app.toml.template")),
            ("src/lib.rs", template!("messaging/lib.rs.template")),
            (
                "wit/incoming-handler.wit",
                wit!("deps/messaging-0.2.0-draft/incoming-handler.wit"),
            ),
            (
                "wit/producer.wit",
                wit!("deps/messaging-0.2.0-draft/producer.wit"),
            ),
            (
                "wit/request-reply.wit",
                wit!("deps/messaging-0.2.0-draft/request-reply.wit"),
            ),
            (
                "wit/types.wit",
                wit!("deps/messaging-0.2.0-draft/types.wit"),
            ),
            (
                "wit/world.wit",
                wit!("deps/messaging-0.2.0-draft/world.wit"),
            ),
        ],
    },
    Template {
        name: "websocket",
        about: "Rust: has peers, and tells them what they say (wrt:websocket)",
        dependencies: &[WIT_BINDGEN],
        prepare: None,
        files: &[
            (".gitignore", template!("gitignore-rust.template")),
            ("Cargo.toml", template!("Cargo.toml.template")),
            ("app.toml", template!("websocket/app.toml.template")),
            ("src/lib.rs", template!("websocket/lib.rs.template")),
            ("wit/websocket.wit", wit!("websocket/websocket.wit")),
        ],
    },
    Template {
        name: "python",
        about: "Python: answers requests (wasi:http), by componentize-py",
        dependencies: &[],
        prepare: Some("python3 -m venv .venv && .venv/bin/pip install -r requirements.txt"),
        files: &[
            (".gitignore", template!("python/gitignore.template")),
            ("app.py", template!("python/app.py.template")),
            ("app.toml", template!("python/app.toml.template")),
            (
                "requirements.txt",
                template!("python/requirements.txt.template"),
            ),
            ("wit/component.wit", template!("wit/component.wit")),
            ("wit/deps/clocks.wit", template!("wit/clocks.wit")),
            ("wit/deps/http.wit", template!("wit/http.wit")),
            ("wit/deps/io.wit", template!("wit/io.wit")),
        ],
    },
    Template {
        name: "javascript",
        about: "JavaScript: answers requests (wasi:http), by componentize-js",
        dependencies: &[],
        prepare: Some("npm install"),
        files: &[
            (".gitignore", template!("javascript/gitignore.template")),
            ("app.js", template!("javascript/app.js.template")),
            ("app.toml", template!("javascript/app.toml.template")),
            ("build.mjs", template!("javascript/build.mjs.template")),
            (
                "package.json",
                template!("javascript/package.json.template"),
            ),
            ("wit/component.wit", template!("wit/component.wit")),
            ("wit/deps/clocks.wit", template!("wit/clocks.wit")),
            ("wit/deps/http.wit", template!("wit/http.wit")),
            ("wit/deps/io.wit", template!("wit/io.wit")),
        ],
    },
];

impl Template {
    /// Its files, of a component that is called `name`.
    pub fn filled_in(&self, name: &str) -> Vec<(&'static str, String)> {
        let module = name.replace('-', "_");
        let fill_in = |text: &str| {
            let text = text.replace("{{dependencies}}", &self.dependencies.join("\n"));
            text.replace("{{name}}", name).replace("{{crate}}", &module)
        };
        let files = self.files.iter();
        files.map(|(path, text)| (*path, fill_in(text))).collect()
    }

    /// What is to be done with them.
    pub fn next(&self, name: &str, program: &str) -> String {
        let steps = [Some(format!("cd {name}")), self.prepare.map(str::to_owned)];
        let mut steps: Vec<_> = steps.into_iter().flatten().collect();
        steps.push(format!("{program} dev"));
        steps.join(" && ")
    }
}
