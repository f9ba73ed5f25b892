//! `wrt node drain`

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Duration,
};

use serde::Serialize;
use tokio::time::{Instant, sleep};
use wrt_deployment::{
    Cordon, Drain, PlacedMember, Placement, Refusal, StoreError, Verdict, cordoned, drained,
    explain, place,
};
use wrt_host::Printable;
use wrt_protocol::{ActorAddress, NodeId};

use super::{ATTEMPTS_MAX, Desired, LOOK_INTERVAL, Site};
use crate::cli::{
    args::DrainArgs,
    deploy::progress::{Outlook, missing},
    exit::Failure,
    program,
};

/// How often it is looked whether something else is deployed meanwhile.
const STORE_LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What stays, and why.
#[derive(Debug, Serialize)]
struct Kept {
    actor: String,
    /// Of each other node.
    reasons: Vec<String>,
}

/// What has left, and who has it now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Moved {
    actor: String,
    to: Vec<NodeId>,
}

impl Site<'_> {
    pub(super) async fn drain(&self, arguments: DrainArgs) -> Result<(), Failure> {
        let node = &arguments.node;
        let there = self.warn_if_away(node);
        let (drain, kept) = self.planned(node).await?;
        for it in &kept {
            self.output.progress(&it.to_string());
        }
        let moved = match arguments.timeout {
            0 => Vec::new(),
            seconds => {
                let patience = Duration::from_secs(seconds);
                self.emptied(node, &drain, patience).await?
            }
        };
        let json = serde_json::json!({
            "node": node, "cordoned": true, "there": there,
            "drained": kept.is_empty() && arguments.timeout > 0, "moved": moved, "kept": kept,
        });
        let text = match (arguments.timeout, kept.len()) {
            (0, _) => format!(
                "{node} is being emptied; `{} ps` shows how far it is",
                program::name()
            ),
            (_, 0) => format!("{node} is cordoned, and has nothing"),
            (_, kept) => format!("{node} is cordoned, and keeps {}", replicas(kept)),
        };
        self.output.result(&text, &json);
        match kept.is_empty() {
            true => Ok(()),
            false => Err(not_all(node, &kept)),
        }
    }

    /// Cordons it with what has no other place.
    async fn planned(&self, node: &NodeId) -> Result<(Drain, Vec<Kept>), Failure> {
        let mut attempt = 1;
        loop {
            let stored = self.store.cordon(node).await?;
            let desired = self.desired().await?;
            let members = self.observer.members(&desired.cordons);
            let drain = drained(&desired.apps(), &members, node);
            let cordon = Cordon {
                keeps: drain.keeps.clone(),
            };
            let expected = stored.as_ref().map(|stored| stored.revision);
            let is_same = stored.is_some_and(|stored| stored.cordon.as_ref() == Ok(&cordon));
            let put = match is_same {
                true => Ok(()),
                false => {
                    let put = self.store.put_cordon(node, &cordon, expected).await;
                    put.map(|_revision| ())
                }
            };
            match put {
                Err(StoreError::CordonConflict { .. }) if attempt < ATTEMPTS_MAX => attempt += 1,
                put => {
                    put?;
                    let kept = kept(&desired, &members, node, &drain.keeps);
                    return Ok((drain, kept));
                }
            }
        }
    }

    /// Waits until all of it has left that may, and tells of each.
    async fn emptied(
        &self,
        node: &NodeId,
        drain: &Drain,
        patience: Duration,
    ) -> Result<Vec<Moved>, Failure> {
        let begun = Instant::now();
        let unaware = self.unaware(node, true).await;
        let (mut moved, mut told) = (BTreeSet::new(), HashSet::new());
        let mut left = drain.moves.clone();
        let (mut desired, mut read_at) = (self.desired().await?, Instant::now());
        loop {
            if read_at.elapsed() > STORE_LOOK_INTERVAL {
                (desired, read_at) = (self.desired().await?, Instant::now());
            }
            let placement = self.placement(&desired);
            let runs = self.runs(node);
            for gone in left.difference(&runs) {
                let to: Vec<_> = placement.nodes(gone).cloned().collect();
                let one = Moved {
                    actor: gone.to_string(),
                    to,
                };
                self.output.progress(&one.to_string());
                moved.insert(one);
            }
            left = &runs - &drain.keeps;
            if left.is_empty() {
                return Ok(moved.into_iter().collect());
            }
            let waits = self.waits(&left, &placement).await;
            for (text, outlook) in &waits {
                if *outlook != Outlook::UnderWay && told.insert(text.clone()) {
                    self.output.progress(text);
                }
            }
            if begun.elapsed() > patience {
                return Err(too_late(
                    node,
                    &left,
                    &waits,
                    unaware.contains(node),
                    patience,
                ));
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    fn placement(&self, desired: &Desired) -> Placement {
        let members = self.observer.members(&desired.cordons);
        place(desired.apps(), &members)
    }

    /// What those wait for that have not left.
    async fn waits(
        &self,
        left: &BTreeSet<ActorAddress>,
        placement: &Placement,
    ) -> Vec<(String, Outlook)> {
        let successors: BTreeMap<_, BTreeSet<_>> = left
            .iter()
            .map(|actor| (actor, placement.nodes(actor).cloned().collect()))
            .collect();
        let nodes: BTreeSet<_> = successors.values().flatten().collect();
        let statuses = self.lattice.statuses(nodes.into_iter()).await;
        let mut waits = Vec::new();
        for (actor, nodes) in successors {
            if nodes.is_empty() {
                let text = format!("{actor} has no other place any more");
                waits.push((text, Outlook::NeedsNodes));
            }
            for node in nodes {
                match statuses.get(&node).and_then(Option::as_ref) {
                    None => waits.push((format!("node {node} does not answer"), Outlook::UnderWay)),
                    Some(status) => {
                        let missing = missing(status, &node, actor);
                        waits.extend(missing.map(|it| (it.text, it.outlook)));
                    }
                }
            }
        }
        waits
    }
}

/// Why these have no other place.
fn kept(
    desired: &Desired,
    members: &[PlacedMember],
    node: &NodeId,
    keeps: &BTreeSet<ActorAddress>,
) -> Vec<Kept> {
    let apps = desired.apps();
    let kept = |actor: &ActorAddress| {
        let mut others = keeps.clone();
        others.remove(actor);
        let members = cordoned(members, node, &others);
        let explained = explain(apps.iter().copied(), &members, actor);
        let nodes = explained.into_iter().flat_map(|explained| explained.nodes);
        let others = nodes.filter(|(other, _)| other != node);
        Kept {
            actor: actor.to_string(),
            reasons: others
                .filter_map(|(other, verdict)| against(&other, verdict))
                .collect(),
        }
    };
    keeps.iter().map(kept).collect()
}

/// What stands against another node; nothing where that has a replica already.
fn against(node: &NodeId, verdict: Verdict) -> Option<String> {
    match verdict {
        Verdict::Placed { .. } => None,
        Verdict::Spare { .. } => Some(format!("{node} has room only if others give way")),
        Verdict::Refused(refusals) => {
            let texts: Vec<_> = refusals.iter().map(Refusal::to_string).collect();
            Some(format!("{node} {}", texts.join("; ")))
        }
    }
}

fn not_all(node: &NodeId, kept: &[Kept]) -> Failure {
    let lines: Vec<_> = kept.iter().map(|it| format!("\n  {it}")).collect();
    Failure::failed(anyhow::anyhow!(
        "{node} takes nothing new, and keeps {}, which {} no other place:{}\nthey go on there; `{} \
         explain` says of each what would have to change",
        replicas(kept.len()),
        if kept.len() == 1 { "has" } else { "have" },
        lines.concat(),
        program::name()
    ))
}

fn too_late(
    node: &NodeId,
    left: &BTreeSet<ActorAddress>,
    waits: &[(String, Outlook)],
    is_unaware: bool,
    patience: Duration,
) -> Failure {
    let mut lines: Vec<_> = waits
        .iter()
        .map(|(text, _)| format!("\n  {text}"))
        .collect();
    if is_unaware {
        lines.push(format!("\n  node {node} does not know that it is cordoned"));
    }
    if lines.is_empty() {
        let left = left
            .iter()
            .map(|actor| format!("\n  {actor} ends what it has in hand"));
        lines.extend(left);
    }
    Failure::too_late(format!(
        "{node} is cordoned, and after {} s {} still there:{}\nthe nodes go on; `{} ps` shows how far they \
         are",
        patience.as_secs(),
        match left.len() {
            1 => "1 replica is".to_owned(),
            left => format!("{left} replicas are"),
        },
        lines.concat(),
        program::name()
    ))
}

fn replicas(count: usize) -> String {
    match count {
        1 => "1 replica".to_owned(),
        count => format!("{count} replicas"),
    }
}

impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let reasons = match self.reasons.is_empty() {
            true => "no other node is there that could have one more".to_owned(),
            // A node's label is its operator's own text.
            false => Printable(&self.reasons.join(", ")).to_string(),
        };
        write!(f, "{} stays: {reasons}", self.actor)
    }
}

impl std::fmt::Display for Moved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let to: Vec<_> = self.to.iter().map(NodeId::as_str).collect();
        match to.is_empty() {
            true => write!(f, "{} is gone", self.actor),
            false => write!(f, "{} is on {}", self.actor, to.join(", ")),
        }
    }
}
