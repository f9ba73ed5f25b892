//! What a subscription on the loopback receives.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures::Stream;
use tokio::{
    sync::mpsc,
    time::{Sleep, sleep_until},
};

use super::{
    bus::{Attachment, Bus, Delivery},
    routes::SubscriptionId,
};
use crate::Inbound;

/// Payloads in the order in which they were published, each when it is due.
pub(super) struct Payloads {
    pub(super) bus: Arc<Bus>,
    pub(super) id: SubscriptionId,
    pub(super) attachment: Arc<Attachment>,
    pub(super) deliveries: mpsc::Receiver<Delivery>,
    /// The next one, while it is under way.
    pub(super) under_way: Option<(Pin<Box<Sleep>>, Delivery)>,
}

impl Stream for Payloads {
    type Item = Inbound;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Inbound>> {
        loop {
            if let Some((arrival, _)) = &mut self.under_way {
                ready!(arrival.as_mut().poll(cx));
            }
            if let Some((_, delivery)) = self.under_way.take()
                && self.attachment.takes(&delivery)
            {
                return Poll::Ready(Some(delivery.inbound));
            }
            match ready!(self.deliveries.poll_recv(cx)) {
                None => return Poll::Ready(None),
                Some(delivery) => match delivery.due {
                    None => return Poll::Ready(Some(delivery.inbound)),
                    Some(due) => {
                        self.under_way = Some((Box::pin(sleep_until(due)), delivery));
                    }
                },
            }
        }
    }
}

impl Drop for Payloads {
    fn drop(&mut self) {
        self.bus.unsubscribe(self.id);
    }
}
