//! Subjects: the one file that builds and parses them.
//!
//! ```text
//! wrt.v1.<lattice>.beat.<node>                                     heartbeats       (control)
//! wrt.v1.<lattice>.whole.<node>                                    a whole heartbeat (control)
//! wrt.v1.<lattice>.node.<node>.call.<kind>.<app>.<name>.<interface>.<operation>     (calls)
//! wrt.v1.<lattice>.node.<node>.cancel                              cancellations    (calls)
//! wrt.v1.<lattice>.node.<node>.presence                            is it there?     (calls and control)
//! wrt.v1.<lattice>.any.<kind>.<app>.<name>.<interface>.<operation> queue group      (calls)
//! wrt.v1.<lattice>.body.<node>                                     stream frames    (bulk)
//! wrt.v1.<lattice>.status.<node>                                   statistics       (control)
//! _INBOX.wrt.<lattice>.<role>.<client>...                          replies          (all)
//! ```
//!
//! Operation names are readable, so that a server's permissions can allow one operation and refuse
//! another, and its metrics can tell them apart. A cancellation is under the same wildcard as the
//! calls, so that one subscription keeps them in order. A question whether a node is there is as well, and
//! the node listens for it on the control lane beside: so the bus knows somebody there for as long as one of
//! the two connections stands.

use std::sync::Arc;

use crate::{ActorAddress, ActorKind, InterfaceName, LatticeName, Name, NodeId, OperationName};

/// Asks every service on a NATS server to name itself. Source: NATS ADR-32, the service protocol.
pub const SERVICE_PING: &str = "$SRV.PING";
/// Asks every service for its statistics.
pub const SERVICE_STATS: &str = "$SRV.STATS";

/// Whether `subject` is one that a lattice, or NATS itself, may speak under: none for what guests send.
#[must_use]
pub fn is_reserved(subject: &str) -> bool {
    let first = subject.split('.').next().unwrap_or_default();
    first.starts_with('$') || matches!(first, "wrt" | "_INBOX")
}

/// Room for the subject of a call.
const SUBJECT_BYTES_USUAL: usize = 160;

/// All questions of the service protocol.
pub const SERVICE_QUESTIONS: &str = "$SRV.>";

/// What a client of the bus is to a lattice. Replies arrive under the role's own inbox, so that permissions can
/// keep one from reading what is meant for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// A node.
    Node,
    /// Who changes what shall run, and calls providers.
    Operator,
    /// Who looks, and changes nothing.
    Observer,
}

impl Role {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Node, Self::Operator, Self::Observer];

    /// The role as it stands in a subject.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Operator => "operator",
            Self::Observer => "observer",
        }
    }
}

/// Builds the subjects of one lattice.
#[derive(Debug, Clone)]
pub struct Subjects {
    prefix: Arc<str>,
    inboxes: Arc<str>,
}

/// What a subject under a node's own wildcard, or under a queue group, asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inbound<'a> {
    /// A call of an operation.
    Call(CallParts<'a>),
    /// A cancellation.
    Cancel,
    /// A question whether the node is there.
    Presence,
}

/// The readable part of the subject of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallParts<'a> {
    kind: &'a str,
    app: &'a str,
    name: &'a str,
    interface: &'a str,
    operation: &'a str,
}

impl CallParts<'_> {
    /// Whether the subject says what the envelope says. It must: permissions look at the subject.
    #[must_use]
    pub fn agrees(
        &self,
        target: &ActorAddress,
        interface: &InterfaceName,
        operation: &OperationName,
    ) -> bool {
        self.kind == target.kind.as_str()
            && self.app == target.app.as_str()
            && self.name == target.name.as_str()
            && self.interface == interface.as_str()
            && self.operation == operation.as_str()
    }
}

impl Subjects {
    /// Subjects of `lattice`.
    #[must_use]
    pub fn new(lattice: &LatticeName) -> Self {
        Self {
            prefix: format!("wrt.v1.{lattice}").into(),
            inboxes: format!("_INBOX.wrt.{lattice}").into(),
        }
    }

    /// Where `node` publishes its heartbeats.
    #[must_use]
    pub fn heartbeat(&self, node: &NodeId) -> String {
        format!("{}.beat.{node}", self.prefix)
    }

    /// All heartbeats.
    #[must_use]
    pub fn heartbeats(&self) -> String {
        format!("{}.beat.*", self.prefix)
    }

    /// Where `node` is asked for a whole heartbeat.
    #[must_use]
    pub fn whole(&self, node: &NodeId) -> String {
        format!("{}.whole.{node}", self.prefix)
    }

    /// Where any node is asked for a whole heartbeat.
    #[must_use]
    pub fn wholes(&self) -> String {
        format!("{}.whole.*", self.prefix)
    }

    /// A call of a chosen replica.
    #[must_use]
    pub fn call(
        &self,
        node: &NodeId,
        target: &ActorAddress,
        interface: &InterfaceName,
        operation: &OperationName,
    ) -> String {
        let to = ["node", node.as_str(), "call"];
        self.with_parts(&to, target, interface, operation)
    }

    /// A call of whichever replica the bus picks.
    #[must_use]
    pub fn call_any(
        &self,
        target: &ActorAddress,
        interface: &InterfaceName,
        operation: &OperationName,
    ) -> String {
        self.with_parts(&["any"], target, interface, operation)
    }

    /// Where a caller takes back what it asked `node` for.
    #[must_use]
    pub fn cancel(&self, node: &NodeId) -> String {
        format!("{}.node.{node}.cancel", self.prefix)
    }

    /// Where `node` is asked whether it is there.
    #[must_use]
    pub fn presence(&self, node: &NodeId) -> String {
        format!("{}.node.{node}.presence", self.prefix)
    }

