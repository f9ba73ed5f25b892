//! Instances that serve several invocations at once.

use std::sync::Arc;

use tokio::time::Duration;
use wrt_contract::CallContext;

use crate::{InstanceState, Leash, Prepared};

/// How a component's instances are shared, by its manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sharing {
    /// Invocations that an instance serves at a time.
    pub at_once_max: u32,
    /// Those that it serves in all.
    pub invocations_max: u32,
    /// How long it waits for another one.
    pub idle_max: Duration,
    /// Instances that wait, for each replica.
    pub idle_instances_max: usize,
}

/// What one invocation is allowed: the calls that it may make, and until when it may go on.
#[derive(Debug, Clone)]
pub struct Allowance {
    /// The call, whose own calls get the rest of its budget.
    pub context: CallContext,
    /// When it is stopped.
    pub leash: Arc<Leash>,
}

/// What a component actor lends to glue that calls an instance several times at once.
pub trait SharedInstances: Send + Sync {
    /// How.
    fn sharing(&self) -> Sharing;

    /// What an invocation is allowed, by its call and the component's limits.
    fn allowance(&self, context: &CallContext) -> Allowance;

    /// A fresh instance, in which nobody has a turn; `first` bounds the time that it may take to start.
    fn prepare_shared(&self, first: &Allowance) -> Prepared;

    /// Lets each interface ready the instance for the invocation whose turn it is.
    fn ready(&self, state: &mut InstanceState);
}
