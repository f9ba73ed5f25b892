//! Components that run to their end on a lattice: at a deploy, at times of the clock, and by hand.

use std::time::{Duration, Instant};

use serde_json::Value;
use wrt_test_servers::Deadline;

use super::{
    lattice::{Lattice, address},
    running::{guest, request, write_manifest},
};

const A_WHILE: Duration = Duration::from_secs(60);
const JOBS: [&str; 3] = ["a", "b", "c"];

/// The job on three nodes; what it counts is read on a fourth.
struct World {
    lattice: Lattice,
    web: String,
}

impl World {
    fn start() -> Self {
        Self {
            lattice: Lattice::start(&["a", "b", "c", "d"]),
            web: address(),
        }
    }

    /// Deploys it with an entry of `calls`; the answer of `wrt up`.
    fn up(&self, calls: &str, more: &str) {
        let (job, counter) = (guest("job"), guest("counter"));
        let web = &self.web;
        let manifest = format!(
            r#"
[app]
name = "work"

[component.job]
source = {job:?}
nodes = ["a", "b", "c"]
links = {{ "wasi:keyvalue" = "store" }}
{more}

[component.counter]
source = {counter:?}
nodes = ["d"]
links = {{ "wasi:keyvalue" = "store" }}

[provider.store]
backend = "redis"
nodes = ["d"]
config = {{ url = {{ env = "REDIS_URL_OF_TEST" }} }}

[provider.web]
backend = "http-server"
nodes = ["d"]
config = {{ address = "{web}" }}
calls = [{{ component = "counter" }}]

[provider.jobs]
backend = "schedule"
nodes = ["a", "b", "c"]
calls = [{calls}]
"#
        );
        let manifest = write_manifest(self.lattice.folder(), &manifest);
        self.lattice.wrt_ok(&["up", manifest.to_str().unwrap()]);
    }

    /// What was counted under a name.
    fn count(&self, name: &str) -> u64 {
        let (status, body) = request(&self.web, "GET", &format!("/{name}"), "");
        assert_eq!(status, 200, "{body}");
        body.parse().unwrap()
    }

    fn wait_for(&self, name: &str, count: u64) {
        let reached = Deadline::after(A_WHILE).poll(|| (self.count(name) >= count).then_some(()));
        let log = JOBS.map(|node| self.lattice.log(node)).join("\n----\n");
        assert!(reached.is_some(), "{name}: {}\n{log}", self.count(name));
    }

    /// What the replica of each node has counted under a name.
    fn counted(&self, counter: &str) -> Vec<(String, u64)> {
        counted(&self.report(), counter)
    }

    /// What `wrt ps` tells; that takes it a second.
    fn report(&self) -> Value {
        let ps = self.lattice.wrt_ok(&["ps", "work", "--output", "json"]);
        serde_json::from_str(ps.trim()).unwrap()
    }

    fn sum(&self, counter: &str) -> u64 {
        sum(&self.report(), counter)
    }

    /// Which of the nodes has counted something under a name; none where several have.
    fn only_one_with(&self, counter: &str) -> Option<String> {
        let counted = self.counted(counter).into_iter();
        let mut some = counted.filter(|(_, count)| *count > 0);
        let (node, _) = some.next()?;
        some.next().is_none().then_some(node)
    }
}

fn counted(report: &Value, counter: &str) -> Vec<(String, u64)> {
    let mut counted = Vec::new();
    for node in report["nodes"].as_array().unwrap() {
        for replica in node["replicas"].as_array().unwrap() {
            if let Some(count) = replica["counters"][counter].as_u64() {
                counted.push((node["node"].as_str().unwrap().to_owned(), count));
            }
        }
    }
    counted
}

fn sum(report: &Value, counter: &str) -> u64 {
    counted(report, counter)
        .iter()
        .map(|(_, count)| count)
        .sum()
}

#[test]
fn a_deploy_runs_it_once_for_each_revision_of_the_app() {
    let world = World::start();
    let deploy = r#"{ component = "job", run = "deploy", arguments = ["add", "deploys"] }"#;
    world.up(deploy, "");
    world.wait_for("deploys", 1);
    // Nothing has changed: it is the same revision.
    world.up(deploy, "");
    for (revision, limit) in [(2, 1), (3, 2)] {
        let more = format!("limits = {{ concurrency_max = {limit} }}");
        world.up(deploy, &more);
        world.wait_for("deploys", revision);
        assert_eq!(world.count("deploys"), revision, "once for each");
    }
    // Those who might have run it too look several times meanwhile.
    let while_they_look = Deadline::after(Duration::from_secs(2));
    let again = while_they_look.poll(|| (world.count("deploys") != 3).then_some(()));
    assert!(again.is_none(), "run again");
    assert_eq!(world.sum("ran"), 3);
}

