//! The real programs: each example on its own, and a lattice of nodes.

#![cfg(test)]

mod programs {
    pub mod admission;
    pub mod apart;
    pub mod backends;
    pub mod browser;
    pub mod client;
    pub mod custom_node;
    pub mod descriptors;
    pub mod dev;
    pub mod examples;
    pub mod fetch;
    pub mod gate;
    pub mod identity;
    pub mod jobs;
    pub mod jobs_on_a_lattice;
    pub mod lattice;
    pub mod leases;
    pub mod letters;
    pub mod log;
    pub mod login;
    pub mod metrics;
    pub mod namespace;
    pub mod new;
    pub mod nodes;
    pub mod otel;
    pub mod output;
    pub mod parts;
    pub mod permissions;
    pub mod placement;
    pub mod proxy;
    pub mod reference;
    pub mod revisions;
    pub mod running;
    pub mod secrets;
    #[path = "../tidy/spelling.rs"]
    pub mod spelling;
    pub mod swaps;
    pub mod tls;
    pub mod traced_events;
    pub mod traced_message;
    pub mod traces;
    pub mod vault;
    pub mod view;
    pub mod wasmcloud;
    pub mod wasmcloud_postgres;
    pub mod websocket;
}
