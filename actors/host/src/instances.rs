//! Instances of one component, for the glue of the interfaces that it exports.

use std::sync::Arc;

use wasmtime::component::InstancePre;
use wrt_contract::CallContext;
use wrt_protocol::ActorAddress;

use crate::{GuestRun, InstanceState, Leash, Lent, SharedInstances, WallTimeExceeded};

/// An instance, ready for one invocation. It is at hand only within a [`run`](Self::run) or a
/// [`call`](Self::call), which know on which task it may be used.
pub struct Prepared {
    lent: Lent,
    leash: Arc<Leash>,
}

impl Prepared {
    /// The instance, with limits, epoch callback and state in place, which is stopped at the end of
    /// `leash`: by the epoch callback while the guest computes, and by whoever polls it otherwise.
    #[must_use]
    pub fn new(lent: Lent, leash: Arc<Leash>) -> Self {
        Self { lent, leash }
    }

    /// When what runs in it is stopped.
    #[must_use]
    pub fn leash(&self) -> &Arc<Leash> {
        &self.leash
    }

    /// The state in the store.
    #[must_use]
    pub fn state(&self) -> &InstanceState {
        self.lent.data()
    }

    /// Lets `work` call the guest, to its end or to that of the leash. It [keeps](Lent::keep) the
    /// instance when the call has gone well.
    ///
    /// # Errors
    /// Those of `work`, and as such [`WallTimeExceeded`], or a fault when `work` has panicked: for
    /// [`guest_fault`](crate::guest_fault).
    ///
    /// # Cancel safety
    /// Dropping the future stops the guest.
    pub async fn call<T, E, F>(self, work: impl FnOnce(Lent) -> F + Send + 'static) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<wasmtime::Error> + Send + 'static,
    {
        let leash = Arc::clone(&self.leash);
        // The work begins where it stays: it has kilobytes, and would be moved once more.
        let run = self.run(|lent| async move {
            tokio::select! {
                biased;
                answer = work(lent) => answer,
                () = leash.over() => Err(wasmtime::Error::from(WallTimeExceeded).into()),
            }
        });
        run.await
            .unwrap_or_else(|fault| Err(wasmtime::Error::new(fault).into()))
    }

    /// The same, for work that itself ends at the end of the leash.
    pub fn run<F>(self, work: impl FnOnce(Lent) -> F) -> GuestRun<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let has_event_loop = self.lent.has_event_loop();
        // At once, and in a box of its own: a guest's future has kilobytes, and is moved once.
        GuestRun::start(Box::pin(work(self.lent)), has_event_loop)
    }
}

/// What a component actor lends to export glue. Admission is not its business: the gate in front of
/// the glue has admitted the call.
pub trait Instances: Send + Sync + 'static {
    /// The actor, for logs and faults.
    fn actor(&self) -> &ActorAddress;

    /// The component, linked and checked.
    fn instance_pre(&self) -> &InstancePre<InstanceState>;

    /// An instance for one invocation, which ends with the context's deadline, or with the component's own
    /// wall time limit if that is sooner.
    fn prepare(&self, context: &CallContext) -> Prepared;

    /// The same, and one that has served nobody before: for a program, which runs once and ends.
    fn prepare_new(&self, context: &CallContext) -> Prepared;

    /// What stands for all that the component is made of, as its node knows it; none where nobody has said.
    fn specification(&self) -> Option<&str> {
        None
    }

    /// Where several invocations are to be served by one instance at once: what lends those. Only
    /// interfaces whose exports are asynchronous ask for it.
    fn shared(&self) -> Option<&dyn SharedInstances> {
        None
    }
}
