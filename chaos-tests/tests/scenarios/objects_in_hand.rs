//! A node is lost whose provider is being written to and read from; of each store.

use std::{
    sync::atomic::AtomicU64,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use async_nats::jetstream;
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _, channel::mpsc, stream};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use mongodb::bson::{Document, doc};
use tokio::task::JoinHandle;
use wrt_chaos_tests::{
    Scene,
    body::{EchoError, frames, get, put},
    guest,
    memory::growth_during,
};
use wrt_test_servers::MongoDbServer;

const OLD_BYTES: u64 = 100_000;
/// More than lies in the buffers between the store and a client that does not read.
const LARGE_BYTES: u64 = 32 << 20;
/// Of an object that is being written when the node is lost, and what is sent afterwards: more than may be on
/// its way to a node that stands still.
const FIRST_BYTES: u64 = 2 << 20;
const REST_BYTES: u64 = 8 << 20;
/// How soon those who wait for the node are told.
const TOLD_WITHIN: Duration = Duration::from_secs(10);
const SETTLE_LIMIT: Duration = Duration::from_secs(20);
/// What was half-written is looked for so long when the node is back.
const WATCHED: Duration = Duration::from_secs(2);

/// By how much the resident memory of a node may grow while an object of any size goes through it.
const GROWTH_BYTES_MAX: u64 = 64 << 20;

