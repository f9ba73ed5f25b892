//! What `a_killed_test_leaves_no_server` kills: a program that has started a server, says which, and
//! waits.

#![expect(
    clippy::print_stdout,
    reason = "it tells the test which server it holds"
)]

use std::thread;

use wrt_test_servers::{NatsServer, ServerError};

fn main() -> Result<(), ServerError> {
    let server = NatsServer::start()?;
    println!("server={}", server.pid()?);
    loop {
        thread::park();
    }
}
