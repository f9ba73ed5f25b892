//! redis-server.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{Server, ServerError, ServerKind, redis_server_binary};

/// How long one look at the server may take.
const LOOK_LIMIT: Duration = Duration::from_millis(100);

/// A redis-server in memory: a restart empties it.
pub type RedisServer = Server<Redis>;

/// The kind of [`RedisServer`].
#[derive(Debug)]
pub enum Redis {}

impl ServerKind for Redis {
    const NAME: &'static str = "redis-server";

    fn binary() -> Result<PathBuf, ServerError> {
        redis_server_binary()
    }

    fn arguments(command: &mut Command, port: u16, folder: &Path) {
        command
            .args(["--bind", "127.0.0.1", "--port"])
            .arg(port.to_string());
        command
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(folder);
    }

    fn is_ready(pid: u32, port: u16, _folder: &Path) -> bool {
        serving_pid(port).is_ok_and(|serving| serving == Some(pid))
    }

    fn url(port: u16) -> String {
        format!("redis://127.0.0.1:{port}")
    }
}

/// Asks whoever listens on the port for its process id.
fn serving_pid(port: u16) -> io::Result<Option<u32>> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, LOOK_LIMIT)?;
    stream.set_read_timeout(Some(LOOK_LIMIT))?;
    stream.set_write_timeout(Some(LOOK_LIMIT))?;
    // QUIT makes the server close the connection, so the answer has an end.
    stream.write_all(b"INFO server\r\nQUIT\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let pid = answer
        .lines()
        .find_map(|line| line.strip_prefix("process_id:"));
    Ok(pid.and_then(|pid| pid.trim().parse().ok()))
}
