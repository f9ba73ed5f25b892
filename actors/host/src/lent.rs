//! An instance in the hands of one invocation.

use std::{
    any::Any,
    fmt,
    ops::{Deref, DerefMut},
    sync::{Arc, Weak},
};

use wasmtime::{
    AsContext, AsContextMut, CallHook, Store, StoreContext, StoreContextMut,
    component::{Instance, InstancePre},
};

use crate::InstanceState;

/// Takes back the instances that it has lent, and lends them again.
pub trait Home: Send + Sync + 'static {
    /// Takes an instance back, or drops it.
    fn take_back(&self, lent: Lent);
}

/// An instance that is lent for one invocation: its store, where it is instantiated or has served
/// before. It is gone when this is dropped, and what its guest has in hand with it; only
/// [`keep`](Self::keep) lets it serve another invocation. So a trap, an overrun, a panic or a caller
/// that goes away retires an instance, and nobody has to see to it.
pub struct Lent {
    store: Store<InstanceState>,
    instance: Option<Instance>,
    exports: Option<Arc<dyn Any + Send + Sync>>,
    /// What the guest has in hand between two invocations: tasks, streams, futures.
    at_rest: usize,
    has_event_loop: bool,
    served: u32,
    home: Option<Weak<dyn Home>>,
}

impl Lent {
    /// A store in which nothing is instantiated yet. On an engine with concurrency it has an event loop.
    #[must_use]
    pub fn new(store: Store<InstanceState>, has_event_loop: bool) -> Self {
        Self {
            store,
            instance: None,
            exports: None,
            at_rest: 0,
            has_event_loop,
            served: 0,
            home: None,
        }
    }

    /// The same, of somebody who takes it back.
    #[must_use]
    pub fn of(mut self, home: Weak<dyn Home>) -> Self {
        self.home = Some(home);
        self
    }

    /// The same, for several invocations at once: each time that the guest goes on, or calls the host, the
    /// state becomes that of the invocation whose task it is.
    #[must_use]
    pub fn shared(mut self) -> Self {
        self.store.call_hook(|mut store, hook| {
            if !matches!(hook, CallHook::ReturningFromWasm) {
                let task = store.async_call_stack()?.last();
                store.data_mut().turn_to(task);
            }
            Ok(())
        });
        self
    }

    /// The guest of `pre`, which is the component that the store was prepared for; it is instantiated
    /// for the first invocation.
    ///
    /// # Errors
    /// Those of instantiating.
    pub async fn instance(
        &mut self,
        pre: &InstancePre<InstanceState>,
    ) -> wasmtime::Result<Instance> {
        if let Some(instance) = self.instance {
            return Ok(instance);
        }
        let instance = pre.instantiate_async(&mut self.store).await?;
        self.at_rest = self.in_hand();
        self.instance = Some(instance);
        Ok(instance)
    }

    /// The same, as the bindings of an export have it: `load` makes that once for an instance.
    ///
    /// # Errors
    /// Those of instantiating, and of `load`.
    pub async fn exports<T: Send + Sync + 'static>(
        &mut self,
        pre: &InstancePre<InstanceState>,
        load: impl FnOnce(&mut Store<InstanceState>, &Instance) -> wasmtime::Result<T>,
    ) -> wasmtime::Result<Arc<T>> {
        let instance = self.instance(pre).await?;
        let known = self.exports.clone();
        if let Some(known) = known.and_then(|known| known.downcast().ok()) {
            return Ok(known);
        }
        let exports = Arc::new(load(&mut self.store, &instance)?);
        self.exports = Some(Arc::clone(&exports) as Arc<dyn Any + Send + Sync>);
        Ok(exports)
    }

    /// Whether anybody takes it back. If not, nothing needs to be tidied up in it.
    #[must_use]
    pub fn has_home(&self) -> bool {
        self.home.is_some()
    }

    /// How many invocations it has served to their end.
    #[must_use]
    pub fn served(&self) -> u32 {
        self.served
    }

    /// Gives it back: the invocation has ended as it should, and nothing of it is left to do. An
    /// instance whose guest has something in hand all the same, a task or a stream, is dropped: it
    /// belongs to the invocation that is over.
    pub fn keep(mut self) {
        let Some(home) = self.home.as_ref().and_then(Weak::upgrade) else {
            return;
        };
        if self.instance.is_some() && self.in_hand() <= self.at_rest {
            self.served += 1;
            home.take_back(self);
        }
    }

    fn in_hand(&mut self) -> usize {
        // For tests of the engine's own, it says; there is no other way to know.
        match self.has_event_loop {
            true => self.store.concurrent_state_table_size(),
            false => 0,
        }
    }

    pub(crate) fn has_event_loop(&self) -> bool {
        self.has_event_loop
    }
}

impl Deref for Lent {
    type Target = Store<InstanceState>;

    fn deref(&self) -> &Self::Target {
        &self.store
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.store
    }
}

impl AsContext for Lent {
    type Data = InstanceState;

    fn as_context(&self) -> StoreContext<'_, InstanceState> {
        self.store.as_context()
    }
}

impl AsContextMut for Lent {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, InstanceState> {
        self.store.as_context_mut()
    }
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent")
            .field("served", &self.served)
            .finish_non_exhaustive()
    }
}
