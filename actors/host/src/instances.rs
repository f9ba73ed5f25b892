//! Instances of one component, for the glue of the interfaces that it exports.

use std::sync::Arc;

use wasmtime::{Store, component::InstancePre};
use wrt_contract::CallContext;
use wrt_protocol::ActorAddress;

use crate::{InstanceState, Leash};

/// A store, ready to instantiate in.
pub struct Prepared {
    /// The store, with limits, epoch callback and state in place.
    pub store: Store<InstanceState>,
    /// When what runs in it is stopped: by the epoch callback while the guest computes, and by
    /// whoever polls it otherwise.
    pub leash: Arc<Leash>,
}

/// What a component actor lends to export glue. Admission is not its business: the gate in front of
/// the glue has admitted the call.
pub trait Instances: Send + Sync + 'static {
    /// The actor, for logs and faults.
    fn actor(&self) -> &ActorAddress;

    /// The component, linked and checked.
    fn instance_pre(&self) -> &InstancePre<InstanceState>;

    /// A store for one invocation. It ends with the context's deadline, or with the component's own
    /// wall time limit if that is sooner.
    fn prepare(&self, context: &CallContext) -> Prepared;
}
