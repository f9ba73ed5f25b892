//! Two nodes, and each guest in both of them.

use std::{
    fmt::Write as _,
    fs,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use tokio::{sync::Mutex, time::sleep};
use wrt_chaos_tests::{Cluster, Profile, guest};

use crate::AT_A_TIME;
use crate::paths::{GUESTS, Guest, PLACES, Place};

/// What a server here takes of a request's body.
pub const BODY_BYTES_MAX: usize = 4 << 20;

/// The node with all ports.
const EDGE: &str = "edge";
const OTHER: &str = "other";

/// A lattice that is started for the first test that asks, and ends with the last one.
pub struct Lattice {
    /// Of each guest's server, in the order of [`GUESTS`] and [`PLACES`].
    addresses: [[String; 2]; 3],
    cluster: Cluster,
}

/// How often a node has fallen silent, and was heard again.
pub struct Hearing {
    silences: usize,
    ends: usize,
}

/// When a line of a log is in its file, on a busy machine.
const LOGGED_WITHIN: Duration = Duration::from_secs(2);

static SHARED: Mutex<Weak<Lattice>> = Mutex::const_new(Weak::new());

impl Lattice {
    pub async fn shared() -> anyhow::Result<Arc<Self>> {
        let mut shared = SHARED.lock().await;
        if let Some(lattice) = shared.upgrade() {
            return Ok(lattice);
        }
        let lattice = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&lattice);
        Ok(lattice)
    }

    fn start() -> anyhow::Result<Self> {
        let cluster = Cluster::start(Profile::Dev)?;
        cluster.start_nodes(&[EDGE, OTHER])?;
        let mut addresses = <[[String; 2]; 3]>::default();
        let mut manifest = "[app]\nname = \"parity\"\n".to_owned();
        for (of_guest, kind) in addresses.iter_mut().zip(GUESTS) {
            for (address, place) in of_guest.iter_mut().zip(PLACES) {
                *address = cluster.free_address()?;
                manifest += &served(kind, place, address)?;
            }
        }
        let path = cluster.folder().join("parity.toml");
        fs::write(&path, manifest)?;
        cluster.wrt(&["up", &path.to_string_lossy()])?;
        Ok(Self { addresses, cluster })
    }

    /// The server in front of a guest.
    pub fn address(&self, guest: Guest, place: Place) -> &str {
        &self.addresses[guest as usize][place as usize]
    }

    /// What the nodes say of whether they hear each other: one may hear the other, and not the other way round.
    pub fn hearing(&self) -> Hearing {
        let logs = self.logs();
        let count = |text| logs.iter().map(|log| log.matches(text).count()).sum();
        Hearing {
            silences: count("a node is silent"),
            ends: count("a node is heard again"),
        }
    }

    /// Whether one of them was silent at any time since `before`. What is logged comes a moment late.
    pub async fn was_silent_since(&self, before: &Hearing) -> bool {
        let began = Instant::now();
        while began.elapsed() < LOGGED_WITHIN {
            if before.silences > before.ends || self.hearing().silences > before.silences {
                return true;
            }
            sleep(LOGGED_WITHIN / 20).await;
        }
        false
    }

    /// What the node with the ports has logged, and the other one.
    pub fn logs(&self) -> [String; 2] {
        [EDGE, OTHER].map(|node| self.cluster.node_log(node))
    }
}

/// A server, a guest behind it, and under `/narrow` one that takes a single request at a time.
fn served(guest_kind: Guest, place: Place, address: &str) -> anyhow::Result<String> {
    let (source, version) = match guest_kind {
        Guest::P2 => (guest("scripted")?, "p2"),
        Guest::P3 => (guest("scripted_p3")?, "p3"),
        Guest::P3Shared => (guest("scripted_p3")?, "shared"),
    };
    let (name, node) = match place {
        Place::Here => (format!("here-{version}"), EDGE),
        Place::There => (format!("there-{version}"), OTHER),
    };
    let at_once = match guest_kind {
        Guest::P2 | Guest::P3 => 1,
        Guest::P3Shared => AT_A_TIME,
    };
    let mut text = String::new();
    for component in [name.clone(), format!("narrow-{name}")] {
        let _ = write!(
            text,
            "\n[component.{component}]\nsource = {source:?}\nnodes = [{node:?}]\n\
             limits.invocations_at_once_max = {at_once}\n"
        );
    }
    let _ = write!(
        text,
        "\nlimits.concurrency_max = 1\nlimits.queue_max = 0\nlimits.wall_time_ms_max = 30000\n\
         \n[provider.web-{name}]\nbackend = \"http-server\"\nnodes = [{EDGE:?}]\n\
         calls = [\n  {{ component = {name:?}, path = \"/\" }},\n  \
         {{ component = \"narrow-{name}\", path = \"/narrow\" }},\n]\n\
         \n[provider.web-{name}.config]\naddress = {address:?}\n\
         request_body_bytes_max = {BODY_BYTES_MAX}\nrequest_timeout_ms = 25000\n"
    );
    Ok(text)
}
