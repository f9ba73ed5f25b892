//! The lattice as one node sees it, for whoever looks.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use wrt_contract::{DurationCounts, Measured, MeasuredValue, measured_calls};
use wrt_deployment::{
    DesiredApp, DesiredComponent, DesiredProvider, LinkEnd, PlacementRule, Snapshot,
};
use wrt_membership::{Liveness, Member, View};
use wrt_protocol::{
    ActorAddress, LatticeName, Name, NodeId,
    heartbeat::{NodeState, ReplicaReport, ReplicaState},
};

/// The operations that are shown: those that took longest, by their means.
const OPERATIONS_MAX: usize = 20;

/// What a node sees. Texts are as nodes and manifests have them: whoever shows them sees to what they hold.
#[derive(Debug, Serialize)]
pub struct SeenLattice {
    /// The lattice.
    pub lattice: LatticeName,
    /// Who sees it.
    pub node: NodeId,
    /// Whether that one doubts its own hearing.
    pub is_isolated: bool,
    /// Why it cannot read the desired state, if it cannot.
    pub desired_trouble: Option<String>,
    /// Who is there.
    pub nodes: Vec<SeenMember>,
    /// What is to run.
    pub apps: Vec<SeenApp>,
    /// Apps that are as they were last known, and why.
    pub held: BTreeMap<String, String>,
    /// What calls of this node's own have come to, those first that take longest.
    pub operations: Vec<SeenOperation>,
}

/// A node.
#[derive(Debug, Serialize)]
pub struct SeenMember {
    /// Its name.
    pub node: NodeId,
    /// Its incarnation.
    pub epoch: u64,
    /// `alive`, `draining`, `leaving`, `suspect` or `dead`.
    pub state: &'static str,
    /// Its build.
    pub version: String,
    /// What its operator says of it.
    pub labels: BTreeMap<String, String>,
    /// Its share.
    pub replicas: Vec<SeenReplica>,
}

/// A replica.
#[derive(Debug, Serialize)]
pub struct SeenReplica {
    /// Whose.
    pub actor: String,
    /// Its state.
    pub state: ReplicaState,
    /// Calls in hand.
    pub running: u32,
    /// Calls that wait.
    pub waiting: u32,
    /// Calls that may be in hand; 0 where nothing bounds them.
    pub limit: u32,
}

/// An app.
#[derive(Debug, Serialize)]
pub struct SeenApp {
    /// Its name.
    pub app: Name,
    /// Its revision.
    pub revision: u64,
    /// What it is made of.
    pub actors: Vec<SeenActor>,
}

/// A component or a provider.
#[derive(Debug, Serialize)]
pub struct SeenActor {
    /// Its address.
    pub actor: String,
    /// The backend of a provider, the beginning of a component's digest.
    pub what: String,
    /// Where it goes, in the manifest's words.
    pub placement: String,
    /// Whom it calls, and by what.
    pub links: Vec<SeenLink>,
}

/// A link, or a component that a provider calls.
#[derive(Debug, Serialize)]
pub struct SeenLink {
    /// The interface; none where a provider calls a component.
    pub interface: Option<String>,
    /// Who is called.
    pub to: String,
}

/// An operation, as those see it who have called it on this node.
#[derive(Debug, Serialize)]
pub struct SeenOperation {
    /// Of which interface.
    pub interface: String,
    /// Which.
    pub operation: String,
    /// Calls that have ended.
    pub calls: u64,
    /// How long one took, in microseconds.
    pub mean_micros: u64,
    /// What 99 of 100 did not take longer than, in microseconds: the upper bound of a bucket. None where that
    /// has none.
    pub p99_micros: Option<u64>,
    /// Those that ended with a fault, by its kind.
    pub faults: BTreeMap<String, u64>,
}

