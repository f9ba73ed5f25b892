//! What a running app has.

use std::sync::Arc;

use wrt_contract::{Callee, Caller, Interface, LocalDirectory};
use wrt_host::LinkSite;
use wrt_protocol::{ActorAddress, Name};

/// What a running app has: the ways to its components, wherever they run.
pub trait State: Send + Sync + 'static {
    /// The app.
    fn app(&self) -> &Name;

    /// The way to what a component offers as `I`. It leads to the replica on this node while there is
    /// one, and over the bus otherwise; that the component exists was checked at deploy.
    fn component<I: Interface>(&self, component: &Name) -> Arc<I::Object>;
}

/// An app as a node of a lattice has it.
#[derive(Clone)]
pub struct LatticeState {
    app: Name,
    directory: Arc<LocalDirectory>,
    caller: Arc<dyn Caller>,
}

impl LatticeState {
    /// `app` on the node whose replicas are in `directory`, and which reaches others by `caller`.
    #[must_use]
    pub fn new(app: Name, directory: Arc<LocalDirectory>, caller: Arc<dyn Caller>) -> Self {
        Self {
            app,
            directory,
            caller,
        }
    }

    /// A link's two ends: here, and `target`.
    #[must_use]
    pub fn site(&self, target: impl Into<Callee>) -> LinkSite<'_> {
        LinkSite {
            directory: &self.directory,
            caller: &self.caller,
            target: target.into(),
        }
    }
}

impl State for LatticeState {
    fn app(&self) -> &Name {
        &self.app
    }

    fn component<I: Interface>(&self, component: &Name) -> Arc<I::Object> {
        let target = ActorAddress::component(self.app.clone(), component.clone());
        self.site(target).object::<I>()
    }
}
