//! What has happened, as this node has seen it: by what is otherwise between two looks.
//!
//! It is kept by the node, and told to who asks ([`Journal`]): no stream has to be there for it, and nothing
//! is on the bus while nobody looks. In return it goes with the node. What has come and gone between two
//! looks is not seen.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use wrt_deployment::Snapshot;
use wrt_membership::{Liveness, View};
use wrt_protocol::{ActorAddress, Epoch, Name, NodeId, heartbeat::ReplicaState};
use wrt_request::Seat;

use super::{NodeStatus, handover};
use crate::journal::{EventLine, Journal, unix_nanos_now};

/// Events that are kept, and bytes of them.
const EVENTS_MAX: usize = 2048;
const BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a reason.
const REASON_BYTES_MAX: usize = 1024;
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Room for the events of a node.
pub(super) fn journal() -> Arc<Journal<EventLine>> {
    Arc::new(Journal::new(EVENTS_MAX, BYTES_MAX))
}

/// What there is at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
struct Sight {
    /// None before it is known what is deployed.
    apps: Option<BTreeMap<Name, u64>>,
    cordoned: BTreeSet<NodeId>,
    replicas: BTreeMap<ActorAddress, Replica>,
    /// None before the first look.
    members: Option<BTreeMap<NodeId, (Epoch, Liveness)>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Replica {
    is_ready: bool,
    error: Option<String>,
}

/// Looks, and notes what is otherwise than it was, for ever.
pub(super) async fn watch(
    journal: Arc<Journal<EventLine>>,
    seat: Seat,
    desires: watch::Receiver<Option<Arc<Snapshot>>>,
    status: impl Fn() -> NodeStatus + Send,
) {
    let mut ticks = interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = Sight::default();
    loop {
        ticks.tick().await;
        let (view, snapshot) = (seat.membership.view(), desires.borrow().clone());
        let now = Sight::of(&view, snapshot.as_deref(), &status());
        if now == before {
            continue;
        }
        let gone_to = |actor: &ActorAddress| {
            let snapshot = snapshot.as_deref()?;
            let placement = handover::placement(snapshot, &view);
            Some(placement.nodes(actor).cloned().collect())
        };
        for event in before.otherwise(&now, gone_to) {
            let bytes = event.text.len() * 2;
            journal.push(event, bytes);
        }
        before = now;
    }
}

impl Sight {
    fn of(view: &View, snapshot: Option<&Snapshot>, status: &NodeStatus) -> Self {
        let apps = snapshot.map(|snapshot| {
            let apps = snapshot.apps.iter();
            apps.map(|(name, stored)| (name.clone(), stored.revision.0))
                .collect()
        });
        let replicas = status.replicas.iter().map(|replica| {
            let seen = Replica {
                is_ready: replica.state == ReplicaState::Ready && replica.is_current,
                error: replica.error.clone(),
            };
            (replica.actor.clone(), seen)
        });
        let members = view.members().filter(|member| !member.is_self);
        let members = members.map(|it| (it.id.clone(), (it.epoch, it.liveness)));
        Self {
            apps,
            cordoned: status.cordoned.clone(),
            replicas: replicas.collect(),
            members: Some(members.collect()),
        }
    }

    /// What has happened between this and `now`. `gone_to` says where an actor is that has left.
    fn otherwise(
        &self,
        now: &Self,
        gone_to: impl Fn(&ActorAddress) -> Option<Vec<NodeId>>,
    ) -> Vec<EventLine> {
        let mut events = Vec::new();
        // What was there before this node says nothing of what has happened.
        if let (Some(before), Some(after)) = (&self.apps, &now.apps) {
            of_apps(before, after, &mut events);
            let cordoned = now.cordoned.difference(&self.cordoned);
            events.extend(cordoned.map(|it| about("cordoned", it, "takes nothing new")));
            let lifted = self.cordoned.difference(&now.cordoned);
            events.extend(lifted.map(|it| about("uncordoned", it, "takes something again")));
        }
        self.of_replicas(now, gone_to, &mut events);
        if let (Some(before), Some(after)) = (&self.members, &now.members) {
            of_members(before, after, &mut events);
        }
        events
    }

