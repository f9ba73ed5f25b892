//! An invocation on the wire, its reply, and its cancellation.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    ActorAddress, CallId, DecodeError, EncodeError, Epoch, Fault, Fence, IdempotencyKey,
    InterfaceName, NodeId, NodeMicros, OperationName, Origin, PROTOCOL_VERSION,
    PROTOCOL_VERSION_MAX, StreamId, TraceContext,
    frame::{self, FrameKind},
};

/// How a body, or arguments that are too large, travel with a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BodyAnnounce {
    /// Inside the message, behind everything else.
    Inline {
        /// The length that its producer announced, which need not be the length that it has.
        length: Option<u64>,
        /// Its trailers, as pairs of name and value.
        trailers: Vec<(String, Vec<u8>)>,
    },
    /// Beside the message, as a stream on the bulk connection.
    Stream {
        /// The stream; its sender chose the id.
        stream: StreamId,
        /// The length that its producer announced.
        length: Option<u64>,
    },
    /// The stream carries the arguments or the result themselves, which were too large to travel
    /// inside.
    Arguments {
        /// The stream; its sender chose the id.
        stream: StreamId,
        /// How many bytes it will carry.
        bytes: u64,
    },
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
    /// What the caller's build takes that interface for.
    pub fingerprint: u64,
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
    /// Who makes it; said to those alone who read it. None from a node of the build before.
    pub origin: Option<Origin>,
    /// Under which lease it is made.
    pub fence: Option<Fence>,
    /// A body beside the arguments, or they themselves.
    pub body: Option<BodyAnnounce>,
}

impl RequestHead {
    /// The least version whose readers understand all of it.
    fn version_needed(&self) -> u8 {
        match self.origin {
            None => PROTOCOL_VERSION,
            Some(_) => PROTOCOL_VERSION_MAX,
        }
    }

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
    /// The bytes of a body that travels inside the message; empty otherwise.
    pub body: Bytes,
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
    /// A body beside the answer, or that itself.
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
    /// The bytes of a body that travels inside the message; empty otherwise.
    pub body: Bytes,
}

/// A caller takes a call back. Best effort: a call whose cancellation is lost ends by its budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// The attempt.
    pub call: CallId,
    /// Who made it; nobody else can cancel it.
    pub caller: NodeId,
}

/// A head together with the lengths that separate arguments, body and bulk bytes.
#[derive(Serialize, Deserialize)]
struct WithLengths<T> {
    head: T,
    arguments_bytes: u32,
    body_bytes: u32,
}

/// What follows a head, in this order.
struct Parts {
    arguments: Bytes,
    body: Bytes,
    bulk: Bytes,
}

fn encode<T: Serialize>(
    version: u8,
    kind: FrameKind,
    head: &T,
    [arguments, body, bulk]: [&Bytes; 3],
) -> Result<Bytes, EncodeError> {
    let length = |part: &Bytes| {
        let bytes = part.len();
        let too_large = |_| EncodeError::ArgumentsTooLarge { bytes };
        u32::try_from(bytes).map_err(too_large)
    };
    let with_lengths = WithLengths {
        head,
        arguments_bytes: length(arguments)?,
        body_bytes: length(body)?,
    };
    frame::encode_as(version, kind, &with_lengths, &[arguments, body, bulk])
}

fn decode<T: serde::de::DeserializeOwned>(
    kind: FrameKind,
    bytes: &Bytes,
) -> Result<(T, Parts), DecodeError> {
    let (with_lengths, mut bulk) = frame::decode::<WithLengths<T>>(kind, bytes)?;
    let mut part = |length: u32| {
        let length = length as usize;
        match length <= bulk.len() {
            true => Ok(bulk.split_to(length)),
            false => Err(DecodeError::Short { bytes: bytes.len() }),
        }
    };
    let arguments = part(with_lengths.arguments_bytes)?;
    let body = part(with_lengths.body_bytes)?;
    let parts = Parts {
        arguments,
        body,
        bulk,
    };
    Ok((with_lengths.head, parts))
}

impl Request {
    /// Writes the envelope.
    ///
    /// # Errors
    /// When the head or the arguments are over their limits.
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        let parts = [&self.arguments, &self.body, &self.bulk];
        let version = self.head.version_needed();
        encode(version, FrameKind::Request, &self.head, parts)
    }

    /// Reads an envelope; arguments, body and bulk bytes share the memory of `bytes`.
    ///
    /// # Errors
    /// When `bytes` is anything else.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let (head, parts): (RequestHead, _) = decode(FrameKind::Request, bytes)?;
        // What another version says in the same place must not be taken for an origin.
        if bytes.first() != Some(&head.version_needed()) {
            return Err(DecodeError::Head(postcard::Error::DeserializeBadEncoding));
        }
        Ok(Self {
            head,
            arguments: parts.arguments,
            bulk: parts.bulk,
            body: parts.body,
        })
    }
}

impl Reply {
    /// Writes the reply.
    ///
    /// # Errors
    /// When the head or the result are over their limits.
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        let parts = [&self.result, &self.body, &self.bulk];
        encode(PROTOCOL_VERSION, FrameKind::Reply, &self.head, parts)
    }

    /// Reads a reply; result, body and bulk bytes share the memory of `bytes`.
    ///
    /// # Errors
    /// When `bytes` is anything else.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let (head, parts) = decode(FrameKind::Reply, bytes)?;
        Ok(Self {
            head,
            result: parts.arguments,
            bulk: parts.bulk,
            body: parts.body,
        })
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
