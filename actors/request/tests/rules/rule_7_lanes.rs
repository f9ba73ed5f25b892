//! Rule 7: control, calls and bulk streams are apart, so a slow consumer of one stalls no other. What
//! that does to latency is measured over real connections, in `over_nats`.

use bytes::Bytes;
use wrt_contract::Body;
use wrt_protocol::limits::INLINE_BYTES_MAX;
use wrt_transport::Lane;

use super::lattice::{
    mirror::{ECHO, KEEP},
    nodes::Bus,
    probe::How,
};

/// Fails when a frame of a body, or anything large, is sent on another lane than the bulk one, or a
/// call or its cancellation on that.
#[tokio::test(start_paused = true)]
async fn rule_7_each_payload_has_its_lane() {
    let bus = Bus::loopback();
    let (caller, b) = (bus.caller().await, bus.host("b").await);
    caller.knows(1).await;
    let large = Bytes::from(vec![1; 5_000_000]);
    caller.act(1_000, 1, How::AtOnce).await.unwrap();
    caller.act(20, 2, How::Never).await.unwrap_err();
    let answer = caller.mirror(10_000, 3, large.clone()).await;
    assert_eq!(answer.unwrap(), large);
    let echo = caller.reflect(10_000, ECHO, Some(Body::whole(large.clone())));
    let back = echo.await.unwrap().body.unwrap().collect(large.len()).await;
    assert_eq!(back.unwrap(), large);
    for node in [&caller, &b] {
        let sent = node.wire.sent();
        assert!(sent.iter().any(|sent| sent.lane == Lane::Bulk));
        for sent in &*sent {
            let is_body = sent.subject.contains(".body.");
            assert_eq!(sent.lane == Lane::Bulk, is_body, "{}", sent.subject);
            if !is_body {
                assert!(sent.payload.len() <= INLINE_BYTES_MAX + 4096);
            }
        }
    }
}

/// Fails when a call waits for anything on the bulk lane.
#[tokio::test(start_paused = true)]
async fn rule_7_a_stalled_bulk_lane_delays_no_call() {
    let bus = Bus::loopback();
    let (caller, b) = (bus.caller().await, bus.host("b").await);
    caller.knows(1).await;
    for node in [&caller, &b] {
        node.wire.plan().stuck = Some(Lane::Bulk);
    }
    // Bodies that go nowhere, in both directions.
    for _ in 0..20 {
        let body = Body::whole(Bytes::from(vec![1; 1_000_000]));
        let kept = caller.reflect(1_000, KEEP, Some(body)).await;
        kept.expect("the call itself needs no bulk");
    }
    for tag in 0..100 {
        let answer = caller.act(5, tag, How::AtOnce).await;
        assert_eq!(answer.unwrap(), "b");
    }
}
