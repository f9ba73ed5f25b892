//! Host glue: the WIT over the traits.

mod component;
mod error;
mod receivers;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::component::{HasSelf, Linker};
use wrt_contract::Offer;
use wrt_host::{Host, InstanceState, Package};

use self::bindings::wrt::websocket::{peers, types};
use super::listener::check;
use crate::{
    Closing, Connecting, Kind, Limit, PeerHandlerInterface, PeersInterface, WebSocketError,
    limits::RECEIVERS_MAX,
};
pub use component::PeerComponent;
use error::{ConnectHostError, HostError};
use receivers::Receivers;

mod bindings {
    #![allow(missing_docs, reason = "written by bindgen")]
    wasmtime::component::bindgen!({
        path: "../../../wit/websocket",
        world: "wrt:websocket/websockets",
        imports: { default: async | trappable },
        exports: { default: async },
        trappable_error_type: {
            "wrt:websocket/peers.error" => crate::host::error::HostError,
            "wrt:websocket/peers.connect-error" => crate::host::error::ConnectHostError,
        },
    });
}

const TYPES: &str = "wrt:websocket/types@0.1.0";
const PEERS: &str = "wrt:websocket/peers@0.1.0";

/// `wrt:websocket`: the peers that a component answers, and those that it sends to.
#[derive(Debug, Clone, Copy, Default)]
pub struct WrtWebSocket;

impl Host for WrtWebSocket {
    fn describe(package: &mut Package) {
        package.answers(&[TYPES]);
        package.imports::<PeersInterface>(&[PEERS]);
        package.exports::<PeerHandlerInterface>(&[component::EXPORT], |instances, gate| {
            let component = PeerComponent::new(instances)?;
            Ok(component.map(|it| Offer::new::<PeerHandlerInterface>(Arc::new(it), gate)))
        });
    }

    fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
        types::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
        peers::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
    }
}

impl types::Host for InstanceState {}

impl peers::Host for InstanceState {
    fn convert_error(&mut self, error: HostError) -> wasmtime::Result<peers::Error> {
        error.into_words()
    }

    fn convert_connect_error(
        &mut self,
        error: ConnectHostError,
    ) -> wasmtime::Result<peers::ConnectError> {
        error.into_words()
    }

    async fn connect(
        &mut self,
        connecting: peers::Connecting,
    ) -> Result<peers::Connected, ConnectHostError> {
        let connecting = Connecting::from(connecting);
        connecting.check()?;
        let server = self.link_named::<PeersInterface>(&connecting.link);
        let no_link = || WebSocketError::NoSuchLink(connecting.link.clone());
        let server = server.ok_or_else(no_link)?;
        let context = self.context().clone();
        let crate::Connected { peer, protocol } = server.connect(&context, &connecting).await?;
        Ok(peers::Connected { peer, protocol })
    }

    async fn send(
        &mut self,
        to: Vec<String>,
        message: types::Message,
    ) -> Result<Vec<peers::Outcome>, HostError> {
        let (kind, data) = taken(message);
        hand_over(self, &to, kind, data).await
    }

    async fn send_to_all(
        &mut self,
        link: String,
        route: String,
        message: types::Message,
    ) -> Result<peers::Reached, HostError> {
        let (kind, data) = taken(message);
        check(&kind, &data)?;
        let server = self.link_named::<PeersInterface>(&link);
        let server = server.ok_or(WebSocketError::NoSuchLink(link))?;
        let context = self.context().clone();
        let reached = server.send_to_all(&context, &route, &kind, data).await?;
        let crate::Reached {
            queued,
            gone,
            unanswered,
        } = reached;
        Ok(peers::Reached {
            queued,
            gone,
            unanswered,
        })
    }

    async fn close(
        &mut self,
        to: Vec<String>,
        closing: types::Closing,
    ) -> Result<Vec<peers::Outcome>, HostError> {
        let types::Closing { code, reason } = closing;
        let closing = Closing { code, reason };
        hand_over(self, &to, Kind::Close(closing), Bytes::new()).await
    }
}

/// Refuses what cannot be sent, and hands the rest to each peer's own server.
async fn hand_over(
    state: &mut InstanceState,
    to: &[String],
    kind: Kind,
    data: Bytes,
) -> Result<Vec<peers::Outcome>, HostError> {
    check(&kind, &data)?;
    Limit::Receivers.check(to.len(), RECEIVERS_MAX)?;
    let receivers = Receivers::of(to, |link| state.link_named::<PeersInterface>(link))?;
    let context = state.context().clone();
    Ok(receivers.hand_over(&context, &kind, &data).await?)
}

impl From<peers::Connecting> for Connecting {
    fn from(connecting: peers::Connecting) -> Self {
        let peers::Connecting {
            link,
            route,
            url,
            headers,
            protocols,
        } = connecting;
        Self {
            link,
            route,
            url,
            headers,
            protocols,
        }
    }
}

fn taken(message: types::Message) -> (Kind, Bytes) {
    match message {
        types::Message::Text(text) => (Kind::Text, text.into()),
        types::Message::Binary(bytes) => (Kind::Binary, bytes.into()),
    }
}
