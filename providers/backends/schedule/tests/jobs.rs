//! Jobs with a component that is none, a clock that is set by hand, and owners that are made by hand.

#![cfg(test)]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use tokio::{sync::watch, time::timeout};
use wrt_command::{Command, CommandInterface, Exit, Start};
use wrt_contract::{CallContext, Gate, GateLimits, LocalDirectory, Offer, async_trait};
use wrt_protocol::{ActorAddress, Fault, FaultKind, Name};
use wrt_runtime::{
    Alone, Deployment, Deployments, JobError, Jobs as _, LatticeState, Owned, Ownership, Record,
    Server, Serving, Target,
};
use wrt_schedule::{Clock, JobSelection, Run, Schedule, Times};
use wrt_test_kit::{UnreachableCaller, name};

const A_WHILE: Duration = Duration::from_secs(600);
/// How long one owns, longer than any wait: who waits in vain is to hear of it.
const TERM: Duration = Duration::from_secs(3600);

/// What a test sets.
struct World {
    clock: Arc<Hands>,
    record: Arc<dyn Record>,
    directory: Arc<LocalDirectory>,
    component: Arc<Component>,
}

/// The hands of a clock, in seconds.
#[derive(Default)]
struct Hands(AtomicI64);

impl Clock for Hands {
    fn unix_ms(&self) -> i64 {
        self.0.load(Relaxed) * 1000
    }
}

/// A component that notes how it was started.
#[derive(Default)]
struct Component {
    started: parking_lot::Mutex<Vec<Start>>,
    running: AtomicU32,
    is_slow: bool,
}

struct Running<'a>(&'a AtomicU32);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[async_trait]
impl Command for Component {
    async fn run(&self, _: &CallContext, start: &Start) -> Result<Exit, Fault> {
        self.started.lock().push(start.clone());
        self.running.fetch_add(1, Relaxed);
        let _running = Running(&self.running);
        if self.is_slow {
            std::future::pending::<()>().await;
        }
        Ok(Exit { code: 0 })
    }
}

/// Owns everything for as long as it says so.
struct Owner {
    ends_at: watch::Sender<Option<Instant>>,
    record: Arc<dyn Record>,
}

impl Ownership for Owner {
    fn own<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Owned> {
        Box::pin(async {
            let mut ends_at = self.ends_at.subscribe();
            ends_at
                .wait_for(Option::is_some)
                .await
                .expect("it is there");
            Owned::new(1, ends_at, || Box::pin(async {}))
        })
    }

    fn record(&self, _: &str) -> Arc<dyn Record> {
        Arc::clone(&self.record)
    }
}

struct Deployed;

impl Deployments for Deployed {
    fn of(&self, _: &Name) -> Option<Deployment> {
        Some(Deployment {
            revision: 7,
            specification: "the seventh".to_owned(),
            wall_time_max: Duration::from_secs(60),
        })
    }
}

/// A replica of the provider.
struct Replica {
    schedule: Arc<Schedule>,
    serving: Box<dyn Serving>,
    owner: Arc<Owner>,
}

impl Replica {
    fn counted(&self, counter: &str) -> u64 {
        let counters: BTreeMap<_, _> = self.serving.counters().into_iter().collect();
        counters[counter]
    }
}

impl World {
    fn of(is_slow: bool) -> Self {
        let clock = Arc::<Hands>::default();
        clock.0.store(1000, Relaxed);
        Self {
            clock,
            record: Alone.record("job"),
            directory: Arc::default(),
            component: Arc::new(Component {
                is_slow,
                ..Component::default()
            }),
        }
    }

    /// From now on the component is there.
    fn offer(&self) {
        let actor = ActorAddress::component(name("app"), name("job"));
        let gate = Gate::of_actor(&actor, GateLimits::default());
        let component = Arc::clone(&self.component) as Arc<dyn Command>;
        Offer::new::<CommandInterface>(component, &gate).install(&self.directory, &actor);
    }

    async fn replica(&self, selection: &JobSelection) -> Replica {
        let far = Instant::now() + TERM;
        let owner = Arc::new(Owner {
            ends_at: watch::channel(Some(far)).0,
            record: Arc::clone(&self.record),
        });
        let nobody = Arc::new(UnreachableCaller(FaultKind::Unavailable));
        let state = LatticeState::new(name("app"), Arc::clone(&self.directory), nobody)
            .with_ownership(Arc::clone(&owner) as Arc<dyn Ownership>)
            .with_deployments(Arc::new(Deployed));
        let schedule = Arc::new(Schedule::by(Arc::clone(&self.clock) as Arc<dyn Clock>));
        let target = Target {
            component: name("job"),
            selection: selection.clone(),
        };
        let serving = Arc::clone(&schedule).serve(&state, vec![target]).await;
        let Ok(serving) = serving;
        Replica {
            schedule,
            serving,
            owner,
        }
    }

    fn started(&self) -> usize {
        self.component.started.lock().len()
    }
}

/// Polls until it is so; time is paused, and goes on where nobody does anything.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let poll = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(A_WHILE, poll)
        .await
        .unwrap_or_else(|_late| panic!("{what}"));
}

/// As long as it takes to look several times.
async fn a_few_looks() {
    tokio::time::sleep(Duration::from_secs(5)).await;
}