/// What `view` and `snapshot` show.
pub(super) fn lattice(
    lattice: &LatticeName,
    node: &NodeId,
    view: &View,
    snapshot: &Snapshot,
) -> SeenLattice {
    let app = |(_, stored): (_, &wrt_deployment::StoredApp)| SeenApp {
        app: stored.app.app.clone(),
        revision: stored.revision.0,
        actors: actors(&stored.app),
    };
    SeenLattice {
        lattice: lattice.clone(),
        node: node.clone(),
        is_isolated: view.is_isolated(),
        desired_trouble: snapshot.trouble.clone(),
        nodes: view.members().map(member).collect(),
        apps: snapshot.apps.iter().map(app).collect(),
        held: snapshot.held.clone(),
        operations: operations(measured_calls()),
    }
}

fn member(member: &Arc<Member>) -> SeenMember {
    let state = match (member.liveness, member.state) {
        (Liveness::Dead, _) => "dead",
        (Liveness::Suspect, _) => "suspect",
        (Liveness::Alive, NodeState::Serving) => "alive",
        (Liveness::Alive, NodeState::Draining) => "draining",
        (Liveness::Alive, NodeState::Leaving) => "leaving",
    };
    SeenMember {
        node: member.id.clone(),
        epoch: member.epoch.0,
        state,
        version: member.version.to_string(),
        labels: member.labels.iter().cloned().collect(),
        replicas: member.replicas.iter().map(replica).collect(),
    }
}

fn replica(report: &ReplicaReport) -> SeenReplica {
    SeenReplica {
        actor: report.actor.to_string(),
        state: report.state,
        running: report.running,
        waiting: report.waiting,
        limit: report.concurrency_max,
    }
}

fn actors(app: &DesiredApp) -> Vec<SeenActor> {
    let components = app.components.iter().map(|(name, component)| {
        let actor = ActorAddress::component(app.app.clone(), name.clone());
        of_component(&actor, component)
    });
    let providers = app.providers.iter().map(|(name, provider)| {
        let actor = ActorAddress::provider(app.app.clone(), name.clone());
        of_provider(&actor, provider)
    });
    components.chain(providers).collect()
}

fn of_component(actor: &ActorAddress, component: &DesiredComponent) -> SeenActor {
    let links = component.links.iter().flat_map(|(interface, ends)| {
        let link = |end: &LinkEnd| SeenLink {
            interface: Some(interface.to_string()),
            to: end.of_app(&actor.app).to_string(),
        };
        ends.values().map(link).collect::<Vec<_>>()
    });
    SeenActor {
        actor: actor.to_string(),
        what: component.digest.to_string().chars().take(12).collect(),
        placement: placement(&component.placement, false),
        links: links.collect(),
    }
}

fn of_provider(actor: &ActorAddress, provider: &DesiredProvider) -> SeenActor {
    let calls = provider.calls.iter().map(|target| SeenLink {
        interface: None,
        to: ActorAddress::component(actor.app.clone(), target.component.clone()).to_string(),
    });
    SeenActor {
        actor: actor.to_string(),
        what: provider.backend.clone(),
        placement: placement(&provider.placement, provider.goes_to_each_node()),
        links: calls.collect(),
    }
}

fn placement(rule: &PlacementRule, is_on_each: bool) -> String {
    let nodes: Vec<&str> = rule.nodes.iter().map(NodeId::as_str).collect();
    let mut words = match rule.replicas {
        _ if !nodes.is_empty() => format!("on {}", nodes.join(", ")),
        _ if is_on_each || rule.every_node => "on every node".to_owned(),
        replicas => format!("{} of it", replicas.unwrap_or(1)),
    };
    let labels: Vec<String> = rule
        .labels
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    if !labels.is_empty() {
        words += &format!(" where {}", labels.join(", "));
    }
    words
}

