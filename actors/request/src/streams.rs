//! Bodies between nodes, on the bulk lane.
//!
//! The protocol is [`wrt_protocol::stream`]'s. One task reads the node's body subject and hands each
//! frame on without waiting: a receiver's queue has room for all the credit that it granted, so one
//! that overflows belongs to a sender that broke the protocol.

mod receiver;
mod sender;

use std::{collections::HashMap, future::poll_fn, sync::Arc, task::Poll};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use wrt_contract::{Body, BodyError};
use wrt_membership::Membership;
use wrt_protocol::{
    CallId, Fault, FaultKind, Hop, NodeId, StreamId,
    limits::{CHUNK_BYTES_MAX, STREAM_CREDIT_CHUNKS, STREAMS_OPEN_MAX},
    stream::{StreamFrame, StreamSignal},
    subject::Subjects,
};
use wrt_transport::{Inbound, Lane, Transport, TransportError};

use crate::{
    counters::Counter,
    in_hand::CallKey,
    listen::{Listening, Reading},
    pace::Turn,
};

/// A body that this node sends.
struct OutgoingStream {
    /// Who receives it; nobody else grants credit or cancels.
    to: NodeId,
    /// The call whose answer it is.
    answers: Option<CallId>,
    credit: Arc<Semaphore>,
    cancelled: CancellationToken,
}

/// A body that this node receives.
struct IncomingStream {
    from: NodeId,
    frames: mpsc::Sender<(StreamSignal, Bytes)>,
}

#[derive(Default)]
struct Open {
    outgoing: HashMap<StreamId, OutgoingStream>,
    incoming: HashMap<StreamId, IncomingStream>,
    /// Which of the outgoing ones is the answer of a call.
    answers: HashMap<CallKey, StreamId>,
}

/// The bodies that a node sends and receives.
pub struct Streams {
    transport: Arc<dyn Transport>,
    membership: Arc<Membership>,
    subjects: Subjects,
    open: Mutex<Open>,
    dropped_frames: Counter,
    /// Ends the listening.
    left: CancellationToken,
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.left.cancel();
    }
}

impl Streams {
    /// Starts to listen for frames.
    ///
    /// # Errors
    /// When the bulk lane cannot subscribe.
    pub async fn start(
        transport: Arc<dyn Transport>,
        membership: Arc<Membership>,
        subjects: Subjects,
    ) -> Result<Arc<Self>, TransportError> {
        let left = CancellationToken::new();
        let listening = Listening {
            transport: Arc::clone(&transport),
            lane: Lane::Bulk,
            subject: subjects.body(membership.node()),
            group: None,
            left: left.clone(),
        };
        let frames = listening.subscribe().await?;
        let streams = Arc::new(Self {
            transport,
            membership,
            subjects,
            open: Mutex::default(),
            dropped_frames: Counter::default(),
            left,
        });
        let weak = Arc::downgrade(&streams);
        let take = move |inbound: Inbound, _: &mut Turn| {
            let Some(streams) = weak.upgrade() else {
                return false;
            };
            streams.take_in(&inbound.payload);
            true
        };
        Reading::start(listening, frames, take);
        Ok(streams)
    }

    /// Frames that came for no open stream, or were none. A few are normal: credit for a body that
    /// has just ended.
    #[must_use]
    pub fn dropped_frames(&self) -> u64 {
        self.dropped_frames.get()
    }

    /// Bodies open now, in both directions.
    #[must_use]
    pub fn open_count(&self) -> usize {
        let open = self.open();
        open.outgoing.len() + open.incoming.len()
    }

