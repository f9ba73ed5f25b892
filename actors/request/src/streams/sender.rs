//! The end that sends.

use std::{panic::AssertUnwindSafe, sync::Arc};

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use tokio::time::timeout;
use wrt_contract::{Body, BodyError, BodyFrame, Trailers};
use wrt_protocol::{
    Fault, FaultKind, Hop,
    limits::{CHUNK_BYTES_MAX, STREAM_IDLE_MAX},
    stream::StreamSignal,
};

use super::Sending;

/// Why a body ended early.
enum Stop {
    /// The receiver wants no more: there is nobody to tell.
    NobodyListens,
    /// The receiver's node is silent. It may hear this one all the same, and wait: it is told when it has asked.
    Lost,
    /// It broke at this end: the receiver is told.
    Broken(BodyError),
}

impl Sending {
    /// Sends the body in a task of its own. It ends with the body, with the receiver, or when no
    /// credit came for [`STREAM_IDLE_MAX`].
    pub(crate) fn start(self) {
        tokio::spawn(self.run());
    }

    /// Ready as soon as the receiver has asked for some of it.
    pub(crate) fn asked_for(&self) -> impl Future<Output = ()> + use<> {
        let credit = Arc::clone(&self.credit);
        async move {
            // Given back when dropped: the permit is only looked at.
            let _looked_at = credit.acquire().await;
        }
    }

    /// The body back, if the receiver has not asked for any of it: nothing was read from it.
    ///
    /// A first credit may still be on its way. It goes to a stream that is not open any longer, and
    /// its receiver, who has refused the call or was given up, gets nothing.
    pub(crate) fn untouched(self) -> Body<BodyError> {
        self.body
    }

    async fn run(mut self) {
        let (cancelled, lost) = (self.cancelled.clone(), self.lost.clone());
        let outcome = tokio::select! {
            outcome = AssertUnwindSafe(self.pump()).catch_unwind() => outcome.unwrap_or_else(|_| {
                let detail = "the producer of the body panicked; the node's log has the message";
                let fault = Fault::maybe_executed(FaultKind::Crashed, Hop::Stream, detail);
                Err(Stop::Broken(fault.into()))
            }),
            () = cancelled.cancelled() => Err(Stop::NobodyListens),
            () = lost.cancelled() => Err(Stop::Lost),
        };
        let error = match outcome {
            Ok(()) | Err(Stop::NobodyListens) => return,
            Err(Stop::Broken(error)) => error,
            Err(Stop::Lost) => {
                // Whoever produces it is not kept for that.
                self.body = Body::whole(Bytes::new());
                if !self.is_asked_within_idle_limit().await {
                    return;
                }
                let detail = "the sender of the body has not heard the node that receives it, and gave it up";
                Fault::maybe_executed(FaultKind::NodeLost, Hop::Stream, detail).into()
            }
        };
        let (signal, bytes) = failure(error);
        let _nobody_left_to_tell = self.send(signal, bytes).await;
    }

    /// Whether the receiver asks for any of it, or has done so: before that it may not know of the stream yet.
    async fn is_asked_within_idle_limit(&self) -> bool {
        let cancelled = self.cancelled.clone();
        tokio::select! {
            asked = timeout(STREAM_IDLE_MAX, self.credit.acquire()), if !self.was_asked => {
                matches!(asked, Ok(Ok(_)))
            }
            () = cancelled.cancelled() => false,
            () = std::future::ready(()), if self.was_asked => true,
        }
    }

    async fn pump(&mut self) -> Result<(), Stop> {
        let mut sequence = 0;
        let mut trailers = Trailers::new();
        let bus_bytes_max = self.registration.streams.transport.payload_bytes_max();
        let chunk_bytes_max = CHUNK_BYTES_MAX.min(bus_bytes_max / 2).max(1);
        // Credit comes first, so that nothing is pulled from the producer that cannot be sent.
        let mut credit = false;
        loop {
            if !credit {
                self.wait_for_credit().await?;
                credit = true;
            }
            match self.body.next().await {
                Some(Ok(BodyFrame::Data(mut bytes))) => {
                    while !bytes.is_empty() {
                        if !credit {
                            self.wait_for_credit().await?;
                        }
                        let chunk = bytes.split_to(bytes.len().min(chunk_bytes_max));
                        self.send(StreamSignal::Chunk { sequence }, chunk).await?;
                        sequence += 1;
                        credit = false;
                    }
                }
                Some(Ok(BodyFrame::Trailers(pairs))) => trailers = pairs,
                Some(Err(error)) => return Err(Stop::Broken(error)),
                None => break,
            }
        }
        self.send(StreamSignal::End { sequence, trailers }, Bytes::new())
            .await
    }

    async fn wait_for_credit(&mut self) -> Result<(), Stop> {
        match timeout(STREAM_IDLE_MAX, self.credit.acquire()).await {
            Ok(Ok(permit)) => {
                permit.forget();
                self.was_asked = true;
                Ok(())
            }
            Ok(Err(_closed)) => Err(Stop::NobodyListens),
            Err(_elapsed) => {
                let detail = "the receiver of the body asked for nothing within the idle limit";
                let kind = FaultKind::DeadlineExceeded;
                let fault = Fault::maybe_executed(kind, Hop::Stream, detail);
                Err(Stop::Broken(fault.into()))
            }
        }
    }

    async fn send(&self, signal: StreamSignal, bytes: Bytes) -> Result<(), Stop> {
        let registration = &self.registration;
        let sent = registration
            .streams
            .send(&self.to, registration.stream, signal, bytes)
            .await;
        sent.map_err(|fault| Stop::Broken(fault.into()))
    }
}

/// What the receiver is told of `error`.
fn failure(error: BodyError) -> (StreamSignal, Bytes) {
    let fault = match error {
        BodyError::Own(bytes) if bytes.len() <= CHUNK_BYTES_MAX => {
            return (StreamSignal::FailedOwn, bytes);
        }
        BodyError::Own(bytes) => {
            let detail = format!("an error of {} bytes ended the body", bytes.len());
            Fault::maybe_executed(FaultKind::TooLarge, Hop::Stream, detail)
        }
        BodyError::Fault(fault) => fault,
    };
    (StreamSignal::Failed { fault }, Bytes::new())
}
