//! Subscriptions and publishes that the server's permissions do not allow, from the start or any more.
//!
//! The server says so in an error that names the subject, and the client reports it through another
//! task. For a subscription it may come before `subscribe` returns, and then that fails, or a moment later, and
//! then the subscription ends. A publish has gone by then: who waits for a reply to it is told, and so is whoever
//! has asked for it by [`RefusedPublishes`]. Nothing just stays silent.

use std::{collections::HashMap, sync::Arc};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The subscriptions of a connection, by the subject that a refusal would name.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Live>);

#[derive(Debug, Default)]
struct Live {
    last_id: u64,
    by_id: HashMap<u64, (String, CancellationToken)>,
}

impl Refusals {
    /// Starts to look out for a refusal of `subject`.
    pub(super) fn watch(self: &Arc<Self>, subject: &str, closed: &CancellationToken) -> Watched {
        let ended = closed.child_token();
        let mut live = self.lock();
        live.last_id += 1;
        let id = live.last_id;
        live.by_id.insert(id, (subject.to_owned(), ended.clone()));
        drop(live);
        Watched {
            refusals: Arc::clone(self),
            id,
            ended,
        }
    }

    /// Ends the subscriptions that an error of the server is about.
    pub(super) fn take(&self, error: &str) {
        for (subject, ended) in self.lock().by_id.values() {
            if is_refusal_of(error, subject) {
                ended.cancel();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        self.0.lock()
    }
}

/// What a client has published and its servers' permissions do not allow. The bus drops it, and JetStream, for
/// one, is never heard to answer: so whoever makes one request after the other for itself looks here.
#[derive(Debug, Clone, Default)]
pub struct RefusedPublishes(Arc<watch::Sender<Option<String>>>);

impl RefusedPublishes {
    pub(super) fn tell(&self, subject: &str) {
        self.0.send_replace(Some(subject.to_owned()));
    }

    /// The subject of the one that was refused last; waits for the first. Cancel safe.
    pub async fn refused(&self) -> String {
        let mut told = self.0.subscribe();
        let subject = told.wait_for(Option::is_some).await;
        match subject.ok().and_then(|subject| subject.clone()) {
            Some(subject) => subject,
            // Never so: this has the sender.
            None => std::future::pending().await,
        }
    }
}

/// The subject of a publish that an error of the server is about.
pub(super) fn refused_publish(error: &str) -> Option<&str> {
    let (_, rest) = error.split_once("Violation for Publish to \"")?;
    let (subject, _) = rest.split_once('"')?;
    Some(subject)
}

/// The text is the server's; it is the same in every version that has permissions.
fn is_refusal_of(error: &str, subject: &str) -> bool {
    error
        .split_once("Violation for Subscription to \"")
        .and_then(|(_, rest)| rest.strip_prefix(subject))
        .is_some_and(|rest| rest.starts_with('"'))
}

/// A subscription that a refusal would end.
#[derive(Debug)]
pub(super) struct Watched {
    refusals: Arc<Refusals>,
    id: u64,
    /// Set when the subscription was refused, or the transport closed.
    pub(super) ended: CancellationToken,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.refusals.lock().by_id.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refused_publish_is_named() {
        let of_server = "nats: 'Permissions Violation for Publish to \"a.b\"'";
        assert_eq!(refused_publish(of_server), Some("a.b"));
        let of_subscription = "nats: 'Permissions Violation for Subscription to \"a.b\"'";
        assert_eq!(refused_publish(of_subscription), None);
        let refused = RefusedPublishes::default();
        let told = refused.clone();
        told.tell("a.b");
        assert_eq!(refused.refused().await, "a.b");
    }

    #[test]
    fn a_refusal_ends_the_subscriptions_that_it_names() {
        let refusals = Arc::new(Refusals::default());
        let closed = CancellationToken::new();
        let watch = |subject| refusals.watch(subject, &closed);
        let (named, same, longer, other) = (watch("a.b"), watch("a.b"), watch("a.b.c"), watch("b"));
        refusals.take("nats: 'Permissions Violation for Publish to \"b\"'");
        refusals
            .take("nats: 'Permissions Violation for Subscription to \"a.b\" using queue \"b\"'");
        let ended = [named, same, longer, other].map(|watched| watched.ended.is_cancelled());
        assert_eq!(ended, [true, true, false, false]);
        assert!(refusals.lock().by_id.is_empty());
    }
}
