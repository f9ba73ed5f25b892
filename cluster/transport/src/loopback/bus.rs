//! What the transports of one loopback share: subscriptions, requests that wait, and faults.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};
use wrt_protocol::NodeId;

use super::routes::{Routes, SubscriptionId, is_pattern};
use crate::{Inbound, LinkState, ReplySubject, TransportError, limits::LOOPBACK_PAYLOAD_BYTES_MAX};

/// Subjects of replies: the bus hands these to the request that waits, not to subscriptions.
const INBOX: &str = "_INBOX.loopback.";

/// One node's place on the bus.
#[derive(Debug)]
pub(super) struct Attachment {
    pub(super) node: NodeId,
    pub(super) link: watch::Sender<LinkState>,
    pub(super) dropped_payloads: AtomicU64,
    pub(super) closed: AtomicBool,
    /// How often the node was cut off: what was on its way to it before is lost.
    cuts: AtomicU64,
}

/// A payload on its way.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) inbound: Inbound,
    /// When it arrives; none when it has.
    pub(super) due: Option<Instant>,
    cuts: u64,
}

impl Attachment {
    /// Whether a payload that was under way until now has arrived.
    pub(super) fn takes(&self, delivery: &Delivery) -> bool {
        delivery.due.is_none() || delivery.cuts == self.cuts.load(Ordering::Acquire)
    }
}

#[derive(Debug)]
struct Subscribed {
    attachment: Arc<Attachment>,
    pattern: String,
    group: Option<String>,
    payloads: mpsc::Sender<Delivery>,
}

#[derive(Debug)]
struct Waiting {
    attachment: Arc<Attachment>,
    reply: oneshot::Sender<Delivery>,
}

#[derive(Debug)]
struct State {
    routes: Routes,
    subscribed: HashMap<SubscriptionId, Subscribed>,
    waiting: HashMap<u64, Waiting>,
    attachments: Vec<Arc<Attachment>>,
    next_id: u64,
    cut_off: HashSet<NodeId>,
    partitions: HashSet<(NodeId, NodeId)>,
    delay: Duration,
    loss: f64,
    random: StdRng,
}

/// The bus. One lock around all of it: it is held for a few map look-ups, never across an await.
#[derive(Debug)]
pub(super) struct Bus(Mutex<State>);

