//! What a user writes: `app.toml`, read and checked in itself.
//!
//! ```toml
//! [app]
//! name = "counter"
//!
//! [component.counter]
//! source = "counter.wasm"                      # relative to the manifest
//! build = "make counter.wasm"                  # for `wrt dev`, as is: watch = ["src"]
//! environment = { GREETING = "hi" }
//! nodes = ["a", "b"]                           # or: replicas = 2 or "every", labels = { zone = "west" }, spread = "rack"
//! exclusive = true                             # one replica serves at a time, also on the two sides of a split
//! apart_from = ["search"]                      # on no node with that component or provider
//! room = { memory_bytes = 268435456, concurrency = 64 }   # of what a node offers, for each replica
//! links = { "wasi:keyvalue" = "store" }        # a provider or a component; or: { default = "store", sessions = "cache" }
//! limits = { memory_bytes_max = 67108864, wall_time_ms_max = 10000, concurrency_max = 64, queue_max = 256 }
//!
//! [provider.store]
//! backend = "redis"
//! config = { url = { env = "REDIS_URL" } }     # a reference, resolved on the provider's node
//!
//! [provider.web]                               # one that calls components
//! backend = "http-server"
//! config = { address = "127.0.0.1:8080" }
//! calls = [{ component = "counter", host = "*", path = "/" }]   # all but `component` is the backend's own
//! ```

mod component;
mod former_trigger;
mod limits;
mod provider;
mod rule;
mod section;
mod settings;
mod target;

use std::collections::BTreeMap;

use toml::{Spanned, de::DeTable};
use wrt_protocol::Name;

pub use component::{ComponentManifest, LinkManifest};
pub use provider::ProviderManifest;
pub(crate) use section::Findings;
pub use settings::SettingsManifest;
pub use target::TargetManifest;

use crate::{
    Problem, ProblemKind, Problems,
    limits::{ACTORS_PER_APP_MAX, MANIFEST_BYTES_MAX},
};
use section::Section;

/// A manifest whose fields are all known and of their types, with the place of each.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The app.
    pub app: Spanned<Name>,
    /// Its components.
    pub components: BTreeMap<Name, ComponentManifest>,
    /// Its providers.
    pub providers: BTreeMap<Name, ProviderManifest>,
    pub(crate) file: String,
    pub(crate) text: String,
    /// What is wrong with single fields; told together with what [`Manifest::check`] finds.
    pub(crate) problems: Vec<Problem>,
}

impl Manifest {
    /// Reads the `text` of `file`; the file's name is only for messages.
    ///
    /// A mistake in a field is kept for [`Manifest::check`], which tells all of them together.
    ///
    /// # Errors
    /// When the text is no TOML, so that nothing more can be said.
    pub fn read(file: &str, text: &str) -> Result<Self, Problems> {
        if text.len() > MANIFEST_BYTES_MAX {
            return Err(Problems::new(file, "", vec![too_large(text.len())]));
        }
        let (root, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            let problems = errors.iter().map(syntax_problem).collect();
            return Err(Problems::new(file, text, problems));
        }
        let findings = Findings::default();
        let section = Section::new("the manifest", 0..0, root.get_ref(), &findings);
        let mut manifest = Self::from_root(section);
        manifest.problems = findings.into_list();
        file.clone_into(&mut manifest.file);
        text.clone_into(&mut manifest.text);
        Ok(manifest)
    }

    fn from_root(mut root: Section<'_, '_>) -> Self {
        let components = root.named_sections("component");
        let providers = root.named_sections("provider");
        former_trigger::refuse(&mut root);
        let count = components.len() + providers.len();
        if count > ACTORS_PER_APP_MAX {
            let message = format!("the app has {count} components and providers");
            let help = format!("split it: an app has at most {ACTORS_PER_APP_MAX}");
            root.findings()
                .add(ProblemKind::TooLarge, 0..0, message, help);
        }
        let manifest = Self {
            app: app_name(&mut root),
            components: named(components, ComponentManifest::read),
            providers: named(providers, ProviderManifest::read),
            file: String::new(),
            text: String::new(),
            problems: Vec::new(),
        };
        root.finish();
        manifest
    }
}

fn named<'a, 'i, T>(
    sections: Vec<(Spanned<Name>, Section<'a, 'i>)>,
    read: impl Fn(Spanned<Name>, Section<'a, 'i>) -> T,
) -> BTreeMap<Name, T> {
    let read_one =
        |(name, section): (Spanned<Name>, _)| (name.get_ref().clone(), read(name, section));
    sections.into_iter().map(read_one).collect()
}

fn app_name(root: &mut Section<'_, '_>) -> Spanned<Name> {
    // Stands for a missing name until the problem is told; nothing is started then.
    let unnamed = || Spanned::new(0..0, Name::new("unnamed").expect("a legal name"));
    let span = root.span.clone();
    let Some(mut app) = root.section("app") else {
        let help = "add `[app]` and below it `name = \"my-app\"`";
        let message = "the manifest has no table `app`";
        root.findings()
            .add(ProblemKind::MissingField, span, message, help);
        return unnamed();
    };
    let text = app.required_string("name", "\"my-app\"");
    let name = text.and_then(|text| app.findings().name(text.get_ref(), text.span()));
    app.finish();
    name.unwrap_or_else(unnamed)
}

fn syntax_problem(error: &toml::de::Error) -> Problem {
    Problem {
        kind: ProblemKind::Syntax,
        span: error.span().unwrap_or(0..0),
        message: error.message().to_owned(),
        help: "the manifest is TOML: see https://toml.io".to_owned(),
    }
}

fn too_large(bytes: usize) -> Problem {
    Problem {
        kind: ProblemKind::TooLarge,
        span: 0..0,
        message: format!("the manifest has {bytes} bytes"),
        help: format!("a manifest has at most {MANIFEST_BYTES_MAX} bytes: is this the right file?"),
    }
}