    /// Prepares to send `body` to `to`, as the answer of its call `answers` if it is one. Nothing
    /// flows before the receiver grants credit. Dropping the [`Sending`] before [`Sending::start`]
    /// gives the body up.
    pub(crate) fn announce(
        self: &Arc<Self>,
        body: Body<BodyError>,
        to: NodeId,
        answers: Option<CallId>,
    ) -> Result<Sending, Fault> {
        let stream = StreamId::mint();
        let credit = Arc::new(Semaphore::new(0));
        let cancelled = CancellationToken::new();
        let outgoing = OutgoingStream {
            to: to.clone(),
            answers,
            credit: Arc::clone(&credit),
            cancelled: cancelled.clone(),
        };
        let mut open = self.open();
        if open.outgoing.len() >= STREAMS_OPEN_MAX {
            // With its own table full, no other replica could help a caller.
            let hop = match answers {
                Some(_) => Hop::Stream,
                None => Hop::Caller,
            };
            return Err(too_many(hop));
        }
        open.outgoing.insert(stream, outgoing);
        if let Some(call) = answers {
            open.answers.insert((to.clone(), call), stream);
        }
        drop(open);
        let registration = Registration {
            streams: Arc::clone(self),
            stream,
            outgoing: true,
        };
        let lost = self.lost(&to);
        Ok(Sending {
            stream,
            body,
            registration,
            credit,
            cancelled,
            to,
            lost,
            was_asked: false,
        })
    }

    /// The body of `length` that `from` announced.
    pub(crate) fn receive(
        self: &Arc<Self>,
        stream: StreamId,
        length: Option<u64>,
        from: NodeId,
    ) -> Result<Body<BodyError>, Fault> {
        // Credit is what bounds the chunks; two more are the end and a failure behind it.
        let (sender, frames) = mpsc::channel(STREAM_CREDIT_CHUNKS as usize + 2);
        let mut open = self.open();
        if open.incoming.len() >= STREAMS_OPEN_MAX {
            return Err(too_many(Hop::Stream));
        }
        if open.incoming.contains_key(&stream) {
            let detail = "a body under the same id is open already";
            return Err(Fault::not_executed(
                FaultKind::Malformed,
                Hop::Stream,
                detail,
            ));
        }
        open.incoming.insert(
            stream,
            IncomingStream {
                from: from.clone(),
                frames: sender,
            },
        );
        drop(open);
        let registration = Registration {
            streams: Arc::clone(self),
            stream,
            outgoing: false,
        };
        let lost = self.lost(&from);
        let receiving = receiver::Receiving::new(registration, frames, from, lost);
        Ok(Body::new(length, receiving.into_stream()))
    }

    /// Stops the body that answers a call which its caller took back; false if there is none.
    pub(crate) fn take_back(&self, call: &CallKey) -> bool {
        let open = self.open();
        let stream = open.answers.get(call);
        let Some(outgoing) = stream.and_then(|stream| open.outgoing.get(stream)) else {
            return false;
        };
        outgoing.cancelled.cancel();
        true
    }

    /// Tells `from` that nobody here wants the body that it announced.
    pub(crate) fn refuse(self: &Arc<Self>, stream: StreamId, from: NodeId) {
        // Outside a runtime nobody is left who could send it; the sender's idle limit ends the body.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let streams = Arc::clone(self);
        runtime.spawn(async move {
            let cancel = streams.send(&from, stream, StreamSignal::Cancel, Bytes::new());
            if let Err(fault) = cancel.await {
                tracing::debug!(%fault, "a body's cancellation was not sent");
            }
        });
    }

    /// Cancelled when waiting for `node` makes no sense. A node that is not in the view gets a token
    /// of its own, and the idle limit bounds the wait.
    fn lost(&self, node: &NodeId) -> CancellationToken {
        let view = self.membership.view();
        view.member(node)
            .map(|member| member.lost.clone())
            .unwrap_or_default()
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock()
    }

    fn take_in(&self, payload: &Bytes) {
        let Ok(frame) = StreamFrame::decode(payload) else {
            return self.dropped_frames.add_one();
        };
        let from = frame.from.clone();
        match self.deliver(frame) {
            true => self.membership.note_sign_of_life(&from),
            false => self.dropped_frames.add_one(),
        }
    }

