//! Objects, the same on every path: of each store, with the provider in the component's node and in another
//! one, with bytes that are here at once and with bytes that are not. So they travel inside their messages
//! between the nodes, and as streams.

use std::{fmt, fs};

use bytes::Bytes;
use futures::future::join_all;
use http::Method;
use wrt_chaos_tests::{Cluster, Profile, guest};
use wrt_test_servers::MongoDbServer;

use crate::{
    answer::answer,
    case::{Case, letters},
    paths::{PLACES, Pace, Place, Protocol},
};

const EDGE: &str = "edge";
const OTHER: &str = "other";

const BACKENDS: [&str; 3] = ["memory", "nats", "mongodb"];

/// A provider somewhere, and the server in front of the component that it serves.
struct Served {
    backend: &'static str,
    place: Place,
    address: String,
}

impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.backend, self.place)
    }
}

impl Served {
    /// The component and its server are on the edge; `url` is the provider's service's.
    fn manifest(&self, source: &str, url: &str) -> String {
        let Self {
            backend,
            place,
            address,
        } = self;
        let (name, node) = match place {
            Place::Here => (format!("{backend}-here"), EDGE),
            Place::There => (format!("{backend}-there"), OTHER),
        };
        let config = match *backend {
            "nats" => format!("url = {url:?}, bucket_prefix = \"{name}_-\""),
            "mongodb" => format!("url = {url:?}, bucket = {name:?}"),
            _ => String::new(),
        };
        format!(
            "\n[component.{name}]\nsource = {source:?}\nnodes = [{EDGE:?}]\n\
             links = {{ \"wasi:blobstore\" = \"store-{name}\" }}\n\
             \n[provider.store-{name}]\nbackend = {backend:?}\nnodes = [{node:?}]\n\
             config = {{ {config} }}\n\
             \n[provider.web-{name}]\nbackend = \"http-server\"\nnodes = [{EDGE:?}]\n\
             config = {{ address = {address:?}, request_timeout_ms = 25000 }}\n\
             calls = [{{ component = {name:?} }}]\n"
        )
    }

    /// Runs all cases in their order on one path; those that are wrong.
    async fn run(&self, pace: Pace, protocol: Protocol) -> Vec<String> {
        let mut wrong = Vec::new();
        for case in &cases() {
            let told = async {
                let answer = answer(&self.address, protocol, pace, case).await?;
                case.compare(answer, case.script)
            };
            if let Err(told) = told.await {
                wrong.push(format!(
                    "{}, {self} {pace:?} {protocol:?}: {told}",
                    case.name
                ));
            }
        }
        wrong
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_are_the_same_on_every_path() -> anyhow::Result<()> {
    let cluster = Cluster::start(Profile::Dev)?;
    cluster.start_nodes(&[EDGE, OTHER])?;
    let mongodb = MongoDbServer::start()?;
    let source = guest("blobstore")?.display().to_string();
    let mut manifest = "[app]\nname = \"objects\"\n".to_owned();
    let mut all = Vec::new();
    for backend in BACKENDS {
        for place in PLACES {
            let address = cluster.free_address()?;
            let served = Served {
                backend,
                place,
                address,
            };
            let url = match backend {
                "mongodb" => mongodb.url(),
                _ => cluster.nats().url(),
            };
            manifest += &served.manifest(&source, &url);
            all.push(served);
        }
    }
    let path = cluster.folder().join("objects.toml");
    fs::write(&path, manifest)?;
    cluster.wrt(&["up", &path.to_string_lossy()])?;
    // The cases of one path are in an order, and paths to one store are one after the other.
    let runs = all.iter().map(async |served| {
        let mut wrong = Vec::new();
        for pace in [Pace::Quick, Pace::Slow] {
            for protocol in [Protocol::Http1, Protocol::Http2] {
                wrong.extend(served.run(pace, protocol).await);
            }
        }
        wrong
    });
    let wrong: Vec<_> = join_all(runs).await.into_iter().flatten().collect();
    println!(
        "{} cases on {} paths, {} wrong",
        cases().len(),
        all.len() * 4,
        wrong.len()
    );
    anyhow::ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn case(name: &'static str, method: &str, path: &'static str) -> Case {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    Case::new(name, path).alone().unmarked().method(method)
}

/// Stores so many letters.
fn put(name: &'static str, path: &'static str, bytes: usize) -> Case {
    let mut case = case(name, "PUT", path);
    case.body_bytes = Some(bytes);
    case.gets_told(200, &format!("{bytes} bytes\n"))
}

fn get(name: &'static str, path: &'static str, bytes: usize) -> Case {
    object(case(name, "GET", path), letters(bytes))
}

/// An answer with bytes of an object.
fn object(case: Case, bytes: Bytes) -> Case {
    let text = String::from_utf8_lossy(&bytes).into_owned();
    case.gets_field("content-type", "application/octet-stream")
        .gets_field("accept-ranges", "bytes")
        .gets_field("content-length", &bytes.len().to_string())
        .gets_text(&text)
}

fn part(
    name: &'static str,
    range: &'static str,
    (first, last, size): (usize, usize, usize),
) -> Case {
    let asked = case(name, "GET", "/box/large").field("range", range);
    let told = format!("bytes {first}-{last}/{size}");
    object(asked, letters(size).slice(first..=last))
        .gets(206)
        .gets_field("content-range", &told)
}

/// What is done with one container, from its beginning to its end. Small ones travel inside their messages
/// where they are here at once; 65536 bytes are the last that do.
fn cases() -> Vec<Case> {
    let no_container = "there is no container \"box\"";
    let no_object = "there is no object \"small\" in container \"box\"";
    let large = 1_000_000;
    vec![
        case("no container to read from", "GET", "/box/small").gets_told(404, no_container),
        case("no container to list", "GET", "/box").gets_told(404, no_container),
        case("a container that is made", "PUT", "/box").gets_told(200, ""),
        case("one that is there already", "PUT", "/box").gets_told(200, ""),
        case("an empty listing", "GET", "/box").gets_told(200, ""),
        case("no object", "GET", "/box/small").gets_told(404, no_object),
        put("an empty object", "/box/small", 0),
        get("an empty object is read", "/box/small", 0),
        put("a small object in its place", "/box/small", 10),
        get("a small object is read", "/box/small", 10),
        put("the last that is inline", "/box/inline", 65_536),
        get("the last that is inline is read", "/box/inline", 65_536),
        put("the first that is not", "/box/stream", 65_537),
        get("the first that is not is read", "/box/stream", 65_537),
        put("a large object", "/box/large", large),
        get("a large object is read", "/box/large", large),
        part("a part", "bytes=260000-600000", (260_000, 600_000, large)),
        part("a byte", "bytes=999999-999999", (999_999, 999_999, large)),
        part("the rest", "bytes=131072-", (131_072, large - 1, large)),
        case("a copy", "COPY", "/box/large")
            .field("destination", "/box/copy")
            .gets_told(200, ""),
        case("a move", "MOVE", "/box/stream")
            .field("destination", "/box/moved")
            .gets_told(200, ""),
        get("the copy is read", "/box/copy", large),
        get("what was moved is read", "/box/moved", 65_537),
        case("an object is removed", "DELETE", "/box/small").gets_told(200, ""),
        case("and is not there", "GET", "/box/small").gets_told(404, no_object),
        case("removed again", "DELETE", "/box/small").gets_told(200, ""),
        case("the container is removed", "DELETE", "/box").gets_told(200, ""),
        case("and is not there any more", "GET", "/box").gets_told(404, no_container),
    ]
}
