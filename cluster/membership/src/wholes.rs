//! Whole heartbeats of those of whom something was missed, asked for one by one.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, timeout},
};
use wrt_protocol::{
    NodeId,
    heartbeat::{Beat, Said, WholeQuestion, WholeShare},
    limits::{HEARTBEAT_INTERVAL, MEMBERS_MAX},
    subject::Subjects,
};
use wrt_transport::Transport;

/// How long a node has to answer with its whole heartbeat, or with a part of it: one behind a slow line, which is
/// as good a member as any, included.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(2);
/// How long all parts may take.
const WHOLE_WAIT_MAX: Duration = Duration::from_secs(8);
/// Time between two questions to one node, at the least.
const AGAIN_AFTER: Duration = HEARTBEAT_INTERVAL;
/// Nodes that are asked at a time.
const ASKED_MAX: usize = 32;
/// Parts of a heartbeat, those that were asked for in vain included: the share changed in between.
const PARTS_MAX: usize = 64;

/// Asks for whole heartbeats: each node for one at a time, not too often, and not too many at once.
/// Dropping it forgets the questions.
pub struct Wholes {
    transport: Arc<dyn Transport>,
    subjects: Subjects,
    places: Arc<Semaphore>,
    asked: HashMap<NodeId, Asked>,
    on_their_way: JoinSet<(NodeId, Option<Beat>)>,
}

#[derive(Debug, Clone, Copy)]
enum Asked {
    /// It is being asked.
    Now,
    /// That ended then.
    Until(Instant),
}

impl Asked {
    fn is_recent(self, now: Instant) -> bool {
        match self {
            Self::Now => true,
            Self::Until(at) => now.saturating_duration_since(at) < AGAIN_AFTER,
        }
    }
}

impl Wholes {
    /// Asks nobody yet.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>, subjects: Subjects) -> Self {
        Self {
            transport,
            subjects,
            places: Arc::new(Semaphore::new(ASKED_MAX)),
            asked: HashMap::new(),
            on_their_way: JoinSet::new(),
        }
    }

    /// Asks `node`, unless it is being asked, or was a moment ago; answers whether it does. Who is still missed
    /// then is asked after its next heartbeat.
    pub fn ask(&mut self, node: &NodeId) -> bool {
        let now = Instant::now();
        if self.asked.get(node).is_some_and(|it| it.is_recent(now)) {
            return false;
        }
        if self.asked.len() >= MEMBERS_MAX {
            self.asked.retain(|_, it| it.is_recent(now));
        }
        if self.asked.len() >= MEMBERS_MAX {
            return false;
        }
        self.asked.insert(node.clone(), Asked::Now);
        let (transport, subjects) = (Arc::clone(&self.transport), self.subjects.clone());
        let (places, node) = (Arc::clone(&self.places), node.clone());
        self.on_their_way.spawn(async move {
            let _place = places.acquire().await;
            let beat = timeout(WHOLE_WAIT_MAX, whole(&*transport, &subjects, &node)).await;
            (node, beat.ok().flatten())
        });
        true
    }

    /// The next whole heartbeat; none as soon as nobody is being asked. Cancel safe.
    pub async fn next(&mut self) -> Option<Beat> {
        while let Some(ended) = self.on_their_way.join_next().await {
            if let Some(beat) = self.taken(ended.ok()) {
                return Some(beat);
            }
        }
        None
    }

    /// The next one of those that are there.
    pub fn try_next(&mut self) -> Option<Beat> {
        while let Some(ended) = self.on_their_way.try_join_next() {
            if let Some(beat) = self.taken(ended.ok()) {
                return Some(beat);
            }
        }
        None
    }

    fn taken(&mut self, ended: Option<(NodeId, Option<Beat>)>) -> Option<Beat> {
        let (node, beat) = ended?;
        self.asked.insert(node, Asked::Until(Instant::now()));
        beat
    }
}

/// Asks a node for all that it says of itself, part by part; none when it does not answer in time.
async fn whole(transport: &dyn Transport, subjects: &Subjects, node: &NodeId) -> Option<Beat> {
    let mut collected: Option<Beat> = None;
    for _ in 0..PARTS_MAX {
        let first = collected.as_ref().map_or(0, |beat| replicas(beat).len());
        let first = u32::try_from(first).ok()?;
        let question = WholeQuestion { first }.encode().ok()?;
        let asked = transport.request(subjects.whole(node), question);
        let answer = timeout(ANSWER_WAIT_MAX, asked).await.ok()?.ok()?;
        let part = Beat::decode(&answer).ok()?;
        if part.pulse.node != *node {
            return None;
        }
        match joined(collected.take(), part) {
            Joined::All(beat) => return Some(beat),
            Joined::Some(beat) => collected = Some(beat),
            Joined::Anew => {}
        }
    }
    None
}

