//! A transport that remembers what it sent, and can be told to misbehave.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::{sync::watch, time::Instant};
use wrt_protocol::{
    envelope::Request,
    heartbeat::{Beat, READS_ORIGIN, Said, WholeQuestion},
    stream::{StreamFrame, StreamSignal},
};
use wrt_transport::{Lane, LinkState, Subscription, Transport, TransportError};

/// What a node sends, and what becomes of it.
pub struct Wire {
    inner: Arc<dyn Transport>,
    sent: Mutex<Vec<Sent>>,
    plan: Mutex<Plan>,
    /// Chunks of bodies sent.
    pub chunks: AtomicU64,
}

/// A payload that left; the bytes of a body are not kept.
pub struct Sent {
    pub lane: Lane,
    pub subject: String,
    pub payload: Bytes,
    pub at: Instant,
}

/// How it misbehaves.
#[derive(Default)]
pub struct Plan {
    /// Replies vanish.
    pub mute: bool,
    /// Heartbeats vanish.
    pub is_silent: bool,
    /// Heartbeats do not say that it reads who makes a call.
    pub is_of_the_build_before: bool,
    /// A send on this lane never returns.
    pub stuck: Option<Lane>,
    /// A request fails with this.
    pub fails: Option<fn() -> TransportError>,
    /// The chunk with this number vanishes.
    pub lost_chunk: Option<u64>,
    /// What a payload may have, where that is less than the bus takes.
    pub payload_bytes_max: Option<usize>,
}

impl Wire {
    pub fn new(inner: Arc<dyn Transport>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            sent: Mutex::default(),
            plan: Mutex::default(),
            chunks: AtomicU64::new(0),
        })
    }

    pub fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock()
    }

    /// Everything sent so far.
    pub fn sent(&self) -> MutexGuard<'_, Vec<Sent>> {
        self.sent.lock()
    }

    /// The calls sent so far, in order, with the instant of each.
    pub fn requests(&self) -> Vec<(Request, Instant)> {
        let read = |sent: &Sent| Some((Request::decode(&sent.payload).ok()?, sent.at));
        self.sent().iter().filter_map(read).collect()
    }

    /// Payloads sent, heartbeats and questions for them left out.
    pub fn payloads(&self) -> usize {
        let is_of_heartbeats =
            |s: &&Sent| s.lane == Lane::Control || WholeQuestion::decode(&s.payload).is_ok();
        let sent = self.sent();
        sent.len() - sent.iter().filter(is_of_heartbeats).count()
    }

    /// Remembers a payload; answers whether it shall go out.
    fn note(&self, lane: Lane, subject: &str, payload: &Bytes) -> Result<bool, TransportError> {
        let plan = self.plan();
        let mut goes = !(plan.mute && subject.contains("_INBOX"));
        goes &= !(plan.is_silent && lane == Lane::Control);
        let bytes_max = plan.payload_bytes_max.unwrap_or(usize::MAX);
        if payload.len() > bytes_max {
            let bytes = payload.len();
            return Err(TransportError::TooLarge { bytes, bytes_max });
        }
        let mut kept = payload.clone();
        if let Ok(StreamFrame { signal, .. }) = StreamFrame::decode(payload)
            && let StreamSignal::Chunk { sequence } = signal
        {
            self.chunks.fetch_add(1, Relaxed);
            goes &= plan.lost_chunk != Some(sequence);
            kept = Bytes::new();
        }
        self.sent().push(Sent {
            lane,
            subject: subject.to_owned(),
            payload: kept,
            at: Instant::now(),
        });
        Ok(goes)
    }

    fn as_its_build_says(&self, payload: Bytes) -> Bytes {
        if !self.plan().is_of_the_build_before {
            return payload;
        }
        let Ok(mut beat) = Beat::decode(&payload) else {
            return payload;
        };
        if let Said::Whole(share) = &mut beat.said {
            share.labels.retain(|(label, _)| label != READS_ORIGIN);
        }
        beat.encode().expect("it is shorter")
    }

    async fn unless_stuck(&self, lane: Lane) {
        let stuck = self.plan().stuck == Some(lane);
        if stuck {
            std::future::pending().await
        }
    }
}

#[async_trait]
impl Transport for Wire {
    async fn publish(
        &self,
        lane: Lane,
        subject: String,
        payload: Bytes,
    ) -> Result<(), TransportError> {
        self.unless_stuck(lane).await;
        match self.note(lane, &subject, &payload)? {
            true => {
                let payload = self.as_its_build_says(payload);
                self.inner.publish(lane, subject, payload).await
            }
            false => Ok(()),
        }
    }

    async fn request(&self, subject: String, payload: Bytes) -> Result<Bytes, TransportError> {
        self.unless_stuck(Lane::Calls).await;
        self.note(Lane::Calls, &subject, &payload)?;
        let fails = self.plan().fails;
        match fails {
            Some(error) => Err(error()),
            None => self.inner.request(subject, payload).await,
        }
    }

    async fn subscribe(
        &self,
        lane: Lane,
        subject: String,
        group: Option<String>,
    ) -> Result<Subscription, TransportError> {
        self.inner.subscribe(lane, subject, group).await
    }

    fn link(&self) -> watch::Receiver<LinkState> {
        self.inner.link()
    }

    fn payload_bytes_max(&self) -> usize {
        let planned = self.plan().payload_bytes_max;
        planned.unwrap_or_else(|| self.inner.payload_bytes_max())
    }

    fn dropped_payloads(&self) -> u64 {
        self.inner.dropped_payloads()
    }

    fn relieve(&self) {
        self.inner.relieve();
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
