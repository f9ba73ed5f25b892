//! Who is to be kept apart from whom is there, and can be.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;
use wrt_protocol::Name;

use super::{Check, Ends};
use crate::{LinkEnd, PlacementRule, ProblemKind};

/// An actor, and the text that names those it is kept apart from.
struct Keeping<'a> {
    own: LinkEnd,
    rule: &'a PlacementRule,
    others: &'a [Spanned<String>],
}

impl Check<'_> {
    /// Whom each actor is kept apart from, by its own `apart_from`.
    pub(super) fn apart(&self) -> BTreeMap<LinkEnd, BTreeSet<LinkEnd>> {
        let components = self.manifest.components.iter().map(|(name, it)| Keeping {
            own: LinkEnd::Component(name.clone()),
            rule: &it.placement,
            others: &it.apart_from,
        });
        let providers = self.manifest.providers.iter().map(|(name, it)| Keeping {
            own: LinkEnd::Provider(name.clone()),
            rule: &it.placement,
            others: &it.apart_from,
        });
        let keeping = components.chain(providers);
        keeping
            .map(|keeping| {
                let others = keeping.others.iter();
                let others = others.filter_map(|other| self.other(&keeping, other));
                (keeping.own.clone(), others.collect())
            })
            .collect()
    }

    fn other(&self, keeping: &Keeping<'_>, text: &Spanned<String>) -> Option<LinkEnd> {
        let (name, span) = (text.get_ref(), text.span());
        let own = words(&keeping.own);
        let other = match self.ends(name) {
            Ends::Provider(name) => LinkEnd::Provider(name.clone()),
            Ends::Component(name) => LinkEnd::Component(name.clone()),
            Ends::Both => {
                let message =
                    format!("{own} is kept apart from `{name}`, a provider and a component");
                let help = "rename one of them, so that only the other can be meant";
                self.findings.add(ProblemKind::BadName, span, message, help);
                return None;
            }
            Ends::Nobody => {
                let message = format!(
                    "{own} is kept apart from `{name}`, which is no provider and no component"
                );
                let known = self.manifest.providers.keys();
                let known = known.chain(self.manifest.components.keys());
                let help = self.or_declare("component", name, known);
                self.findings
                    .add(ProblemKind::UnknownActor, span, message, help);
                return None;
            }
        };
        if other == keeping.own {
            let message = format!("{own} is kept apart from itself");
            let help = "leave it out: two replicas of one actor are never on one node";
            self.findings
                .add(ProblemKind::Conflict, span, message, help);
            return None;
        }
        let both = |node: &&wrt_protocol::NodeId| self.rule(&other).nodes.contains(node);
        if let Some(node) = keeping.rule.nodes.iter().find(both) {
            let message = format!(
                "{own} and {} are kept apart, and both name node `{node}`",
                words(&other)
            );
            let help = "take the node, or `apart_from`, out of one of them";
            self.findings
                .add(ProblemKind::Conflict, span, message, help);
        }
        Some(other)
    }

    fn rule(&self, actor: &LinkEnd) -> &PlacementRule {
        match actor {
            LinkEnd::Provider(name) => &self.manifest.providers[name].placement,
            LinkEnd::Component(name) => &self.manifest.components[name].placement,
        }
    }
}

fn words(actor: &LinkEnd) -> String {
    let (kind, name): (_, &Name) = match actor {
        LinkEnd::Provider(name) => ("provider", name),
        LinkEnd::Component(name) => ("component", name),
    };
    format!("{kind} `{name}`")
}
