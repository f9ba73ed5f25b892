//! Bodies: whole or a fault, never shorter; bounded; stopped when nobody wants them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::time::{Instant, sleep};
use wrt_contract::{Body, BodyError, BodyFrame};
use wrt_membership::Liveness;
use wrt_protocol::{
    Execution, Fault, FaultKind, Hop,
    limits::{ARGUMENT_BYTES_MAX, CHUNK_BYTES_MAX, INLINE_BYTES_MAX, STREAM_IDLE_MAX},
};

use super::lattice::{
    mirror::{ECHO, KEEP, PRODUCE, SUM, sum},
    nodes::{Bus, Node, eventually},
    probe::How,
};

pub async fn pair(bus: &Bus) -> (Node, Node) {
    let (caller, b) = (bus.caller().await, bus.host("b").await);
    caller.knows(1).await;
    (caller, b)
}

/// A body of pieces of all sizes, none of whose bytes look like another place's.
fn patterned(bytes: usize) -> Body<BodyError> {
    let pieces = stream::unfold(0_usize, move |at| async move {
        let piece = (at * 7919 % 300_000 + 1).min(bytes - at);
        (piece > 0).then(|| {
            let bytes: Vec<u8> = (at..at + piece).map(place).collect();
            (Ok(BodyFrame::Data(bytes.into())), at + piece)
        })
    });
    Body::new(None, pieces)
}

fn place(at: usize) -> u8 {
    (at ^ (at >> 8) ^ (at >> 16)) as u8
}

/// Reads a body to its end and compares each byte.
async fn check_patterned(mut body: Body<BodyError>, bytes: usize) {
    let mut at = 0;
    while let Some(frame) = body.next().await {
        let BodyFrame::Data(piece) = frame.expect("a whole body") else {
            panic!("no trailers were sent");
        };
        let expected = (at..at + piece.len()).map(place);
        assert!(
            expected.eq(piece.iter().copied()),
            "a byte differs after {at}"
        );
        at += piece.len();
    }
    assert_eq!(at, bytes);
}

/// Byte for byte, both ways at once, in constant memory. Fails when a chunk is lost, doubled or out
/// of order unnoticed, and when a body is dropped because the reply came before it was read.
pub async fn both_ways(bus: &Bus) {
    const BYTES: usize = 50_000_000;
    let (caller, b) = pair(bus).await;
    let echo = caller.reflect(60_000, ECHO, Some(patterned(BYTES)));
    let answer = echo.await.unwrap();
    check_patterned(answer.body.expect("a body"), BYTES).await;
    for node in [&caller, &b] {
        node.is_idle().await;
        assert_eq!(node.wire.chunks.load(Relaxed), chunks(BYTES));
    }
}

/// How many chunks [`patterned`] makes.
fn chunks(bytes: usize) -> u64 {
    let (mut at, mut chunks) = (0, 0);
    while at < bytes {
        let piece = (at * 7919 % 300_000 + 1).min(bytes - at);
        chunks += piece.div_ceil(CHUNK_BYTES_MAX) as u64;
        at += piece;
    }
    chunks
}

