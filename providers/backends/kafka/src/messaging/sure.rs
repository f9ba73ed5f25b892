//! For how long a member of a group surely has its partitions: for a while after the group's broker has taken an
//! offset from it, as it takes none from who is no member any more.
//!
//! A member that was silent for its session is one no more, and others have its partitions, also where it stood
//! still or was cut off and cannot know. Work in order by key goes on no longer than this says.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// Less than the shortest session, by what a member is silent for between two of its heartbeats.
const SURE_FOR: Duration = Duration::from_millis(1500);
/// How often it is made sure of anew.
const ASK_EVERY: Duration = Duration::from_millis(400);

pub(super) struct Sure {
    until: watch::Sender<Instant>,
}

impl Default for Sure {
    fn default() -> Self {
        Self {
            until: watch::Sender::new(Instant::now()),
        }
    }
}

impl Sure {
    /// Whether it is time to send an offset for its own sake.
    pub(super) fn is_due(&self) -> bool {
        *self.until.borrow() < Instant::now() + SURE_FOR - ASK_EVERY
    }

    /// An offset was taken that was sent at that time.
    pub(super) fn as_of(&self, sent: Instant) {
        self.until.send_replace(sent + SURE_FOR);
    }

    /// Waits until it is sure.
    pub(super) async fn holds(&self) {
        let mut until = self.until.subscribe();
        // The sender is this one's own.
        let _told = until.wait_for(|until| *until > Instant::now()).await;
    }

    /// Waits until it is not sure any more.
    pub(super) async fn over(&self) {
        loop {
            let until = *self.until.borrow();
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_sure_for_a_while_after_an_offset_that_was_taken_was_sent() {
        let (sure, soon) = (Sure::default(), Duration::from_millis(1));
        let holds = async || timeout(soon, sure.holds()).await.is_ok();
        assert!(sure.is_due() && !holds().await);
        let sent = Instant::now();
        advance(Duration::from_millis(300)).await;
        sure.as_of(sent);
        assert!(!sure.is_due() && holds().await);
        advance(Duration::from_millis(200)).await;
        assert!(sure.is_due() && holds().await);
        let over = timeout(Duration::from_millis(900), sure.over()).await;
        assert!(over.is_err(), "it is sure still");
        sure.over().await;
        assert!(sent.elapsed() >= SURE_FOR && !holds().await);
    }
}
