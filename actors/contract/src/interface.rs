//! An interface, as the rest of the runtime sees it.

use std::{any::TypeId, sync::Arc};

use wrt_protocol::{InterfaceName, OperationName};

use crate::{Callee, Caller, Dispatch, Gate, LocalSlot};

/// What the lattice must know of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Its name in subjects: the WIT function's name where it has one.
    pub name: OperationName,
    /// Whether a second execution of any call does no harm.
    pub idempotent: bool,
    /// Whether a second execution does no harm at a provider that deduplicates by key: see
    /// [`Callee::deduplicates`](crate::Callee::deduplicates).
    pub keyed: bool,
    /// Whether its caller waits for no answer.
    pub one_way: bool,
}

/// An interface: a trait object's type, and what can be made from it. Written by
/// [`macro@crate::interface`].
pub trait Interface: Send + Sync + 'static {
    /// The trait object: `dyn KeyValue`.
    type Object: ?Sized + Send + Sync + 'static;

    /// Its name on the lattice.
    const NAME: InterfaceName;

    /// Its operations.
    const OPERATIONS: &'static [Operation];

    /// What its operations look like on the wire: the names, options and types of all of them. Two
    /// builds that differ in it do not call each other.
    const FINGERPRINT: u64;

    /// A client of `target`, on whichever other node that lives.
    fn remote(caller: Arc<dyn Caller>, target: Callee) -> Arc<Self::Object>;

    /// `inner` behind a gate: each operation is admitted first, and ends at its deadline.
    fn guarded(inner: Arc<Self::Object>, gate: Arc<Gate>) -> Arc<Self::Object>;

    /// The local replica while there is one, and other nodes' otherwise: also when the local one
    /// answers *not executed*. Each operation gets its idempotency key here.
    fn linked(local: LocalSlot<Self::Object>, remote: Arc<Self::Object>) -> Arc<Self::Object>;

    /// The way in from the bus to `inner`.
    fn dispatcher(inner: Arc<Self::Object>) -> Arc<dyn Dispatch>;
}

/// An interface's name, and the trait that it stands for in this build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedInterface {
    name: InterfaceName,
    object: TypeId,
    type_name: &'static str,
}

impl NamedInterface {
    /// That of `I`.
    #[must_use]
    pub fn of<I: Interface>() -> Self {
        Self {
            name: I::NAME,
            object: TypeId::of::<I::Object>(),
            type_name: std::any::type_name::<I::Object>(),
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &InterfaceName {
        &self.name
    }

    /// The trait, for messages.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.type_name
    }
}