fn every_minute() -> JobSelection {
    JobSelection {
        schedule: Some(Times {
            cron: "* * * * *".to_owned(),
            time_zone: "UTC".to_owned(),
            late_ms_max: 30_000,
        }),
        arguments: vec!["all".to_owned()],
        ..JobSelection::default()
    }
}

/// Two that both have the lease, as after a clock that ran at another rate: the note decides.
#[tokio::test(start_paused = true)]
async fn a_tick_runs_once_also_where_two_own_the_job() {
    let world = World::of(false);
    world.offer();
    let replicas = [
        world.replica(&every_minute()).await,
        world.replica(&every_minute()).await,
    ];
    a_few_looks().await;
    for tick in 1..=20 {
        world.clock.0.store(960 + 60 * tick, Relaxed);
        a_few_looks().await;
        assert_eq!(world.started(), tick as usize, "tick {tick}");
    }
    let all = |counter| replicas.iter().map(|it| it.counted(counter)).sum::<u64>();
    assert_eq!((all("ran"), all("missed")), (20, 0));
    let started = world.component.started.lock()[0].clone();
    assert_eq!(started, Start::with(vec!["all".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn what_comes_too_late_is_counted_and_the_last_one_runs() {
    let world = World::of(false);
    world.offer();
    let replica = world.replica(&every_minute()).await;
    a_few_looks().await;
    // 1020, 1080 and 1140, which is on time.
    world.clock.0.store(1150, Relaxed);
    until("it runs", || replica.counted("ran") == 1).await;
    assert_eq!(replica.counted("missed"), 2);
    // 1200 is a minute late.
    world.clock.0.store(1259, Relaxed);
    until("it is missed", || replica.counted("missed") == 3).await;
    assert_eq!(world.started(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deploy_waits_for_its_component_and_runs_once() {
    let world = World::of(false);
    let selection = JobSelection {
        run: Run::Deploy,
        ..JobSelection::default()
    };
    let replica = world.replica(&selection).await;
    a_few_looks().await;
    assert_eq!(replica.counted("ran"), 0, "nobody is there");
    world.offer();
    until("it runs", || replica.counted("ran") == 1).await;
    let next = world.replica(&selection).await;
    a_few_looks().await;
    let started = world.component.started.lock().clone();
    let expected = Start {
        specification: Some("the seventh".to_owned()),
        ..Start::default()
    };
    assert_eq!(started, [expected]);
    assert_eq!(next.counted("ran"), 0);
}

#[tokio::test(start_paused = true)]
async fn one_at_a_time_is_stopped_with_its_lease_and_waited_for() {
    let world = World::of(true);
    world.offer();
    let selection = JobSelection {
        at_most_one: true,
        ..every_minute()
    };
    let first = world.replica(&selection).await;
    a_few_looks().await;
    world.clock.0.store(1020, Relaxed);
    until("it begins", || world.started() == 1).await;
    world.clock.0.store(1080, Relaxed);
    until("the next is skipped", || first.counted("skipped") == 1).await;
    let by_hand = first
        .schedule
        .run(&CallContext::default(), "job", &[])
        .await;
    assert_eq!(by_hand, Err(JobError::IsRunning));

    first.owner.ends_at.send_replace(None);
    until("it is stopped", || {
        world.component.running.load(Relaxed) == 0
    })
    .await;
    let by_hand = first
        .schedule
        .run(&CallContext::default(), "job", &[])
        .await;
    assert_eq!(by_hand, Err(JobError::Elsewhere));
    // It may take until 1020 + 60 + 10, come what may.
    let second = world.replica(&selection).await;
    until("it is told", || second.counted("lost") == 1).await;
    let by_hand = second
        .schedule
        .run(&CallContext::default(), "job", &[])
        .await;
    assert_eq!(by_hand, Err(JobError::IsRunning));
    world.clock.0.store(1140, Relaxed);
    until("the next owner runs it", || world.started() == 2).await;
    assert_eq!(second.counted("lost"), 1);
}

#[tokio::test(start_paused = true)]
async fn it_drains_when_what_is_in_hand_has_ended() {
    let world = World::of(true);
    world.offer();
    let replica = world.replica(&every_minute()).await;
    a_few_looks().await;
    world.clock.0.store(1020, Relaxed);
    until("it begins", || world.started() == 1).await;
    assert_eq!(replica.serving.load().in_hand, 1);
    assert!(!replica.serving.drain(Duration::from_secs(1)).await);
    drop(replica);
    until("it is cut off", || {
        world.component.running.load(Relaxed) == 0
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn it_runs_when_it_is_called() {
    let world = World::of(false);
    world.offer();
    for at_most_one in [false, true] {
        let selection = JobSelection {
            at_most_one,
            ..JobSelection::default()
        };
        let replica = world.replica(&selection).await;
        a_few_looks().await;
        for _ in 0..3 {
            let arguments = ["one".to_owned()];
            let context = CallContext::with_budget(A_WHILE);
            let ended = replica.schedule.run(&context, "job", &arguments).await;
            assert_eq!(ended, Ok(0), "{at_most_one}");
        }
        assert_eq!((replica.counted("ran"), replica.counted("failed")), (3, 0));
        let strange = replica
            .schedule
            .run(&CallContext::default(), "other", &[])
            .await;
        assert_eq!(strange, Err(JobError::NoSuchComponent("other".to_owned())));
    }
    let last = world.component.started.lock().last().cloned();
    assert_eq!(last, Some(Start::with(vec!["one".to_owned()])));
}
