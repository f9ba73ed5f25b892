//! The place of an actor's replica on this node.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use arc_swap::{ArcSwap, ArcSwapOption};
use wrt_protocol::{ActorAddress, Execution, FaultKind};

use crate::{
    CallContext, CallMeter, CallSpan, Gate, InterfaceError, Lease, NearEnd, OpenSpan, SpanKind,
    arrivals::Home,
};

/// The place where a node's own replica of an actor's interface stands, if it has one. All links to
/// that actor share it, so they change over in one step when the replica starts or stops.
pub struct LocalSlot<T: ?Sized> {
    place: Arc<Place<T>>,
    home: Arc<Home>,
    /// Whose place it is; none outside of a directory.
    actor: Option<ActorAddress>,
    /// Who calls by the link that has it; none for one that belongs to no link.
    near_end: Option<Arc<NearEnd>>,
}

struct Place<T: ?Sized> {
    current: ArcSwapOption<Replica<T>>,
    /// The one that stood there, as long as somebody keeps it for its leases.
    retired: ArcSwap<Weak<Replica<T>>>,
}

/// A replica on this node, and the gate before it. A link takes a call through the gate itself: that
/// costs it no future in a box, as a guard does.
pub struct Replica<T: ?Sized> {
    object: Arc<T>,
    gate: Arc<Gate>,
}

impl<T: ?Sized> Replica<T> {
    /// `object`, to be called through `gate` alone.
    #[must_use]
    pub fn new(object: Arc<T>, gate: Arc<Gate>) -> Arc<Self> {
        Arc::new(Self { object, gate })
    }

    /// What is called.
    #[must_use]
    pub fn object(&self) -> &Arc<T> {
        &self.object
    }

    /// What a call is taken through.
    #[must_use]
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }
}

impl<T: ?Sized> fmt::Debug for Replica<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Replica({:?})", self.gate.load())
    }
}

impl<T: ?Sized> LocalSlot<T> {
    /// An empty place.
    #[must_use]
    pub fn empty() -> Self {
        Self::of(None, Arc::default())
    }

    pub(crate) fn of(actor: Option<ActorAddress>, home: Arc<Home>) -> Self {
        let place = Place {
            current: ArcSwapOption::const_empty(),
            retired: ArcSwap::from_pointee(Weak::new()),
        };
        let place = Arc::new(place);
        Self {
            place,
            home,
            actor,
            near_end: None,
        }
    }

    /// Whose place it is, if it is in a directory.
    #[must_use]
    pub fn actor(&self) -> Option<&ActorAddress> {
        self.actor.as_ref()
    }

    /// The same, for a link of whose `near_end` that is.
    #[must_use]
    pub fn called_by(self, near_end: Arc<NearEnd>) -> Self {
        Self {
            near_end: Some(near_end),
            ..self
        }
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// The replica, if there is one.
    #[must_use]
    pub fn get(&self) -> Option<Arc<Replica<T>>> {
        self.place.current.load_full()
    }

    /// The replica that has taken the place of `refusing`, which lets nobody in any more by this error: the call
    /// was under way to it meanwhile.
    #[must_use]
    pub fn in_place_of<E: InterfaceError>(
        &self,
        refusing: &Arc<Replica<T>>,
        error: &E,
    ) -> Option<Arc<Replica<T>>> {
        let fault = error.as_fault()?;
        let refused = fault.kind() == FaultKind::Draining
            && fault.execution() == Execution::NotExecuted
            && refusing.gate.is_draining();
        let newer = self.get().filter(|_| refused)?;
        (!Arc::ptr_eq(&newer, refusing)).then_some(newer)
    }

    /// Puts a replica in, or takes it out.
    pub fn set(&self, replica: Option<Arc<Replica<T>>>) {
        self.place.current.store(replica);
        self.home.filled.notify_waiters();
    }

    /// The context of an operation that is called through this slot: with a key of its own, made by whose
    /// link it is, and served here if the replica here serves it.
    #[must_use]
    pub fn operation(&self, context: &CallContext) -> CallContext {
        context
            .for_operation()
            .at(self.home.incarnation.get().cloned())
            .made_by(self.near_end.clone())
    }

    /// The span of such an operation, which `context` goes on in: there and back, wherever it is served. Its
    /// meter takes the same time.
    #[inline]
    pub fn span(&self, context: &mut CallContext, meter: &'static CallMeter) -> CallSpan {
        let name = || format!("{}/{}", meter.interface(), meter.operation());
        let mut span = context.begin_span(SpanKind::Client, name);
        if span.is_kept() {
            self.describe(&mut span, meter);
        }
        span.measured_by(meter)
    }

    #[cold]
    fn describe(&self, span: &mut OpenSpan, meter: &CallMeter) {
        span.text("rpc.system", || "wrt".to_owned());
        span.text("rpc.service", || meter.interface().to_string());
        span.text("rpc.method", || meter.operation().to_owned());
        if let Some(actor) = &self.actor {
            span.text("wrt.actor", || actor.to_string());
        }
    }

    /// Whether a lease is of this node in its incarnation, so that no other one can serve it.
    #[must_use]
    pub fn is_home_of(&self, lease: &Lease) -> bool {
        lease
            .home()
            .is_none_or(|home| self.home.incarnation.get() == Some(home))
    }

    /// The replica for a call that is pinned to this node: the one there is, or the one that was
    /// taken out, as long as it drains.
    #[must_use]
    pub fn pinned(&self) -> Option<Arc<Replica<T>>> {
        let retired = || self.place.retired.load().upgrade();
        self.get().or_else(retired)
    }
}

impl<T: ?Sized + Send + Sync + 'static> LocalSlot<T> {
    /// Takes the replica out. Calls that are pinned by a live lease reach it until its gate has
    /// drained.
    pub(crate) fn retire(&self) {
        if let Some(replica) = self.place.current.swap(None) {
            self.place.retired.store(Arc::new(Arc::downgrade(&replica)));
            let gate = Arc::clone(&replica.gate);
            gate.keep_for_leases(replica);
        }
    }
}

impl<T: ?Sized> Clone for LocalSlot<T> {
    fn clone(&self) -> Self {
        Self {
            place: Arc::clone(&self.place),
            home: Arc::clone(&self.home),
            actor: self.actor.clone(),
            near_end: self.near_end.clone(),
        }
    }
}

impl<T: ?Sized> fmt::Debug for LocalSlot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.place.current.load().is_some() {
            "filled"
        } else {
            "empty"
        };
        write!(f, "LocalSlot({state})")
    }
}
