//! What the NATS servers must permit each role of a lattice, and no more.
//!
//! The subjects are those that the lattice is made of ([`Subjects`]), and those of JetStream that the store uses.
//! Calls are permitted as manifests link them: so a node that was taken over calls nobody whom no manifest of
//! those lets anybody call.

use std::collections::BTreeSet;

use serde::Serialize;
use wrt_protocol::{
    ActorAddress, ActorKind, InterfaceName, LatticeName, NodeId,
    subject::{Role, SERVICE_QUESTIONS, Subjects},
};

use crate::{DesiredApp, SECRETS, store::permitted};

/// Subjects that a user of NATS may publish to and subscribe to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Permissions {
    /// What it may publish to.
    pub publish: BTreeSet<String>,
    /// What it may subscribe to.
    pub subscribe: BTreeSet<String>,
}

impl Permissions {
    /// The value of `permissions` of a user, as nats-server reads it.
    #[must_use]
    pub fn in_configuration(&self) -> String {
        let list = |subjects: &BTreeSet<String>| {
            let lines = subjects
                .iter()
                .map(|subject| format!("    \"{subject}\"\n"));
            lines.collect::<String>()
        };
        let (publish, subscribe) = (list(&self.publish), list(&self.subscribe));
        format!("{{\n  publish = [\n{publish}  ]\n  subscribe = [\n{subscribe}  ]\n}}")
    }
}

/// Whose permissions are asked for.
#[derive(Debug, Clone, Copy)]
pub struct PermissionsOf<'a> {
    /// The lattice.
    pub lattice: &'a LatticeName,
    /// The role there.
    pub role: Role,
    /// Which node, of the role of one; any if none is named.
    pub node: Option<&'a NodeId>,
    /// The apps of the lattice; any if there are none.
    pub apps: &'a [&'a DesiredApp],
    /// By which interfaces an operator calls providers.
    pub operated_by: &'a [InterfaceName],
}

impl PermissionsOf<'_> {
    /// The least that lets them do their part.
    #[must_use]
    pub fn least(&self) -> Permissions {
        let mut permissions = match self.role {
            Role::Node => self.of_node(),
            Role::Operator => self.of_operator(),
            Role::Observer => self.of_observer(),
        };
        permissions
            .publish
            .extend(permitted::published(self.lattice, self.role));
        permissions
    }

    fn of_node(&self) -> Permissions {
        let subjects = Subjects::new(self.lattice);
        let (beat, whole, inbound, body, status) = match self.node {
            Some(node) => (
                subjects.heartbeat(node),
                subjects.whole(node),
                subjects.node_inbound(node),
                subjects.body(node),
                subjects.status(node),
            ),
            None => (
                subjects.heartbeats(),
                subjects.wholes(),
                subjects.every_node_inbound(),
                subjects.bodies(),
                subjects.statuses(),
            ),
        };
        let mut publish: BTreeSet<_> = [
            beat,
            subjects.wholes(),
            subjects.every_cancel(),
            subjects.every_presence(),
            subjects.bodies(),
            // Answers.
            subjects.every_inbox(),
        ]
        .into();
        publish.extend(self.calls(&subjects, DesiredApp::callees));
        let mut subscribe: BTreeSet<_> = [
            subjects.heartbeats(),
            whole,
            inbound,
            body,
            status,
            SERVICE_QUESTIONS.to_owned(),
            subjects.inboxes(Role::Node),
        ]
        .into();
        match self.apps {
            [] => subscribe.extend([subjects.any_inbound_of(None)]),
            apps => subscribe.extend(apps.iter().map(|it| subjects.any_inbound_of(Some(&it.app)))),
        }
        Permissions { publish, subscribe }
    }

    fn of_operator(&self) -> Permissions {
        let subjects = Subjects::new(self.lattice);
        // An operator also looks.
        let mut permissions = self.of_observer();
        let inboxes = subjects.inboxes(Role::Operator);
        permissions.subscribe.insert(inboxes.clone());
        permissions
            .publish
            .extend([inboxes, subjects.every_cancel()]);
        let calls = self.calls(&subjects, |app| self.operated(app));
        permissions.publish.extend(calls);
        permissions
    }

    fn of_observer(&self) -> Permissions {
        let subjects = Subjects::new(self.lattice);
        // Whoever connects sends itself something, to know when the server has done what came before.
        let inboxes = subjects.inboxes(Role::Observer);
        Permissions {
            publish: [subjects.statuses(), subjects.wholes(), inboxes.clone()].into(),
            subscribe: [subjects.heartbeats(), inboxes].into(),
        }
    }

    fn calls(
        &self,
        subjects: &Subjects,
        of: impl Fn(&DesiredApp) -> BTreeSet<(ActorAddress, Option<InterfaceName>)>,
    ) -> Vec<String> {
        if self.apps.is_empty() {
            return subjects.all_calls().into();
        }
        let callees = self.apps.iter().flat_map(|app| of(app));
        let calls = callees
            .flat_map(|(callee, interface)| subjects.every_call(&callee, interface.as_ref()));
        calls.collect()
    }

    /// Providers that call somebody keep what an operator asks for.
    fn operated(&self, app: &DesiredApp) -> BTreeSet<(ActorAddress, Option<InterfaceName>)> {
        let callers = app.providers.iter().filter(|(_, it)| !it.calls.is_empty());
        let operated = callers.flat_map(|(name, _)| {
            let provider = ActorAddress::provider(app.app.clone(), name.clone());
            let interfaces = self.operated_by.iter();
            interfaces.map(move |interface| (provider.clone(), Some(interface.clone())))
        });
        operated.collect()
    }
}

impl DesiredApp {
    /// Whom the app's actors call by which interface, or by any. Nobody who is not among them is let call by
    /// [`DesiredApp::links`], but for a provider's own replicas where it calls nobody.
    #[must_use]
    pub fn callees(&self) -> BTreeSet<(ActorAddress, Option<InterfaceName>)> {
        let mut callees = BTreeSet::new();
        for component in self.components.values() {
            for (interface, named) in &component.links {
                let ends = named.values().map(|end| end.of_app(&self.app));
                callees.extend(ends.map(|end| (end, Some(interface.clone()))));
            }
        }
        for (name, provider) in &self.providers {
            let of_kind = |kind, name: &wrt_protocol::Name| ActorAddress {
                kind,
                app: self.app.clone(),
                name: name.clone(),
            };
            let calls = provider.calls.iter();
            callees.extend(calls.map(|it| (of_kind(ActorKind::Component, &it.component), None)));
            if !provider.calls.is_empty() {
                callees.insert((of_kind(ActorKind::Provider, name), None));
            }
            let vaults = provider.config.secrets().map(|(_, secret)| &secret.vault);
            let vaults = vaults.map(|vault| of_kind(ActorKind::Provider, vault));
            callees.extend(vaults.map(|vault| (vault, Some(SECRETS))));
        }
        callees
    }
}