/// Where objects are, behind the provider.
enum Store {
    Nats,
    MongoDb(MongoDbServer),
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed() -> anyhow::Result<()> {
    is_killed(Store::Nats).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stopped() -> anyhow::Result<()> {
    is_stopped(Store::Nats).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_with_mongodb() -> anyhow::Result<()> {
    is_killed(Store::MongoDb(MongoDbServer::start()?)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stopped_with_mongodb() -> anyhow::Result<()> {
    is_stopped(Store::MongoDb(MongoDbServer::start()?)).await
}

async fn is_killed(store: Store) -> anyhow::Result<()> {
    let harm = |scene: &Scene| Ok(scene.cluster.kill_node("store")?);
    let heal = |scene: &Scene| Ok(scene.cluster.start_node("store")?);
    lost("killed", &store, harm, heal).await
}

async fn is_stopped(store: Store) -> anyhow::Result<()> {
    let harm = |scene: &Scene| Ok(scene.cluster.pause_node("store")?);
    let heal = |scene: &Scene| Ok(scene.cluster.resume_node("store")?);
    lost("stopped", &store, harm, heal).await
}

/// Those who write get an error, and so do those who read: never a part as if it were all. When the node is
/// back, what was there is what it was, and what was half-written is not there: it is not seen, and takes no
/// room for long.
async fn lost(
    how: &str,
    store: &Store,
    harm: impl Fn(&Scene) -> anyhow::Result<()>,
    heal: impl Fn(&Scene) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (scene, url) = scene(store).await?;
    put(&format!("{url}/replaced"), OLD_BYTES).await?;
    put(&format!("{url}/large"), LARGE_BYTES).await?;
    let mut writers = Vec::new();
    for object in ["replaced", "new"] {
        writers.push(Writer::start(&format!("{url}/{object}")).await?);
    }
    let reader = Reader::start(&format!("{url}/large")).await?;
    let chunk_bytes = store.chunk_bytes();
    let whole = OLD_BYTES.div_ceil(chunk_bytes) + LARGE_BYTES.div_ceil(chunk_bytes);
    let begun = whole + FIRST_BYTES / chunk_bytes;
    store.until(&scene, |chunks| chunks >= begun).await?;

    let began = Instant::now();
    tokio::task::block_in_place(|| harm(&scene))?;
    let ends = async {
        for writer in writers {
            let status = writer.end().await?;
            let is_stored = status.is_some_and(|status| status.is_success());
            anyhow::ensure!(!is_stored, "a part was stored as if it were all");
        }
        reader.end().await
    };
    tokio::time::timeout(TOLD_WITHIN, ends).await??;
    println!("{how}: all are told within {:?}", began.elapsed());

    tokio::task::block_in_place(|| heal(&scene))?;
    scene.is_ready(&["edge", "store"]).await?;
    scene.succeeds(&url, SETTLE_LIMIT).await?;
    let healed = Instant::now();
    while healed.elapsed() < WATCHED {
        let names = scene.client.send(Method::GET, &url).await;
        let mut listed: Vec<_> = names.text().lines().map(str::to_owned).collect();
        listed.sort_unstable();
        anyhow::ensure!(listed == ["large", "replaced"], "{names:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    get(&format!("{url}/replaced"), OLD_BYTES, &AtomicU64::new(0)).await?;
    get(&format!("{url}/large"), LARGE_BYTES, &AtomicU64::new(0)).await?;
    match store {
        // It keeps them for a minute, and its own tests see them go.
        Store::Nats => Ok(()),
        Store::MongoDb(_) => store.until(&scene, |chunks| chunks == whole).await,
    }
}

/// An object of any size goes to the store and back byte for byte, and no node grows by more than 64 MiB
/// meanwhile: 32 MiB, or as many as `WRT_OBJECT_MIB` says.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_large_object_takes_no_memory() -> anyhow::Result<()> {
    let mib = std::env::var("WRT_OBJECT_MIB").map_or(Ok(32), |mib| mib.parse::<u64>());
    let (bytes, (scene, url)) = (mib? << 20, scene(&Store::Nats).await?);
    let url = format!("{url}/large");
    // Warm: a small one first, so that what is measured is the object and not the first request.
    put(&url, 1 << 20).await?;
    get(&url, 1 << 20, &AtomicU64::new(0)).await?;
    for way in ["put", "got"] {
        let began = Instant::now();
        let work = async {
            match way {
                "put" => put(&url, bytes).await,
                _ => get(&url, bytes, &AtomicU64::new(0)).await,
            }
        };
        let (grown, done) = growth_during(&scene.cluster, ["edge", "store"], work).await?;
        let kib = grown.map(|bytes| bytes >> 10);
        let took = began.elapsed();
        println!(
            "{} MiB {way} in {took:?}; edge and store grew by {kib:?} KiB",
            bytes >> 20
        );
        done?;
        let is_bounded = grown.iter().all(|bytes| *bytes <= GROWTH_BYTES_MAX);
        anyhow::ensure!(is_bounded, "grown by {kib:?} KiB");
    }
    Ok(())
}

/// The component and HTTP are on `edge`, and the provider on `store`; it has a container, of which this is the
/// URL.
async fn scene(store: &Store) -> anyhow::Result<(Scene, String)> {
    let scene = Scene::start(&["edge", "store"]).await?;
    let address = scene.cluster.free_address()?;
    let (source, provider) = (guest("blobstore")?, store.provider(&scene));
    let text = format!(
        "[app]\nname = \"files\"\n\n\
         [component.files]\nsource = {source:?}\nnodes = [\"edge\"]\n\
         links = {{ \"wasi:blobstore\" = \"store\" }}\nlimits = {{ wall_time_ms_max = 600000 }}\n\n\
         [provider.store]\nnodes = [\"store\"]\n{provider}\n\n\
         [provider.web]\nbackend = \"http-server\"\nnodes = [\"edge\"]\n\
         config = {{ address = {address:?}, request_timeout_ms = 600000, request_body_bytes_max = 4294967296 }}\n\
         calls = [{{ component = \"files\" }}]\n",
    );
    let folder = tempfile::tempdir()?;
    let manifest = folder.path().join("files.toml");
    std::fs::write(&manifest, text)?;
    let manifest = manifest.display().to_string();
    tokio::task::block_in_place(|| scene.cluster.wrt(&["up", &manifest]))?;
    let url = format!("http://{address}/box");
    let made = scene.client.send(Method::PUT, &url).await;
    anyhow::ensure!(made.is_success(), "{made:?}");
    Ok((scene, url))
}

impl Store {
    fn provider(&self, scene: &Scene) -> String {
        match self {
            Self::Nats => {
                let url = scene.cluster.nats().url();
                format!("backend = \"nats\"\nconfig = {{ url = {url:?} }}")
            }
            Self::MongoDb(server) => format!(
                "backend = \"mongodb\"\nconfig = {{ url = {:?}, unnamed_bytes_kept_for_ms = 3000 }}",
                server.url()
            ),
        }
    }

    fn chunk_bytes(&self) -> u64 {
        match self {
            Self::Nats => 128 << 10,
            Self::MongoDb(_) => 255 << 10,
        }
    }

    /// Waits until it has so many chunks.
    async fn until(&self, scene: &Scene, is_so: impl Fn(u64) -> bool) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let found = match self {
                Self::Nats => chunks_in_nats(scene).await?,
                Self::MongoDb(server) => chunks_in_mongodb(server).await?,
            };
            if is_so(found) {
                return Ok(());
            }
            anyhow::ensure!(began.elapsed() < SETTLE_LIMIT, "{found} chunks");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Messages of the container's stream: those that say what an object is are few beside the others.
async fn chunks_in_nats(scene: &Scene) -> anyhow::Result<u64> {
    let client = async_nats::connect(scene.cluster.nats().url()).await?;
    let mut names = jetstream::new(client.clone()).stream_names();
    let mut container = None;
    while let Some(name) = names.next().await {
        container = Some(name?)
            .filter(|name| name.ends_with("box"))
            .or(container);
    }
    let container = container.context("there is no stream of the container")?;
    let stream = jetstream::new(client).get_stream(container).await?;
    Ok(stream.get_info().await?.state.messages)
}

async fn chunks_in_mongodb(server: &MongoDbServer) -> anyhow::Result<u64> {
    let client = mongodb::Client::with_uri_str(server.url()).await?;
    let chunks = client
        .database("wrt")
        .collection::<Document>("objects-files.chunks");
    Ok(chunks.count_documents(doc! {}).await?)
}

type Pieces = mpsc::Sender<Result<Frame<Bytes>, std::io::Error>>;

/// A client in the middle of what it writes.
struct Writer {
    pieces: Pieces,
    asking: JoinHandle<Option<StatusCode>>,
}

impl Writer {
    async fn start(url: &str) -> anyhow::Result<Self> {
        let (mut pieces, body) = mpsc::channel(1);
        let request = Request::put(url).body(StreamBody::new(body))?;
        let asking = tokio::spawn(async move {
            let client = Client::builder(TokioExecutor::new()).build_http();
            client
                .request(request)
                .await
                .ok()
                .map(|answer| answer.status())
        });
        let first = frames(FIRST_BYTES).map(|frame| Ok(Ok(frame)));
        pieces.send_all(&mut stream::iter(first)).await?;
        Ok(Self { pieces, asking })
    }

    /// Sends the rest; how it was answered, if it was.
    async fn end(self) -> anyhow::Result<Option<StatusCode>> {
        let Self { mut pieces, asking } = self;
        let rest = frames(REST_BYTES).map(|frame| Ok(Ok(frame)));
        let sent = async move { pieces.send_all(&mut stream::iter(rest)).await };
        // Whoever has answered takes no more of it.
        let sending = tokio::spawn(sent);
        let status = asking.await?;
        sending.abort();
        Ok(status)
    }
}

/// A client in the middle of what it reads.
struct Reader {
    seen: u64,
    body: hyper::body::Incoming,
}

impl Reader {
    async fn start(url: &str) -> anyhow::Result<Self> {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let request = Request::get(url).body(http_body_util::Empty::<Bytes>::new())?;
        let response = client.request(request).await?;
        anyhow::ensure!(response.status().is_success(), "{response:?}");
        let mut body = response.into_body();
        let first = body.frame().await.context("a first piece")??;
        let seen = first.data_ref().map_or(0, Bytes::len) as u64;
        Ok(Self { seen, body })
    }

    /// Reads on: it breaks off before it is all.
    async fn end(mut self) -> anyhow::Result<()> {
        loop {
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                    self.seen += bytes;
                }
                Some(Err(error)) => {
                    println!("the reader has {} bytes: {error}", self.seen);
                    return Ok(());
                }
                None => {
                    let bytes = self.seen;
                    let expected = LARGE_BYTES;
                    return Err(EchoError::NotWhole { bytes, expected }.into());
                }
            }
        }
    }
}