    fn of_replicas(
        &self,
        now: &Self,
        gone_to: impl Fn(&ActorAddress) -> Option<Vec<NodeId>>,
        events: &mut Vec<EventLine>,
    ) {
        for (actor, after) in &now.replicas {
            let before = self.replicas.get(actor);
            if before.is_none() {
                events.push(of_actor("placed", actor, "gets a replica here"));
            }
            let was_ready = before.is_some_and(|before| before.is_ready);
            if after.is_ready && !was_ready {
                events.push(of_actor("started", actor, "serves here"));
            }
            let known = before.and_then(|before| before.error.as_ref());
            if let Some(error) = after.error.as_ref().filter(|error| known != Some(error)) {
                let kept = &error[..error.floor_char_boundary(REASON_BYTES_MAX)];
                events.push(of_actor(
                    "failed",
                    actor,
                    &format!("does not start here: {kept}"),
                ));
            }
        }
        let gone = self.replicas.keys();
        for actor in gone.filter(|actor| !now.replicas.contains_key(*actor)) {
            let to = gone_to(actor).filter(|nodes| !nodes.is_empty());
            events.push(match to {
                Some(nodes) => {
                    let nodes: Vec<_> = nodes.iter().map(NodeId::as_str).collect();
                    let text = format!("has left, and is on {}", nodes.join(", "));
                    of_actor("moved", actor, &text)
                }
                None => of_actor("stopped", actor, "runs here no more"),
            });
        }
    }
}

fn of_apps(before: &BTreeMap<Name, u64>, after: &BTreeMap<Name, u64>, events: &mut Vec<EventLine>) {
    for (app, revision) in after {
        if before.get(app) != Some(revision) {
            events.push(EventLine {
                app: Some(app.to_string()),
                revision: Some(*revision),
                ..event(
                    "deployed",
                    format!("{app} is deployed in revision {revision}"),
                )
            });
        }
    }
    for app in before.keys().filter(|app| !after.contains_key(*app)) {
        events.push(EventLine {
            app: Some(app.to_string()),
            ..event("removed", format!("{app} is removed"))
        });
    }
}

type Members = BTreeMap<NodeId, (Epoch, Liveness)>;

fn of_members(before: &Members, after: &Members, events: &mut Vec<EventLine>) {
    for (node, (epoch, liveness)) in after {
        let known = before.get(node);
        let was = known.map(|(_, liveness)| *liveness);
        let is_dead = *liveness == Liveness::Dead;
        match known {
            None if !is_dead => events.push(about("joined", node, "is there")),
            Some((known, _)) if known != epoch && !is_dead => {
                events.push(about("joined", node, "has started anew"));
            }
            Some(_) if is_dead && was != Some(Liveness::Dead) => {
                let text = "was not heard for too long: its share goes elsewhere";
                events.push(about("evicted", node, text));
            }
            Some(_) if !is_dead && was == Some(Liveness::Dead) => {
                events.push(about("joined", node, "is heard again"));
            }
            _ => {}
        }
    }
    let gone = before.iter().filter(|(node, _)| !after.contains_key(*node));
    // One that is dead is forgotten after a while, and has left long ago.
    let left = gone.filter(|(_, (_, liveness))| *liveness != Liveness::Dead);
    events.extend(left.map(|(node, _)| about("left", node, "has said goodbye")));
}

fn of_actor(kind: &str, actor: &ActorAddress, what: &str) -> EventLine {
    EventLine {
        app: Some(actor.app.to_string()),
        actor: Some(actor.to_string()),
        ..event(kind, format!("{actor} {what}"))
    }
}

fn about(kind: &str, node: &NodeId, what: &str) -> EventLine {
    EventLine {
        about: Some(node.to_string()),
        ..event(kind, format!("{node} {what}"))
    }
}

fn event(kind: &str, text: String) -> EventLine {
    EventLine {
        unix_nanos: unix_nanos_now(),
        kind: kind.to_owned(),
        app: None,
        actor: None,
        about: None,
        revision: None,
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> NodeId {
        NodeId::new(name).unwrap()
    }

    fn sight(apps: &[(&str, u64)], members: &[(&str, u64, Liveness)]) -> Sight {
        let apps = apps
            .iter()
            .map(|(name, revision)| (Name::new(name).unwrap(), *revision));
        let members = members.iter();
        let members = members.map(|(name, epoch, it)| (node(name), (Epoch(*epoch), *it)));
        Sight {
            apps: Some(apps.collect()),
            members: Some(members.collect()),
            ..Sight::default()
        }
    }

    fn with(mut sight: Sight, actor: &str, is_ready: bool, error: Option<&str>) -> Sight {
        let replica = Replica {
            is_ready,
            error: error.map(str::to_owned),
        };
        sight.replicas.insert(actor.parse().unwrap(), replica);
        sight
    }

    fn told(before: &Sight, now: &Sight) -> Vec<String> {
        let gone_to = |actor: &ActorAddress| {
            let is_moved = actor.name.as_str() == "cart";
            Some(if is_moved {
                vec![node("c")]
            } else {
                Vec::new()
            })
        };
        let events = before.otherwise(now, gone_to);
        let line = |it: EventLine| format!("{}: {}", it.kind, it.text);
        events.into_iter().map(line).collect()
    }

    #[test]
    fn what_was_there_before_is_no_event() {
        let now = sight(&[("shop", 7)], &[("b", 1, Liveness::Alive)]);
        assert_eq!(told(&Sight::default(), &now), [""; 0]);
    }

    #[test]
    fn each_step_of_a_replica_is_told_once() {
        let cart = "component/shop/cart";
        let none = sight(&[("shop", 7)], &[]);
        let placed = with(none.clone(), cart, false, None);
        let failing = with(none.clone(), cart, false, Some("no code"));
        let ready = with(none.clone(), cart, true, None);
        assert_eq!(
            told(&none, &placed),
            ["placed: component/shop/cart gets a replica here"]
        );
        let failed = ["failed: component/shop/cart does not start here: no code"];
        assert_eq!(told(&placed, &failing), failed);
        assert_eq!(told(&failing, &failing), [""; 0]);
        assert_eq!(
            told(&failing, &ready),
            ["started: component/shop/cart serves here"]
        );
        assert_eq!(
            told(&ready, &none),
            ["moved: component/shop/cart has left, and is on c"]
        );
        let store = with(none.clone(), "provider/shop/store", true, None);
        assert_eq!(
            told(&store, &none),
            ["stopped: provider/shop/store runs here no more"]
        );
    }

    #[test]
    fn apps_and_nodes_come_and_go() {
        use Liveness::{Alive, Dead, Suspect};
        let before = sight(
            &[("shop", 7), ("blog", 8)],
            &[("b", 1, Alive), ("c", 1, Alive), ("d", 1, Dead)],
        );
        let mut now = sight(
            &[("shop", 9)],
            &[("b", 1, Dead), ("d", 1, Alive), ("e", 1, Suspect)],
        );
        now.cordoned.insert(node("b"));
        let expected = [
            "deployed: shop is deployed in revision 9",
            "removed: blog is removed",
            "cordoned: b takes nothing new",
            "evicted: b was not heard for too long: its share goes elsewhere",
            "joined: d is heard again",
            "joined: e is there",
            "left: c has said goodbye",
        ];
        assert_eq!(told(&before, &now), expected);
        let anew = sight(
            &[("shop", 9)],
            &[("b", 2, Alive), ("d", 1, Alive), ("e", 1, Alive)],
        );
        let back = [
            "uncordoned: b takes something again",
            "joined: b has started anew",
        ];
        assert_eq!(told(&now, &anew), back);
        let forgotten = sight(&[("shop", 9)], &[("d", 1, Alive), ("e", 1, Alive)]);
        now.cordoned.clear();
        assert_eq!(told(&now, &forgotten), [""; 0]);
    }
}
