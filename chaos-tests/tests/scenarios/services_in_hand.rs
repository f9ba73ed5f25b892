//! A node is lost whose provider a component on another node uses: for secrets, for tokens, and for telemetry.

mod telemetry;

use std::time::Duration;

use http::Method;
use wrt_chaos_tests::{Scene, guest, invariants, outage::percentile};
use wrt_test_servers::{OtelCollector, TokenServer};

use super::away::{
    Absence, Away, BUDGET, IN_WORDS_MIN, Recovery, requests_while_away, share_in_words, some_fail,
};

/// While nobody knows yet that the node is lost.
const AT_FIRST: Duration = Duration::from_secs(2);

/// What half of the requests may take then, whose component cannot get rid of its telemetry: far less than their
/// budget, which each would take that waits for it.
const UNNOTICED_WITHIN: Duration = Duration::from_secs(1);

/// Few requests, as the machine has to do with what they cause: spans and logs go to a collector.
const ABSENCE: Absence = Absence {
    per_second: 20,
    // Longer than telemetry waits for its provider.
    lasts: Duration::from_secs(7),
    // A node that was killed is started first.
    recovery: Recovery {
        limit: Duration::from_secs(5),
        watched: Duration::from_secs(7),
    },
};

/// What the provider on node `c` is for, and the component that uses it on node `a`.
enum Service {
    Secrets,
    Tokens(TokenServer),
    Telemetry(OtelCollector),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    Killed,
    Stopped,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn secrets_of_a_killed_node() -> anyhow::Result<()> {
    is_told(&Service::Secrets, Loss::Killed).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn secrets_of_a_stopped_node() -> anyhow::Result<()> {
    is_told(&Service::Secrets, Loss::Stopped).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tokens_of_a_killed_node() -> anyhow::Result<()> {
    is_told(&Service::tokens()?, Loss::Killed).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tokens_of_a_stopped_node() -> anyhow::Result<()> {
    is_told(&Service::tokens()?, Loss::Stopped).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn telemetry_of_a_killed_node() -> anyhow::Result<()> {
    is_accounted_for(Loss::Killed).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn telemetry_of_a_stopped_node() -> anyhow::Result<()> {
    is_accounted_for(Loss::Stopped).await
}

/// Every request ends within its budget, and none with a trap: the guest is told in the words of its interface,
/// and says so. All succeed again soon after the node is back.
async fn is_told(service: &Service, loss: Loss) -> anyhow::Result<()> {
    let scene = Scene::start(&["edge", "c"]).await?;
    service.deploy(&scene).await?;
    let Away { samples, .. } = service.used(&scene, loss).await?;
    some_fail(&samples)?;
    invariants::all_answer(&samples, &[200, 502, 503, 504])?;
    let share = share_in_words(&samples);
    anyhow::ensure!(
        share >= IN_WORDS_MIN,
        "{share} have the interface's words: {samples:?}"
    );
    Ok(())
}

/// No request fails, and few wait for long: a component runs without its telemetry. What is missing of it
/// later was counted as lost where the component is, or had been taken by the killed node and not sent yet.
async fn is_accounted_for(loss: Loss) -> anyhow::Result<()> {
    let service = Service::Telemetry(tokio::task::block_in_place(OtelCollector::start)?);
    let Service::Telemetry(collector) = &service else {
        unreachable!("it is that one");
    };
    let scene = Scene::alone(&["edge", "c"]).await?;
    let metrics = service.deploy(&scene).await?;
    let away = service.used(&scene, loss).await?;
    invariants::all_succeed(&away.samples)?;
    let samples = away.samples.iter();
    let at_first = samples.filter(|it| it.due >= away.fault && it.due < away.fault + AT_FIRST);
    let took = percentile(&at_first.cloned().collect::<Vec<_>>(), 0.5);
    println!("telemetry {loss:?}: half of the requests take {took:?} at first");
    anyhow::ensure!(
        took <= UNNOTICED_WITHIN,
        "half of them take more than {took:?}"
    );
    let bound = match loss {
        Loss::Killed => telemetry::in_hand_when_killed(&away),
        // It has all of it still when it goes on.
        Loss::Stopped => 0,
    };
    telemetry::is_accounted_for(&scene, collector, &metrics, &away, bound).await
}

impl Service {
    fn tokens() -> anyhow::Result<Self> {
        Ok(Self::Tokens(TokenServer::start(&[("shop", "s3cret")])?))
    }

    /// The component, with its links; and the providers that it needs on its own node.
    fn component(&self) -> anyhow::Result<String> {
        Ok(match self {
            Self::Secrets => {
                let source = guest("vault")?;
                format!("source = {source:?}\nlinks = {{ \"wrt:vault\" = \"service\" }}\n")
            }
            Self::Tokens(server) => {
                let (source, url) = (guest("identity")?, server.service_url());
                let host = url.trim_start_matches("http://").trim_end_matches("/who");
                format!(
                    "source = {source:?}\n\
                     environment = {{ SERVICE = {url:?}, SCOPE = \"read\" }}\n\
                     links = {{ \"wrt:identity\" = \"service\", \"wasi:http\" = \"outside\" }}\n\n\
                     [provider.outside]\nbackend = \"http-client\"\nnodes = [\"a\"]\n\
                     config = {{ allow = [{host:?}] }}\n"
                )
            }
            Self::Telemetry(_) => {
                let source = guest("otel")?;
                format!(
                    "source = {source:?}\n\
                     links = {{ \"wasi:otel\" = \"service\", \"wasi:keyvalue\" = \"stock\" }}\n\n\
                     [provider.stock]\nbackend = \"memory\"\nnodes = [\"a\"]\n"
                )
            }
        })
    }

    /// The backend of the provider, and its settings.
    fn provider(&self) -> String {
        match self {
            Self::Secrets => "backend = \"memory\"\n".to_owned(),
            Self::Tokens(server) => format!(
                "backend = \"oauth2\"\n\
                 config = {{ token_url = {:?}, client_id = \"shop\", client_secret = \"s3cret\" }}\n",
                server.token_url()
            ),
            Self::Telemetry(collector) => format!(
                "backend = \"opentelemetry\"\n\
                 config = {{ endpoint = {:?}, protocol = \"grpc\", delay_ms = {} }}\n",
                collector.url(),
                telemetry::DELAY.as_millis()
            ),
        }
    }

    /// The n-th request: none fails for what an earlier one has done.
    fn request(&self, scene: &Scene) -> impl Fn(u64) -> (Method, String) + use<> {
        let (method, url) = match self {
            Self::Secrets | Self::Tokens(_) => (Method::GET, scene.url("/")),
            Self::Telemetry(_) => (Method::POST, scene.url("/item-")),
        };
        let is_each_another = matches!(self, Self::Telemetry(_));
        move |n| match is_each_another {
            true => (method.clone(), format!("{url}{n}")),
            false => (method.clone(), url.clone()),
        }
    }

    /// Starts node `a`, and deploys the app. Where the node tells what it measures.
    async fn deploy(&self, scene: &Scene) -> anyhow::Result<String> {
        let (metrics, bus) = (scene.cluster.free_address()?, scene.cluster.nats().url());
        let arguments = ["--lattice", &bus, "--metrics", &metrics];
        scene.cluster.start_node_with("a", &[], &arguments)?;
        let (component, provider) = (self.component()?, self.provider());
        let budget = BUDGET.as_millis();
        let text = format!(
            "[app]\nname = \"user\"\n\n\
             [component.user]\nnodes = [\"a\"]\n{component}\n\
             [provider.service]\nnodes = [\"c\"]\n{provider}\n\
             [provider.web]\nbackend = \"http-server\"\nnodes = [\"edge\"]\n\
             config = {{ address = {:?}, request_timeout_ms = {budget} }}\n\
             calls = [{{ component = \"user\" }}]\n",
            scene.address()
        );
        let path = scene.cluster.folder().join("app.toml");
        std::fs::write(&path, text)?;
        let path = path.display().to_string();
        tokio::task::block_in_place(|| scene.cluster.wrt(&["up", &path]))?;
        Ok(metrics)
    }

    /// Requests, while the provider's node is lost and comes back.
    async fn used(&self, scene: &Scene, loss: Loss) -> anyhow::Result<Away> {
        let cluster = &scene.cluster;
        let harm = || {
            let done = match loss {
                Loss::Killed => cluster.kill_node("c"),
                Loss::Stopped => cluster.pause_node("c"),
            };
            Ok(done?)
        };
        let heal = || {
            let done = match loss {
                Loss::Killed => cluster.start_node("c"),
                Loss::Stopped => cluster.resume_node("c"),
            };
            Ok(done?)
        };
        let what = match self {
            Self::Secrets => "secrets",
            Self::Tokens(_) => "tokens",
            Self::Telemetry(_) => "telemetry",
        };
        let what = format!("the node of {what} {loss:?}");
        let requests = self.request(scene);
        let away = requests_while_away(&what, scene, ABSENCE, requests, harm, heal).await?;
        scene.is_ready(&["edge", "a", "c"]).await?;
        Ok(away)
    }
}
