//! Who serves whom on this node.

use std::{
    any::Any,
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwapOption;
use wrt_protocol::{ActorAddress, InterfaceName, Name};

use crate::{Dispatch, Gate, Interface};

/// The place where a node's own replica of an actor's interface stands, if it has one. All links to
/// that actor share it, so they change over in one step when the replica starts or stops.
pub struct LocalSlot<T: ?Sized>(Arc<ArcSwapOption<Arc<T>>>);

impl<T: ?Sized> LocalSlot<T> {
    /// An empty place.
    #[must_use]
    pub fn empty() -> Self {
        Self(Arc::new(ArcSwapOption::const_empty()))
    }

    /// The replica, if there is one.
    #[must_use]
    pub fn get(&self) -> Option<Arc<T>> {
        self.0.load().as_deref().cloned()
    }

    /// Puts a replica in, or takes it out.
    pub fn set(&self, replica: Option<Arc<T>>) {
        self.0.store(replica.map(Arc::new));
    }
}

impl<T: ?Sized> Clone for LocalSlot<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: ?Sized> fmt::Debug for LocalSlot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.0.load().is_some() {
            "filled"
        } else {
            "empty"
        };
        write!(f, "LocalSlot({state})")
    }
}

type Erased = Arc<dyn Any + Send + Sync>;
type Slots = HashMap<(ActorAddress, InterfaceName), Erased>;

/// A node's slots. Grows with the actors that the node's manifests name, which are bounded.
#[derive(Default)]
pub struct LocalDirectory(Mutex<Slots>);

impl LocalDirectory {
    /// The slot for an actor's interface; the same one each time.
    #[must_use]
    pub fn slot<I: Interface>(&self, actor: &ActorAddress) -> LocalSlot<I::Object> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots
            .entry((actor.clone(), I::NAME))
            .or_insert_with(|| Arc::new(LocalSlot::<I::Object>::empty()));
        slot.downcast_ref::<LocalSlot<I::Object>>()
            .expect("one interface name belongs to one trait")
            .clone()
    }
}

impl fmt::Debug for LocalDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalDirectory")
    }
}

/// Puts a replica in its slot, or takes it out.
type Install = dyn Fn(&LocalDirectory, &ActorAddress, bool) + Send + Sync;

/// An interface that a replica on this node offers: behind its gate, ready for local links and for
/// calls from the bus.
#[derive(Clone)]
pub struct Offer {
    interface: InterfaceName,
    dispatcher: Arc<dyn Dispatch>,
    gate: Arc<Gate>,
    install: Arc<Install>,
}

impl Offer {
    /// Offers `object` behind `gate`.
    #[must_use]
    pub fn new<I: Interface>(object: Arc<I::Object>, gate: &Arc<Gate>) -> Self {
        let guarded = I::guarded(object, Arc::clone(gate));
        let dispatcher = I::dispatcher(Arc::clone(&guarded));
        let install = move |directory: &LocalDirectory, actor: &ActorAddress, present: bool| {
            directory
                .slot::<I>(actor)
                .set(present.then(|| Arc::clone(&guarded)));
        };
        Self {
            interface: I::NAME,
            dispatcher,
            gate: Arc::clone(gate),
            install: Arc::new(install),
        }
    }

    /// The interface.
    #[must_use]
    pub fn interface(&self) -> &InterfaceName {
        &self.interface
    }

    /// The way in from the bus.
    #[must_use]
    pub fn dispatcher(&self) -> &Arc<dyn Dispatch> {
        &self.dispatcher
    }

    /// The gate that it stands behind.
    #[must_use]
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// Makes it the local replica of `actor`.
    pub fn install(&self, directory: &LocalDirectory, actor: &ActorAddress) {
        (self.install)(directory, actor, true);
    }

    /// Takes it out: links to `actor` go over the bus from now on.
    pub fn remove(&self, directory: &LocalDirectory, actor: &ActorAddress) {
        (self.install)(directory, actor, false);
    }
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Offer({})", self.interface)
    }
}

/// The links of one component: which object serves an interface under a name.
#[derive(Default, Clone)]
pub struct Links(HashMap<(InterfaceName, Name), Erased>);

impl Links {
    /// Links `I` under `name` to `object`.
    pub fn insert<I: Interface>(&mut self, name: Name, object: Arc<I::Object>) {
        self.0.insert((I::NAME, name), Arc::new(object));
    }

    /// What serves `I` under `name`: the link of that name, or else the one named `default`.
    #[must_use]
    pub fn get<I: Interface>(&self, name: &str) -> Option<Arc<I::Object>> {
        let named = |name: Name| self.0.get(&(I::NAME, name));
        let object = Name::new(name)
            .ok()
            .and_then(named)
            .or_else(|| named(Name::new("default").expect("a legal name")))?;
        object.downcast_ref::<Arc<I::Object>>().map(Arc::clone)
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