/// Arguments and results around the inline limit and far above it. Fails when the length that
/// separates arguments from bulk bytes is lost on the way.
pub async fn large_arguments_and_results(bus: &Bus) {
    let (caller, b) = pair(bus).await;
    let limit = INLINE_BYTES_MAX;
    for bytes in [limit - 5, limit - 2, limit - 1, limit, limit + 1, 5_000_000] {
        let sent = Bytes::from((0..bytes).map(place).collect::<Vec<_>>());
        let answer = caller.mirror(60_000, 1, sent.clone()).await;
        assert!(answer.unwrap() == sent, "{bytes} bytes came back changed");
    }
    for node in [&caller, &b] {
        node.is_idle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn body_both_ways() {
    both_ways(&Bus::loopback()).await;
}

/// A busy machine may hold heartbeats up while it sends a body. Fails when its frames are no signs of life:
/// the body would break in the middle, and a call in flight end as *maybe executed*. Fails as well when
/// they are signs for ever: who receives a body must not be kept from calling somebody else.
#[tokio::test(start_paused = true)]
async fn who_sends_a_body_is_not_silent() {
    for (millis, is_long) in [(1_500, false), (5_000, true)] {
        let bus = Bus::loopback();
        let (caller, b) = pair(&bus).await;
        b.wire.plan().is_silent = true;
        let pieces = stream::iter(0..millis / 100).then(|_| async {
            sleep(Duration::from_millis(100)).await;
            Ok(BodyFrame::Data(Bytes::from(vec![1; 1000])))
        });
        let echo = caller.reflect(60_000, ECHO, Some(Body::new(None, pieces)));
        let mut body = echo.await.unwrap().body.expect("a body");
        let call = caller.act(60_000, 1, How::After(Duration::from_millis(1_200)));
        let read = async {
            let mut pieces = 0;
            while let Some(frame) = body.next().await {
                frame?;
                pieces += 1;
            }
            Ok::<_, BodyError>(pieces)
        };
        let (read, called) = tokio::join!(read, call);
        assert_eq!(called.unwrap(), "b");
        match read {
            Ok(pieces) => assert_eq!((pieces, is_long), (millis / 100, false)),
            Err(BodyError::Fault(fault)) => {
                assert_eq!((fault.kind(), is_long), (FaultKind::NodeLost, true));
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn arguments_and_results_over_the_inline_limit() {
    large_arguments_and_results(&Bus::loopback()).await;
}

/// Fails when the stream that an announced one-way call needs is dropped with the call.
#[tokio::test(start_paused = true)]
async fn large_arguments_of_a_one_way_call() {
    let bus = Bus::loopback();
    let (caller, b) = pair(&bus).await;
    let bytes = Bytes::from(vec![1; 3_000_000]);
    let sent = caller.note(5_000, 1, bytes).await;
    sent.unwrap();
    eventually("the note", || {
        b.record.noted_bytes.load(Relaxed) == 3_000_000
    })
    .await;
    caller.is_idle().await;
}

/// Fails when a result over the limit is sent, or its fault does not say that the operation ran.
#[tokio::test(start_paused = true)]
async fn a_result_over_the_limit() {
    let bus = Bus::loopback();
    let (caller, b) = pair(&bus).await;
    // With its length in front the result is just over what the arguments just were not.
    let bytes = Bytes::from(vec![1; ARGUMENT_BYTES_MAX - 2]);
    let answer = caller.mirror(60_000, 1, bytes).await;
    let fault = answer.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::TooLarge);
    assert_eq!(fault.execution(), Execution::Executed);
    assert_eq!(b.record.runs(1), 1);
}

/// Fails when a gap in the sequence, or a lost end, passes for the end.
#[tokio::test(start_paused = true)]
async fn a_lost_chunk_is_a_fault_and_never_a_shorter_body() {
    for lost in [0, 1, 3] {
        let bus = Bus::loopback();
        let (caller, b) = pair(&bus).await;
        caller.wire.plan().lost_chunk = Some(lost);
        let body = Body::whole(Bytes::from(vec![1; 3 * CHUNK_BYTES_MAX + 5]));
        let answer = caller.reflect(60_000, SUM, Some(body)).await;
        let fault = answer.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Disconnected, "{fault}");
        assert_eq!(fault.hop(), Hop::Stream);

        // And nothing that came after the gap is handed on.
        let body = Body::whole(Bytes::from(vec![1; 4 * CHUNK_BYTES_MAX]));
        let kept = caller.reflect(5_000, KEEP, Some(body)).await;
        kept.unwrap();
        let mut body = b.mirror.take_kept().remove(0);
        for _ in 0..lost {
            body.next().await.unwrap().unwrap();
        }
        body.next().await.unwrap().unwrap_err();
        drop(body);
        caller.is_idle().await;
        b.is_idle().await;
    }
    // The last chunk and the end behind it.
    let bus = Bus::loopback();
    let (caller, b) = pair(&bus).await;
    let kept = caller.reflect(1_000, KEEP, Some(patterned(100_000))).await;
    kept.unwrap();
    let mut body = b.mirror.take_kept().remove(0);
    bus.faults().lose(1.0, 1);
    let started = Instant::now();
    let fault = body.next().await.unwrap().unwrap_err().into_fault();
    bus.faults().lose(0.0, 1);
    assert!(
        started.elapsed() <= STREAM_IDLE_MAX + Duration::from_millis(2),
        "{fault}"
    );
    assert!(body.next().await.is_none());
}

/// A tenth of all payloads is lost: each body is whole or ends in a fault.
#[tokio::test(start_paused = true)]
async fn bodies_on_a_lossy_bus() {
    let seed = 11;
    println!("seed {seed}");
    let bus = Bus::loopback();
    let (caller, _b) = pair(&bus).await;
    bus.faults().lose(0.03, seed);
    let expected = sum(patterned(2_000_000)).await.unwrap();
    let (mut whole, mut broken) = (0, 0);
    for _ in 0..60 {
        let body = Some(patterned(2_000_000));
        match caller.reflect(3_000, SUM, body).await {
            Ok(answer) => {
                whole += 1;
                assert_eq!(answer.result, expected);
            }
            Err(_) => broken += 1,
        }
    }
    assert!(whole > 0 && broken > 0, "{whole} whole, {broken} broken");
    bus.faults().lose(0.0, seed);
    caller.is_idle().await;
}

/// Fails when a producer's fault is an end, or a producer's panic leaves its receiver waiting.
#[tokio::test(start_paused = true)]
async fn a_producer_that_fails_midway() {
    let bus = Bus::loopback();
    let (caller, b) = pair(&bus).await;
    let good = || Ok(BodyFrame::Data(Bytes::from(vec![1; 200_000])));
    let bad = || Fault::maybe_executed(FaultKind::Crashed, Hop::Backend, "the disk is gone");
    let fails = Body::new(None, stream::iter([good(), good(), Err(bad().into())]));
    let answer = caller.reflect(5_000, SUM, Some(fails)).await;
    let fault = answer.unwrap_err();
    assert_eq!(
        (fault.kind(), fault.detail()),
        (FaultKind::Crashed, bad().detail())
    );

    let panics = stream::iter([0, 1]).map(move |n| match n {
        0 => good(),
        _ => panic!("the test asked for it"),
    });
    *b.mirror.produce.lock() = Some(Body::new(None, panics));
    let answer = caller.reflect(5_000, PRODUCE, None).await;
    let started = Instant::now();
    let fault = answer.unwrap().body.unwrap().collect(usize::MAX).await;
    assert_eq!(fault.unwrap_err().into_fault().kind(), FaultKind::Crashed);
    assert!(started.elapsed() < Duration::from_secs(1));
    for node in [&caller, &b] {
        node.is_idle().await;
    }
}

/// Fails when the receiver of a body is not told that the sender has given it up: it hears the sender, and would
/// wait for its idle limit.
#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_only_not_heard_is_told() {
    for is_silent_before in [false, true] {
        let bus = Bus::loopback();
        let (caller, b) = pair(&bus).await;
        let falls_silent = async || {
            caller.wire.plan().is_silent = true;
            let given_up = |view: &wrt_membership::View| {
                let member = view.member(&caller.id);
                member.is_some_and(|member| member.liveness == Liveness::Suspect)
            };
            b.sees("silence", given_up).await;
        };
        if is_silent_before {
            falls_silent().await;
        }
        let first = stream::once(async { Ok(BodyFrame::Data(Bytes::from_static(b"first"))) });
        let body = Body::new(None, first.chain(stream::pending()));
        *b.mirror.produce.lock() = Some(body);
        let answer = caller.reflect(5_000, PRODUCE, None).await.unwrap();
        let mut body = answer.body.unwrap();
        if !is_silent_before {
            body.next().await.unwrap().unwrap();
            falls_silent().await;
        }
        let started = Instant::now();
        let fault = body.next().await.unwrap().unwrap_err().into_fault();
        assert_eq!(fault.kind(), FaultKind::NodeLost, "{fault}");
        assert!(fault.detail().contains("sender"), "{fault}");
        assert!(started.elapsed() < Duration::from_secs(1), "{fault}");
        drop(body);
        for node in [&caller, &b] {
            node.is_idle().await;
        }
    }
}

/// A producer that can be asked whether it was dropped.
fn watched() -> (Body<BodyError>, Arc<AtomicU64>) {
    let alive = Arc::new(AtomicU64::new(0));
    let guard = Arc::clone(&alive);
    let pieces = stream::repeat(()).then(move |()| {
        guard.fetch_add(1, Relaxed);
        async {
            // Time does not pass while anything is ready.
            sleep(Duration::from_millis(1)).await;
            Ok(BodyFrame::Data(Bytes::from(vec![1; 1000])))
        }
    });
    (Body::new(None, pieces), alive)
}

/// Fails when dropping the receiver does not stop the sender, opened or not, in either direction.
#[tokio::test(start_paused = true)]
async fn dropping_a_receiver_cancels_the_producer() {
    for read in [false, true] {
        let bus = Bus::loopback();
        let (caller, b) = pair(&bus).await;
        let (body, alive) = watched();
        let kept = caller.reflect(1_000, KEEP, Some(body)).await;
        kept.unwrap();
        let mut body = b.mirror.take_kept().remove(0);
        let (produced, produced_alive) = watched();
        *b.mirror.produce.lock() = Some(produced);
        let answer = caller.reflect(1_000, PRODUCE, None).await;
        let mut answer = answer.unwrap().body.unwrap();
        if read {
            body.next().await.unwrap().unwrap();
            answer.next().await.unwrap().unwrap();
        }
        let started = Instant::now();
        drop((body, answer));
        eventually("the producers are dropped", || {
            Arc::strong_count(&alive) == 1 && Arc::strong_count(&produced_alive) == 1
        })
        .await;
        assert!(started.elapsed() < Duration::from_secs(1));
        for node in [&caller, &b] {
            node.is_idle().await;
        }
    }
}

/// Fails when a call that is taken back leaves its body flowing.
#[tokio::test(start_paused = true)]
async fn dropping_the_call_stops_its_body() {
    let bus = Bus::loopback();
    let (caller, b) = pair(&bus).await;
    let (body, alive) = watched();
    tokio::select! {
        _ = caller.reflect(60_000, SUM, Some(body)) => panic!("it never ends"),
        () = eventually("it flows", || alive.load(Relaxed) > 100) => {}
    }
    eventually("the producer is dropped", || Arc::strong_count(&alive) == 1).await;
    for node in [&caller, &b] {
        node.is_idle().await;
    }
}

/// Fails without the idle limit at either end.
#[tokio::test(start_paused = true)]
async fn a_body_without_progress_ends() {
    // The receiver takes nothing.
    let bus = Bus::loopback();
    let (caller, b) = pair(&bus).await;
    let (body, alive) = watched();
    let kept = caller.reflect(1_000, KEEP, Some(body)).await;
    kept.unwrap();
    let mut body = b.mirror.take_kept().remove(0);
    body.next().await.unwrap().unwrap();
    let second = Duration::from_secs(1);
    sleep(STREAM_IDLE_MAX - second).await;
    assert_eq!(Arc::strong_count(&alive), 2, "not yet");
    sleep(2 * second).await;
    assert_eq!(Arc::strong_count(&alive), 1);
    // What was in flight is read, and then the fault.
    let rest = body.collect(usize::MAX).await.unwrap_err().into_fault();
    assert_eq!(rest.kind(), FaultKind::DeadlineExceeded, "{rest}");

    // The producer makes nothing.
    let silent = Body::new(None, stream::pending());
    let kept = caller.reflect(1_000, KEEP, Some(silent)).await;
    kept.unwrap();
    let mut body = b.mirror.take_kept().remove(0);
    let started = Instant::now();
    let fault = body.next().await.unwrap().unwrap_err().into_fault();
    assert_eq!(fault.kind(), FaultKind::DeadlineExceeded);
    assert!(started.elapsed().abs_diff(STREAM_IDLE_MAX) < second);
    drop(body);
    for node in [&caller, &b] {
        node.is_idle().await;
    }
}

/// Fails when a lost node leaves the other end of a body waiting for the idle limit.
#[tokio::test(start_paused = true)]
async fn a_body_of_a_lost_node_ends_at_suspicion() {
    let bus = Bus::loopback();
    let (caller, b) = pair(&bus).await;
    let first = Ok(BodyFrame::Data(Bytes::from_static(b"x")));
    let slow = stream::iter([first]).chain(stream::pending());
    *b.mirror.produce.lock() = Some(Body::new(None, slow));
    let answer = caller.reflect(1_000, PRODUCE, None).await;
    let mut body = answer.unwrap().body.unwrap();
    body.next().await.unwrap().unwrap();
    bus.faults().partition(&caller.id, &b.id);
    let started = Instant::now();
    let fault = body.next().await.unwrap().unwrap_err().into_fault();
    assert_eq!(fault.kind(), FaultKind::NodeLost);
    assert!(started.elapsed() < Duration::from_millis(1200));
    drop(body);
    caller.is_idle().await;
    b.is_idle().await;
}

/// Fails when trailers are dropped, or come before the last bytes.
#[tokio::test(start_paused = true)]
async fn trailers_come_last() {
    let bus = Bus::loopback();
    let (caller, _b) = pair(&bus).await;
    let trailers = vec![("checksum".to_owned(), vec![1, 2, 3])];
    let frames = [
        Ok(BodyFrame::Data(Bytes::from(vec![1; 300_000]))),
        Ok(BodyFrame::Trailers(trailers.clone())),
    ];
    let body = Body::new(Some(300_000), stream::iter(frames));
    let answer = caller.reflect(5_000, ECHO, Some(body)).await;
    let body = answer.unwrap().body.unwrap();
    assert_eq!(body.length(), Some(300_000), "a known length travels too");
    let frames: Vec<_> = body.map(Result::unwrap).collect().await;
    assert_eq!(frames.len(), 4);
    assert_eq!(frames[3], BodyFrame::Trailers(trailers));
}

/// Fails when a small body needs a stream, or loses its trailers or its length inside the message.
#[tokio::test(start_paused = true)]
async fn a_small_body_travels_inside_its_message() {
    let bus = Bus::loopback();
    let (caller, b) = pair(&bus).await;
    for length in [None, Some(3)] {
        let trailers = vec![("checksum".to_owned(), vec![1, 2, 3])];
        let frames = [
            Ok(BodyFrame::Data(Bytes::from_static(b"ab"))),
            Ok(BodyFrame::Data(Bytes::from_static(b"c"))),
            Ok(BodyFrame::Trailers(trailers.clone())),
        ];
        let body = Body::new(length, stream::iter(frames));
        let answer = caller.reflect(5_000, ECHO, Some(body)).await;
        let body = answer.unwrap().body.unwrap();
        assert_eq!(body.length(), length);
        let frames: Vec<_> = body.map(Result::unwrap).collect().await;
        let data = BodyFrame::Data(Bytes::from_static(b"abc"));
        assert_eq!(frames, [data, BodyFrame::Trailers(trailers)]);
    }
    for node in [&caller, &b] {
        assert_eq!(node.wire.chunks.load(Relaxed), 0);
    }
}

/// The head of a response had gone out with a length that its body did not have, and the next answer
/// on the connection was read as this one's.
#[tokio::test(start_paused = true)]
async fn a_body_of_another_length_is_the_same_error_on_every_way() {
    for (announced, bytes, word) in [
        (5, 0, "shorter"),
        (5, 1, "shorter"),
        (1, 5, "longer"),
        (200_000, 199_999, "shorter"),
        (199_999, 200_000, "longer"),
    ] {
        let bus = Bus::loopback();
        let (caller, b) = pair(&bus).await;
        let wrong = || {
            let pieces = stream::iter(vec![1; bytes]).chunks(50_000).map(Bytes::from);
            Body::new(Some(announced), pieces.map(BodyFrame::Data).map(Ok))
        };
        let check = |what: &str, fault: Fault| {
            let what = format!("{what}, {bytes} of {announced}: {fault}");
            assert_eq!(fault.kind(), FaultKind::Malformed, "{what}");
            assert!(fault.detail().contains(word), "{what}");
        };
        let taken = sum(wrong()).await;
        check("co-located", taken.unwrap_err());
        let taken = caller.reflect(5_000, SUM, Some(wrong())).await;
        check("of a request", taken.unwrap_err());
        *b.mirror.produce.lock() = Some(wrong());
        let given = caller.reflect(5_000, PRODUCE, None).await.unwrap();
        check("of a reply", sum(given.body.unwrap()).await.unwrap_err());
    }
}

/// Fails when an error of an interface's own becomes a fault on its way, or its bytes are lost.
#[tokio::test(start_paused = true)]
async fn an_interfaces_own_error_ends_a_body() {
    let bus = Bus::loopback();
    let (caller, _b) = pair(&bus).await;
    let own = |bytes: usize| BodyError::Own(vec![7; bytes].into());
    let echo = async |error: BodyError| {
        let frames = [Ok(BodyFrame::Data(vec![1; 9].into())), Err(error)];
        let body = Body::new(None, stream::iter(frames));
        let answer = caller.reflect(5_000, ECHO, Some(body)).await.unwrap();
        let frames: Vec<_> = StreamExt::collect(answer.body.unwrap()).await;
        assert_eq!(frames.len(), 2);
        let last: &Result<BodyFrame, BodyError> = &frames[1];
        last.clone().unwrap_err()
    };
    assert_eq!(echo(own(3)).await, own(3));
    let fault = echo(own(CHUNK_BYTES_MAX + 1)).await.into_fault();
    assert_eq!(fault.kind(), FaultKind::TooLarge);
    caller.is_idle().await;
}

/// Fails when an empty body is not one.
#[tokio::test(start_paused = true)]
async fn an_empty_body() {
    let bus = Bus::loopback();
    let (caller, b) = pair(&bus).await;
    let body = Some(Body::whole(Bytes::new()));
    let answer = caller.reflect(1_000, SUM, body).await.unwrap();
    assert_eq!(answer.result[..8], 0_u64.to_le_bytes());
    caller.is_idle().await;
    b.is_idle().await;
}
