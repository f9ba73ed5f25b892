//! Export glue: a component that answers peers.

use std::sync::Arc;

use bytes::Bytes;
use wrt_contract::{CallContext, async_trait};
use wrt_host::{Instances, guest_exit, guest_fault};
use wrt_protocol::{Fault, FaultKind, Hop};

use super::bindings::{
    exports::wrt::websocket::handler::{self, GuestIndices},
    wrt::websocket::types,
};
use crate::{Answer, Closing, Opening, PeerHandler, WebSocketError};

/// The export by which a component answers peers.
pub(super) const EXPORT: &str = "wrt:websocket/handler@0.1.0";

/// A component as a handler: an instance for each call, which may have served another one before.
pub struct PeerComponent {
    instances: Arc<dyn Instances>,
    export: Arc<GuestIndices>,
}

impl PeerComponent {
    /// The component behind `instances`; `None` if it answers no peers.
    ///
    /// # Errors
    /// An export with the right name and other types.
    pub fn new(instances: Arc<dyn Instances>) -> wasmtime::Result<Option<Self>> {
        let pre = instances.instance_pre();
        let component = pre.component().component_type();
        let is_export = |(name, _): (&str, _)| name == EXPORT;
        if !component.exports(pre.engine()).any(is_export) {
            return Ok(None);
        }
        let export = Arc::new(GuestIndices::new(pre)?);
        Ok(Some(Self { instances, export }))
    }

    fn failed(&self, error: &wasmtime::Error) -> WebSocketError {
        let actor = self.instances.actor();
        if guest_exit(error) != Some(0) {
            tracing::warn!(%actor, ?error, "a component that answers peers failed");
        }
        WebSocketError::Fault(guest_fault(error))
    }
}

/// Calls one of the export's functions. No function itself: what a closure lends to its future has no name.
macro_rules! call {
    ($of:ident, $context:ident, |$guest:ident, $lent:ident| $call:expr) => {{
        let pre = $of.instances.instance_pre().clone();
        let export = Arc::clone(&$of.export);
        let called = $of
            .instances
            .prepare($context)
            .call(|mut $lent| async move {
                let instance = $lent.instance(&pre).await?;
                let $guest = export.load(&mut $lent, &instance)?;
                let answer = $call.await?;
                $lent.keep();
                Ok::<_, wasmtime::Error>(answer)
            });
        called.await.map_err(|error| $of.failed(&error))
    }};
}

#[async_trait]
impl PeerHandler for PeerComponent {
    async fn open(
        &self,
        context: &CallContext,
        opening: &Opening,
    ) -> Result<Answer, WebSocketError> {
        let opening = opening.clone().into();
        let answer = call!(self, context, |guest, lent| guest
            .call_open(&mut lent, &opening));
        answer.map(Answer::from)
    }

    async fn receive(
        &self,
        context: &CallContext,
        peer: &str,
        is_text: bool,
        data: Bytes,
    ) -> Result<(), WebSocketError> {
        let peer = peer.to_owned();
        let message = match is_text {
            true => types::Message::Text(String::from_utf8(data.into()).map_err(no_text)?),
            false => types::Message::Binary(data.into()),
        };
        call!(self, context, |guest, lent| guest
            .call_receive(&mut lent, &peer, &message))
    }

    async fn close(
        &self,
        context: &CallContext,
        peer: &str,
        closing: &Closing,
    ) -> Result<(), WebSocketError> {
        let peer = peer.to_owned();
        let Closing { code, reason } = closing.clone();
        let closing = types::Closing { code, reason };
        call!(self, context, |guest, lent| guest
            .call_close(&mut lent, &peer, &closing))
    }
}

fn no_text(_: std::string::FromUtf8Error) -> Fault {
    let detail = "a message that is said to be text is none";
    Fault::not_executed(FaultKind::Malformed, Hop::Actor, detail)
}

impl From<Opening> for handler::Opening {
    fn from(opening: Opening) -> Self {
        let Opening {
            peer,
            link,
            route,
            authority,
            path_with_query,
            headers,
            protocols,
        } = opening;
        Self {
            peer,
            link,
            route,
            authority,
            path_with_query,
            headers,
            protocols,
        }
    }
}

impl From<handler::Answer> for Answer {
    fn from(answer: handler::Answer) -> Self {
        match answer {
            handler::Answer::Accept(protocol) => Self::Accept(protocol),
            handler::Answer::Refuse(status) => Self::Refuse(status),
        }
    }
}
