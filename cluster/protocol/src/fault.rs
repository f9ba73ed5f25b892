//! The lattice's one error.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, Serialize};

use crate::{NodeId, limits::FAULT_DETAIL_BYTES_MAX};

/// Whether the operation that a fault ended has taken effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Execution {
    /// It has not and will not: any operation may be tried again.
    NotExecuted,
    /// Nobody knows: only an idempotent operation may be tried again.
    MaybeExecuted,
    /// It ran, and what it answered was lost or could not be sent.
    Executed,
}

/// What went wrong. Closed: a peer's unknown kind is a malformed reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FaultKind {
    /// The budget ran out.
    DeadlineExceeded,
    /// The caller went away, or took the call back.
    Cancelled,
    /// A gate was full: as many calls run and wait there as may.
    Overloaded {
        /// When another try has a chance, by the load seen: 0 is unknown.
        retry_after_ms: u32,
    },
    /// Nobody serves the target: no replica is known, no one answered for it, or its backend is
    /// not connected.
    Unavailable,
    /// The node that had the call in hand died, or was cut off.
    NodeLost,
    /// This node's own connection to the bus is down.
    Disconnected,
    /// The replica is draining and accepts nothing new.
    Draining,
    /// The call was for an incarnation of the node that is over.
    StaleEpoch,
    /// Arguments, a reply or a body were over a limit.
    TooLarge,
    /// Bytes that are no message of this protocol, or arguments that are not the operation's.
    Malformed,
    /// The target has no such interface or operation.
    UnknownOperation,
    /// The peer speaks another version of the protocol, or was built with another version of the
    /// interface.
    VersionMismatch,
    /// The actor failed while it ran the operation: a trap, or a panic that its supervisor caught.
    Crashed,
    /// No link lets the caller call, or the bus does not permit it.
    Denied,
    /// The call is made under a lease that another has taken since: see [`Fence`](crate::Fence).
    Fenced,
}

/// Where on its way the call was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Hop {
    /// At the caller, before anything was sent.
    Caller,
    /// Choosing a replica.
    Route,
    /// On the bus.
    Bus,
    /// At the callee's gate.
    Gate,
    /// In the actor.
    Actor,
    /// At the service behind a provider.
    Backend,
    /// In the body that belongs to the call.
    Stream,
}

/// A call that ended without an answer of its operation.
///
/// Boxed, so that the `Result` of every call stays small.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault(Box<Parts>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Parts {
    kind: FaultKind,
    execution: Execution,
    hop: Hop,
    node: Option<NodeId>,
    link: Option<Box<str>>,
    elapsed_micros: u64,
    // A peer's build may allow more.
    #[serde(deserialize_with = "cut_detail")]
    detail: Box<str>,
}

fn cut_detail<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<str>, D::Error> {
    let detail = Box::<str>::deserialize(deserializer)?;
    Ok(match detail.len() > FAULT_DETAIL_BYTES_MAX {
        true => cut(&detail).into(),
        false => detail,
    })
}

/// As much of a text as a fault carries.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(FAULT_DETAIL_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

impl Fault {
    /// A fault of `kind` at `hop`; `detail` says what to do next where something can be done, and
    /// is cut at [`FAULT_DETAIL_BYTES_MAX`].
    #[must_use]
    pub fn new(kind: FaultKind, execution: Execution, hop: Hop, detail: impl AsRef<str>) -> Self {
        Self(Box::new(Parts {
            kind,
            execution,
            hop,
            node: None,
            link: None,
            elapsed_micros: 0,
            detail: cut(detail.as_ref()).into(),
        }))
    }

    /// A fault of an operation that has not run.
    #[must_use]
    pub fn not_executed(kind: FaultKind, hop: Hop, detail: impl AsRef<str>) -> Self {
        Self::new(kind, Execution::NotExecuted, hop, detail)
    }

    /// A fault of an operation that may have run.
    #[must_use]
    pub fn maybe_executed(kind: FaultKind, hop: Hop, detail: impl AsRef<str>) -> Self {
        Self::new(kind, Execution::MaybeExecuted, hop, detail)
    }

    /// Names the node where it happened, unless one nearer to the cause is named already.
    #[must_use]
    pub fn at_node(mut self, node: &NodeId) -> Self {
        self.0.node.get_or_insert_with(|| node.clone());
        self
    }

    /// Names the link (target, interface, operation), unless it is named already.
    #[must_use]
    pub fn on_link(mut self, link: impl fmt::Display) -> Self {
        self.0.link.get_or_insert_with(|| link.to_string().into());
        self
    }

    /// Says how long the call took, seen from the caller.
    #[must_use]
    pub fn after(mut self, elapsed: Duration) -> Self {
        self.0.elapsed_micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        self
    }

    /// Changes what is known of the operation's effect.
    #[must_use]
    pub fn with_execution(mut self, execution: Execution) -> Self {
        self.0.execution = execution;
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> FaultKind {
        self.0.kind
    }

    /// Whether the operation took effect.
    #[must_use]
    pub fn execution(&self) -> Execution {
        self.0.execution
    }

    /// Where on its way the call was.
    #[must_use]
    pub fn hop(&self) -> Hop {
        self.0.hop
    }

    /// The node where it happened, if that is known.
    #[must_use]
    pub fn node(&self) -> Option<&NodeId> {
        self.0.node.as_ref()
    }

    /// The link on which it happened, if that is known.
    #[must_use]
    pub fn link(&self) -> Option<&str> {
        self.0.link.as_deref()
    }

    /// How long the call took, seen from the caller; zero until the caller has said so.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Duration::from_micros(self.0.elapsed_micros)
    }

    /// What happened, in words.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Whether this is a full gate.
    #[must_use]
    pub fn is_overloaded(&self) -> bool {
        matches!(self.0.kind, FaultKind::Overloaded { .. })
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DeadlineExceeded => "deadline exceeded",
            Self::Cancelled => "cancelled",
            Self::Overloaded { .. } => "overloaded",
            Self::Unavailable => "unavailable",
            Self::NodeLost => "node lost",
            Self::Disconnected => "disconnected from the bus",
            Self::Draining => "draining",
            Self::StaleEpoch => "stale epoch",
            Self::TooLarge => "too large",
            Self::Malformed => "malformed",
            Self::UnknownOperation => "unknown operation",
            Self::VersionMismatch => "version mismatch",
            Self::Crashed => "crashed",
            Self::Denied => "denied",
            Self::Fenced => "fenced off",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = &*self.0;
        write!(f, "{}", parts.kind)?;
        if !parts.detail.is_empty() {
            write!(f, ": {}", parts.detail)?;
        }
        let execution = match parts.execution {
            Execution::NotExecuted => "not executed",
            Execution::MaybeExecuted => "maybe executed",
            Execution::Executed => "executed",
        };
        write!(f, " ({execution}; hop {:?}", parts.hop)?;
        if let Some(link) = &parts.link {
            write!(f, ", link {link}")?;
        }
        if let Some(node) = &parts.node {
            write!(f, ", node {node}")?;
        }
        if parts.elapsed_micros > 0 {
            write!(f, ", after {:.1} ms", self.elapsed().as_secs_f64() * 1e3)?;
        }
        f.write_str(")")
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Fault {}
