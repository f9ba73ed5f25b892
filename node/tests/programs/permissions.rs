//! A lattice whose NATS permits each user what `wrt permissions` prints, and nothing else.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture};
use serde_json::Value;
use tempfile::TempDir;
use wrt_contract::{Answer, CallContext, Caller, Interface as _, Invocation};
use wrt_keyvalue::{Bucket, Key, KeyValueError, KeyValueInterface};
use wrt_protocol::{
    ActorAddress, CallId, Epoch, Fault, FaultKind, IdempotencyKey, LatticeName, Name, NodeId,
    envelope::{Reply, Request, RequestHead},
    subject::{Role, Subjects},
};
use wrt_test_servers::{Deadline, Process, free_port, nats_server_binary};
use wrt_transport::{Lane, Nats, NatsOptions, Transport as _, TransportError};

use super::{
    lattice::address,
    running::{guest, output, request, write_manifest, wrt, wrt_node},
};

const LIMIT: Duration = Duration::from_secs(30);
/// Far less than JetStream is waited for.
const AT_ONCE: Duration = Duration::from_secs(8);
const PASSWORD: &str = "hush";
const NODES: [&str; 3] = ["a", "b", "c"];

/// What is on a is there for good; the counter is on one of the others.
fn counter(web: &str) -> String {
    let source = guest("counter");
    format!(
        r#"
[app]
name = "counter"

[component.counter]
source = {source:?}
links = {{ "wasi:keyvalue" = "store" }}
labels = {{ role = "worker" }}
replicas = 1

[provider.store]
backend = "memory"
nodes = ["a"]

[provider.web]
backend = "http-server"
nodes = ["a"]
config = {{ address = "{web}" }}
calls = [{{ component = "counter" }}]
"#
    )
}

/// The processes, in one folder.
struct Permitted {
    url: String,
    folder: TempDir,
    nats: Option<Process>,
    nodes: Vec<(&'static str, Process)>,
}

impl Permitted {
    /// A server that permits what the command prints for the manifest in the folder.
    fn start(web: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let manifest = write_manifest(folder.path(), &counter(web));
        let port = free_port().unwrap();
        let mut permitted = Self {
            url: format!("nats://127.0.0.1:{port}"),
            folder,
            nats: None,
            nodes: Vec::new(),
        };
        let each = NODES.iter().flat_map(|name| ["--node", name]);
        let printed = wrt(permitted.path())
            .args(["permissions", manifest.to_str().unwrap()])
            .args(each)
            .output()
            .unwrap();
        assert!(printed.status.success(), "{printed:?}");
        fs::write(permitted.path().join("wrt.conf"), printed.stdout).unwrap();
        let user = |user: &str, variable: &str| {
            format!(
                "{{ user: {user}, password: {PASSWORD}, permissions: $WRT_DEFAULT_{variable} }}\n"
            )
        };
        let nodes = NODES.map(|name| user(name, &format!("NODE_{}", name.to_uppercase())));
        let configuration = format!(
            "include \"wrt.conf\"\nlisten: \"127.0.0.1:{port}\"\n\
             jetstream {{ store_dir: {:?} }}\nauthorization {{ users = [\n{}{}{} ] }}\n",
            permitted.path().join("jetstream"),
            nodes.concat(),
            user("operator", "OPERATOR"),
            user("observer", "OBSERVER"),
        );
        let path = permitted.path().join("nats.conf");
        fs::write(&path, configuration).unwrap();
        let mut command = Command::new(nats_server_binary().unwrap());
        command.arg("--config").arg(&path);
        let log = permitted.path().join("nats.log");
        let server = Process::spawn("nats-server", command, log).unwrap();
        server.wait_for_log("Server is ready", LIMIT).unwrap();
        permitted.nats = Some(server);
        permitted.nodes = NODES.map(|name| (name, permitted.join(name))).into();
        for (_, node) in &permitted.nodes {
            node.wait_for_log("has joined", LIMIT).unwrap();
        }
        permitted
    }

