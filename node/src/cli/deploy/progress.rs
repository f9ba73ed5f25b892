//! How far the lattice is with an app.

use std::fmt;

use wrt_deployment::{Cordons, DesiredApp, PlacedMember, Placement, Shortage, place};
use wrt_host::Printable;
use wrt_protocol::{ActorAddress, Name, NodeId, heartbeat::ReplicaState};

use crate::{
    NodeStatus, Observer,
    cli::{program, ps::replica_state},
    lattice::Lattice,
};

/// What is still to do: nothing when the app is up.
#[derive(Debug, Default)]
pub struct Progress {
    to_do: Vec<ToDo>,
    /// The nodes that may get something.
    pub nodes: Vec<NodeId>,
    /// Whether a node holds on to what it knows of the app, whatever is stored.
    pub is_held: bool,
    /// Whether a node has another app in this one's place.
    pub is_behind: bool,
}

/// One thing that is still to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToDo {
    /// In words.
    pub text: String,
    /// What may do it.
    pub outlook: Outlook,
}

/// What may still happen by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// It is under way.
    UnderWay,
    /// It has failed, and is tried again.
    TriedAgain,
    /// Somebody may start a node.
    NeedsNodes,
    /// Nothing.
    Hopeless,
}

/// How much of what is to do may still come by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hope {
    /// All of it.
    All,
    /// Not everything: the app will not be up.
    Some,
    /// Nothing.
    None,
}

impl Progress {
    /// Asks every node that has a share of the app; `others` are there too, and take room, and nodes are cordoned.
    pub async fn look(
        lattice: &Lattice,
        observer: &Observer,
        app: &DesiredApp,
        (others, cordons): (&[&DesiredApp], &Cordons),
    ) -> Self {
        let members = observer.members(cordons);
        let placement = of_app(app, others, &members);
        let statuses = lattice.statuses(placement.shares.keys()).await;
        let takers = members.iter().filter(|member| member.takes_placement());
        let mut progress = Self {
            nodes: takers.map(|member| member.id.clone()).collect(),
            ..Self::default()
        };
        if members.is_empty() {
            let text = format!(
                "no node is on lattice {}: start one with {}",
                lattice.name(),
                program::join()
            );
            progress.add(Outlook::NeedsNodes, text);
        } else {
            for text in shortages(&placement) {
                progress.add(Outlook::NeedsNodes, text);
            }
        }
        for (node, share) in &placement.shares {
            match statuses.get(node).and_then(Option::as_ref) {
                None => {
                    let text = format!("node {node} does not answer");
                    progress.add(Outlook::UnderWay, text);
                }
                Some(status) => progress.of_node(node, status, app, share.iter()),
            }
        }
        progress
    }

    fn of_node<'a>(
        &mut self,
        node: &NodeId,
        status: &NodeStatus,
        app: &DesiredApp,
        share: impl Iterator<Item = &'a ActorAddress>,
    ) {
        if status.digests.get(&app.app) == Some(&app.digest()) {
            self.to_do
                .extend(share.filter_map(|actor| missing(status, node, actor)));
            return;
        }
        self.is_behind = true;
        self.is_held |= status.held.contains_key(app.app.as_str());
        self.add(Outlook::UnderWay, not_taken_up(status, node, &app.app));
    }

    fn add(&mut self, outlook: Outlook, text: String) {
        self.to_do.push(ToDo { text, outlook });
    }

    /// Whether nothing is to do.
    pub fn is_done(&self) -> bool {
        self.to_do.is_empty()
    }

    /// How much of it does not come by itself; `are_nodes_awaited` while somebody may still start some.
    pub fn hope(&self, are_nodes_awaited: bool) -> Hope {
        let is_hopeless = |to_do: &&ToDo| match to_do.outlook {
            Outlook::Hopeless => true,
            Outlook::NeedsNodes => !are_nodes_awaited,
            Outlook::UnderWay | Outlook::TriedAgain => false,
        };
        match self.to_do.iter().filter(is_hopeless).count() {
            0 => Hope::All,
            hopeless if hopeless == self.to_do.len() => Hope::None,
            _ => Hope::Some,
        }
    }

    /// What somebody who waits wants to know: all but what is simply under way.
    pub fn reasons(&self) -> impl Iterator<Item = &str> {
        let is_reason = |to_do: &&ToDo| to_do.outlook != Outlook::UnderWay;
        self.to_do
            .iter()
            .filter(is_reason)
            .map(|to_do| to_do.text.as_str())
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.to_do.iter().map(|to_do| format!("  {}", to_do.text));
        f.write_str(&lines.collect::<Vec<_>>().join("\n"))
    }
}

fn not_taken_up(status: &NodeStatus, node: &NodeId, app: &Name) -> String {
    let why = match (&status.desired_trouble, status.held.get(app.as_str())) {
        _ if status.is_isolated => ": it hears too few others".to_owned(),
        (Some(trouble), _) => format!(": it cannot read the desired state: {}", Printable(trouble)),
        (None, Some(reason)) => format!(": {}", Printable(reason)),
        (None, None) => String::new(),
    };
    format!("node {node} has not taken it up yet{why}")
}

