//! The lanes do not hold each other up.

use std::time::{Duration, Instant};

use bytes::Bytes;
use wrt_protocol::limits::CHUNK_BYTES_MAX;
use wrt_transport::{Lane, Transport};

use super::{
    requests::echo,
    world::{World, in_time, next, text},
};

pub async fn a_stalled_bulk_subscriber_delays_no_call(world: &impl World) {
    const CHUNKS: usize = 800;
    let (a, b) = (world.node("a").await, world.node("b").await);
    let _echo = echo(&b, "call").await;
    // Buffers 100 MB and takes none of it.
    let mut stalled = b
        .subscribe(Lane::Bulk, "body.b".to_owned(), None)
        .await
        .unwrap();
    let chunk = Bytes::from(vec![1; CHUNK_BYTES_MAX]);
    let flood = async {
        for _ in 0..CHUNKS {
            a.publish(Lane::Bulk, "body.b".to_owned(), chunk.clone())
                .await
                .unwrap();
            tokio::task::yield_now().await;
        }
    };
    let mut slowest = Duration::ZERO;
    let calls = async {
        for _ in 0..200 {
            let started = Instant::now();
            let answer = a.request("call".to_owned(), text("x")).await;
            assert_eq!(answer.unwrap(), text("x"));
            slowest = slowest.max(started.elapsed());
        }
    };
    in_time(async { tokio::join!(flood, calls) }).await;
    // Behind 100 MB it would take far longer; the rest is for a busy machine.
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
    for _ in 0..CHUNKS {
        assert_eq!(next(&mut stalled).await.payload.len(), CHUNK_BYTES_MAX);
    }
    assert_eq!(b.dropped_payloads(), 0);
}
