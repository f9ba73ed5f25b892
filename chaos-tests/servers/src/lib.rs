//! Real servers and processes for tests, the demo and the benchmark.
//!
//! [`NatsServer`], [`RedisServer`], [`PostgresServer`], [`KafkaServer`], [`MongoDbServer`], [`FerretDbServer`] and
//! [`OtelCollector`] start on a free loopback port in a temporary folder, are ready when `start` returns, and can be paused, killed
//! and restarted on the same port. [`Process`] does the same for any program, so the chaos tests run
//! `wrt-node` with it. [`TokenServer`] is a double, in the test's own process.
//!
//! ```no_run
//! let nats = wrt_test_servers::NatsServer::start()?;
//! println!("{}", nats.url());
//! nats.kill()?;
//! nats.restart()?; // same port, same store
//! # Ok::<(), wrt_test_servers::ServerError>(())
//! ```
//!
//! # Invariants
//! - Nothing outlives the test: a drop stops the process, and the kernel kills it when the test
//!   itself is killed.
//! - Every wait has a limit. Nothing waits by sleeping for a guessed time.
//! - A missing server is an error that names the command which installs it, never a skip.
//! - The functions block and need no async runtime. None takes `&mut self`, so that one task may
//!   inject faults into a server that others use.
//!
//! Start reading at [`Server`], then [`Process`].

mod binary;
mod deadline;
mod error;
mod ferretdb;
mod kafka;
mod mongodb;
mod nats;
#[cfg(feature = "credentials")]
mod nats_credentials;
mod otelcol;
mod parent_death;
mod port;
mod postgres;
mod process;
mod redis;
mod server;
mod spawner;
mod token_server;

pub use binary::{
    FERRETDB_VERSION, GO_VERSION, KAFKA_FORMATTED, KAFKA_VERSION, NATS_SERVER_ENV,
    NATS_SERVER_VERSION, OTELCOL_VERSION, SECANTUSDB_VERSION, cache_folder, chromium_binary,
    ferretdb_binary, ferretdb_cached, find_in_path, go_cached, kafka_cached, kafka_folder,
    nats_server_binary, nats_server_cached, otelcol_binary, otelcol_cached, postgres_folder,
    redis_server_binary, secantusdb_cached, secantusdb_folder,
};
pub use deadline::Deadline;
pub use error::ServerError;
pub use ferretdb::{FerretDb, FerretDbServer};
pub use kafka::{Kafka, KafkaServer};
pub use mongodb::{MongoDb, MongoDbServer};
pub use nats::{Nats, NatsServer};
#[cfg(feature = "credentials")]
pub use nats_credentials::{NatsAccount, NatsKey};
pub use otelcol::{OtelCollector, Otelcol};
pub use port::free_port;
pub use postgres::{Postgres, PostgresServer};
pub use process::Process;
pub use redis::{Redis, RedisServer};
pub use server::{Server, ServerKind};
pub use token_server::{TOKEN_MARK, TokenPlan, TokenServer};
