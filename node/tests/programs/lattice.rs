//! Three nodes on a real NATS, one of them in front of a real Redis.

use std::{
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

use futures::StreamExt;
use tempfile::TempDir;
use wrt_protocol::{
    Epoch, LatticeName, NodeId, NodeMicros,
    heartbeat::{Beat, Heartbeat, NodeState, Said},
    subject::Subjects,
};
use wrt_test_servers::{NatsServer, Process, RedisServer, free_port};

use super::running::{guest, output, request, write_manifest, wrt, wrt_node};

const JOIN_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(30);

pub struct Lattice {
    nodes: Vec<Process>,
    nats: NatsServer,
    redis: RedisServer,
    folder: TempDir,
}

impl Lattice {
    pub fn start(names: &[&str]) -> Self {
        Self::start_with(names, &[])
    }

    /// With variables in the environment of each node.
    pub fn start_with(names: &[&str], variables: &[(&str, &str)]) -> Self {
        let nodes: Vec<_> = names.iter().map(|name| (*name, [].as_slice())).collect();
        Self::start_each(&nodes, variables)
    }

    /// With flags of its own for each node.
    pub fn start_each(nodes: &[(&str, &[&str])], variables: &[(&str, &str)]) -> Self {
        let (nats, redis) = (NatsServer::start().unwrap(), RedisServer::start().unwrap());
        let mut lattice = Self {
            nodes: Vec::new(),
            nats,
            redis,
            folder: TempDir::new().unwrap(),
        };
        lattice.nodes = nodes
            .iter()
            .map(|(name, flags)| lattice.join(name, flags, variables))
            .collect();
        for node in &lattice.nodes {
            node.wait_for_log("has joined", JOIN_LIMIT).unwrap();
        }
        lattice
    }

    fn join(&self, name: &str, flags: &[&str], variables: &[(&str, &str)]) -> Process {
        let mut command = wrt_node(self.folder.path());
        command.envs(variables.iter().copied());
        command.args(["join", "--lattice", &self.nats.url(), "--name", name]);
        command.args(flags);
        // All but the first can be asked for by what they are.
        if name != "a" {
            command.args(["--label", "role=worker"]);
        }
        command.env("WRT_CACHE", self.folder.path().join(name));
        command.env("REDIS_URL_OF_TEST", self.redis.url());
        command.args(["--allow-env", "REDIS_URL_OF_TEST"]);
        Process::spawn(
            name,
            command,
            self.folder.path().join(format!("{name}.log")),
        )
        .unwrap()
    }

    pub fn wrt(&self, arguments: &[&str]) -> Output {
        self.wrt_with(arguments, |_command| {})
    }

    /// The same, with what is done to the command before it starts.
    pub fn wrt_with(&self, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Output {
        let mut command = wrt(self.folder.path());
        // In front: what follows `--` is a component's.
        command.args(["--lattice", &self.nats.url()]);
        command.args(arguments);
        change(&mut command);
        output(&mut command)
    }

    pub fn wrt_ok(&self, arguments: &[&str]) -> String {
        let output = self.wrt(arguments);
        let logs: Vec<_> = self.nodes.iter().map(|node| node.log().unwrap()).collect();
        assert!(
            output.status.success(),
            "{arguments:?}: {output:?}\n{}",
            logs.join("\n----\n")
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Of the server that it stands on.
    pub fn nats_url(&self) -> String {
        self.nats.url()
    }

    /// Takes its server away.
    pub fn stop_bus(&self) {
        self.nats.stop().unwrap();
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What a node has said.
    pub fn log(&self, name: &str) -> String {
        self.node(name).log().unwrap()
    }

    /// Kills a node.
    pub fn kill(&self, name: &str) {
        self.node(name).kill().unwrap();
    }

    /// Starts a node anew that was killed.
    pub fn start_again(&mut self, name: &str) {
        self.nodes.retain(|node| node.name() != name);
        let node = self.join(name, &[], &[]);
        node.wait_for_log("has joined", JOIN_LIMIT).unwrap();
        self.nodes.push(node);
    }

    /// A node, by its name.
    pub fn node(&self, name: &str) -> &Process {
        let is_it = |node: &&Process| node.name() == name;
        self.nodes.iter().find(is_it).expect("a node of that name")
    }
}

/// A free one.
pub fn address() -> String {
    format!("127.0.0.1:{}", free_port().unwrap())
}

/// The counter on a and b, its store on c, as the example has it.
fn counter(a: &str, b: &str, more: &str) -> String {
    let source = guest("counter");
    format!(
        r#"
[app]
name = "counter"

[component.counter]
source = "{source}"
nodes = ["a", "b"]
links = {{ "wasi:keyvalue" = "store" }}
{more}

[provider.store]
backend = "redis"
nodes = ["c"]
config = {{ url = {{ env = "REDIS_URL_OF_TEST" }} }}

[provider.web-a]
backend = "http-server"
nodes = ["a"]
config = {{ address = "{a}" }}
calls = [{{ component = "counter" }}]

[provider.web-b]
backend = "http-server"
nodes = ["b"]
config = {{ address = "{b}" }}
calls = [{{ component = "counter" }}]
"#,
        source = source.display()
    )
}

#[test]
fn an_app_goes_up_serves_from_both_nodes_changes_and_goes_down() {
    let lattice = Lattice::start(&["a", "b", "c"]);
    let (a, b) = (address(), address());
    let manifest = write_manifest(lattice.folder(), &counter(&a, &b, ""));
    let up = lattice.wrt_ok(&["up", &manifest.display().to_string()]);
    assert!(up.contains("every replica is ready"), "{up}");

    let addresses = [&a, &b];
    for n in 1..=20_usize {
        let (status, body) = request(addresses[n % 2], "POST", "/visits", "");
        assert_eq!((status, body), (200, n.to_string()));
    }

    let ps = lattice.wrt_ok(&["ps"]);
    for part in [
        "component/counter/counter",
        "provider/counter/store",
        &a,
        &b,
        "serving",
        "ready",
    ] {
        assert!(ps.contains(part), "{part} is not in\n{ps}");
    }
    let ps: serde_json::Value =
        serde_json::from_str(&lattice.wrt_ok(&["ps", "--output", "json"])).unwrap();
    assert_eq!(ps["nodes"].as_array().unwrap().len(), 3);
    assert_eq!(ps["nodes"][2]["node"], "c");
    assert_eq!(
        ps["nodes"][2]["replicas"][0]["actor"],
        "provider/counter/store"
    );

    // A change of a component replaces it while requests go on.
    write_manifest(
        lattice.folder(),
        &counter(&a, &b, "limits = { concurrency_max = 7 }"),
    );
    lattice.wrt_ok(&["up", &manifest.display().to_string()]);
    let ps = lattice.wrt_ok(&["ps", "counter"]);
    assert!(ps.contains("/7"), "{ps}");
    assert_eq!(request(&a, "POST", "/visits", ""), (200, "21".to_owned()));

    let down = lattice.wrt_ok(&["down", "counter"]);
    assert!(down.contains("is down"), "{down}");
    assert!(
        std::net::TcpStream::connect(&a).is_err(),
        "the port is still open"
    );
    let again = lattice.wrt(&["down", "counter"]);
    assert_eq!(again.status.code(), Some(1));

    for node in &lattice.nodes {
        node.terminate().unwrap();
    }
    for node in &lattice.nodes {
        let status = node.wait(STOP_LIMIT).unwrap();
        assert!(
            status.is_some_and(|s| s.success()),
            "{status:?}\n{}",
            node.log().unwrap()
        );
    }
}

#[test]
fn what_cannot_start_is_told_by_up_and_by_ps() {
    let lattice = Lattice::start(&["a", "b"]);
    let (a, b) = (address(), address());
    // No node c, and a secret that no node has.
    let text = counter(&a, &b, "").replace("REDIS_URL_OF_TEST", "NOT_SET_ANYWHERE");
    let manifest = write_manifest(lattice.folder(), &text)
        .display()
        .to_string();
    let up = lattice.wrt(&["up", &manifest, "--timeout", "3"]);
    let told = String::from_utf8_lossy(&up.stderr).into_owned();
    assert_eq!(up.status.code(), Some(3), "{told}");
    assert!(told.contains("not on the lattice: c"), "{told}");

    write_manifest(
        lattice.folder(),
        &text.replace("nodes = [\"c\"]", "nodes = [\"a\"]"),
    );
    let up = lattice.wrt(&["up", &manifest, "--timeout", "30"]);
    let told = String::from_utf8_lossy(&up.stderr).into_owned();
    assert_eq!(up.status.code(), Some(3), "{told}");
    let failing = "provider/counter/store on a is failing";
    assert!(
        told.contains(failing) && told.contains("NOT_SET_ANYWHERE"),
        "{told}"
    );
    let ps = lattice.wrt_ok(&["ps"]);
    assert!(
        ps.contains("failing") && ps.contains("NOT_SET_ANYWHERE"),
        "{ps}"
    );
}

/// A share moves to another node when its own dies, and nobody has to say so.
#[test]
fn a_killed_nodes_share_is_taken_over() {
    let lattice = Lattice::start(&["a", "b"]);
    let web = address();
    let source = guest("counter");
    let text = format!(
        r#"
[app]
name = "counter"
[component.counter]
source = "{source}"
replicas = 2
links = {{ "wasi:keyvalue" = "store" }}
[provider.store]
backend = "redis"
config = {{ url = "{redis}" }}
[provider.web]
backend = "http-server"
nodes = ["a"]
config = {{ address = "{web}" }}
calls = [{{ component = "counter" }}]
"#,
        source = source.display(),
        redis = lattice.redis.url()
    );
    let manifest = write_manifest(lattice.folder(), &text)
        .display()
        .to_string();
    lattice.wrt_ok(&["up", &manifest]);
    assert_eq!(request(&web, "POST", "/visits", ""), (200, "1".to_owned()));
    lattice.nodes[1].kill().unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    // Whether the store was on a or on b: it is on a soon.
    let answer = wrt_test_servers::Deadline::after(end - Instant::now()).poll(|| {
        let (status, body) = request(&web, "GET", "/visits", "");
        (status == 200).then_some(body)
    });
    assert_eq!(answer.as_deref(), Some("1"));
    let ps = lattice.wrt_ok(&["ps"]);
    assert!(ps.contains("provider/counter/store"), "{ps}");
}

/// Places the probe on any node but a.
pub const WORKERS: &str = "labels = { role = \"worker\" }\n";

/// The probe, of which so much `more` is said, behind a server on a.
pub fn probe(web: &str, more: &str) -> String {
    format!(
        r#"
[app]
name = "probe"
[component.probe]
source = "{source}"
{more}
[provider.web]
backend = "http-server"
nodes = ["a"]
config = {{ address = "{web}" }}
calls = [{{ component = "probe" }}]
"#,
        source = guest("probe").display()
    )
}

/// A node that is asked to stop hands its share over first, also when it has the only replica.
#[test]
fn a_node_that_drains_loses_no_request() {
    let mut lattice = Lattice::start(&["a", "b", "c"]);
    let web = address();
    let manifest = write_manifest(lattice.folder(), &probe(&web, WORKERS))
        .display()
        .to_string();
    lattice.wrt_ok(&["up", &manifest]);
    let ps: serde_json::Value =
        serde_json::from_str(&lattice.wrt_ok(&["ps", "--output", "json"])).unwrap();
    let runs_component = |node: &serde_json::Value| {
        let replicas = node["replicas"].as_array().unwrap();
        replicas
            .iter()
            .any(|replica| replica["actor"] == "component/probe/probe")
    };
    let at = ps["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .position(runs_component)
        .unwrap();
    let leaving = lattice.nodes.remove(at);
    let load = std::thread::spawn({
        let web = web.clone();
        move || {
            let ask = |_| request(&web, "GET", "/sleep/10", "").0;
            (0..200).map(ask).collect::<Vec<_>>()
        }
    });
    leaving.terminate().unwrap();
    let status = leaving.wait(STOP_LIMIT).unwrap();
    assert!(
        status.is_some_and(|s| s.success()),
        "{status:?}\n{}",
        leaving.log().unwrap()
    );
    let answers = load.join().unwrap();
    assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
}

#[test]
fn one_name_is_one_node() {
    let lattice = Lattice::start(&["a"]);
    let second = lattice.join("a", &[], &[]);
    let status = second.wait(JOIN_LIMIT).unwrap();
    let told = second.log().unwrap();
    assert_eq!(status.and_then(|status| status.code()), Some(1), "{told}");
    assert!(told.contains("already on the lattice"), "{told}");
}

#[test]
fn a_lattice_that_is_not_there_is_told_in_time() {
    let folder = TempDir::new().unwrap();
    let nowhere = format!("nats://127.0.0.1:{}", free_port().unwrap());
    let begun = Instant::now();
    let ps = output(wrt(folder.path()).args(["ps", "--lattice", &nowhere]));
    let told = String::from_utf8_lossy(&ps.stderr).into_owned();
    assert_eq!(ps.status.code(), Some(1), "{told}");
    assert!(told.contains("is nats-server running there?"), "{told}");
    assert!(begun.elapsed() < Duration::from_secs(30));
}

/// The guest on one node, its way out on another: a request leaves from where the provider is, and
/// under that provider's rules.
#[test]
fn a_guest_asks_the_world_through_another_node() {
    let lattice = Lattice::start(&["a", "b"]);
    let (web, upstream) = (address(), super::fetch::upstream());
    for (example, allow, expected) in [
        ("fetch", upstream.to_string(), (203, "GET /x HTTP/1.1")),
        ("fetch_p3", upstream.to_string(), (203, "GET /x HTTP/1.1")),
        (
            "fetch",
            "*".to_owned(),
            (502, "ErrorCode::HttpRequestDenied\n"),
        ),
    ] {
        let source = guest(example);
        let text = format!(
            r#"
[app]
name = "fetch"

[component.fetch]
source = "{source}"
nodes = ["a"]
environment = {{ UPSTREAM = "http://{upstream}" }}
links = {{ "wasi:http" = "outside" }}

[provider.outside]
backend = "http-client"
nodes = ["b"]
config = {{ allow = ["{allow}"] }}

[provider.web]
backend = "http-server"
nodes = ["a"]
config = {{ address = "{web}" }}
calls = [{{ component = "fetch" }}]
"#,
            source = source.display()
        );
        let manifest = write_manifest(lattice.folder(), &text);
        lattice.wrt_ok(&["up", &manifest.display().to_string()]);
        let answer = request(&web, "GET", "/x", "");
        assert_eq!(
            answer,
            (expected.0, expected.1.to_owned()),
            "{example} {allow}"
        );
    }
}

/// A heartbeat that claims the longest interval there is made `wrt ps` and `wrt up` wait for 49 days.
#[test]
fn nobody_waits_for_a_node_that_claims_to_beat_once_a_month() {
    let lattice = Lattice::start(&["a"]);
    let node = NodeId::new("slow").unwrap();
    let beat = Heartbeat {
        node: node.clone(),
        epoch: Epoch(1),
        sequence: 1,
        sent_at: NodeMicros(0),
        interval_ms: u32::MAX,
        state: NodeState::Serving,
        version: String::new(),
        labels: Vec::new(),
        replicas: Vec::new(),
    };
    let subject = Subjects::new(&LatticeName::new("default").unwrap()).heartbeat(&node);
    let payload = beat.encode().unwrap();
    let url = lattice.nats.url();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let says = runtime.spawn(async move {
        let client = async_nats::connect(url).await.unwrap();
        loop {
            client
                .publish(subject.clone(), payload.clone())
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let web = address();
    let text = probe(&web, "nodes = [\"a\"]\n");
    let manifest = write_manifest(lattice.folder(), &text);
    let manifest = manifest.display().to_string();
    for arguments in [&["ps"][..], &["up", &manifest], &["ps"], &["down", "probe"]] {
        let begun = Instant::now();
        let told = lattice.wrt_ok(arguments);
        assert!(
            begun.elapsed() < JOIN_LIMIT,
            "{arguments:?}: {:?}",
            begun.elapsed()
        );
        assert!(arguments != ["ps"] || told.contains("slow"), "{told}");
    }
    says.abort();
}

/// Each heartbeat had every replica of its node, four times a second.
#[test]
fn a_lattice_in_which_nothing_happens_sends_constants() {
    let lattice = Lattice::start(&["a", "b"]);
    let probe = probe(&address(), "replicas = 2\n");
    let manifest = write_manifest(lattice.folder(), &probe);
    lattice.wrt_ok(&["up", &manifest.display().to_string()]);
    // What the last replica's start has changed is told, exactly, within two heartbeats.
    let said = heard(&lattice, Duration::from_secs(4));
    let since = said.len() / 2;
    assert!(since >= 12, "{} heartbeats", said.len());
    for (beat, bytes) in &said[since..] {
        let is_nothing = matches!(&beat.said, Said::Changes(it) if it.changes.is_empty());
        assert!(is_nothing && *bytes <= 64, "{bytes} bytes: {beat:?}");
    }
    // Who has just come hears of all there is.
    let ps = lattice.wrt_ok(&["ps"]);
    assert_eq!(ps.matches("component/probe/probe").count(), 2, "{ps}");
    assert_eq!(ps.matches("provider/probe/web").count(), 1, "{ps}");
}

/// All heartbeats for so long, and what each takes.
fn heard(lattice: &Lattice, duration: Duration) -> Vec<(Beat, usize)> {
    let subject = Subjects::new(&LatticeName::new("default").unwrap()).heartbeats();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let client = async_nats::connect(lattice.nats.url()).await.unwrap();
        let mut messages = client.subscribe(subject).await.unwrap();
        let end = tokio::time::Instant::now() + duration;
        let mut all = Vec::new();
        while let Ok(Some(message)) = tokio::time::timeout_at(end, messages.next()).await {
            all.push((
                Beat::decode(&message.payload).unwrap(),
                message.payload.len(),
            ));
        }
        all
    })
}
