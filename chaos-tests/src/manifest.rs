//! Manifests of the apps that are deployed: one component, its store, and HTTP in front of it.

use std::{fmt::Write as _, path::PathBuf, time::Duration};

use crate::{ClusterError, guest};

/// An app to be deployed, built up by what a scenario needs of it.
///
/// Everything runs on named nodes, so that a scenario knows what it hurts, unless it asks for replicas
/// [anywhere](Manifest::anywhere).
#[derive(Debug, Clone)]
pub struct Manifest {
    app: &'static str,
    source: PathBuf,
    placement: Placement,
    is_exclusive: bool,
    limits: Vec<(&'static str, u64)>,
    store: Option<Store>,
    listeners: Vec<Listener>,
    request_timeout: Option<Duration>,
}

#[derive(Debug, Clone)]
enum Placement {
    Nodes(Vec<String>),
    Replicas { count: u32, role: Option<String> },
}

#[derive(Debug, Clone)]
struct Store {
    backend: &'static str,
    nodes: Vec<String>,
    url: String,
    deduplicate_for: Option<Duration>,
}

#[derive(Debug, Clone)]
struct Listener {
    node: String,
    address: String,
}

impl Manifest {
    /// The counter on `nodes`: HTTP in front of a key-value store.
    ///
    /// # Errors
    /// When the guest is not built.
    pub fn counter(nodes: &[&str]) -> Result<Self, ClusterError> {
        Self::of("counter", nodes)
    }

    /// The probe on `nodes`: it waits, spins, traps and streams on request.
    ///
    /// # Errors
    /// When the guest is not built.
    pub fn probe(nodes: &[&str]) -> Result<Self, ClusterError> {
        Self::of("probe", nodes)
    }

    fn of(app: &'static str, nodes: &[&str]) -> Result<Self, ClusterError> {
        Ok(Self {
            app,
            source: guest(app)?,
            placement: Placement::Nodes(owned(nodes)),
            is_exclusive: false,
            limits: Vec::new(),
            store: None,
            listeners: Vec::new(),
            request_timeout: None,
        })
    }

    /// Of the component one replica serves at a time.
    #[must_use]
    pub fn exclusive(mut self) -> Self {
        self.is_exclusive = true;
        self
    }

    /// So many replicas of the component, on whatever nodes there are; with a role only on those that
    /// were [started with it](crate::Cluster::start_node_of_role).
    #[must_use]
    pub fn anywhere(mut self, replicas: u32, role: Option<&str>) -> Self {
        self.placement = Placement::Replicas {
            count: replicas,
            role: role.map(str::to_owned),
        };
        self
    }

    /// A limit of the component: `("concurrency_max", 4)`.
    #[must_use]
    pub fn limit(mut self, name: &'static str, value: u64) -> Self {
        self.limits.push((name, value));
        self
    }

    /// The component's store: the Redis at `url`, by way of providers on `nodes`.
    #[must_use]
    pub fn redis(self, nodes: &[&str], url: &str) -> Self {
        self.store("redis", nodes, url)
    }

    /// The component's store: the NATS at `url`, by way of providers on `nodes`.
    #[must_use]
    pub fn nats(self, nodes: &[&str], url: &str) -> Self {
        self.store("nats", nodes, url)
    }

    fn store(mut self, backend: &'static str, nodes: &[&str], url: &str) -> Self {
        self.store = Some(Store {
            backend,
            nodes: owned(nodes),
            url: url.to_owned(),
            deduplicate_for: None,
        });
        self
    }

    /// Lets the store, which is there already, deduplicate.
    #[must_use]
    pub fn deduplicate_for(mut self, time: Duration) -> Self {
        if let Some(store) = &mut self.store {
            store.deduplicate_for = Some(time);
        }
        self
    }

    /// HTTP on `node` at `address`. May be called for several nodes.
    #[must_use]
    pub fn http(mut self, node: &str, address: &str) -> Self {
        self.listeners.push(Listener {
            node: node.to_owned(),
            address: address.to_owned(),
        });
        self
    }

    /// The budget of each request that comes in over HTTP.
    #[must_use]
    pub fn budget(mut self, budget: Duration) -> Self {
        self.request_timeout = Some(budget);
        self
    }

    /// The text of `app.toml`.
    pub fn text(&self) -> String {
        let Self {
            app,
            source,
            placement,
            is_exclusive,
            limits,
            store,
            listeners,
            request_timeout,
        } = self;
        let mut text =
            format!("[app]\nname = \"{app}\"\n\n[component.{app}]\nsource = {source:?}\n");
        let _ = match placement {
            Placement::Nodes(nodes) => writeln!(text, "nodes = {nodes:?}"),
            Placement::Replicas { count, role: None } => writeln!(text, "replicas = {count}"),
            Placement::Replicas {
                count,
                role: Some(role),
            } => writeln!(text, "replicas = {count}\nlabels = {{ role = {role:?} }}"),
        };
        if *is_exclusive {
            text += "exclusive = true\n";
        }
        if store.is_some() {
            text += "links = { \"wasi:keyvalue\" = \"store\" }\n";
        }
        if !limits.is_empty() {
            let _ = write!(text, "\n[component.{app}.limits]\n");
            for (name, value) in limits {
                let _ = writeln!(text, "{name} = {value}");
            }
        }
        if let Some(store) = store {
            text += &store.text();
        }
        for Listener { node, address } in listeners {
            let _ = write!(
                text,
                "\n[provider.web-{node}]\nbackend = \"http-server\"\nnodes = [{node:?}]\n\
                 calls = [{{ component = \"{app}\" }}]\n\n\
                 [provider.web-{node}.config]\naddress = {address:?}\n"
            );
            if let Some(timeout) = request_timeout {
                let _ = writeln!(text, "request_timeout_ms = {}", timeout.as_millis());
            }
        }
        text
    }
}

impl Store {
    fn text(&self) -> String {
        let Self {
            backend,
            nodes,
            url,
            deduplicate_for,
        } = self;
        let mut text = format!(
            "\n[provider.store]\nbackend = {backend:?}\nnodes = {nodes:?}\n\n\
             [provider.store.config]\nurl = {url:?}\n"
        );
        if let Some(time) = deduplicate_for {
            let _ = writeln!(text, "deduplicate_for_ms = {}", time.as_millis());
        }
        text
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_has_what_it_was_told() {
        let manifest = Manifest {
            app: "counter",
            source: PathBuf::from("/guests/counter.wasm"),
            placement: Placement::Nodes(owned(&["a", "b"])),
            is_exclusive: false,
            limits: Vec::new(),
            store: None,
            listeners: Vec::new(),
            request_timeout: None,
        };
        let text = manifest
            .limit("queue_max", 8)
            .redis(&["c"], "redis://127.0.0.1:1")
            .deduplicate_for(Duration::from_secs(60))
            .http("edge", "127.0.0.1:2")
            .budget(Duration::from_secs(2))
            .text();
        let expected = r#"[app]
name = "counter"

[component.counter]
source = "/guests/counter.wasm"
nodes = ["a", "b"]
links = { "wasi:keyvalue" = "store" }

[component.counter.limits]
queue_max = 8

[provider.store]
backend = "redis"
nodes = ["c"]

[provider.store.config]
url = "redis://127.0.0.1:1"
deduplicate_for_ms = 60000

[provider.web-edge]
backend = "http-server"
nodes = ["edge"]
calls = [{ component = "counter" }]

[provider.web-edge.config]
address = "127.0.0.1:2"
request_timeout_ms = 2000
"#;
        assert_eq!(text, expected);
    }
}
