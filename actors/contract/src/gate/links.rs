//! Which callers a gate lets in.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use wrt_protocol::{Fault, FaultKind, InterfaceName};

use super::Gate;
use crate::{Authority, CallContext};

/// Whom a gate asks whether a caller has a link, and how many had none.
#[derive(Default)]
pub(super) struct LinksIn {
    /// None where nothing is deployed: then everybody is let in.
    authority: OnceLock<Arc<dyn Authority>>,
    denied: AtomicU64,
}

impl LinksIn {
    pub(super) fn denied(&self) -> u64 {
        self.denied.load(Relaxed)
    }
}

impl fmt::Debug for LinksIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_looked_for = self.authority.get().is_some();
        write!(
            f,
            "LinksIn(looked for: {is_looked_for}, denied: {})",
            self.denied()
        )
    }
}

impl Gate {
    /// Says who knows the links to its actor: who has none is refused from now on. The first word counts.
    pub fn obeys(&self, authority: Arc<dyn Authority>) {
        let _first = self.links.authority.set(authority);
    }

    /// Refuses who has no link to the actor by `interface`. Asked before a call is admitted, wherever it comes
    /// from.
    ///
    /// # Errors
    /// [`FaultKind::Denied`], *not executed*: which link is missing, and how a manifest says it.
    #[inline]
    pub fn authorise(&self, context: &CallContext, interface: &InterfaceName) -> Result<(), Fault> {
        match self.links.authority.get() {
            None => Ok(()),
            Some(authority) => self.look_for_link(&**authority, context, interface),
        }
    }

    fn look_for_link(
        &self,
        authority: &dyn Authority,
        context: &CallContext,
        interface: &InterfaceName,
    ) -> Result<(), Fault> {
        let found = match context.near_end() {
            Some(near_end) => near_end.check(authority, interface),
            // By a link, or over the bus from who reads origins, each call says it.
            None => Err("the call does not say who makes it".to_owned()),
        };
        found.map_err(|why| {
            self.links.denied.fetch_add(1, Relaxed);
            self.refuse(context, FaultKind::Denied, &why)
        })
    }
}
