//! The suite, from wherever the provider can be called.

use std::sync::Arc;

use wrt_contract::{Gate, GateLimits};
use wrt_sql::{SqlInterface, conformance};
use wrt_test_kit::everywhere_with_leases;
use wrt_test_servers::PostgresServer;

use super::support::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_conforms() {
    let world = World::of(PostgresServer::start().expect("postgres"), |_| {}).await;
    let provider = world.postgres.provider(&Gate::new(GateLimits::default()));
    everywhere_with_leases::<SqlInterface>(Arc::new(provider), conformance::run).await;
    world.is_at_rest().await;
}
