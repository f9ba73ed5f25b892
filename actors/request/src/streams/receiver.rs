//! The end that receives.

use bytes::Bytes;
use futures::{Stream, stream};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;
use wrt_contract::{BodyError, BodyFrame};
use wrt_protocol::{
    Fault, FaultKind, Hop, NodeId,
    limits::{STREAM_CREDIT_CHUNKS, STREAM_IDLE_MAX},
    stream::StreamSignal,
};

use super::Registration;

/// Credit goes back in halves: one message for four chunks, and the sender is never idle for want
/// of it while the consumer keeps up.
const CREDIT_BATCH: u32 = STREAM_CREDIT_CHUNKS / 2;

/// A body that is coming in.
pub(super) struct Receiving {
    registration: Registration,
    frames: mpsc::Receiver<(StreamSignal, Bytes)>,
    from: NodeId,
    lost: CancellationToken,
    next_sequence: u64,
    /// Chunks consumed since credit was last granted.
    owed: u32,
    opened: bool,
    /// The sender has said its last word.
    finished: bool,
    failed: bool,
}

impl Receiving {
    pub(super) fn new(
        registration: Registration,
        frames: mpsc::Receiver<(StreamSignal, Bytes)>,
        from: NodeId,
        lost: CancellationToken,
    ) -> Self {
        Self {
            registration,
            frames,
            from,
            lost,
            next_sequence: 0,
            owed: 0,
            opened: false,
            finished: false,
            failed: false,
        }
    }

    /// The frames, pulled. The first poll opens the stream.
    pub(super) fn into_stream(self) -> impl Stream<Item = Result<BodyFrame, BodyError>> + Send {
        stream::unfold(self, |mut receiving| async move {
            if receiving.finished || receiving.failed {
                return None;
            }
            let item = receiving.next().await;
            // A failure noticed here is news to the sender: dropping an unfinished stream says so.
            receiving.failed = matches!(item, Some(Err(_)));
            item.map(|item| (item, receiving))
        })
    }

    async fn next(&mut self) -> Option<Result<BodyFrame, BodyError>> {
        if let Err(fault) = self.grant_credit().await {
            return Some(Err(fault.into()));
        }
        let frame = tokio::select! {
            biased;
            frame = timeout(STREAM_IDLE_MAX, self.frames.recv()) => frame,
            () = self.lost.cancelled() => {
                let detail = "the node that sends the body was lost";
                return Some(Err(fault(FaultKind::NodeLost, detail).into()));
            }
        };
        match frame {
            Err(_elapsed) => {
                let detail = "the body made no progress within the idle limit";
                Some(Err(fault(FaultKind::DeadlineExceeded, detail).into()))
            }
            Ok(None) => {
                let detail = "the sender of the body sent more than it was granted";
                Some(Err(fault(FaultKind::Malformed, detail).into()))
            }
            Ok(Some((StreamSignal::Chunk { sequence }, bytes))) => {
                if sequence != self.next_sequence {
                    return Some(Err(self.gap(sequence).into()));
                }
                self.next_sequence += 1;
                self.owed += 1;
                Some(Ok(BodyFrame::Data(bytes)))
            }
            Ok(Some((StreamSignal::End { sequence, trailers }, _))) => {
                if sequence != self.next_sequence {
                    return Some(Err(self.gap(sequence).into()));
                }
                self.finished = true;
                (!trailers.is_empty()).then_some(Ok(BodyFrame::Trailers(trailers)))
            }
            Ok(Some((StreamSignal::Failed { fault }, _))) => {
                self.finished = true;
                Some(Err(fault.into()))
            }
            Ok(Some((StreamSignal::FailedOwn, error))) => {
                self.finished = true;
                Some(Err(BodyError::Own(error)))
            }
            Ok(Some((StreamSignal::Credit { .. } | StreamSignal::Cancel, _))) => {
                let detail = "a sender's stream was given credit";
                Some(Err(fault(FaultKind::Malformed, detail).into()))
            }
        }
    }

    async fn grant_credit(&mut self) -> Result<(), Fault> {
        let chunks = match self.opened {
            false => STREAM_CREDIT_CHUNKS,
            true if self.owed >= CREDIT_BATCH => std::mem::take(&mut self.owed),
            true => return Ok(()),
        };
        self.opened = true;
        self.signal(StreamSignal::Credit { chunks }).await
    }

    async fn signal(&self, signal: StreamSignal) -> Result<(), Fault> {
        let Registration {
            streams, stream, ..
        } = &self.registration;
        streams
            .send(&self.from, *stream, signal, Bytes::new())
            .await
    }

    fn gap(&self, sequence: u64) -> Fault {
        let expected = self.next_sequence;
        let detail = format!("chunk {expected} of the body was lost, {sequence} came instead");
        fault(FaultKind::Disconnected, &detail)
    }
}

/// A consumer that went away tells the sender to stop.
impl Drop for Receiving {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let Registration {
            streams, stream, ..
        } = &self.registration;
        streams.refuse(*stream, self.from.clone());
    }
}

fn fault(kind: FaultKind, detail: &str) -> Fault {
    Fault::maybe_executed(kind, Hop::Stream, detail)
}
