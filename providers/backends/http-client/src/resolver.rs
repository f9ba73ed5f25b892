//! From a host to its addresses.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::{IpAddr, ToSocketAddrs},
    sync::Arc,
};

use tokio::sync::Semaphore;
use wrt_http::HttpError;

use crate::{
    limits::RESOLUTIONS_MAX,
    origin::{Origin, UriHost, parse_host},
};

/// Asks the settings first, and then the system.
#[derive(Debug, Clone)]
pub(crate) struct Resolver {
    pinned: HashMap<String, Vec<IpAddr>>,
    running: Arc<Semaphore>,
}

impl Resolver {
    pub(crate) fn new(pinned: &BTreeMap<String, Vec<IpAddr>>) -> Self {
        let pinned = pinned
            .iter()
            .filter_map(|(name, addresses)| match parse_host(name)? {
                UriHost::Name(name) => Some((name, addresses.clone())),
                UriHost::Address(_) => None,
            });
        Self {
            pinned: pinned.collect(),
            running: Arc::new(Semaphore::new(RESOLUTIONS_MAX)),
        }
    }

    /// The addresses of `target`'s host, in the order in which they are to be tried.
    pub(crate) async fn resolve(&self, target: &Origin) -> Result<Vec<IpAddr>, HttpError> {
        let name = match &target.host {
            UriHost::Address(address) => return Ok(vec![*address]),
            UriHost::Name(name) => name,
        };
        if let Some(addresses) = self.pinned.get(name) {
            return Ok(addresses.clone());
        }
        let permit = Arc::clone(&self.running).acquire_owned().await;
        let (name, port) = (name.clone(), target.port);
        let asked = tokio::task::spawn_blocking(move || {
            // Given back when the system has answered, and not when nobody waits for it any more.
            let _permit = permit;
            (name.as_str(), port).to_socket_addrs()
        });
        let addresses = asked
            .await
            .map_err(|_stopped| HttpError::DnsTimeout)?
            .map_err(|error| dns_error(&error))?;
        Ok(addresses.map(|address| address.ip()).collect())
    }
}

/// The standard library hands the reason on as the system's text alone.
fn dns_error(error: &io::Error) -> HttpError {
    let text = error.to_string();
    let rcode = if text.contains("not known") || text.contains("No address") {
        Some("NXDOMAIN".to_owned())
    } else if text.contains("Temporary failure") {
        Some("SERVFAIL".to_owned())
    } else {
        None
    };
    HttpError::DnsError {
        rcode,
        info_code: None,
    }
}
