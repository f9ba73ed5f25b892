//! A cluster that is not complete when a client connects.

#![cfg(test)]

use std::time::Duration;

use async_nats::{Client, ServerAddr, connection::State};
use tokio::time::{sleep, timeout};
use wrt_nats_login::{Discovery, NatsLogin};
use wrt_test_servers::{NatsServer, free_port};

const PATIENCE: Duration = Duration::from_secs(60);

/// Puts a server, from its next start on, in a cluster of those that listen at these ports.
fn configure(server: &NatsServer, number: usize, ports: [u16; 2]) {
    let routes = ports.map(|port| format!("\"nats://127.0.0.1:{port}\""));
    let configuration = format!(
        "server_name: n{number}\n\
         cluster {{ name: test, listen: \"127.0.0.1:{}\", routes: [ {} ] }}\n",
        ports[number],
        routes.join(", ")
    );
    server.configure(&configuration).unwrap();
}

async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let looks = async {
        while !is_so().await {
            sleep(Duration::from_millis(50)).await;
        }
    };
    let seen = timeout(PATIENCE, looks).await;
    seen.unwrap_or_else(|_| panic!("in vain: {what}"));
}

async fn knows(client: &Client, server: &ServerAddr) -> bool {
    let pool = client.server_pool().await.unwrap();
    pool.iter().any(|known| known.addr == *server)
}

/// Fails when nobody looks again: the client would know one server for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_joins_later_is_known_and_takes_over() {
    let servers = [NatsServer::start().unwrap(), NatsServer::start().unwrap()];
    let ports = [free_port().unwrap(), free_port().unwrap()];
    for (number, server) in servers.iter().enumerate() {
        configure(server, number, ports);
        server.stop().unwrap();
    }
    let [first, second] = &servers;
    let address = |server: &NatsServer| -> ServerAddr { server.url().parse().unwrap() };

    first.restart().unwrap();
    let client = async_nats::connect(first.url()).await.unwrap();
    assert!(!knows(&client, &address(second)).await);
    let discovery = Discovery::new(NatsLogin::default(), vec![address(first)]);
    let discovery = tokio::spawn(discovery.run(vec![client.clone()]));
    second.restart().unwrap();
    eventually("the second is known", async || {
        knows(&client, &address(second)).await
    })
    .await;

    first.kill().unwrap();
    let port = address(second).port();
    eventually("the second takes over", async || {
        client.connection_state() == State::Connected && client.server_info().port == port
    })
    .await;
    discovery.abort();
}
