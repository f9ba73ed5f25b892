//! NATS's own service protocol, so that its tools see the nodes of a lattice.

use std::{collections::HashMap, fmt, sync::Arc};

use async_nats::service::{Service, ServiceExt, endpoint::Endpoint};
use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use serde_json::Value;
use tokio::task::JoinSet;
use wrt_protocol::{Epoch, NodeId};

use super::connection::Connection;
use crate::TransportError;

/// The name under which every node announces itself.
pub const SERVICE_NAME: &str = "wrt-node";
/// The one endpoint of the service.
const ENDPOINT_NAME: &str = "status";

/// What a node says of itself to NATS's tools.
#[derive(Debug, Clone)]
pub struct ServiceInfo {
    /// The node.
    pub node: NodeId,
    /// Its incarnation.
    pub epoch: Epoch,
    /// Its build, as a semantic version.
    pub version: String,
    /// Where it answers with its statistics: `Subjects::status`.
    pub status_subject: String,
    /// What else there is to say. `node` and `epoch` are added.
    pub metadata: HashMap<String, String>,
}

/// Keeps a node announced; dropping it takes the announcement back.
pub struct ServiceHandle {
    service: Option<Service>,
    /// Aborted with it.
    _answers: JoinSet<()>,
}

impl fmt::Debug for ServiceHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceHandle").finish_non_exhaustive()
    }
}

impl Drop for ServiceHandle {
    fn drop(&mut self) {
        // Dropping a service leaves its task running. `stop` is async by its signature only.
        if let Some(service) = self.service.take() {
            let _stopped = service.stop().now_or_never();
        }
    }
}

/// Says how a node is.
pub(super) type Stats = Arc<dyn Fn() -> Value + Send + Sync>;
/// Answers a question that came with a payload; nothing where that is none.
pub(super) type Answer = Arc<dyn Fn(&[u8]) -> Option<Value> + Send + Sync>;

pub(super) async fn announce(
    connection: &Connection,
    info: ServiceInfo,
    stats: Stats,
    answer: Answer,
) -> Result<ServiceHandle, TransportError> {
    let refused = |source| TransportError::Refused {
        what: format!("the service {SERVICE_NAME}"),
        source,
    };
    let mut metadata = info.metadata;
    metadata.insert("node".to_owned(), info.node.to_string());
    metadata.insert("epoch".to_owned(), info.epoch.to_string());
    let status = Arc::clone(&stats);
    let service = connection
        .client
        .service_builder()
        .description("a node of a WRT lattice")
        .metadata(metadata)
        .stats_handler(move |_, _| stats())
        .start(SERVICE_NAME, info.version)
        .await
        .map_err(refused)?;
    let endpoint = service
        .endpoint_builder()
        .name(ENDPOINT_NAME)
        .add(info.status_subject)
        .await
        .map_err(refused)?;
    let mut answers = JoinSet::new();
    answers.spawn(answer_status(endpoint, status, answer));
    let handle = ServiceHandle {
        service: Some(service),
        _answers: answers,
    };
    connection.round_trip().await?;
    Ok(handle)
}

async fn answer_status(mut endpoint: Endpoint, stats: Stats, answer: Answer) {
    while let Some(request) = endpoint.next().await {
        let payload = &request.message.payload;
        let answer = match payload.is_empty() {
            true => None,
            false => answer(payload),
        };
        let answer = Bytes::from(answer.unwrap_or_else(|| stats()).to_string());
        if let Err(error) = request.respond(Ok(answer)).await {
            tracing::debug!(%error, "a status went unanswered");
        }
    }
}
