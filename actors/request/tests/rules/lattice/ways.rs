//! The ways by which a call gets to an actor. What a gate refuses on one it refuses on each.

use std::sync::Arc;

use bytes::Bytes;
use wrt_contract::{
    Body, CallContext, Caller, Interface, InterfaceError, Lease, LocalDirectory, NearEnd,
};
use wrt_protocol::{Fault, Incarnation, limits::INLINE_BYTES_MAX};

use super::{
    holder::HolderInterface,
    mirror::SUM,
    nodes::{Bus, Node, invocation, target},
    probe::{How, ProbeInterface, Tag},
};
use crate::rules::bodies::pair;

/// How a call gets to an actor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Way {
    CoLocated,
    Inline,
    SmallBody,
    StreamedBody,
    StreamedArguments,
    Pinned,
    Unanswered,
}

pub const WAYS: [Way; 7] = [
    Way::CoLocated,
    Way::Inline,
    Way::SmallBody,
    Way::StreamedBody,
    Way::StreamedArguments,
    Way::Pinned,
    Way::Unanswered,
];

/// Somebody who calls the actor on `b` on each way.
pub struct Pair {
    pub caller: Node,
    pub b: Node,
    lease: Lease,
}

impl Pair {
    pub async fn on(bus: &Bus) -> Self {
        let (caller, b) = pair(bus).await;
        let holder = HolderInterface::remote(Arc::clone(&caller.path) as _, target().into());
        let lease = holder.open(&CallContext::default()).await.unwrap();
        Self { caller, b, lease }
    }

    /// Calls by a link of `near_end`.
    pub async fn call(
        &self,
        way: Way,
        context: &CallContext,
        near_end: &Arc<NearEnd>,
    ) -> Result<(), Fault> {
        let (node, is_home) = match way {
            Way::CoLocated => (&self.b, true),
            _ => (&self.caller, false),
        };
        let probe = link::<ProbeInterface>(node, near_end, is_home);
        let send = async |bytes| {
            let context = context.clone().made_by(Some(Arc::clone(near_end)));
            let body = invocation(SUM, Some(Body::whole(vec![1; bytes].into())));
            answered(self.caller.path.call(&context, body).await)
        };
        match way {
            Way::CoLocated | Way::Inline => answered(probe.act(context, Tag(0), How::AtOnce).await),
            Way::SmallBody => send(100).await,
            Way::StreamedBody => send(1 << 20).await,
            Way::StreamedArguments => {
                let large = Bytes::from(vec![1; 2 * INLINE_BYTES_MAX]);
                answered(probe.mirror(context, Tag(0), large).await)
            }
            Way::Pinned => {
                let holder = link::<HolderInterface>(node, near_end, is_home);
                answered(holder.step(context, How::AtOnce, &self.lease).await)
            }
            Way::Unanswered => answered(probe.note(context, Tag(0), Bytes::new()).await),
        }
    }
}

/// A link of `near_end` on `node`, to that node's own replica while `is_home`.
pub fn link<I: Interface>(node: &Node, near_end: &Arc<NearEnd>, is_home: bool) -> Arc<I::Object> {
    let directory = LocalDirectory::default();
    directory.joined(Incarnation {
        node: node.id.clone(),
        epoch: node.membership.epoch(),
    });
    if is_home {
        for offer in &node.offers {
            offer.install(&directory, &target());
        }
    }
    let remote = I::remote(Arc::clone(&node.path) as _, target().into());
    let slot = directory.slot::<I>(&target());
    I::linked(slot.called_by(Arc::clone(near_end)), remote)
}

pub fn answered<T, E: InterfaceError>(answer: Result<T, E>) -> Result<(), Fault> {
    let fault = |error: E| error.into_fault().unwrap_or_else(|_| panic!("a fault"));
    answer.map(drop).map_err(fault)
}