enum Joined {
    All(Beat),
    Some(Beat),
    /// They are not of one share.
    Anew,
}

/// Puts a part behind those before it.
fn joined(before: Option<Beat>, next: Beat) -> Joined {
    let epoch = next.pulse.epoch;
    let Said::Whole(part) = next.said else {
        return Joined::Anew;
    };
    let Some(of) = part.part else {
        return Joined::Anew;
    };
    let all = match before.map(|beat| (beat.pulse.epoch, beat.said)) {
        None if of.first == 0 => part,
        Some((before_epoch, Said::Whole(before)))
            if before_epoch == epoch && follows(&before, &part) =>
        {
            let mut all = before;
            all.replicas.extend(part.replicas);
            all
        }
        _ => return Joined::Anew,
    };
    let is_all = all.is_all();
    let beat = Beat {
        pulse: next.pulse,
        said: Said::Whole(all),
    };
    match is_all {
        true => Joined::All(beat),
        false => Joined::Some(beat),
    }
}

fn follows(before: &WholeShare, next: &WholeShare) -> bool {
    let (Some(of), Some(next_of)) = (before.part, next.part) else {
        return false;
    };
    let is_next = usize::try_from(next_of.first) == Ok(before.replicas.len());
    is_next
        && !next.replicas.is_empty()
        && (of.revision, of.count) == (next_of.revision, next_of.count)
}

fn replicas(beat: &Beat) -> &[wrt_protocol::heartbeat::ReplicaReport] {
    match &beat.said {
        Said::Whole(whole) => &whole.replicas,
        Said::Changes(_) => &[],
    }
}

#[cfg(test)]
mod tests {
    use wrt_protocol::{
        ActorAddress, Epoch, Name, NodeMicros,
        heartbeat::{NodeState, Pulse, ReplicaReport, ReplicaState, ShareRevision},
    };

    use super::*;

    fn share(count: usize) -> WholeShare {
        let name = |text: &str| Name::new(text).expect("a legal name");
        let report = |at: usize| ReplicaReport {
            actor: ActorAddress::component(name("shop"), name(&format!("c{at}"))),
            state: ReplicaState::Ready,
            running: 0,
            waiting: 0,
            concurrency_max: 1,
            handled: 0,
            refused: 0,
        };
        WholeShare {
            version: "1".to_owned(),
            labels: vec![("zone".to_owned(), "a".to_owned())],
            replicas: (0..count).map(report).collect(),
            part: None,
        }
    }

    fn part(revision: u64, first: usize) -> Beat {
        let first = u32::try_from(first).expect("a small share");
        let said = share(20).cut(ShareRevision(revision), first, 3, 600);
        Beat {
            pulse: Pulse {
                node: NodeId::new("a").expect("a legal name"),
                epoch: Epoch(1),
                sequence: 0,
                sent_at: NodeMicros(0),
                interval_ms: 250,
                state: NodeState::Serving,
            },
            said: Said::Whole(said),
        }
    }

    #[test]
    fn parts_of_one_share_are_put_together() {
        let mut collected = None;
        let mut parts = 0;
        let all = loop {
            let first = collected.as_ref().map_or(0, |beat| replicas(beat).len());
            parts += 1;
            let next = part(7, first);
            assert!(next.encode().expect("it has an encoding").len() <= 600);
            match joined(collected.take(), next) {
                Joined::All(beat) => break beat,
                Joined::Some(beat) => collected = Some(beat),
                Joined::Anew => panic!("they follow each other"),
            }
        };
        assert!(parts > 1, "it does not fit at once");
        assert_eq!(replicas(&all), share(20).replicas);
    }

    #[test]
    fn parts_of_two_shares_are_not() {
        let Joined::Some(first) = joined(None, part(7, 0)) else {
            panic!("it does not fit at once");
        };
        let next = part(8, replicas(&first).len());
        assert!(matches!(joined(Some(first), next), Joined::Anew));
        assert!(matches!(joined(None, part(7, 3)), Joined::Anew));
    }
}