#[test]
fn a_tick_runs_once_and_goes_on_elsewhere_when_its_owner_is_killed() {
    let world = World::start();
    let started = Instant::now();
    world.up(
        r#"{ component = "job", schedule = { cron = "* * * * * *", late_ms_max = 1000 },
             arguments = ["add", "ticks"] }"#,
        "",
    );
    world.wait_for("ticks", 5);
    let owner = world.only_one_with("ran").expect("one of three runs all");
    let (ran, elapsed) = (world.sum("ran"), started.elapsed().as_secs() + 1);
    assert!(ran <= elapsed, "{ran} ticks in {elapsed} s");

    world.lattice.kill(&owner);
    let killed = Instant::now();
    let before = world.count("ticks");
    let next = Deadline::after(A_WHILE).poll(|| {
        let ran = world.counted("ran").into_iter();
        ran.into_iter()
            .find(|(node, count)| *node != owner && *count > 2)
    });
    let (next, _) = next.expect("another goes on");
    // It takes a lease to end: meanwhile there was nobody.
    let missed = world.counted("missed");
    let of_next = missed.iter().find(|(node, _)| *node == next);
    assert!(of_next.is_some_and(|(_, count)| *count > 0), "{missed:?}");
    let log = world.lattice.log(&next);
    assert!(log.contains("missed"), "{log}");
    let ps = world.lattice.wrt_ok(&["ps", "work"]);
    assert!(ps.contains("missed"), "{ps}");
    let (after, elapsed) = (world.count("ticks"), killed.elapsed().as_secs() + 2);
    assert!(after - before <= elapsed, "{before} {after} in {elapsed} s");
}

/// It goes on in the middle of what it did, and believes to own the job still.
#[test]
fn a_tick_runs_once_where_its_owner_stands_still_and_comes_back() {
    let world = World::start();
    world.up(
        r#"{ component = "job", schedule = { cron = "*/2 * * * * *", late_ms_max = 300 },
             arguments = ["add", "ticks"] }"#,
        "",
    );
    let started = Instant::now();
    world.wait_for("ticks", 3);
    let ticked = Instant::now();
    let owner = world.only_one_with("ran").expect("one of three runs all");
    // A lease ends 1.7 s after its owner was heard last at the earliest: who stops a second after a tick has no
    // successor in time for the next one.
    let wait = || (ticked.elapsed() > Duration::from_millis(1100)).then_some(());
    Deadline::after(A_WHILE).poll(wait).expect("time passes");
    world.lattice.node(&owner).pause().unwrap();
    let before = world.count("ticks");
    world.wait_for("ticks", before + 3);
    world.lattice.node(&owner).resume().unwrap();
    let after = world.count("ticks");
    world.wait_for("ticks", after + 4);
    // Each node says what it has done, and none of it was done by two; looked at between two ticks. A run that stood
    // still with its node has counted or not: it has failed, as far as its node knows.
    let settled = Deadline::after(A_WHILE).poll(|| {
        let before = world.count("ticks");
        let report = world.report();
        let of = |counter| sum(&report, counter);
        let elapsed = started.elapsed().as_secs() / 2 + 2;
        let (ran, failed) = (of("ran"), of("failed"));
        assert!(
            ran + of("missed") <= elapsed,
            "more than {elapsed}: {report}"
        );
        assert!(failed <= 1, "{report}");
        let has_run = (ran - failed..=ran).contains(&before);
        (has_run && world.count("ticks") == before).then_some(())
    });
    assert!(settled.is_some(), "{:?}", world.counted("ran"));
    assert!(world.sum("missed") > 0, "nobody was there for a lease");
}

#[test]
fn it_is_called_by_hand_and_runs_once_at_a_time() {
    let world = World::start();
    world.up(
        r#"{ component = "job", at_most_one = true }"#,
        "limits = { wall_time_ms_max = 60000 }",
    );
    let call = |arguments: &[&str]| {
        let call = [&["call", "work", "job", "--timeout", "30"], arguments].concat();
        let called = world.lattice.wrt(&call);
        let told = String::from_utf8_lossy(&called.stderr).into_owned();
        (called.status.code(), told)
    };
    let lattice = &world.lattice;
    lattice.wrt_ok(&["call", "work", "job", "--", "add", "calls", "4"]);
    assert_eq!(world.count("calls"), 4);
    assert_eq!(call(&["--", "exit", "9"]).0, Some(9));
    assert_eq!(call(&["--", "trap"]).0, Some(134));

    std::thread::scope(|scope| {
        let long = scope.spawn(|| call(&["--", "wait", "8000"]));
        let waits = || JOBS.iter().any(|node| lattice.log(node).contains("waits"));
        let begun = Deadline::after(A_WHILE).poll(|| waits().then_some(()));
        assert!(begun.is_some(), "it has not begun");
        let (code, told) = call(&["--", "add", "calls"]);
        assert_eq!(code, Some(1), "{told}");
        assert!(told.contains("it is running"), "{told}");
        assert_eq!(long.join().expect("no panic").0, Some(0));
    });
    assert_eq!(call(&["--", "add", "calls"]).0, Some(0), "it has ended");
    assert_eq!(world.count("calls"), 5);
    // Its time is over, and it with it.
    let late = [
        "call",
        "work",
        "job",
        "--timeout",
        "1",
        "--",
        "wait",
        "30000",
    ];
    assert_eq!(lattice.wrt(&late).status.code(), Some(3));
    let again =
        Deadline::after(A_WHILE).poll(|| (call(&["--", "exit", "0"]).0 == Some(0)).then_some(()));
    assert!(again.is_some(), "what was stopped has ended");

    let strange = lattice.wrt(&["call", "work", "counter"]);
    let told = String::from_utf8_lossy(&strange.stderr);
    assert!(told.contains("no provider of work runs"), "{told}");
}