impl Bus {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State {
            routes: Routes::default(),
            subscribed: HashMap::new(),
            waiting: HashMap::new(),
            attachments: Vec::new(),
            next_id: 0,
            cut_off: HashSet::new(),
            partitions: HashSet::new(),
            delay: Duration::ZERO,
            loss: 0.0,
            random: StdRng::seed_from_u64(0),
        }))
    }

    pub(super) fn attach(&self, node: NodeId) -> Arc<Attachment> {
        let mut state = self.lock();
        let link = match state.cut_off.contains(&node) {
            true => LinkState::Down,
            false => LinkState::Up,
        };
        let attachment = Arc::new(Attachment {
            node,
            link: watch::Sender::new(link),
            dropped_payloads: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            cuts: AtomicU64::new(0),
        });
        state.attachments.push(Arc::clone(&attachment));
        attachment
    }

    pub(super) fn detach(&self, attachment: &Arc<Attachment>) {
        let mut state = self.lock();
        attachment.closed.store(true, Ordering::Release);
        let same = |other: &Arc<Attachment>| Arc::ptr_eq(other, attachment);
        state.attachments.retain(|other| !same(other));
        state
            .waiting
            .retain(|_, waiting| !same(&waiting.attachment));
        let ended: Vec<_> = state
            .subscribed
            .iter()
            .filter(|(_, subscribed)| same(&subscribed.attachment))
            .map(|(id, _)| *id)
            .collect();
        for id in ended {
            state.unsubscribe(id);
        }
        attachment.link.send_replace(LinkState::Down);
    }

    pub(super) fn subscribe(
        &self,
        attachment: &Arc<Attachment>,
        pattern: String,
        group: Option<String>,
        payloads_buffered_max: usize,
    ) -> Result<(SubscriptionId, mpsc::Receiver<Delivery>), TransportError> {
        let mut state = self.lock();
        state.check_link(attachment)?;
        if !is_pattern(&pattern) {
            return Err(TransportError::Refused {
                what: format!("a subscription to {pattern:?}"),
                source: "not a subject".into(),
            });
        }
        let id = state.next_id();
        let (payloads, receiver) = mpsc::channel(payloads_buffered_max);
        state.routes.insert(&pattern, id);
        let attachment = Arc::clone(attachment);
        let subscribed = Subscribed {
            attachment,
            pattern,
            group,
            payloads,
        };
        state.subscribed.insert(id, subscribed);
        Ok((id, receiver))
    }

    pub(super) fn unsubscribe(&self, id: SubscriptionId) {
        self.lock().unsubscribe(id);
    }

    pub(super) fn publish(
        &self,
        from: &Arc<Attachment>,
        subject: String,
        payload: Bytes,
    ) -> Result<(), TransportError> {
        check_size(&payload)?;
        let mut state = self.lock();
        state.check_link(from)?;
        if let Some(token) = subject.strip_prefix(INBOX) {
            let token = token.parse().ok();
            let waiting = token.and_then(|token| state.waiting.remove(&token));
            if let Some(Waiting { attachment, reply }) = waiting {
                let inbound = Inbound {
                    subject,
                    reply: None,
                    payload,
                };
                if let Some(delivery) = state.send(from, &attachment, inbound) {
                    // The request may have been given up.
                    let _ = reply.send(delivery);
                } else if let Some(token) = token {
                    // The reply is lost; the request goes on waiting, as it would on a real bus.
                    state.waiting.insert(token, Waiting { attachment, reply });
                }
            }
            return Ok(());
        }
        state.deliver(from, subject, None, payload);
        Ok(())
    }

    /// Sends a request; the token takes it back.
    pub(super) fn request(
        &self,
        from: &Arc<Attachment>,
        subject: String,
        payload: Bytes,
    ) -> Result<(u64, oneshot::Receiver<Delivery>), TransportError> {
        check_size(&payload)?;
        let mut state = self.lock();
        state.check_link(from)?;
        let token = state.next_id();
        let reply = ReplySubject(format!("{INBOX}{token}"));
        let known = state.deliver(from, subject.clone(), Some(reply), payload);
        if known == 0 {
            return Err(TransportError::NoResponders { subject });
        }
        let (reply, receiver) = oneshot::channel();
        let attachment = Arc::clone(from);
        state.waiting.insert(token, Waiting { attachment, reply });
        Ok((token, receiver))
    }

    pub(super) fn forget_request(&self, token: u64) {
        self.lock().waiting.remove(&token);
    }

    pub(super) fn requests_waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    pub(super) fn cut_off(&self, node: &NodeId) {
        let mut state = self.lock();
        state.cut_off.insert(node.clone());
        state
            .waiting
            .retain(|_, waiting| waiting.attachment.node != *node);
        for attachment in state.attachments.iter().filter(|a| a.node == *node) {
            attachment.cuts.fetch_add(1, Ordering::AcqRel);
            attachment.link.send_replace(LinkState::Down);
        }
    }

    pub(super) fn heal(&self, node: &NodeId) {
        let mut state = self.lock();
        state.cut_off.remove(node);
        state.partitions.retain(|(a, b)| a != node && b != node);
        for attachment in state.attachments.iter().filter(|a| a.node == *node) {
            attachment.link.send_replace(LinkState::Up);
        }
    }

    pub(super) fn partition(&self, a: &NodeId, b: &NodeId) {
        self.lock().partitions.insert(pair(a, b));
    }

    pub(super) fn set_delay(&self, delay: Duration) {
        self.lock().delay = delay;
    }

    pub(super) fn lose(&self, fraction: f64, seed: u64) {
        let mut state = self.lock();
        state.loss = fraction.clamp(0.0, 1.0);
        state.random = StdRng::seed_from_u64(seed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

impl State {
    fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn check_link(&self, attachment: &Attachment) -> Result<(), TransportError> {
        if attachment.closed.load(Ordering::Acquire) {
            return Err(TransportError::Closed);
        }
        match self.cut_off.contains(&attachment.node) {
            true => Err(TransportError::Disconnected { sent: false }),
            false => Ok(()),
        }
    }

    fn unsubscribe(&mut self, id: SubscriptionId) {
        if let Some(subscribed) = self.subscribed.remove(&id) {
            self.routes.remove(&subscribed.pattern, id);
        }
    }

    /// Hands a payload to each subscription and to one member of each group; answers how many of
    /// them the bus knows. A node that is cut off has no subscriptions until it is back.
    fn deliver(
        &mut self,
        from: &Attachment,
        subject: String,
        reply: Option<ReplySubject>,
        payload: Bytes,
    ) -> usize {
        let mut found = Vec::new();
        self.routes.find(&subject, &mut found);
        found.retain(|id| {
            let subscribed = &self.subscribed[id];
            !self.cut_off.contains(&subscribed.attachment.node)
        });
        let takers = self.one_of_each_group(found);
        let known = takers.len();
        let inbound = Inbound {
            subject,
            reply,
            payload,
        };
        for id in takers {
            let to = Arc::clone(&self.subscribed[&id].attachment);
            let Some(delivery) = self.send(from, &to, inbound.clone()) else {
                continue;
            };
            let sent = self.subscribed[&id].payloads.try_send(delivery);
            if let Err(mpsc::error::TrySendError::Full(_)) = sent {
                to.dropped_payloads.fetch_add(1, Ordering::Relaxed);
            }
        }
        known
    }

    fn one_of_each_group(&mut self, found: Vec<SubscriptionId>) -> Vec<SubscriptionId> {
        let mut takers = Vec::with_capacity(found.len());
        let mut groups: Vec<(&str, Vec<SubscriptionId>)> = Vec::new();
        for id in found {
            let Some(group) = self.subscribed[&id].group.as_deref() else {
                takers.push(id);
                continue;
            };
            match groups.iter_mut().find(|(name, _)| *name == group) {
                Some((_, members)) => members.push(id),
                None => groups.push((group, vec![id])),
            }
        }
        for (_, members) in groups {
            takers.push(members[self.random.random_range(0..members.len())]);
        }
        takers
    }

    /// Puts a payload on its way, unless a fault loses it.
    fn send(&mut self, from: &Attachment, to: &Attachment, inbound: Inbound) -> Option<Delivery> {
        let parted =
            !self.partitions.is_empty() && self.partitions.contains(&pair(&from.node, &to.node));
        let lost = self.loss > 0.0 && self.random.random_bool(self.loss);
        let arrives = !parted && !lost;
        arrives.then(|| Delivery {
            inbound,
            due: (!self.delay.is_zero()).then(|| Instant::now() + self.delay),
            cuts: to.cuts.load(Ordering::Acquire),
        })
    }
}

fn pair(a: &NodeId, b: &NodeId) -> (NodeId, NodeId) {
    (a.min(b).clone(), a.max(b).clone())
}

fn check_size(payload: &Bytes) -> Result<(), TransportError> {
    let (bytes, bytes_max) = (payload.len(), LOOPBACK_PAYLOAD_BYTES_MAX);
    match bytes > bytes_max {
        true => Err(TransportError::TooLarge { bytes, bytes_max }),
        false => Ok(()),
    }
}
