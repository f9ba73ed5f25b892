//! Why the store did not do what it was asked.

use std::time::Duration;

use wrt_protocol::{LatticeName, Name, NodeId};

use super::Revision;
use crate::{
    DesiredError, Digest,
    limits::{COMPONENT_BYTES_MAX, DESIRED_BYTES_MAX},
};

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nobody answers for JetStream.
    #[error(
        "JetStream does not answer: enable it on the NATS server (nats-server --jetstream) and for \
         this account, or wait until its cluster has a leader; a server whose disk is full ends it"
    )]
    NoJetStream,
    /// The lattice has no desired state: it never had one, or its stream is gone.
    #[error("lattice {lattice} has no desired state: `wrt up` makes it")]
    Absent {
        /// The lattice.
        lattice: LatticeName,
    },
    /// A stream of that name is there, and cannot be used as what it has to be.
    #[error("stream {stream} cannot be used: {reason}")]
    Misfit {
        /// The stream.
        stream: String,
        /// What is wrong with it, and what to do.
        reason: &'static str,
    },
    /// It answered an error, each time.
    #[error("JetStream failed to {what}")]
    Failed {
        /// What it was asked.
        what: String,
        /// Its last error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It did not answer in time, each time.
    #[error(
        "JetStream did not {what} within {waited:?}: is it enabled (nats-server --jetstream), and is there \
         room on its disk? Its log says why"
    )]
    TimedOut {
        /// What it was asked.
        what: String,
        /// How long each attempt waited.
        waited: Duration,
    },
    /// It did not acknowledge what it was given, each time.
    #[error(
        "JetStream did not acknowledge, to {what}: is there room on its disk? Its log says why; a stream \
         whose write has failed takes no other until there is room and the server is restarted"
    )]
    Unacknowledged {
        /// What was to be done.
        what: String,
    },
    /// JetStream has no room, also after everything that nobody needs was removed.
    #[error(
        "cannot {what}: JetStream is full, and what nobody names any more is removed already; give \
         it more room (max_file_store of the server, the account's limit, or max_bytes of the stream)"
    )]
    Full {
        /// What was to be done.
        what: String,
        /// JetStream's own words.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Somebody else changed the app since it was read.
    #[error("app {app} was changed by somebody else at the same time: read it again")]
    Conflict {
        /// The app.
        app: Name,
    },
    /// Somebody else cordoned or uncordoned the node since that was read.
    #[error("node {node} was cordoned or uncordoned by somebody else at the same time: try again")]
    CordonConflict {
        /// The node.
        node: NodeId,
    },
    /// The stored app cannot be read.
    #[error("app {app} cannot be read")]
    Unreadable {
        /// The app.
        app: Name,
        /// Its revision, to put another one in its place.
        revision: Revision,
        /// Why.
        #[source]
        source: DesiredError,
    },
    /// The app is larger than the bus can carry.
    #[error("app {app} has {bytes} bytes when stored, and the most is {DESIRED_BYTES_MAX}")]
    TooLarge {
        /// The app.
        app: Name,
        /// Its length.
        bytes: usize,
    },
    /// The app is larger than what this server takes in one message.
    #[error(
        "app {app} has {bytes} bytes when stored, and the NATS server takes {max_payload} in a \
         message: raise its max_payload"
    )]
    OverPayload {
        /// The app.
        app: Name,
        /// Its length.
        bytes: usize,
        /// The server's limit.
        max_payload: usize,
    },
    /// No component has this digest.
    #[error("component {digest} is not in the store: run `wrt up` again to push it")]
    NoComponent {
        /// The digest.
        digest: Digest,
    },
    /// Some of it is gone, or was never stored.
    #[error(
        "component {digest} is not whole in the store, {missing} of its bytes are not there: run \
         `wrt up` again to push it"
    )]
    Incomplete {
        /// The digest.
        digest: Digest,
        /// How many bytes are not there.
        missing: usize,
    },
    /// It is larger than a component may be.
    #[error("component {digest} has {bytes} bytes, and the most is {COMPONENT_BYTES_MAX}")]
    ComponentTooLarge {
        /// The digest.
        digest: Digest,
        /// Its length.
        bytes: usize,
    },
    /// What the store has under this digest is something else.
    #[error("what the store has as component {digest} is {found}: run `wrt up` again to push it")]
    Corrupt {
        /// The digest asked for.
        digest: Digest,
        /// The digest of what came.
        found: Digest,
    },
}
