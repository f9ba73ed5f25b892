//! Nodes that take nothing new, and nodes that are emptied: `wrt node`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use wrt_test_servers::Deadline;

use super::{
    lattice::{Lattice, WORKERS, address, probe},
    running::{guest, request, write_manifest},
    websocket::{chat, closed},
};

type Json = serde_json::Value;

fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}

/// What a node says of itself.
fn node(lattice: &Lattice, name: &str) -> Json {
    let ps = json(&lattice.wrt_ok(&["ps", "--output", "json"]));
    let mut nodes = ps["nodes"].as_array().unwrap().iter();
    let found = nodes.find(|node| node["node"] == name);
    found.unwrap_or_else(|| panic!("{ps}")).clone()
}

fn runs(lattice: &Lattice, name: &str) -> Vec<String> {
    let node = node(lattice, name);
    let replicas = node["replicas"].as_array().unwrap().iter();
    replicas
        .map(|replica| replica["actor"].as_str().unwrap().to_owned())
        .collect()
}

/// One of these that runs it.
fn holder<'a>(lattice: &Lattice, actor: &str, names: &[&'a str]) -> &'a str {
    let has_it = |name: &&&str| runs(lattice, name).iter().any(|it| it == actor);
    names.iter().find(has_it).unwrap()
}

/// Requests, one after the other, until it is told to stop.
struct Load {
    is_over: Arc<AtomicBool>,
    answers: JoinHandle<Vec<u16>>,
}

impl Load {
    fn start(web: &str) -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let (over, web) = (Arc::clone(&is_over), web.to_owned());
        let answers = std::thread::spawn(move || {
            let mut answers = Vec::new();
            while !over.load(Ordering::Relaxed) {
                answers.push(request(&web, "GET", "/sleep/10", "").0);
            }
            answers
        });
        Self { is_over, answers }
    }

    /// Not one of them failed, and there were some.
    fn none_failed(self) {
        self.is_over.store(true, Ordering::Relaxed);
        let answers = self.answers.join().unwrap();
        let failed: Vec<_> = answers.iter().filter(|status| **status != 200).collect();
        println!("{} requests", answers.len());
        assert!(
            answers.len() > 20 && failed.is_empty(),
            "{failed:?} of {}",
            answers.len()
        );
    }
}

#[test]
fn a_node_with_the_only_replica_is_emptied_and_no_request_fails() {
    is_emptied_and_no_request_fails("");
}

/// The same where the successor cannot serve before this one has stopped.
#[test]
fn a_node_with_an_exclusive_replica_is_emptied_and_no_request_fails() {
    is_emptied_and_no_request_fails("exclusive = true\n");
}

fn is_emptied_and_no_request_fails(more: &str) {
    let mut lattice = Lattice::start(&["a", "b", "c"]);
    let web = address();
    let manifest = write_manifest(lattice.folder(), &probe(&web, &format!("{WORKERS}{more}")));
    lattice.wrt_ok(&["up", &manifest.display().to_string()]);
    let actor = "component/probe/probe";
    let from = holder(&lattice, actor, &["b", "c"]);
    let to = if from == "b" { "c" } else { "b" };

    // Cordoned it keeps what it has.
    let load = [Load::start(&web), Load::start(&web)];
    let told = lattice.wrt_ok(&["node", "cordon", from]);
    assert!(told.contains("keeps 1 replica"), "{told}");
    assert_eq!(runs(&lattice, from), [actor]);
    assert_eq!(node(&lattice, from)["cordoned"], true);
    assert!(
        lattice
            .wrt_ok(&["node", "cordon", from])
            .contains("already")
    );

    let drained = json(&lattice.wrt_ok(&["node", "drain", from, "--output", "json"]));
    let moved = serde_json::json!([{ "actor": actor, "to": [to] }]);
    assert_eq!(
        (&drained["drained"], &drained["moved"]),
        (&true.into(), &moved),
        "{drained}"
    );
    assert_eq!(
        (runs(&lattice, from), runs(&lattice, to)),
        (vec![], vec![actor.to_owned()])
    );
    for load in load {
        load.none_failed();
    }
    let why = json(&lattice.wrt_ok(&["explain", "probe/probe", "--output", "json"]));
    let nodes = why["nodes"].as_array().unwrap().iter();
    let reasons: Vec<_> = nodes.filter(|it| it["node"] == from).collect();
    assert_eq!(reasons[0]["reasons"][0]["kind"], "cordoned", "{why}");
    let text = lattice.wrt_ok(&["explain", "probe/probe"]);
    assert!(
        text.contains("is cordoned, and takes nothing new"),
        "{text}"
    );

    // It stays so when it starts anew, and then takes again what ranks it first.
    lattice.kill(from);
    lattice.start_again(from);
    let knows = || node(&lattice, from)["cordoned"] == true;
    assert!(comes(knows), "it knows so when it has started");
    assert_eq!(runs(&lattice, from), [""; 0]);
    lattice.wrt_ok(&["node", "uncordon", from]);
    assert_eq!(node(&lattice, from)["cordoned"], false);
    assert!(
        comes(|| runs(&lattice, from) == [actor]),
        "it was there because it ranks that node first"
    );
}

/// Whether it is so before long.
fn comes(mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = Deadline::after(Duration::from_secs(15));
    deadline.poll(|| is_so().then_some(())).is_some()
}

