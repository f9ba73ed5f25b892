//! What is said on the subject of a node's heartbeats, and in answer to who asks for all of it.
//!
//! ```text
//! | Heartbeat, as every build reads it | PartOf |     whole, or a part that is large enough
//! | Pulse | Changes |                                all others
//! ```

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Changes, Heartbeat, NodeState, ReplicaReport, ShareRevision};
use crate::{
    DecodeError, EncodeError, Epoch, NodeId, NodeMicros,
    frame::{self, FrameKind},
};

/// A heartbeat, in whatever form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// What each has.
    pub pulse: Pulse,
    /// What it says of the node's share.
    pub said: Said,
}

/// What every heartbeat says. The names and the order are a [`Heartbeat`]'s: so it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pulse {
    /// Who.
    pub node: NodeId,
    /// Which incarnation.
    pub epoch: Epoch,
    /// Counts up from 0 in one incarnation.
    pub sequence: u64,
    /// When it was sent, on the sender's own clock.
    pub sent_at: NodeMicros,
    /// When the next one is due, in milliseconds.
    pub interval_ms: u32,
    /// Whether the node takes work.
    pub state: NodeState,
}

/// What a heartbeat says of its node's share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// All of it, or a part.
    Whole(WholeShare),
    /// What has changed.
    Changes(Changes),
}

/// What a node is and has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholeShare {
    /// The sender's build.
    pub version: String,
    /// What its operator says of it.
    pub labels: Vec<(String, String)>,
    /// Its share, or a part of that.
    pub replicas: Vec<ReplicaReport>,
    /// Which part of which share; none of a build that sends and reads nothing else than all of it.
    pub part: Option<PartOf>,
}

/// Which part of a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartOf {
    /// The share.
    pub revision: ShareRevision,
    /// The place of its first replica.
    pub first: u32,
    /// Replicas in all.
    pub count: u32,
    /// Members of the lattice that the node holds to live, itself among them: who has heard as many has heard all.
    pub members: u32,
}

/// Asks a node for a whole heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WholeQuestion {
    /// From which place on; what came before is known.
    pub first: u32,
}

impl Pulse {
    /// All of a heartbeat.
    #[must_use]
    pub fn with(self, share: WholeShare) -> Heartbeat {
        Heartbeat {
            node: self.node,
            epoch: self.epoch,
            sequence: self.sequence,
            sent_at: self.sent_at,
            interval_ms: self.interval_ms,
            state: self.state,
            version: share.version,
            labels: share.labels,
            replicas: share.replicas,
        }
    }
}

impl WholeShare {
    /// Whether nothing is missing.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.part.is_none_or(|part| {
            part.first == 0 && usize::try_from(part.count) == Ok(self.replicas.len())
        })
    }

    /// Leaves only what fits into so many bytes, from a place on. One that is asked for fits always.
    #[must_use]
    pub fn cut(
        mut self,
        revision: ShareRevision,
        first: u32,
        members: u32,
        bytes_max: usize,
    ) -> Self {
        let count = u32::try_from(self.replicas.len()).unwrap_or(u32::MAX);
        let from =
            usize::try_from(first).map_or(self.replicas.len(), |it| it.min(self.replicas.len()));
        self.replicas.drain(..from);
        let mut bytes = HEAD_BYTES_USUAL + self.version.len();
        bytes += self
            .labels
            .iter()
            .map(|(k, v)| k.len() + v.len() + 4)
            .sum::<usize>();
        let fits = |report: &ReplicaReport| {
            bytes += report.bytes_max();
            bytes <= bytes_max
        };
        let fit = self
            .replicas
            .iter()
            .map(fits)
            .take_while(|fits| *fits)
            .count();
        self.replicas.truncate(fit.max(1));
        self.part = Some(PartOf {
            revision,
            first,
            count,
            members,
        });
        self
    }
}

/// Room for a pulse, [`PartOf`], and what a frame has besides.
const HEAD_BYTES_USUAL: usize = 160;

impl Beat {
    /// Writes it.
    ///
    /// # Errors
    /// When it has no encoding, which no value of this type is known to lack.
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        match &self.said {
            Said::Whole(whole) => {
                let WholeShare {
                    version,
                    labels,
                    replicas,
                    part,
                } = whole;
                let whole = (&self.pulse, version, labels, replicas);
                let mut body = postcard::to_stdvec(&whole).map_err(EncodeError::Head)?;
                if let Some(part) = part {
                    body = postcard::to_extend(part, body).map_err(EncodeError::Head)?;
                }
                frame::encode(FrameKind::Heartbeat, &(), &[&body])
            }
            Said::Changes(changes) => {
                let body = postcard::to_stdvec(&(&self.pulse, changes));
                let body = body.map_err(EncodeError::Head)?;
                frame::encode(FrameKind::HeartbeatChanges, &(), &[&body])
            }
        }
    }

    /// Reads it, whichever build has sent it.
    ///
    /// # Errors
    /// When `bytes` is anything else.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        match frame::decode(FrameKind::HeartbeatChanges, bytes) {
            Ok(((), body)) => {
                let (pulse, changes) = postcard::from_bytes(&body).map_err(DecodeError::Head)?;
                Ok(Self {
                    pulse,
                    said: Said::Changes(changes),
                })
            }
            Err(DecodeError::Kind { .. }) => Self::decode_whole(bytes),
            Err(error) => Err(error),
        }
    }

    fn decode_whole(bytes: &Bytes) -> Result<Self, DecodeError> {
        let ((), body) = frame::decode(FrameKind::Heartbeat, bytes)?;
        let (heartbeat, rest) =
            postcard::take_from_bytes::<Heartbeat>(&body).map_err(DecodeError::Head)?;
        let mut beat = Self::from(heartbeat);
        if let (Said::Whole(whole), false) = (&mut beat.said, rest.is_empty()) {
            // A later build may have more behind it.
            whole.part = Some(postcard::from_bytes(rest).map_err(DecodeError::Head)?);
        }
        Ok(beat)
    }

    /// Whether it is of a build that reads nothing but whole heartbeats.
    #[must_use]
    pub fn is_of_earlier_build(&self) -> bool {
        matches!(&self.said, Said::Whole(whole) if whole.part.is_none())
    }
}

/// A heartbeat of an earlier build.
impl From<Heartbeat> for Beat {
    fn from(heartbeat: Heartbeat) -> Self {
        Self {
            pulse: Pulse {
                node: heartbeat.node,
                epoch: heartbeat.epoch,
                sequence: heartbeat.sequence,
                sent_at: heartbeat.sent_at,
                interval_ms: heartbeat.interval_ms,
                state: heartbeat.state,
            },
            said: Said::Whole(WholeShare {
                version: heartbeat.version,
                labels: heartbeat.labels,
                replicas: heartbeat.replicas,
                part: None,
            }),
        }
    }
}

impl WholeQuestion {
    /// Writes it.
    ///
    /// # Errors
    /// When it has no encoding, which no value of this type is known to lack.
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        frame::encode(FrameKind::HeartbeatQuestion, self, &[])
    }

    /// Reads it.
    ///
    /// # Errors
    /// When `bytes` is anything else.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        frame::decode(FrameKind::HeartbeatQuestion, bytes).map(|(question, _rest)| question)
    }
}