/// Where the app's own actors go.
fn of_app(app: &DesiredApp, others: &[&DesiredApp], members: &[PlacedMember]) -> Placement {
    let others = others.iter().filter(|other| other.app != app.app);
    let mut placement = place(others.copied().chain([app]), members);
    placement.shares.retain(|_, share| {
        share.retain(|actor| actor.app == app.app);
        !share.is_empty()
    });
    placement.shortages.retain(|it| it.actor.app == app.app);
    placement
}

fn shortages(placement: &Placement) -> impl Iterator<Item = String> {
    placement.shortages.iter().map(|shortage| {
        let (actor, placed, wanted) = (&shortage.actor, shortage.placed, shortage.wanted);
        let why = why_short(shortage);
        format!("{actor} has {placed} of {wanted} replicas: {why}")
    })
}

fn why_short(shortage: &Shortage) -> String {
    let nodes = |count: usize| match count {
        1 => "1 node".to_owned(),
        count => format!("{count} nodes"),
    };
    let mut reasons = Vec::new();
    if !shortage.absent.is_empty() {
        let absent: Vec<_> = shortage.absent.iter().map(NodeId::as_str).collect();
        reasons.push(format!("not on the lattice: {}", absent.join(", ")));
    }
    let down = &shortage.turned_down;
    if down.without_room > 0 {
        reasons.push(format!("no room on {}", nodes(down.without_room)));
    }
    if down.cordoned > 0 {
        reasons.push(format!("{} cordoned", nodes(down.cordoned)));
    }
    if down.apart > 0 {
        reasons.push(format!("kept apart from what {} have", nodes(down.apart)));
    }
    if reasons.is_empty() {
        reasons.push("no other node matches".to_owned());
    }
    let (program, actor) = (program::name(), &shortage.actor);
    format!(
        "{}; `{program} explain {actor}` says more",
        reasons.join("; ")
    )
}

/// What keeps an actor from serving on a node; nothing where it does.
pub fn missing(status: &NodeStatus, node: &NodeId, actor: &ActorAddress) -> Option<ToDo> {
    let Some(replica) = status
        .replicas
        .iter()
        .find(|replica| replica.actor == *actor)
    else {
        return Some(ToDo {
            text: format!("{actor} does not run on {node} yet"),
            outlook: Outlook::UnderWay,
        });
    };
    if replica.state == ReplicaState::Ready && replica.is_current {
        return None;
    }
    let state = match replica.state {
        // What is to be replaced serves.
        ReplicaState::Ready => "not replaced yet",
        state => replica_state(state),
    };
    let (text, outlook) = match &replica.error {
        Some(error) => {
            let outlook = match replica.is_refused {
                true => Outlook::Hopeless,
                false => Outlook::TriedAgain,
            };
            let text = format!("{actor} on {node} is {state}: {}", Printable(error));
            (text, outlook)
        }
        None => (format!("{actor} on {node} is {state}"), Outlook::UnderWay),
    };
    Some(ToDo { text, outlook })
}

#[cfg(test)]
mod tests {
    use wrt_deployment::TurnedDown;

    use super::*;

    fn progress(outlooks: &[Outlook]) -> Progress {
        let mut progress = Progress::default();
        for outlook in outlooks {
            progress.add(*outlook, format!("{outlook:?}"));
        }
        progress
    }

    #[test]
    fn there_is_hope_for_what_is_under_way() {
        use Outlook::*;
        for (outlooks, awaited, expected) in [
            (&[][..], false, Hope::All),
            (&[UnderWay, TriedAgain], false, Hope::All),
            (&[UnderWay, NeedsNodes], true, Hope::All),
            (&[UnderWay, NeedsNodes], false, Hope::Some),
            (&[Hopeless, UnderWay], false, Hope::Some),
            (&[Hopeless, TriedAgain], false, Hope::Some),
            (&[Hopeless, NeedsNodes], true, Hope::Some),
            (&[Hopeless, NeedsNodes], false, Hope::None),
            (&[Hopeless], true, Hope::None),
        ] {
            let hope = progress(outlooks).hope(awaited);
            assert_eq!(hope, expected, "{outlooks:?} {awaited}");
        }
    }

    #[test]
    fn a_shortage_is_told_with_its_reasons() {
        let name = |text| Name::new(text).expect("a legal name");
        let mut shortage = Shortage {
            actor: ActorAddress::component(name("shop"), name("cart")),
            wanted: 3,
            placed: 1,
            absent: Vec::new(),
            turned_down: TurnedDown::default(),
        };
        let told = |shortage: &Shortage| {
            let told = why_short(shortage);
            let (reasons, help) = told.rsplit_once("; ").expect("what to do next");
            assert!(help.ends_with("explain component/shop/cart` says more"));
            reasons.to_owned()
        };
        assert_eq!(told(&shortage), "no other node matches");
        shortage.turned_down.without_room = 1;
        assert_eq!(told(&shortage), "no room on 1 node");
        shortage.absent = vec![NodeId::from(name("x"))];
        shortage.turned_down.apart = 2;
        shortage.turned_down.cordoned = 1;
        let all = "not on the lattice: x; no room on 1 node; 1 node cordoned; kept apart from what 2 nodes have";
        assert_eq!(told(&shortage), all);
    }

    #[test]
    fn what_is_under_way_is_no_reason() {
        use Outlook::*;
        let progress = progress(&[UnderWay, TriedAgain, Hopeless]);
        let reasons: Vec<_> = progress.reasons().collect();
        assert_eq!(reasons, ["TriedAgain", "Hopeless"]);
    }
}
