//! What holds whatever is heard, and however time passes.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use proptest::prelude::*;
use tokio::time::Instant;
use wrt_protocol::heartbeat::NodeState;
use wrt_transport::LinkState;

use super::scene::{BEAT, Scene, actor, heartbeat};
use crate::{
    Liveness::{Alive, Dead},
    Member, Observed, dead_after, suspect_after,
};

#[derive(Debug, Clone)]
enum Step {
    Beat {
        node: usize,
        epoch: u64,
        sequence: u64,
        state: NodeState,
    },
    Pass {
        millis: u64,
    },
    Link(LinkState),
}

fn step() -> impl Strategy<Value = Step> {
    let state = prop_oneof![
        6 => Just(NodeState::Serving),
        1 => Just(NodeState::Draining),
        1 => Just(NodeState::Leaving),
    ];
    prop_oneof![
        5 => (0..5_usize, 0..3_u64, 0..40_u64, state)
            .prop_map(|(node, epoch, sequence, state)| Step::Beat { node, epoch, sequence, state }),
        5 => (0..3_000_u64).prop_map(|millis| Step::Pass { millis }),
        1 => prop_oneof![Just(LinkState::Up), Just(LinkState::Down)].prop_map(Step::Link),
    ]
}

proptest! {
    /// Whatever is heard and however time passes: epochs go back only past the dead, a token is live if and only
    /// if its member is alive, the silence of a suspect is real, nobody dies while the link is down,
    /// and only those who take calls are candidates.
    #[test]
    fn invariants_hold(steps in proptest::collection::vec(step(), 1..120)) {
        let mut scene = Scene::of(&[]);
        let mut heard: BTreeMap<String, Instant> = BTreeMap::new();
        let mut before: BTreeMap<String, Arc<Member>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Beat { node, epoch, sequence, state } => {
                    let mut beat = heartbeat(&format!("n{node}"), epoch, sequence);
                    beat.state = state;
                    let now = scene.now;
                    if scene.table.observe(beat, now) == Observed::Applied {
                        heard.insert(format!("n{node}"), now);
                    }
                }
                Step::Pass { millis } => scene.run(Duration::from_millis(millis), &[]),
                Step::Link(link) => scene.link = link,
            }
            let link_was_down = scene.table.link == LinkState::Down;
            let view = scene.table.view();
            let mut seen = BTreeMap::new();
            for member in view.members().filter(|member| !member.is_self) {
                let name = member.id.to_string();
                let silence = scene.now - heard[&name];
                prop_assert_eq!(member.lost.is_cancelled(), member.liveness != Alive);
                prop_assert!(member.liveness == Alive || silence >= suspect_after(BEAT));
                prop_assert!(member.liveness != Dead || silence >= dead_after(BEAT));
                prop_assert!(member.state != NodeState::Leaving);
                if let Some(old) = before.get(&name) {
                    prop_assert!(member.epoch >= old.epoch || old.liveness == Dead);
                    let died = member.liveness == Dead && old.liveness != Dead;
                    prop_assert!(!(died && link_was_down));
                    if member.epoch != old.epoch {
                        prop_assert!(old.lost.is_cancelled());
                    }
                }
                seen.insert(name, Arc::clone(member));
            }
            for (name, old) in &before {
                prop_assert!(seen.contains_key(name) || old.lost.is_cancelled());
            }
            let candidates = view.candidates(&actor());
            prop_assert!(candidates.iter().all(|c| c.member.takes_calls()));
            let serving = view.members().filter(|member| member.takes_calls()).count();
            prop_assert_eq!(candidates.len(), serving);
            prop_assert!(candidates[0].member.is_self);
            before = seen;
        }
    }
}
