//! A way to a server that swallows what comes back.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// While it swallows, what the client sends arrives, and what the server answers does not.
pub struct Proxy {
    address: SocketAddr,
    swallows: Arc<AtomicBool>,
    lost: Arc<AtomicU32>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a port");
        let address = listener.local_addr().expect("an address");
        let swallows = Arc::new(AtomicBool::new(false));
        let switch = Arc::clone(&swallows);
        let lost = Arc::<AtomicU32>::default();
        let to_lose = Arc::clone(&lost);
        let task = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let is_lost = to_lose.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
                if is_lost.is_ok() {
                    continue;
                }
                let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
                let Ok(server) = server else { continue };
                open.spawn(pass(client, server, Arc::clone(&switch)));
            }
        });
        Self {
            address,
            swallows,
            lost,
            task,
        }
    }

    pub fn url(&self) -> String {
        format!("postgres://postgres@{}/postgres", self.address)
    }

    /// Closes so many connections at once, of those that come next.
    pub fn lose(&self, connections: u32) {
        self.lost.store(connections, SeqCst);
    }

    pub fn swallow(&self, swallows: bool) {
        self.swallows.store(swallows, SeqCst);
    }
}

async fn pass(client: TcpStream, server: TcpStream, swallows: Arc<AtomicBool>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let there = async {
        let _ended = tokio::io::copy(&mut from_client, &mut to_server).await;
        let _gone = to_server.shutdown().await;
    };
    let back = async {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
            // What was cut off once is broken.
            if swallows.load(SeqCst) || to_client.write_all(&buffer[..read]).await.is_err() {
                break;
            }
        }
        let _gone = to_client.shutdown().await;
    };
    tokio::join!(there, back);
}