/// The calls of each operation together, whatever came of them.
fn operations(measured: Vec<Measured>) -> Vec<SeenOperation> {
    let mut all: BTreeMap<(String, String), Operation> = BTreeMap::new();
    for measured in measured {
        let MeasuredValue::Durations(counts) = measured.value else {
            continue;
        };
        let attribute = |name| {
            let found = measured.attributes.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.clone())
        };
        let (Some(interface), Some(operation)) =
            (attribute("rpc.service"), attribute("rpc.method"))
        else {
            continue;
        };
        let entry = all.entry((interface, operation)).or_default();
        entry.counts.push(counts);
        if let Some(fault) = attribute("error.type") {
            *entry.faults.entry(fault).or_default() += counts.count();
        }
    }
    let shown = all
        .into_iter()
        .map(|((interface, operation), it)| SeenOperation {
            interface,
            operation,
            calls: it.calls(),
            mean_micros: it.mean_micros(),
            p99_micros: it.p99_micros(),
            faults: it.faults,
        });
    let mut shown: Vec<_> = shown.collect();
    shown.sort_by_key(|operation| std::cmp::Reverse(operation.mean_micros));
    shown.truncate(OPERATIONS_MAX);
    shown
}

#[derive(Default)]
struct Operation {
    counts: Vec<DurationCounts>,
    faults: BTreeMap<String, u64>,
}

impl Operation {
    fn calls(&self) -> u64 {
        self.counts.iter().map(DurationCounts::count).sum()
    }

    fn mean_micros(&self) -> u64 {
        let sum: u128 = self.counts.iter().map(|it| it.sum.as_micros()).sum();
        let mean = sum / u128::from(self.calls().max(1));
        u64::try_from(mean).unwrap_or(u64::MAX)
    }

    fn p99_micros(&self) -> Option<u64> {
        let rank = self.calls() - self.calls() / 100;
        let mut so_far = 0;
        let bound = DurationCounts::bounds()
            .into_iter()
            .enumerate()
            .find(|(bucket, _)| {
                so_far += self
                    .counts
                    .iter()
                    .map(|it| it.buckets[*bucket])
                    .sum::<u64>();
                so_far >= rank
            });
        bound.map(|(_, seconds)| (seconds * 1e6).round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wrt_contract::{Durations, Instrument};

    use super::*;

    static CALLS: Instrument = Instrument {
        name: "rpc.client.call.duration",
        unit: "s",
        description: "",
    };

    fn took(operation: &str, millis: &[u64], fault: Option<&str>) -> Measured {
        let durations = Durations::new();
        for millis in millis {
            durations.take(Duration::from_millis(*millis));
        }
        let value = MeasuredValue::Durations(durations.counts().unwrap());
        let measured = Measured::new(&CALLS, value)
            .with("rpc.service", "wasi:keyvalue")
            .with("rpc.method", operation);
        match fault {
            None => measured,
            Some(fault) => measured.with("error.type", fault),
        }
    }

    #[test]
    fn the_slowest_operation_comes_first_with_its_faults() {
        let shown = operations(vec![
            took("get", &[1; 100], None),
            took("set", &[4; 98], None),
            took("set", &[400, 900], Some("deadline-exceeded")),
        ]);
        let shown: Vec<_> = shown
            .iter()
            .map(|it| {
                (
                    it.operation.as_str(),
                    it.calls,
                    it.mean_micros,
                    it.p99_micros,
                )
            })
            .collect();
        // 1,692 ms of 100 calls; the 99th took between 250 and 500 ms.
        assert_eq!(
            shown,
            [
                ("set", 100, 16_920, Some(500_000)),
                ("get", 100, 1_000, Some(1_000)),
            ]
        );
    }

    #[test]
    fn what_took_longer_than_any_bound_has_none() {
        let shown = operations(vec![took("get", &[11_000], None)]);
        assert_eq!(shown[0].p99_micros, None);
    }

    #[test]
    fn where_an_actor_goes_is_said_in_words() {
        let rule = |change: fn(&mut PlacementRule)| {
            let mut rule = PlacementRule::default();
            change(&mut rule);
            placement(&rule, false)
        };
        assert_eq!(rule(|_| {}), "1 of it");
        assert_eq!(rule(|it| it.every_node = true), "on every node");
        assert_eq!(
            rule(|it| {
                it.replicas = Some(3);
                it.labels.insert("zone".to_owned(), "west".to_owned());
            }),
            "3 of it where zone=west"
        );
        assert_eq!(
            rule(|it| it.nodes = ["a", "b"].map(|it| NodeId::new(it).unwrap()).into()),
            "on a, b"
        );
    }
}
