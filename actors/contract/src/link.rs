//! Who serves whom on this node.

use std::{any::Any, collections::HashMap, fmt, sync::Arc};

use parking_lot::Mutex;
use wrt_protocol::{ActorAddress, Incarnation, InterfaceName, Name};

use crate::{Arrivals, Dispatch, Gate, Interface, LocalSlot, Replica, arrivals::Home};

type Erased = Arc<dyn Any + Send + Sync>;
type Slots = HashMap<(ActorAddress, InterfaceName), Erased>;

/// A node's slots. Grows with the actors that the node's manifests name, which are bounded.
#[derive(Default)]
pub struct LocalDirectory {
    slots: Mutex<Slots>,
    home: Arc<Home>,
}

impl LocalDirectory {
    /// Says which incarnation of which node this is. The first word counts: a node joins once.
    pub fn joined(&self, home: Incarnation) {
        let _first = self.home.incarnation.set(home);
    }

    /// Which incarnation of which node this is; none in a process without a lattice.
    #[must_use]
    pub fn home(&self) -> Option<Incarnation> {
        self.home.incarnation.get().cloned()
    }

    /// Says who knows which actors are on their way: calls of those wait. The first word counts.
    pub fn expects(&self, arrivals: Arc<dyn Arrivals>) {
        let _first = self.home.arrivals.set(arrivals);
    }

    /// The slot for an actor's interface; the same one each time.
    #[must_use]
    pub fn slot<I: Interface>(&self, actor: &ActorAddress) -> LocalSlot<I::Object> {
        let mut slots = self.slots.lock();
        let slot = slots.entry((actor.clone(), I::NAME)).or_insert_with(|| {
            let home = Arc::clone(&self.home);
            Arc::new(LocalSlot::<I::Object>::of(Some(actor.clone()), home))
        });
        slot.downcast_ref::<LocalSlot<I::Object>>()
            .expect("a runtime is refused in which one name stands for two traits")
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
        let replica = Replica::new(Arc::clone(&object), Arc::clone(gate));
        let dispatcher = I::dispatcher(I::guarded(object, Arc::clone(gate)));
        let install = move |directory: &LocalDirectory, actor: &ActorAddress, present: bool| {
            let slot = directory.slot::<I>(actor);
            if present {
                slot.set(Some(Arc::clone(&replica)));
            } else {
                slot.retire();
            }
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

    /// Takes it out: links to `actor` go over the bus from now on, but for calls that are pinned to it
    /// by a live lease; these are served until its gate has drained.
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
pub struct Links(HashMap<InterfaceName, HashMap<Name, Erased>>);

impl Links {
    /// Links `I` under `name` to `object`.
    pub fn insert<I: Interface>(&mut self, name: Name, object: Arc<I::Object>) {
        let links = self.0.entry(I::NAME).or_default();
        links.insert(name, Arc::new(object));
    }

    /// What serves `I` under `name`: the link of that name, or else the one named `default`.
    #[must_use]
    pub fn get<I: Interface>(&self, name: &str) -> Option<Arc<I::Object>> {
        self.named::<I>(name).or_else(|| self.named::<I>("default"))
    }

    /// What serves `I` under the link of exactly that name.
    #[must_use]
    pub fn named<I: Interface>(&self, name: &str) -> Option<Arc<I::Object>> {
        let object = self.0.get(&I::NAME)?.get(name)?;
        object.downcast_ref::<Arc<I::Object>>().map(Arc::clone)
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |(interface, links): (_, &HashMap<Name, Erased>)| {
            let names: Vec<_> = links.keys().cloned().collect();
            (interface, names)
        };
        f.debug_map().entries(self.0.iter().map(names)).finish()
    }
}