    /// Everything that is meant for `node` itself: calls, cancellations, and whether it is there.
    #[must_use]
    pub fn node_inbound(&self, node: &NodeId) -> String {
        format!("{}.node.{node}.>", self.prefix)
    }

    /// Everything that any replica of `actor` may take.
    #[must_use]
    pub fn any_inbound(&self, actor: &ActorAddress) -> String {
        let ActorAddress { kind, app, name } = actor;
        format!("{}.any.{}.{app}.{name}.>", self.prefix, kind.as_str())
    }

    /// The queue group in which the replicas of an actor share [`Subjects::any_inbound`].
    #[must_use]
    pub fn queue_group(&self, actor: &ActorAddress) -> String {
        format!("{}/{}/{}", actor.kind.as_str(), actor.app, actor.name)
    }

    /// Where frames of streams for `node` go.
    #[must_use]
    pub fn body(&self, node: &NodeId) -> String {
        format!("{}.body.{node}", self.prefix)
    }

    /// Where callers take back what they have asked any node for.
    #[must_use]
    pub fn every_cancel(&self) -> String {
        format!("{}.node.*.cancel", self.prefix)
    }

    /// Where any node is asked whether it is there.
    #[must_use]
    pub fn every_presence(&self) -> String {
        format!("{}.node.*.presence", self.prefix)
    }

    /// Everything that is meant for any node itself.
    #[must_use]
    pub fn every_node_inbound(&self) -> String {
        format!("{}.node.*.>", self.prefix)
    }

    /// Where frames of streams go, for any node.
    #[must_use]
    pub fn bodies(&self) -> String {
        format!("{}.body.*", self.prefix)
    }

    /// Where any node answers with its statistics.
    #[must_use]
    pub fn statuses(&self) -> String {
        format!("{}.status.*", self.prefix)
    }

    /// What the inboxes of all who have a role begin with.
    #[must_use]
    pub fn inbox_prefix(&self, role: Role) -> String {
        format!("{}.{}", self.inboxes, role.as_str())
    }

    /// Every inbox of a role.
    #[must_use]
    pub fn inboxes(&self, role: Role) -> String {
        format!("{}.{}.>", self.inboxes, role.as_str())
    }

    /// Every inbox of whoever speaks to this lattice.
    #[must_use]
    pub fn every_inbox(&self) -> String {
        format!("{}.>", self.inboxes)
    }

    /// Every call of `target` by `interface`, or by any: of a chosen replica, and of whichever the bus picks.
    #[must_use]
    pub fn every_call(
        &self,
        target: &ActorAddress,
        interface: Option<&InterfaceName>,
    ) -> [String; 2] {
        let ActorAddress { kind, app, name } = target;
        let interface = interface.map_or("*", InterfaceName::as_str);
        let parts = format!("{}.{app}.{name}.{interface}.*", kind.as_str());
        [
            format!("{}.node.*.call.{parts}", self.prefix),
            format!("{}.any.{parts}", self.prefix),
        ]
    }

    /// Every call of anybody.
    #[must_use]
    pub fn all_calls(&self) -> [String; 2] {
        [
            format!("{}.node.*.call.>", self.prefix),
            format!("{}.any.>", self.prefix),
        ]
    }

    /// Everything that any replica of any actor of `app` may take; of any app, if none is named.
    #[must_use]
    pub fn any_inbound_of(&self, app: Option<&Name>) -> String {
        match app {
            Some(app) => format!("{}.any.*.{app}.>", self.prefix),
            None => format!("{}.any.>", self.prefix),
        }
    }

    /// Where `node` answers NATS's tools with its statistics.
    #[must_use]
    pub fn status(&self, node: &NodeId) -> String {
        format!("{}.status.{node}", self.prefix)
    }

    /// Each call has one, so it is written without the formatter.
    fn with_parts(
        &self,
        to: &[&str],
        target: &ActorAddress,
        interface: &InterfaceName,
        operation: &OperationName,
    ) -> String {
        let ActorAddress { kind, app, name } = target;
        let parts = [
            kind.as_str(),
            app.as_str(),
            name.as_str(),
            interface.as_str(),
            operation.as_str(),
        ];
        let mut subject = String::with_capacity(SUBJECT_BYTES_USUAL);
        subject.push_str(&self.prefix);
        for token in to.iter().chain(&parts) {
            subject.push('.');
            subject.push_str(token);
        }
        subject
    }

    /// Reads a subject of [`Subjects::node_inbound`] or [`Subjects::any_inbound`]; `None` for any
    /// other.
    #[must_use]
    pub fn parse_inbound<'a>(&self, subject: &'a str) -> Option<Inbound<'a>> {
        let rest = subject.strip_prefix(&*self.prefix)?.strip_prefix('.')?;
        let mut tokens = rest.split('.');
        match tokens.next()? {
            "node" => {
                let _node = tokens.next()?;
                match tokens.next()? {
                    "cancel" => tokens.next().is_none().then_some(Inbound::Cancel),
                    "presence" => tokens.next().is_none().then_some(Inbound::Presence),
                    "call" => parse_parts(tokens),
                    _ => None,
                }
            }
            "any" => parse_parts(tokens),
            _ => None,
        }
    }
}

fn parse_parts<'a>(mut tokens: impl Iterator<Item = &'a str>) -> Option<Inbound<'a>> {
    let kind = tokens.next()?;
    if kind != ActorKind::Component.as_str() && kind != ActorKind::Provider.as_str() {
        return None;
    }
    let parts = CallParts {
        kind,
        app: tokens.next()?,
        name: tokens.next()?,
        interface: tokens.next()?,
        operation: tokens.next()?,
    };
    tokens.next().is_none().then_some(Inbound::Call(parts))
}
