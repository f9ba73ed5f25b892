//! The interfaces, and how links to them are made.

use std::sync::Arc;

use wrt_contract::{Caller, Interface, Links, LocalDirectory, Offer};
use wrt_http::{
    HandlerAsClient, HttpClientHost, HttpClientInterface, HttpComponent, HttpHandlerHost,
    HttpHandlerInterface,
};
use wrt_keyvalue::{KeyValueHost, KeyValueInterface};
use wrt_protocol::{ActorAddress, Name};

use super::InterfaceEntry;

pub(super) const KEYVALUE: InterfaceEntry = InterfaceEntry {
    name: KeyValueInterface::NAME,
    host: Some(|| Arc::new(KeyValueHost)),
    link: |site, links, name| site.link::<KeyValueInterface>(links, name),
    exports: &[],
    offer: |_, _| Ok(None),
};

const HTTP_EXPORTS: &[&str] = &["wasi:http/incoming-handler@0.2.", "wasi:http/handler@0.3."];

pub(super) const HTTP: InterfaceEntry =
    InterfaceEntry {
        name: HttpHandlerInterface::NAME,
        host: Some(|| Arc::new(HttpHandlerHost)),
        link: |site, links, name| site.link::<HttpHandlerInterface>(links, name),
        exports: HTTP_EXPORTS,
        offer: |instances, gate| {
            let component = HttpComponent::new(instances)?;
            Ok(component
                .map(|component| Offer::new::<HttpHandlerInterface>(Arc::new(component), gate)))
        },
    };

pub(super) const HTTP_CLIENT: InterfaceEntry = InterfaceEntry {
    name: HttpClientInterface::NAME,
    host: Some(|| Arc::new(HttpClientHost)),
    link: |site, links, name| site.link::<HttpClientInterface>(links, name),
    exports: HTTP_EXPORTS,
    // What answers requests can stand where they would have gone out.
    offer: |instances, gate| {
        let component = HttpComponent::new(instances)?;
        Ok(component.map(|component| {
            let client = HandlerAsClient::new(Arc::new(component));
            Offer::new::<HttpClientInterface>(Arc::new(client), gate)
        }))
    },
};

/// Where a link starts and ends.
pub struct LinkSite<'a> {
    /// The places of this node's own replicas.
    pub directory: &'a LocalDirectory,
    /// The way to other nodes.
    pub caller: &'a Arc<dyn Caller>,
    /// Who serves the link.
    pub target: ActorAddress,
}

impl LinkSite<'_> {
    /// The object behind the link: the replica on this node while there is one, and others
    /// otherwise.
    #[must_use]
    pub fn object<I: Interface>(&self) -> Arc<I::Object> {
        let remote = I::remote(Arc::clone(self.caller), self.target.clone());
        I::linked(self.directory.slot::<I>(&self.target), remote)
    }

    fn link<I: Interface>(&self, links: &mut Links, name: Name) {
        links.insert::<I>(name, self.object::<I>());
    }
}
