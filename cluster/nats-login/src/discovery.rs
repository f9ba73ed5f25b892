//! The servers of a cluster that a client did not hear of when it connected.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use async_nats::{Client, ConnectOptions, ServerAddr};
use tokio::time::{Instant, sleep, timeout};

use crate::NatsLogin;

/// How often it is seen whether a client has connected anew.
const TICK: Duration = Duration::from_secs(1);
/// When the list is looked at after that; the last one holds from then on.
const LOOKS: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(300),
];
/// How long one look may take.
const LOOK_TIME_MAX: Duration = Duration::from_secs(5);
const HANDSHAKE_WAIT_MAX: Duration = Duration::from_secs(2);
/// Servers that a client knows. Over that, those go that were known before and are not listed any more.
const SERVERS_MAX: usize = 64;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Lets clients know of servers that have joined their cluster.
///
/// A server tells its clients whom else they can connect to, when they connect and whenever that changes. The
/// client library reads the first and not the second. So a client that connects while its cluster comes
/// up knows one server for ever, and is lost with it. Here the list is read again, by a connection that
/// ends at once; not from a server that is no part of a cluster.
#[derive(Debug, Clone)]
pub struct Discovery {
    login: NatsLogin,
    servers: Vec<ServerAddr>,
}

impl Discovery {
    /// For clients that were told of `servers`, and log in like that.
    #[must_use]
    pub fn new(login: NatsLogin, servers: Vec<ServerAddr>) -> Self {
        Self { login, servers }
    }

    /// Goes on until it is dropped.
    ///
    /// # Cancel safety
    /// Dropped in the middle of a look, some of the clients may know of new servers.
    pub async fn run(self, clients: Vec<Client>) {
        let connects = || -> u64 {
            let of = |client: &Client| client.statistics().connects.load(Relaxed);
            clients.iter().map(of).sum()
        };
        let (mut known, mut since, mut looks) = (connects(), Instant::now(), 0);
        loop {
            sleep(TICK).await;
            let now = connects();
            if now != known {
                (known, since, looks) = (now, Instant::now(), 0);
            }
            if LOOKS.get(looks).is_some_and(|due| since.elapsed() < *due) {
                continue;
            }
            match looks + 1 < LOOKS.len() {
                true => looks += 1,
                false => since = Instant::now(),
            }
            let in_cluster = |client: &Client| client.server_info().cluster.is_some();
            if !clients.iter().any(in_cluster) {
                continue;
            }
            match timeout(LOOK_TIME_MAX, self.look(&clients)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "NATS does not list its servers"),
                Err(_late) => tracing::debug!("NATS does not list its servers in time"),
            }
        }
    }

    async fn look(&self, clients: &[Client]) -> Result<(), Error> {
        let listed = self.listed(clients).await?;
        for client in clients {
            let known = client.server_pool().await?;
            let mut servers: Vec<_> = known.into_iter().map(|server| server.addr).collect();
            let new = |server: &&ServerAddr| !servers.contains(server);
            let new: Vec<_> = listed.iter().filter(new).cloned().collect();
            if new.is_empty() {
                continue;
            }
            servers.extend(new);
            if servers.len() > SERVERS_MAX {
                servers = self.servers.iter().chain(&listed).cloned().collect();
                servers.truncate(SERVERS_MAX);
            }
            client.set_server_pool(servers).await?;
        }
        Ok(())
    }

    /// What a server says of its cluster now.
    async fn listed(&self, clients: &[Client]) -> Result<Vec<ServerAddr>, Error> {
        let mut servers = self.servers.clone();
        for client in clients {
            let known = client.server_pool().await?.into_iter();
            servers.extend(known.map(|server| server.addr));
        }
        servers.dedup();
        let options = ConnectOptions::new()
            .name("wrt/discovery")
            .connection_timeout(HANDSHAKE_WAIT_MAX);
        let options = self.login.apply(options, &self.servers).await?;
        let client = options.connect(&servers).await?;
        let urls = client.server_info().connect_urls;
        Ok(urls.iter().filter_map(|url| url.parse().ok()).collect())
    }
}
