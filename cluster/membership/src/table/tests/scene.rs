//! A table, the time that it is told, and a few nodes that beat.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::time::Instant;
use wrt_protocol::{
    ActorAddress, Epoch, Name, NodeId, NodeMicros,
    heartbeat::{Heartbeat, NodeState, ReplicaReport, ReplicaState},
    limits::HEARTBEAT_INTERVAL,
};
use wrt_transport::LinkState;

use crate::{Liveness, Member, MemberTable, NodeClock, Observed, Presence};

pub(super) const TICK: Duration = Duration::from_millis(50);
pub(super) const BEAT: Duration = HEARTBEAT_INTERVAL;

pub(super) fn node(name: &str) -> NodeId {
    NodeId::new(name).expect("a test's name is legal")
}

pub(super) fn actor() -> ActorAddress {
    ActorAddress::component(
        Name::new("shop").expect("legal"),
        Name::new("cart").expect("legal"),
    )
}

pub(super) fn heartbeat(name: &str, epoch: u64, sequence: u64) -> Heartbeat {
    Heartbeat {
        node: node(name),
        epoch: Epoch(epoch),
        sequence,
        sent_at: NodeMicros(0),
        interval_ms: 250,
        state: NodeState::Serving,
        version: "1".into(),
        labels: vec![],
        replicas: vec![ReplicaReport {
            actor: actor(),
            state: ReplicaState::Ready,
            running: 0,
            waiting: 0,
            concurrency_max: 8,
            handled: 0,
            refused: 0,
        }],
    }
}

/// A table, its time, and who beats.
pub(super) struct Scene {
    pub(super) table: MemberTable,
    pub(super) now: Instant,
    began: Instant,
    pub(super) link: LinkState,
    /// Whether the bus gives this node its own heartbeats back.
    pub(super) echo: bool,
    /// What becomes of a question to one, if it is not that it has no answer.
    pub(super) presence: BTreeMap<String, Presence>,
    /// What was answered of whom so far.
    pub(super) answers: BTreeMap<String, Vec<(Instant, Presence)>>,
    /// Questions that were put at the last tick.
    pub(super) asked: usize,
    sequence: u64,
}

impl Scene {
    /// Everybody named is known and alive.
    pub(super) fn of(names: &[&str]) -> Self {
        let now = Instant::now();
        let mut scene = Self {
            table: MemberTable::new(node("own"), NodeClock::start()),
            now,
            began: now,
            link: LinkState::Up,
            echo: true,
            presence: BTreeMap::new(),
            answers: BTreeMap::new(),
            asked: 0,
            sequence: 0,
        };
        scene.table.observe_own(heartbeat("own", 1, 0), now);
        scene.run(BEAT * 4, names);
        scene
    }

    /// Lets time pass while those named beat.
    pub(super) fn run(&mut self, duration: Duration, beating: &[&str]) {
        let end = self.now + duration;
        while self.now < end {
            let beats = self.beats_next();
            self.now += TICK;
            if beats {
                self.beat(beating);
            }
            self.table.tick(self.now, self.link);
            self.ask();
        }
    }

    /// Whether heartbeats are due at the next tick.
    pub(super) fn beats_next(&self) -> bool {
        let since = self.now + TICK - self.began;
        since.as_millis().is_multiple_of(BEAT.as_millis())
    }

    fn ask(&mut self) {
        let questions = self.table.questions(self.now);
        self.asked = questions.len();
        for question in questions {
            let told = self.presence.get(question.node.as_str());
            let presence = told.copied().unwrap_or(Presence::Unanswered);
            let answers = self.answers.entry(question.node.to_string()).or_default();
            answers.push((self.now, presence));
            self.table.observe_presence(&question, presence, self.now);
        }
    }

    /// The bus knows nobody there any more.
    pub(super) fn crash(&mut self, name: &str) {
        self.presence.insert(name.to_owned(), Presence::Unknown);
    }

    pub(super) fn beat(&mut self, names: &[&str]) {
        if self.echo {
            self.table.observe_echo(self.now);
        }
        for name in names {
            assert_eq!(self.hear(name, self.now), Observed::Applied);
        }
    }

    /// A heartbeat arrives now that was sent before.
    pub(super) fn hear(&mut self, name: &str, sent_at: Instant) -> Observed {
        self.sequence += 1;
        let sent_at = (sent_at - self.began).as_micros();
        let heartbeat = Heartbeat {
            sent_at: NodeMicros(u64::try_from(sent_at).expect("a short test")),
            ..heartbeat(name, 1, self.sequence)
        };
        self.table.observe(heartbeat, self.now)
    }

    /// A frame of a body arrives from it.
    pub(super) fn shows_life(&mut self, name: &str) {
        self.table.observe_sign_of_life(&node(name), self.now);
    }

    /// How long no heartbeat of it has come.
    pub(super) fn silence(&self, name: &str) -> Duration {
        self.table.entries[&node(name)].silence(self.now)
    }

    /// Time passes without a tick: this node is stopped.
    pub(super) fn pause(&mut self, duration: Duration) {
        self.now += duration;
    }

    pub(super) fn liveness(&mut self, name: &str) -> Option<Liveness> {
        let view = self.table.view();
        view.member(&node(name)).map(|member| member.liveness)
    }

    #[track_caller]
    pub(super) fn check(&mut self, expected: &[(&str, Liveness)]) {
        for (name, liveness) in expected {
            assert_eq!(self.liveness(name), Some(*liveness), "{name}");
        }
    }

    pub(super) fn member(&mut self, name: &str) -> Arc<Member> {
        let view = self.table.view();
        Arc::clone(view.member(&node(name)).expect("it is in the view"))
    }

    pub(super) fn candidates(&mut self) -> Vec<String> {
        let view = self.table.view();
        let candidates = view.candidates(&actor()).iter();
        candidates.map(|c| c.member.id.to_string()).collect()
    }
}
