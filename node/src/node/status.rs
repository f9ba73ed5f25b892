//! What a node says of itself to whoever asks: more than fits in a heartbeat.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use wrt_contract::GateLoad;
use wrt_deployment::Digest;
use wrt_protocol::{ActorAddress, Epoch, Name, NodeId, heartbeat::ReplicaState};
use wrt_supervision::Supervision;

use super::Parts;

/// A node's answer on its status subject, as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Who.
    pub node: NodeId,
    /// Which incarnation.
    pub epoch: Epoch,
    /// Whether it doubts its own hearing, and so changes nothing.
    pub is_isolated: bool,
    /// The revisions of apps that it has taken up.
    pub apps: BTreeMap<Name, u64>,
    /// What stands for the content of these apps: a revision says nothing in another bucket.
    #[serde(default)]
    pub digests: BTreeMap<Name, Digest>,
    /// Apps that are as they were last known, or that are not run, and why what the desired state
    /// says of them is not followed.
    #[serde(default)]
    pub held: BTreeMap<String, String>,
    /// Why the desired state cannot be read, if it cannot.
    #[serde(default)]
    pub desired_trouble: Option<String>,
    /// The nodes that take nothing new, as it knows.
    #[serde(default)]
    pub cordoned: BTreeSet<NodeId>,
    /// Its share.
    pub replicas: Vec<ReplicaStatus>,
    /// Messages of its log that found no room on their way, as far as its program counts them.
    #[serde(default)]
    pub log_messages_dropped: u64,
}

/// One replica.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReplicaStatus {
    /// The actor.
    pub actor: ActorAddress,
    /// Its state.
    pub state: ReplicaState,
    /// Whether what serves is what is desired, and not what it is to replace.
    pub is_current: bool,
    /// Why the last attempt to start it failed.
    pub error: Option<String>,
    /// Whether another attempt is not expected to help.
    pub is_refused: bool,
    /// Where it listens, if it does.
    pub address: Option<String>,
    /// The same as a URL, if its server has such.
    #[serde(default)]
    pub url: Option<String>,
    /// What its server counts, in its backend's words; and `fenced`, the calls that came from who had lost the
    /// lease that they were made under, and `denied`, those from who had no link.
    #[serde(default)]
    pub counters: BTreeMap<String, u64>,
}

impl ReplicaStatus {
    /// Where it listens, as people use it.
    #[must_use]
    pub fn listens_on(&self) -> Option<&str> {
        self.url.as_deref().or(self.address.as_deref())
    }
}

pub(crate) fn replicas(supervision: Option<&Supervision>, parts: &Parts) -> Vec<ReplicaStatus> {
    let status = supervision.map(Supervision::status).unwrap_or_default();
    let replica = |(actor, state, load): (ActorAddress, ReplicaState, GateLoad)| {
        let attempt = parts.attempts.of(&actor);
        let mut counters = parts.servers.counters(&actor);
        for (name, count) in [("fenced", load.fenced), ("denied", load.denied)] {
            if count > 0 {
                counters.insert(name.to_owned(), count);
            }
        }
        ReplicaStatus {
            state,
            is_current: attempt.wanted.is_some() && attempt.wanted == attempt.reached,
            error: attempt.error,
            is_refused: attempt.is_refused,
            address: parts
                .servers
                .address(&actor)
                .map(|address| address.to_string()),
            url: parts.servers.url(&actor),
            counters,
            actor,
        }
    };
    status.into_iter().map(replica).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_a_url_has_an_address() {
        let told = |url: &str| {
            let json = format!(
                r#"{{"actor": {{"app": "a", "kind": "provider", "name": "b"}}, "state": "ready",
                "is_current": true, "error": null, "is_refused": false,
                "address": "127.0.0.1:80"{url}}}"#
            );
            let status: ReplicaStatus =
                serde_json::from_str(&json).expect("an older node says less");
            status.listens_on().map(str::to_owned)
        };
        assert_eq!(told("").as_deref(), Some("127.0.0.1:80"));
        let url = r#", "url": "http://127.0.0.1:80""#;
        assert_eq!(told(url).as_deref(), Some("http://127.0.0.1:80"));
    }
}
