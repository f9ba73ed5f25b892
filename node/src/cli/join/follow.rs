//! From the bucket to what the node is to run.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::StreamExt as _;
use tokio::sync::watch;
use wrt_deployment::{Known, Sight, Store, StoreError, node_of_key};
use wrt_protocol::LatticeName;
use wrt_transport::Nats;

use super::kept::Kept;
use crate::{Node, catalog::chain};

/// Pause before the bucket is looked for again.
const FIND_PAUSE: Duration = Duration::from_secs(1);

/// Follows the desired state, from what was kept on.
pub struct Follower<'a> {
    node: &'a Node,
    kept: &'a Kept,
    known: Known,
    told: Told,
}

/// What was told last, so that it is told once.
#[derive(Default, PartialEq)]
struct Told {
    trouble: Option<String>,
    held: BTreeMap<String, String>,
}

impl<'a> Follower<'a> {
    /// Begins with what was kept.
    pub fn new(node: &'a Node, kept: &'a Kept) -> Self {
        Self {
            node,
            kept,
            known: kept.state(),
            told: Told::default(),
        }
    }

    /// Follows for ever. `opened` is given the store each time that it is found.
    pub async fn run(
        mut self,
        transport: &Nats,
        lattice: &LatticeName,
        opened: watch::Sender<Option<Store>>,
    ) {
        loop {
            match Store::open(transport.control_client(), lattice).await {
                Ok(Some(store)) => {
                    let store = store.with_bulk(&transport.bulk_client());
                    let mut sights = Box::pin(store.watch());
                    opened.send_replace(Some(store));
                    while let Some(sight) = sights.next().await {
                        self.see(sight);
                    }
                }
                Ok(None) => {
                    let lattice = lattice.clone();
                    self.see(Err(StoreError::Absent { lattice }));
                }
                Err(error) => self.see(Err(error)),
            }
            tokio::time::sleep(FIND_PAUSE).await;
        }
    }

    fn see(&mut self, sight: Sight) {
        let mut trouble = None;
        match sight {
            Ok(reading) => {
                let before = self.known.clone();
                self.known.take(&reading);
                if self.known != before {
                    self.kept.keep_state(&self.known);
                }
            }
            // A lattice on which nobody has deployed anything yet has none.
            Err(StoreError::Absent { .. }) if self.known.is_empty() => {}
            Err(error) => {
                if matches!(error, StoreError::Absent { .. }) {
                    self.known.take_absence();
                }
                trouble = Some(chain(&error));
            }
        }
        let mut snapshot = self.known.snapshot();
        snapshot.trouble = trouble;
        let told = Told {
            trouble: snapshot.trouble.clone(),
            held: snapshot.held.clone(),
        };
        if told != self.told {
            self.tell(&told);
            self.told = told;
        }
        self.node.desire(Arc::new(snapshot));
    }

    fn tell(&self, now: &Told) {
        match (&self.told.trouble, &now.trouble) {
            (before, Some(trouble)) if before.as_ref() != Some(trouble) => {
                tracing::warn!(
                    error = trouble,
                    "the desired state cannot be read: what is known of it goes on"
                );
            }
            (Some(_), None) => tracing::warn!("the desired state can be read again"),
            _ => {}
        }
        for (app, reason) in &now.held {
            if self.told.held.get(app) == Some(reason) {
                continue;
            }
            if let Some(node) = node_of_key(app) {
                tracing::warn!(
                    %node,
                    reason,
                    "what is known of a node's cordon stays: `wrt node cordon` or `uncordon` says it anew"
                );
            } else {
                tracing::warn!(
                    app,
                    reason,
                    "what is known of an app stays: `wrt up` of its manifest restores it, `wrt down` \
                     removes it"
                );
            }
        }
        for app in self.told.held.keys() {
            if !now.held.contains_key(app) {
                tracing::warn!(app, "an app is followed again");
            }
        }
    }
}