    fn join(&self, name: &str) -> Process {
        let mut node = wrt_node(self.path());
        node.args(["join", "--lattice", &self.url, "--name", name]);
        if name != "a" {
            node.args(["--label", "role=worker"]);
        }
        node.env("WRT_CACHE", self.path().join("cache"));
        as_user(&mut node, name);
        Process::spawn(name, node, self.path().join(format!("{name}.log"))).unwrap()
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn wrt_as(&self, user: &str, arguments: &[&str]) -> Output {
        let mut wrt = wrt(self.path());
        wrt.args(arguments).args(["--lattice", &self.url]);
        as_user(&mut wrt, user);
        output(&mut wrt)
    }

    fn succeeds_as(&self, user: &str, arguments: &[&str]) -> String {
        let output = self.wrt_as(user, arguments);
        let logs = self.nodes.iter().map(|(_, node)| node.log().unwrap());
        let logs = logs.collect::<Vec<_>>().join("\n----\n");
        assert!(
            output.status.success(),
            "{user} {arguments:?}: {output:?}\n{logs}"
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Refused with words, and not after JetStream was waited for.
    fn is_refused_as(&self, user: &str, arguments: &[&str]) {
        let started = Instant::now();
        let output = self.wrt_as(user, arguments);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
        assert!(
            told.contains("permissions do not allow"),
            "{arguments:?}: {told}"
        );
        assert!(told.contains("wrt permissions"), "what helps: {told}");
        assert!(
            started.elapsed() < AT_ONCE,
            "{:?}: {told}",
            started.elapsed()
        );
    }

    /// The node that runs the counter, by what an observer sees.
    fn host(&self) -> &(&'static str, Process) {
        let ps = self.succeeds_as("observer", &["ps", "--output", "json"]);
        let ps: Value = serde_json::from_str(ps.trim()).unwrap();
        let nodes = ps["nodes"].as_array().unwrap();
        let host = nodes.iter().find(|node| {
            let mut replicas = node["replicas"].as_array().unwrap().iter();
            replicas.any(|replica| replica["actor"] == "component/counter/counter")
        });
        let host = host.expect("it runs")["node"].as_str().unwrap();
        self.nodes.iter().find(|(name, _)| *name == host).unwrap()
    }

    /// A client of the lattice as a node has it, by a program that is none.
    async fn client(&self, user: &str, role: Role) -> (Arc<Nats>, NatsOptions) {
        let name = NodeId::new("somebody").unwrap();
        let mut options = NatsOptions::new(name, vec![self.url.clone()]);
        options.login.user = Some(user.to_owned());
        options.login.password = Some(PASSWORD.into());
        options.inbox_prefix = Some(subjects().inbox_prefix(role));
        (Nats::connect(options.clone()).await.unwrap(), options)
    }
}

fn as_user(command: &mut Command, user: &str) {
    command
        .env("WRT_NATS_USER", user)
        .env("WRT_NATS_PASSWORD", PASSWORD);
}

fn subjects() -> Subjects {
    Subjects::new(&LatticeName::new("default").unwrap())
}

fn actor(text: &str) -> ActorAddress {
    text.parse().unwrap()
}

/// Calls a node in the name of somebody.
struct Forger {
    client: Arc<Nats>,
    to: NodeId,
    origin: ActorAddress,
}

impl Caller for Forger {
    fn call<'a>(
        &'a self,
        context: &'a CallContext,
        call: Invocation,
    ) -> BoxFuture<'a, Result<Answer, Fault>> {
        async move {
            let Invocation {
                target,
                interface,
                operation,
                ..
            } = call;
            let subject = subjects().call(&self.to, &target, &interface, &operation);
            let request = Request {
                head: RequestHead {
                    call: CallId::mint(),
                    key: IdempotencyKey::mint(),
                    caller: NodeId::new("somebody").unwrap(),
                    target,
                    epoch: None::<Epoch>,
                    interface,
                    fingerprint: call.fingerprint,
                    operation,
                    budget_micros: u64::try_from(context.remaining().as_micros()).unwrap(),
                    expires_at: None,
                    attempt: 1,
                    trace: None,
                    origin: Some(self.origin.clone().into()),
                    fence: None,
                    body: None,
                },
                arguments: call.arguments,
                bulk: call.bulk,
                body: Bytes::new(),
            };
            let reply = self
                .client
                .request(subject, request.encode().unwrap())
                .await;
            let reply = Reply::decode(&reply.unwrap()).unwrap();
            reply.head.outcome?;
            Ok(Answer {
                result: reply.result,
                bulk: reply.bulk,
                body: None,
                served_by: None,
            })
        }
        .boxed()
    }
}

/// Whoever may publish to a node's subjects may say that it is anybody: it is the permissions that stop it. What
/// it says must be somebody who has a link all the same.
async fn in_the_name_of(client: &Arc<Nats>, origin: &str) -> Result<(), Fault> {
    let forger = Forger {
        client: Arc::clone(client),
        to: NodeId::new("a").unwrap(),
        origin: actor(origin),
    };
    let store = KeyValueInterface::remote(Arc::new(forger), actor("provider/counter/store").into());
    let (bucket, key) = (Bucket::default(), Key::new("visits").unwrap());
    match store.get(&CallContext::default(), &bucket, &key).await {
        Ok(_) => Ok(()),
        Err(KeyValueError::Fault(fault)) => Err(fault),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_lattice_runs_under_the_least_permissions() {
    let web = address();
    let mut lattice = Permitted::start(&web);
    let manifest = lattice.path().join("app.toml");
    let up = ["up", manifest.to_str().unwrap()];

    // Before there is anything, and while it runs.
    lattice.is_refused_as("observer", &up);
    lattice.succeeds_as("operator", &up);
    lattice.is_refused_as("observer", &up);
    lattice.is_refused_as("observer", &["down", "counter"]);
    let visit = || request(&web, "POST", "/visits", "");
    assert_eq!(visit().0, 200);
    let explained = lattice.succeeds_as("observer", &["explain", "counter/counter"]);
    assert!(explained.contains("RUNS"), "{explained}");
    let history = lattice.succeeds_as("observer", &["history", "counter"]);
    assert!(!history.is_empty());

    tokio::runtime::Runtime::new()
        .unwrap()
        .block_on(who_has_no_link_or_no_permission(&lattice));

    let (lost, host) = lattice.host();
    let lost = *lost;
    host.kill().unwrap();
    let deadline = Deadline::after(LIMIT);
    let served = deadline.poll(|| (visit().0 == 200).then_some(()));
    assert!(served.is_some(), "elsewhere than on {lost}");
    assert_ne!(lattice.host().0, lost);

    lattice.nodes.retain(|(name, _)| *name != lost);
    for (name, node) in &lattice.nodes {
        let log = node.log().unwrap();
        assert!(!log.contains("Violation"), "{name} needs more: {log}");
    }
    lattice.succeeds_as("operator", &["down", "counter"]);
    for (name, node) in &lattice.nodes {
        node.terminate().unwrap();
        let ended = node.wait(LIMIT).unwrap();
        let log = node.log().unwrap();
        assert!(ended.is_some_and(|it| it.success()), "{name}: {log}");
        assert!(!log.contains("Violation"), "{name} needs more: {log}");
    }
}

/// The server's word may come a moment later: then the subscription ends.
async fn hears_nothing(client: &Nats, subject: String) {
    match client.subscribe(Lane::Calls, subject, None).await {
        Err(error) => assert!(
            matches!(error, TransportError::NotPermitted { .. }),
            "{error:?}"
        ),
        Ok(mut late) => {
            let ended = tokio::time::timeout(AT_ONCE, late.next()).await.unwrap();
            assert!(ended.is_none(), "{ended:?}");
        }
    }
}

async fn who_has_no_link_or_no_permission(lattice: &Permitted) {
    let (client, options) = lattice.client("b", Role::Node).await;

    // A node speaks for its components; whom it speaks for must have a link.
    let linked = in_the_name_of(&client, "component/counter/counter").await;
    assert_eq!(linked, Ok(()));
    for stranger in [
        "component/counter/other",
        "provider/counter/web",
        "component/shop/counter",
    ] {
        let fault = in_the_name_of(&client, stranger).await.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Denied, "{fault}");
        assert!(fault.detail().starts_with(stranger), "{fault}");
    }
    let ps = lattice.succeeds_as("observer", &["ps", "counter"]);
    assert!(ps.contains("3 denied"), "{ps}");

    // Whom no manifest links nobody calls, whatever it says; and no node speaks as another.
    let get = wrt_protocol::OperationName::from_static("get");
    let to = NodeId::new("a").unwrap();
    let name = |text| Name::new(text).unwrap();
    let vault = ActorAddress::provider(name("shop"), name("vault"));
    let subject = subjects().call(&to, &vault, &KeyValueInterface::NAME, &get);
    let refused = client.request(subject, Bytes::new());
    let refused = tokio::time::timeout(AT_ONCE, refused).await.unwrap();
    assert!(
        matches!(refused, Err(TransportError::NotPermitted { .. })),
        "{refused:?}"
    );
    let beat = subjects().heartbeat(&to);
    let published = client.publish(Lane::Control, beat.clone(), Bytes::new());
    published.await.unwrap();
    let told = async {
        while options.refused.refused().await != beat {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(AT_ONCE, told).await.unwrap();
    for subject in [subjects().node_inbound(&to), subjects().body(&to)] {
        hears_nothing(&client, subject).await;
    }
    client.close().await;

    // An observer calls nobody, and hears nobody else's answers.
    let (client, _) = lattice.client("observer", Role::Observer).await;
    let store = actor("provider/counter/store");
    let subject = subjects().call(&to, &store, &KeyValueInterface::NAME, &get);
    let refused = client.request(subject, Bytes::new());
    let refused = tokio::time::timeout(AT_ONCE, refused).await.unwrap();
    assert!(
        matches!(refused, Err(TransportError::NotPermitted { .. })),
        "{refused:?}"
    );
    hears_nothing(&client, subjects().inboxes(Role::Node)).await;
    client.close().await;
}
