//! A call's body, from one attempt to the next.

use std::sync::Arc;

use tokio::time::Instant;
use wrt_contract::{Body, BodyError, WholeBody};
use wrt_protocol::{Fault, NodeId, envelope::BodyAnnounce};

use crate::{Streams, gather::Inline, streams::Sending};

/// It is here, or with the stream of the attempt under way, or lost because some of it was read.
pub(super) struct CallBody {
    /// None where the call has none, and once it was read from: one that is whole stays.
    body: Option<Body<BodyError>>,
    /// Whether all of it can still be sent.
    untouched: bool,
}

impl CallBody {
    pub(super) fn new(body: Option<Body<BodyError>>) -> Self {
        Self {
            body,
            untouched: true,
        }
    }

    /// Whether another attempt could send all of it. So it is where there is none.
    pub(super) fn is_untouched(&self) -> bool {
        self.untouched
    }

    pub(super) fn is_here(&self) -> bool {
        self.body.is_some()
    }

    /// Waits until `until` for it to become one that travels inside the message.
    pub(super) async fn gather(&mut self, inline: Inline, until: Instant) {
        let Some(body) = self.body.take() else {
            return;
        };
        self.body = Some(match inline.gather(body, until) {
            Ok(waiting) => waiting.await,
            Err(body) => body,
        });
    }

    /// What of it travels inside the message: all or nothing.
    pub(super) fn inside(&self, inline: Inline) -> Option<WholeBody> {
        self.body.as_ref().and_then(|body| inline.take(body))
    }

    /// Gives it to a stream to `node`; none if it is not here.
    pub(super) fn announce(
        &mut self,
        streams: &Arc<Streams>,
        node: NodeId,
    ) -> Option<Result<(BodyAnnounce, Sending), Fault>> {
        let body = self.body.take()?;
        self.body = body.as_whole().map(Body::from);
        let length = body.length();
        let sending = streams.announce(body, node, None);
        // Without room for it the body is gone, and the call must not go out without it.
        self.untouched &= sending.is_ok() || self.is_here();
        Some(sending.map(|sending| {
            let stream = sending.stream;
            (BodyAnnounce::Stream { stream, length }, sending)
        }))
    }

    /// An attempt has failed before any of it was asked for.
    pub(super) fn give_back(&mut self, sending: Sending) {
        self.body = Some(sending.untouched());
    }

    /// An attempt has failed after some of it was asked for. What is here can be sent again.
    pub(super) fn was_read(&mut self) {
        self.untouched = self.is_here();
    }
}
