//! The lattice as `wrt` sees it: from outside, by what nodes say.

mod observer;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::de::DeserializeOwned;
use wrt_contract::Interface;
use wrt_deployment::{Store, StoreError};
use wrt_nats_login::NatsLogin;
use wrt_protocol::{
    ActorAddress, Incarnation, LatticeName, Name, NodeId,
    heartbeat::reads_origin,
    subject::{Role, Subjects},
};
use wrt_request::OutsideCaller;
use wrt_transport::{Nats, NatsOptions, RefusedPublishes, Transport, TransportError};

pub use observer::{Observer, SeenNode};

use crate::{NodeStatus, journal::Question};

/// How long a node may take to say how it is.
const STATUS_WAIT_MAX: Duration = Duration::from_secs(2);

/// Why the lattice cannot be seen or changed.
#[derive(Debug, thiserror::Error)]
pub enum LatticeError {
    /// No connection to the bus.
    #[error(
        "cannot reach the lattice at {url}: is nats-server running there? Name another with \
         --lattice or WRT_NATS_URL"
    )]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        #[source]
        source: TransportError,
    },
    /// The bus does not know who this is.
    #[error(
        "the lattice at {url} does not let this client in: say who it is with --creds, --nkey, \
         --token, or --user and --password (the variables WRT_NATS_CREDS and so on), or in the URL"
    )]
    NotLetIn {
        /// Where.
        url: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Anybody could be there.
    #[error(
        "the certificate of the server at {url} is not trusted: name a file with its authority by \
         --tls-ca or WRT_NATS_CA"
    )]
    NotTrusted {
        /// Where.
        url: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The bus does not permit it what it does.
    #[error("the login at {url} is not permitted what the role `{}` of a lattice takes", .role.as_str())]
    NotPermitted {
        /// Where.
        url: String,
        /// In which role.
        role: Role,
        /// What was refused.
        #[source]
        source: TransportError,
    },
    /// The bus did not let it listen.
    #[error("cannot listen to the nodes of the lattice")]
    Listen(#[source] TransportError),
    /// The desired state cannot be read or written.
    #[error("cannot use the desired state of the lattice")]
    Store(#[from] StoreError),
}

/// The NATS servers of a lattice, and how to log in there.
#[derive(Debug, Clone)]
pub struct LatticeServers {
    /// URL of a server, or several with commas between them.
    pub url: String,
    /// Who is there.
    pub login: NatsLogin,
    /// Where it is told what the servers do not permit this program to publish.
    pub refused: RefusedPublishes,
}

impl LatticeServers {
    /// Connects as `client`, in its `role` on a lattice.
    ///
    /// # Errors
    /// When no server answers, or one does not let it in, or does not permit it the role.
    pub(crate) async fn connect(
        &self,
        client: NodeId,
        lattice: &LatticeName,
        role: Role,
    ) -> Result<Arc<Nats>, LatticeError> {
        let servers = self.url.split(',').map(|url| url.trim().to_owned());
        let options = NatsOptions {
            login: self.login.clone(),
            inbox_prefix: Some(Subjects::new(lattice).inbox_prefix(role)),
            refused: self.refused.clone(),
            ..NatsOptions::new(client, servers.collect())
        };
        let url = || shown(&self.url);
        Nats::connect(options).await.map_err(|source| match source {
            TransportError::NotLetIn { source, .. } => {
                LatticeError::NotLetIn { url: url(), source }
            }
            TransportError::NotTrusted { source, .. } => {
                LatticeError::NotTrusted { url: url(), source }
            }
            source @ TransportError::NotPermitted { .. } => LatticeError::NotPermitted {
                url: url(),
                role,
                source,
            },
            source => LatticeError::Unreachable { url: url(), source },
        })
    }
}

/// A connection to a lattice.
pub struct Lattice {
    transport: Arc<Nats>,
    subjects: Subjects,
    name: LatticeName,
}

impl Lattice {
    /// Connects, as who has that role.
    ///
    /// # Errors
    /// When no server answers, or one does not let it in, or does not permit it the role.
    pub async fn connect(
        servers: &LatticeServers,
        name: LatticeName,
        role: Role,
    ) -> Result<Self, LatticeError> {
        let transport = servers.connect(own_name(), &name, role).await?;
        Ok(Self {
            transport,
            subjects: Subjects::new(&name),
            name,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &LatticeName {
        &self.name
    }

    /// Its desired state, as it is; `None` if it has none.
    ///
    /// # Errors
    /// When JetStream does not answer.
    pub async fn store(&self) -> Result<Option<Store>, LatticeError> {
        let opened = Store::open(self.transport.control_client(), &self.name).await?;
        Ok(opened.map(|store| store.with_bulk(&self.transport.bulk_client())))
    }

    /// Its desired state, made if need be, with so many copies in a cluster of servers.
    ///
    /// # Errors
    /// When JetStream does not answer.
    pub async fn make_store(&self, copies: usize) -> Result<Store, LatticeError> {
        let control = self.transport.control_client();
        let store = Store::make(control, &self.name, copies).await?;
        Ok(store.with_bulk(&self.transport.bulk_client()))
    }

    /// What each of `nodes` says of itself; `None` for one that does not answer in time.
    pub async fn statuses<'a>(
        &self,
        nodes: impl Iterator<Item = &'a NodeId>,
    ) -> BTreeMap<NodeId, Option<NodeStatus>> {
        let asked = nodes.map(|node| async { (node.clone(), self.status(node).await) });
        let answers = futures::future::join_all(asked).await;
        answers.into_iter().collect()
    }

    /// Starts to listen to its nodes.
    ///
    /// # Errors
    /// When the bus refuses.
    pub async fn observe(&self) -> Result<Observer, LatticeError> {
        let transport = Arc::clone(&self.transport) as Arc<dyn Transport>;
        Observer::start(transport, &self.subjects)
            .await
            .map_err(LatticeError::Listen)
    }

    /// Asks a node how it is; `None` when it does not say in time.
    pub async fn status(&self, node: &NodeId) -> Option<NodeStatus> {
        let asked = self
            .transport
            .request(self.subjects.status(node), bytes::Bytes::new());
        let answer = tokio::time::timeout(STATUS_WAIT_MAX, asked)
            .await
            .ok()?
            .ok()?;
        serde_json::from_slice(&answer).ok()
    }

    /// Asks a node something else; `None` when it does not answer in time, or does not know such questions.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        node: &NodeId,
        question: &Question,
    ) -> Option<T> {
        let payload = serde_json::to_vec(question).ok()?;
        let asked = self
            .transport
            .request(self.subjects.status(node), payload.into());
        let answer = tokio::time::timeout(STATUS_WAIT_MAX, asked).await;
        serde_json::from_slice(&answer.ok()?.ok()?).ok()
    }

    /// The way to `I` of an actor's replica on a node, for an operator.
    #[must_use]
    pub fn client<I: Interface>(&self, node: &SeenNode, target: ActorAddress) -> Arc<I::Object> {
        let transport = Arc::clone(&self.transport) as Arc<dyn Transport>;
        let to = Incarnation {
            node: node.beat.node.clone(),
            epoch: node.beat.epoch,
        };
        let reads_origin = reads_origin(&node.beat.labels);
        let (subjects, name) = (self.subjects.clone(), own_name());
        let caller = OutsideCaller::new(transport, subjects, name, to, reads_origin);
        I::remote(caller, target.into())
    }

    /// Closes the connection.
    pub async fn close(self) {
        self.transport.close().await;
    }
}

/// Only names a connection and whose calls are cancelled; this is no node.
fn own_name() -> NodeId {
    NodeId::from(Name::new("wrt").expect("a legal name"))
}

/// A URL without the password that it may have.
pub(crate) fn shown(url: &str) -> String {
    let one = |url: &str| match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        (None, Some((_, host))) => host.to_owned(),
        (_, None) => url.to_owned(),
    };
    url.split(',').map(one).collect::<Vec<_>>().join(",")
}
