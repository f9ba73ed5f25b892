//! `[component.<name>]`

use std::collections::BTreeMap;

use toml::{Spanned, de::DeValue};
use wrt_protocol::{ComponentLimits, InterfaceName, Name};

use super::{limits, rule::read_apart_from, section::Section};
use crate::{
    PlacementRule, ProblemKind,
    limits::{ENVIRONMENT_KEY_BYTES_MAX, ENVIRONMENT_VALUE_BYTES_MAX},
};

/// A component, as the manifest has it.
#[derive(Debug, Clone)]
pub struct ComponentManifest {
    /// Its name.
    pub name: Spanned<Name>,
    /// The file, relative to the manifest.
    pub source: Option<Spanned<String>>,
    /// The command that makes it, for whoever develops it: run in the manifest's folder. No node reads it.
    pub build: Option<Spanned<String>>,
    /// What is looked at for changes, relative to the manifest; all beside it where nothing is said.
    pub watch: Vec<Spanned<String>>,
    /// What the guest sees as its environment.
    pub environment: BTreeMap<String, String>,
    /// Where it runs, without `apart_from`.
    pub placement: PlacementRule,
    /// The actors that it is kept apart from.
    pub apart_from: Vec<Spanned<String>>,
    /// Who serves its imports.
    pub links: Vec<LinkManifest>,
    /// What it may use.
    pub limits: ComponentLimits,
}

/// One link.
#[derive(Debug, Clone)]
pub struct LinkManifest {
    /// The interface.
    pub interface: Spanned<InterfaceName>,
    /// The link's name, `default` where the manifest has none.
    pub name: Name,
    /// Who serves it.
    pub end: Spanned<String>,
}

impl ComponentManifest {
    pub(super) fn read(name: Spanned<Name>, mut section: Section<'_, '_>) -> Self {
        let component = Self {
            name,
            source: section.required_string("source", "\"my-component.wasm\""),
            build: section.string("build"),
            watch: section
                .strings("watch")
                .map_or_else(Vec::new, Spanned::into_inner),
            environment: read_environment(&mut section),
            placement: PlacementRule::read(&mut section),
            apart_from: read_apart_from(&mut section),
            links: read_links(&mut section),
            limits: limits::of_component(&mut section),
        };
        section.finish();
        component
    }
}

fn read_environment(section: &mut Section<'_, '_>) -> BTreeMap<String, String> {
    let findings = section.findings();
    let is_legal_key = |key: &str| {
        let bad = |c: char| c == '=' || c.is_whitespace() || c.is_control();
        !key.is_empty() && key.len() <= ENVIRONMENT_KEY_BYTES_MAX && !key.contains(bad)
    };
    let mut environment = BTreeMap::new();
    for (key, (span, value)) in section.string_table("environment") {
        if !is_legal_key(&key) {
            let message = format!("{key:?} cannot be the name of an environment variable");
            let help =
                format!("use 1 to {ENVIRONMENT_KEY_BYTES_MAX} bytes without '=' and white space");
            findings.add(ProblemKind::BadEnvironment, span, message, help);
        } else if value.get_ref().contains('\0')
            || value.get_ref().len() > ENVIRONMENT_VALUE_BYTES_MAX
        {
            let message = format!("the value of {key} cannot be in an environment");
            let help = format!("use at most {ENVIRONMENT_VALUE_BYTES_MAX} bytes, none of them 0");
            findings.add(ProblemKind::BadEnvironment, value.span(), message, help);
        } else {
            environment.insert(key, value.into_inner());
        }
    }
    environment
}

/// What a link leads to.
const ACTOR: &str = "the name of a provider or component";

fn read_links(section: &mut Section<'_, '_>) -> Vec<LinkManifest> {
    let Some(table) = section.section("links") else {
        return Vec::new();
    };
    let findings = section.findings();
    let mut links = Vec::new();
    for (key, value) in table.entries() {
        let Some(interface) = InterfaceName::new(key.get_ref()) else {
            let message = format!("{:?} is not the name of an interface", key.get_ref());
            let help = "an interface is named like `wasi:keyvalue`, without a version";
            findings.add(ProblemKind::UnknownInterface, key.span(), message, help);
            continue;
        };
        let interface = Spanned::new(key.span(), interface);
        match value.get_ref() {
            DeValue::String(end) => links.push(LinkManifest {
                interface,
                name: Name::new("default").expect("a legal name"),
                end: Spanned::new(value.span(), end.to_string()),
            }),
            DeValue::Table(named) => {
                for (name, end) in named {
                    let legal = findings.name(name.get_ref(), name.span());
                    let DeValue::String(text) = end.get_ref() else {
                        table.wrong_type(name.get_ref(), end, ACTOR);
                        continue;
                    };
                    links.extend(legal.map(|legal| LinkManifest {
                        interface: interface.clone(),
                        name: legal.into_inner(),
                        end: Spanned::new(end.span(), text.to_string()),
                    }));
                }
            }
            _ => table.wrong_type(
                key.get_ref(),
                value,
                &format!("{ACTOR}, or a table of link names and such names"),
            ),
        }
    }
    links
}
