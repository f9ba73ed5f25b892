//! Which links there are, by the desired state that this node knows.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::RwLock;
use tokio::time::Instant;
use wrt_contract::Authority;
use wrt_deployment::{DesiredApp, Snapshot, StoredApp, missing_link};
use wrt_protocol::{ActorAddress, InterfaceName, Origin};

/// For how long what an app was goes on to let callers in: a component that was replaced finishes what it has
/// in hand, and one that has moved serves until its successor does, for a minute at most.
const EARLIER_FOR: Duration = Duration::from_secs(90);

/// What apps were, of all together. One more, and the oldest is forgotten before its time.
const EARLIER_MAX: usize = 64;

/// The links of all apps, for the gates of this node's actors.
pub(crate) struct DesiredLinks {
    /// Grows with each change of `known`, from 1.
    state: AtomicU64,
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    now: Option<Arc<Snapshot>>,
    /// What was replaced or removed, in that order.
    earlier: VecDeque<Earlier>,
}

struct Earlier {
    until: Instant,
    app: DesiredApp,
}

impl Default for DesiredLinks {
    fn default() -> Self {
        Self {
            state: AtomicU64::new(1),
            known: RwLock::default(),
        }
    }
}

impl DesiredLinks {
    /// Takes over what is desired. Said before anything of it starts, so that nobody calls by a link of which this
    /// node has not heard.
    pub(crate) fn follow(&self, snapshot: &Arc<Snapshot>) {
        let mut known = self.known.write();
        let Some(before) = known.now.replace(Arc::clone(snapshot)) else {
            return self.changed();
        };
        let is_same = |stored: &StoredApp| {
            let now = snapshot.apps.get(&stored.app.app);
            now.is_some_and(|now| now.revision == stored.revision && now.app == stored.app)
        };
        let until = Instant::now() + EARLIER_FOR;
        let gone = before.apps.values().filter(|stored| !is_same(stored));
        let gone = gone.map(|stored| Earlier {
            until,
            app: stored.app.clone(),
        });
        let were = known.earlier.len();
        known.earlier.extend(gone);
        let is_changed = known.earlier.len() > were || before.apps.len() != snapshot.apps.len();
        while known.earlier.len() > EARLIER_MAX {
            known.earlier.pop_front();
        }
        if is_changed {
            self.changed();
        }
    }

    /// Forgets what apps were, each at its time. Never ends.
    pub(crate) async fn forget(&self) {
        loop {
            // What is not earlier yet is not due within the time that it then has.
            let next = self
                .known
                .read()
                .earlier
                .front()
                .map(|earlier| earlier.until);
            tokio::time::sleep_until(next.unwrap_or_else(|| Instant::now() + EARLIER_FOR)).await;
            let mut known = self.known.write();
            let now = Instant::now();
            let were = known.earlier.len();
            known.earlier.retain(|earlier| earlier.until > now);
            if known.earlier.len() < were {
                self.changed();
            }
        }
    }

    /// Called with the lock: who sees the new number finds what it stands for.
    fn changed(&self) {
        self.state.fetch_add(1, Ordering::Release);
    }
}

impl Known {
    fn has(&self, caller: &ActorAddress, callee: &ActorAddress, interface: &InterfaceName) -> bool {
        let now = self.now.iter().flat_map(|now| now.apps.get(&caller.app));
        let now = now.map(|stored| &stored.app);
        let mut apps = now.chain(self.earlier.iter().map(|earlier| &earlier.app));
        apps.any(|app| app.links(caller, callee, interface))
    }
}

/// The links to one actor of this node.
pub(crate) struct LinksTo {
    pub(crate) links: Arc<DesiredLinks>,
    pub(crate) actor: ActorAddress,
}

impl Authority for LinksTo {
    fn state(&self) -> u64 {
        self.links.state.load(Ordering::Acquire)
    }

    fn check(&self, origin: &Origin, interface: &InterfaceName) -> Result<(), String> {
        let caller = match origin {
            Origin::Operator => return Ok(()),
            Origin::Actor(caller) => caller,
        };
        let known = self.links.known.read();
        // Without a word of what is desired nothing was deployed: whoever runs actors so says who calls them.
        if known.now.is_none() || known.has(caller, &self.actor, interface) {
            return Ok(());
        }
        Err(missing_link(caller, &self.actor, interface))
    }
}

#[cfg(test)]
mod tests {
    use wrt_deployment::{Config, DesiredProvider, DesiredTarget, Revision};
    use wrt_protocol::Name;

    use super::*;

    const HANDLER: InterfaceName = InterfaceName::from_static("wasi:http/handler");

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    /// The app `shop` in a revision in which `web` calls that component.
    fn calls(revision: u64, component: &str) -> Arc<Snapshot> {
        let mut app = DesiredApp::empty(name("shop"));
        let mut web = DesiredProvider::new("http-server");
        web.calls.push(DesiredTarget {
            component: name(component),
            selection: Config::default(),
        });
        app.providers.insert(name("web"), web);
        let revision = Revision(revision);
        Arc::new(Snapshot {
            apps: [(name("shop"), StoredApp { revision, app })].into(),
            ..Snapshot::default()
        })
    }

    fn to(links: &Arc<DesiredLinks>, component: &str) -> LinksTo {
        LinksTo {
            links: Arc::clone(links),
            actor: ActorAddress::component(name("shop"), name(component)),
        }
    }

    fn web() -> Origin {
        ActorAddress::provider(name("shop"), name("web")).into()
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_that_was_removed_lets_in_what_is_still_in_hand() {
        let links = Arc::<DesiredLinks>::default();
        let forgetting = Arc::clone(&links);
        let forgetting = tokio::spawn(async move { forgetting.forget().await });
        let (cart, prices) = (to(&links, "cart"), to(&links, "prices"));
        links.follow(&calls(1, "cart"));
        let (state, may) = (cart.state(), cart.check(&web(), &HANDLER));
        assert_eq!(may, Ok(()));
        let why = prices.check(&web(), &HANDLER).unwrap_err();
        assert!(why.contains("component/shop/prices"), "{why}");
        assert_eq!(prices.check(&Origin::Operator, &HANDLER), Ok(()));

        // The same again is no other state, so that nobody looks again.
        links.follow(&calls(1, "cart"));
        assert_eq!(cart.state(), state);

        links.follow(&calls(2, "prices"));
        assert_ne!(cart.state(), state);
        assert_eq!(prices.check(&web(), &HANDLER), Ok(()), "at once");
        tokio::time::sleep(EARLIER_FOR / 2).await;
        assert_eq!(
            cart.check(&web(), &HANDLER),
            Ok(()),
            "it may not be over yet"
        );
        let state = cart.state();
        tokio::time::sleep(EARLIER_FOR).await;
        assert_ne!(cart.state(), state, "whoever was let in is looked at again");
        assert!(cart.check(&web(), &HANDLER).is_err());
        assert_eq!(prices.check(&web(), &HANDLER), Ok(()));
        forgetting.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn an_app_that_was_removed_finishes_and_is_gone() {
        let links = Arc::<DesiredLinks>::default();
        let cart = to(&links, "cart");
        links.follow(&calls(1, "cart"));
        links.follow(&Arc::default());
        assert_eq!(cart.check(&web(), &HANDLER), Ok(()));
        // However often something is deployed, what is kept of it is bounded.
        for revision in 2..200 {
            links.follow(&calls(revision, "prices"));
        }
        assert_eq!(links.known.read().earlier.len(), EARLIER_MAX);
        assert!(cart.check(&web(), &HANDLER).is_err());
    }
}
