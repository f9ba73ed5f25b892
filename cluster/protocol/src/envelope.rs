//! An invocation on the wire, its reply, and its cancellation.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    ActorAddress, CallId, DecodeError, EncodeError, Epoch, Fault, IdempotencyKey, InterfaceName,
    NodeId, NodeMicros, OperationName, StreamId, Tenant, TraceContext,
    frame::{self, FrameKind},
};

/// A body that travels beside a message, as a stream on the bulk connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyAnnounce {
    /// The stream; its sender chose the id.
    pub stream: StreamId,
    /// Its length in bytes, where the sender knows it.
    pub length: Option<u64>,
    /// Whether the stream carries the arguments themselves, which were too large to travel inline.
    pub is_arguments: bool,
}

/// What an envelope says of its call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestHead {
    /// This attempt.
    pub call: CallId,
    /// The caller's intent, the same for every attempt.
    pub key: IdempotencyKey,
    /// The node that made the call: cancellations and streams are between it and the callee.
    pub caller: NodeId,
    /// The actor called.
    pub target: ActorAddress,
    /// The incarnation of the chosen node; none when the call went to a queue group.
    pub epoch: Option<Epoch>,
    /// The interface called.
    pub interface: InterfaceName,
    /// The operation called.
    pub operation: OperationName,
    /// Budget left when the envelope was made, in microseconds.
    pub budget_micros: u64,
    /// When the budget ends on the callee's own clock, where the caller knows that clock.
    pub expires_at: Option<NodeMicros>,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The caller's place in its trace.
    pub trace: Option<TraceContext>,
    /// On whose behalf.
    pub tenant: Option<Tenant>,
    /// A body beside the arguments.
    pub body: Option<BodyAnnounce>,
}

impl RequestHead {
    /// Budget left when the envelope was made.
    #[must_use]
    pub fn budget(&self) -> Duration {
        Duration::from_micros(self.budget_micros)
    }
}

/// A call on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What it says of itself.
    pub head: RequestHead,
    /// The operation's arguments.
    pub arguments: Bytes,
    /// Bytes that belong to the arguments and are not encoded with them.
    pub bulk: Bytes,
}

/// What a reply says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyHead {
    /// The attempt that it answers.
    pub call: CallId,
    /// Who answers.
    pub node: NodeId,
    /// In which incarnation.
    pub epoch: Epoch,
    /// Whether the operation answered. Its own errors are answers, and travel as such.
    pub outcome: Result<(), Fault>,
    /// A body beside the answer.
    pub body: Option<BodyAnnounce>,
}

/// An answer on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What it says of itself.
    pub head: ReplyHead,
    /// The operation's result.
    pub result: Bytes,
    /// Bytes that belong to the result and are not encoded with it.
    pub bulk: Bytes,
}

/// A caller takes a call back. Best effort: a call whose cancellation is lost ends by its budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// The attempt.
    pub call: CallId,
    /// Who made it; nobody else can cancel it.
    pub caller: NodeId,
}

/// A head together with the length of the arguments, which separates them from the bulk bytes.
#[derive(Serialize, Deserialize)]
struct WithLength<T> {
    head: T,
    arguments_bytes: u32,
}

fn encode<T: Serialize>(
    kind: FrameKind,
    head: &T,
    arguments: &Bytes,
    bulk: &Bytes,
) -> Result<Bytes, EncodeError> {
    let bytes = arguments.len();
    let too_large = |_| EncodeError::ArgumentsTooLarge { bytes };
    let arguments_bytes = u32::try_from(bytes).map_err(too_large)?;
    frame::encode(
        kind,
        &WithLength {
            head,
            arguments_bytes,
        },
        &[arguments, bulk],
    )
}

fn decode<T: serde::de::DeserializeOwned>(
    kind: FrameKind,
    bytes: &Bytes,
) -> Result<(T, Bytes, Bytes), DecodeError> {
    let (with_length, mut arguments) = frame::decode::<WithLength<T>>(kind, bytes)?;
    let length = with_length.arguments_bytes as usize;
    if length > arguments.len() {
        return Err(DecodeError::Short { bytes: bytes.len() });
    }
    let bulk = arguments.split_off(length);
    Ok((with_length.head, arguments, bulk))
}

impl Request {
    /// Writes the envelope.
    ///
    /// # Errors
    /// When the head or the arguments are over their limits.
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        encode(FrameKind::Request, &self.head, &self.arguments, &self.bulk)
    }

    /// Reads an envelope; arguments and bulk bytes share the memory of `bytes`.
    ///
    /// # Errors
    /// When `bytes` is anything else.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let (head, arguments, bulk) = decode(FrameKind::Request, bytes)?;
        Ok(Self {
            head,
            arguments,
            bulk,
        })
    }
}

impl Reply {
    /// Writes the reply.
    ///
    /// # Errors
    /// When the head or the result are over their limits.
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        encode(FrameKind::Reply, &self.head, &self.result, &self.bulk)
    }

    /// Reads a reply; result and bulk bytes share the memory of `bytes`.
    ///
    /// # Errors
    /// When `bytes` is anything else.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let (head, result, bulk) = decode(FrameKind::Reply, bytes)?;
        Ok(Self { head, result, bulk })
    }
}

impl Cancel {
    /// Writes the cancellation.
    ///
    /// # Errors
    /// None in practice: its head is small.
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        frame::encode(FrameKind::Cancel, self, &[])
    }

    /// Reads a cancellation.
    ///
    /// # Errors
    /// When `bytes` is anything else.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        frame::decode(FrameKind::Cancel, bytes).map(|(head, _)| head)
    }
}
