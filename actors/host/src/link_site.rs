//! Where a link starts and ends.

use std::sync::Arc;

use wrt_contract::{Callee, Caller, Interface, LocalDirectory, NearEnd};
use wrt_protocol::Origin;

/// What making a link takes: this node's own replicas, the way to others, and who is linked to whom.
pub struct LinkSite<'a> {
    /// The places of this node's own replicas.
    pub directory: &'a LocalDirectory,
    /// The way to other nodes.
    pub caller: &'a Arc<dyn Caller>,
    /// Who calls by the link.
    pub origin: Origin,
    /// Who serves the link.
    pub target: Callee,
}

impl LinkSite<'_> {
    /// The object behind the link: the replica on this node while there is one, and others
    /// otherwise.
    #[must_use]
    pub fn object<I: Interface>(&self) -> Arc<I::Object> {
        let remote = I::remote(Arc::clone(self.caller), self.target.clone());
        let local = self.directory.slot::<I>(&self.target.address);
        I::linked(local.called_by(NearEnd::of(self.origin.clone())), remote)
    }
}