/// What names the node stays and serves, and the command says so; the rest goes.
#[test]
fn what_has_no_other_place_stays_and_is_told() {
    let lattice = Lattice::start(&["a", "b"]);
    let web = address();
    let text = probe(&web, "");
    let manifest = write_manifest(lattice.folder(), &text);
    lattice.wrt_ok(&["up", &manifest.display().to_string()]);
    let load = Load::start(&web);
    let drain = lattice.wrt(&["node", "drain", "a", "--timeout", "60"]);
    let told = String::from_utf8_lossy(&drain.stderr).into_owned();
    assert_eq!(drain.status.code(), Some(1), "{told}");
    assert!(
        told.contains("provider/probe/web stays: b is not one of its `nodes`"),
        "{told}"
    );
    assert_eq!(runs(&lattice, "a"), ["provider/probe/web"]);
    assert_eq!(runs(&lattice, "b"), ["component/probe/probe"]);
    load.none_failed();

    // Nor does anything new come; and a name that nobody has yet may be cordoned as well.
    let late = lattice.wrt(&["node", "cordon", "late"]);
    let told = String::from_utf8_lossy(&late.stderr).into_owned();
    assert!(
        late.status.success() && told.contains("no node late is on lattice"),
        "{told}"
    );
    let ps = lattice.wrt_ok(&["ps"]);
    assert!(ps.contains("late is cordoned, and is not there"), "{ps}");
    write_manifest(lattice.folder(), &probe(&web, "replicas = 2\n"));
    let up = lattice.wrt(&["up", &manifest.display().to_string(), "--timeout", "3"]);
    let told = String::from_utf8_lossy(&up.stderr).into_owned();
    assert_eq!(up.status.code(), Some(3), "{told}");
    assert!(
        told.contains("has 1 of 2 replicas: 1 node cordoned"),
        "{told}"
    );
}

/// The other end of a websocket hears that its server goes, and where it may come again.
#[test]
fn peers_of_a_node_that_is_emptied_are_closed_with_1012() {
    let lattice = Lattice::start(&["a", "b"]);
    let text = format!(
        r#"
[app]
name = "chat"
[component.chat]
source = "{source}"
links = {{ "wrt:websocket" = "web" }}
[provider.web]
backend = "http-server"
replicas = 1
config = {{ address = "127.0.0.1:0" }}
calls = [{{ component = "chat", path = "/chat", websocket = {{}} }}]
"#,
        source = guest("websocket").display()
    );
    let manifest = write_manifest(lattice.folder(), &text);
    lattice.wrt_ok(&["up", &manifest.display().to_string()]);
    let from = holder(&lattice, "provider/chat/web", &["a", "b"]);
    let listens = |name: &str| {
        let node = node(&lattice, name);
        let mut replicas = node["replicas"].as_array().unwrap().iter();
        let web = replicas.find(|it| it["actor"] == "provider/chat/web");
        web.unwrap()["address"].as_str().unwrap().to_owned()
    };
    let mut peer = chat(&listens(from));
    let told = std::thread::spawn(move || closed(&mut peer));
    lattice.wrt_ok(&["node", "drain", from, "--timeout", "60"]);
    assert_eq!(told.join().unwrap(), 1012);
    assert_eq!(runs(&lattice, from), [""; 0]);
    let to = if from == "a" { "b" } else { "a" };
    let _welcome = chat(&listens(to));
}

/// A tick each second; who keeps the clock may be on b or c.
fn clock(web: &str) -> String {
    format!(
        r#"
[app]
name = "clock"
[component.job]
source = {job:?}
nodes = ["a"]
links = {{ "wasi:keyvalue" = "store" }}
[component.counter]
source = {counter:?}
nodes = ["a"]
links = {{ "wasi:keyvalue" = "store" }}
[provider.store]
backend = "redis"
nodes = ["a"]
config = {{ url = {{ env = "REDIS_URL_OF_TEST" }} }}
[provider.web]
backend = "http-server"
nodes = ["a"]
config = {{ address = "{web}" }}
calls = [{{ component = "counter" }}]
[provider.jobs]
backend = "schedule"
labels = {{ role = "worker" }}
calls = [{{ component = "job", schedule = {{ cron = "* * * * * *" }}, arguments = ["add", "ticks"] }}]
"#,
        job = guest("job"),
        counter = guest("counter"),
    )
}

/// What one does at a time goes to another node: the lease is given back, and not waited for.
#[test]
fn a_lease_is_handed_over_when_its_node_is_emptied() {
    let lattice = Lattice::start(&["a", "b", "c"]);
    let web = address();
    let manifest = write_manifest(lattice.folder(), &clock(&web));
    lattice.wrt_ok(&["up", &manifest.display().to_string()]);
    let ticks = || {
        request(&web, "GET", "/ticks", "")
            .1
            .parse::<u64>()
            .unwrap_or(0)
    };
    assert!(comes(|| ticks() >= 2), "the clock goes");
    let from = holder(&lattice, "provider/clock/jobs", &["b", "c"]);
    let (before, begun) = (ticks(), Instant::now());
    lattice.wrt_ok(&["node", "drain", from, "--timeout", "60"]);
    assert_eq!(runs(&lattice, from), [""; 0]);
    let now = ticks();
    assert!(comes(|| ticks() >= now + 2), "the clock goes on");
    let (after, seconds) = (ticks() - before, begun.elapsed().as_secs());
    println!("{after} ticks in {seconds} s");
    assert!(
        after + 3 >= seconds && after <= seconds + 2,
        "{after} in {seconds} s"
    );
}