    fn deliver(&self, frame: StreamFrame) -> bool {
        let StreamFrame {
            stream,
            from,
            signal,
            bytes,
        } = frame;
        let mut open = self.open();
        match signal {
            StreamSignal::Credit { chunks } => {
                let Some(outgoing) = open.outgoing.get(&stream).filter(|o| o.to == from) else {
                    return false;
                };
                // More than the protocol grants at a time is a receiver's mistake; the bound holds.
                let room = (STREAM_CREDIT_CHUNKS as usize)
                    .saturating_sub(outgoing.credit.available_permits());
                outgoing.credit.add_permits((chunks as usize).min(room));
                true
            }
            StreamSignal::Cancel => {
                let Some(outgoing) = open.outgoing.get(&stream).filter(|o| o.to == from) else {
                    return false;
                };
                outgoing.cancelled.cancel();
                true
            }
            StreamSignal::Chunk { .. }
            | StreamSignal::End { .. }
            | StreamSignal::Failed { .. }
            | StreamSignal::FailedOwn => {
                let Some(incoming) = open.incoming.get(&stream).filter(|i| i.from == from) else {
                    return false;
                };
                let delivered = bytes.len() <= CHUNK_BYTES_MAX
                    && incoming.frames.try_send((signal, bytes)).is_ok();
                if !delivered {
                    // More than was granted. The receiver sees the queue end without an end.
                    open.incoming.remove(&stream);
                }
                delivered
            }
        }
    }

    async fn send(
        &self,
        to: &NodeId,
        stream: StreamId,
        signal: StreamSignal,
        bytes: Bytes,
    ) -> Result<(), Fault> {
        let from = self.membership.node().clone();
        let frame = StreamFrame {
            stream,
            from,
            signal,
            bytes,
        };
        let payload = frame.encode().map_err(|error| {
            Fault::maybe_executed(FaultKind::TooLarge, Hop::Stream, error.to_string())
        })?;
        let sent = self
            .transport
            .publish(Lane::Bulk, self.subjects.body(to), payload)
            .await;
        sent.map_err(|error| {
            Fault::maybe_executed(FaultKind::Disconnected, Hop::Stream, error.to_string())
        })?;
        step_back().await;
        Ok(())
    }
}

/// Lets run first what was just woken to write to the socket. An actor goes on from here, and may keep this
/// thread for long; the runtime lets the task that was woken last run on no other one, and every body of the
/// node would wait for it. Another thread may take this task from here, so it waits for none.
async fn step_back() {
    let mut has_waited = false;
    poll_fn(|context| match has_waited {
        true => Poll::Ready(()),
        false => {
            has_waited = true;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

fn too_many(hop: Hop) -> Fault {
    let kind = FaultKind::Overloaded {
        retry_after_ms: 1000,
    };
    let detail = format!("{STREAMS_OPEN_MAX} bodies are open already");
    Fault::not_executed(kind, hop, detail)
}

/// A stream's place in the table; it is free again when this is dropped.
struct Registration {
    streams: Arc<Streams>,
    stream: StreamId,
    outgoing: bool,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut open = self.streams.open();
        if self.outgoing {
            let ended = open.outgoing.remove(&self.stream);
            if let Some(OutgoingStream {
                to,
                answers: Some(call),
                ..
            }) = ended
            {
                let key = (to, call);
                if open.answers.get(&key) == Some(&self.stream) {
                    open.answers.remove(&key);
                }
            }
        } else {
            open.incoming.remove(&self.stream);
        }
    }
}

/// A body that was announced and not started.
pub(crate) struct Sending {
    pub(crate) stream: StreamId,
    body: Body<BodyError>,
    registration: Registration,
    credit: Arc<Semaphore>,
    cancelled: CancellationToken,
    to: NodeId,
    lost: CancellationToken,
    /// Whether the receiver has asked for any of it.
    was_asked: bool,
}
