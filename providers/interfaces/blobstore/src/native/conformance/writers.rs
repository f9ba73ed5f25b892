//! Writers that do not come to their end, and those that come together.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use tokio::sync::oneshot;
use wrt_conformance::cases;
use wrt_contract::{Body, BodyFrame, CallContext};
use wrt_protocol::{Fault, FaultKind, Hop};

use super::{
    Case, Fixture,
    fixture::{bytes_at, pattern},
};
use crate::BlobstoreError;

pub(super) const CASES: &[Case] = cases![
    a_write_is_seen_when_it_is_complete_and_not_before,
    a_write_that_breaks_off_leaves_all_as_it_was,
    a_write_whose_time_is_over_leaves_all_as_it_was,
    a_write_that_is_taken_back_leaves_all_as_it_was,
    of_writers_that_come_together_one_is_the_last,
];

const HALF: u64 = 700_000;

fn half() -> impl Iterator<Item = Result<BodyFrame, BlobstoreError>> + Send + 'static {
    let starts = (0..HALF).step_by(50_000);
    starts.map(|start| Ok(BodyFrame::Data(bytes_at(start..start + 50_000))))
}

/// A body that goes on when `go_on` says so, or drops its other end; it says when it waits.
fn in_two_halves() -> (
    Body<BlobstoreError>,
    oneshot::Receiver<()>,
    oneshot::Sender<()>,
) {
    let (waits, is_waiting) = oneshot::channel();
    let (go_on, goes_on) = oneshot::channel();
    let pause = stream::once(async move {
        let _nobody_asks = waits.send(());
        let _dropped = goes_on.await;
        Ok(BodyFrame::Data(Bytes::from_static(b"!")))
    });
    let body = Body::new(None, stream::iter(half()).chain(pause));
    (body, is_waiting, go_on)
}

async fn is_as_it_was(store: &Fixture) {
    assert_eq!(store.read("replaced").await, "old");
    assert_eq!(store.size("new").await, None);
    assert_eq!(store.list().await, ["replaced"]);
}

async fn with_an_old_object(store: &Fixture) {
    store.make().await;
    store.write("replaced", "old").await;
}

async fn a_write_is_seen_when_it_is_complete_and_not_before(store: Fixture) {
    with_an_old_object(&store).await;
    for name in ["new", "replaced"] {
        let (body, is_waiting, go_on) = in_two_halves();
        let write = store.try_write(name, body);
        let meanwhile = async {
            is_waiting.await.expect("it reads the first half");
            assert_eq!(store.read("replaced").await, "old");
            if name == "new" {
                is_as_it_was(&store).await;
            }
            go_on.send(()).expect("it waits");
        };
        let (written, ()) = futures::join!(write, meanwhile);
        written.unwrap_or_else(|error| panic!("{name}: {error}"));
        let whole = [&bytes_at(0..HALF)[..], b"!"].concat();
        assert!(store.read(name).await == whole, "{name}");
    }
    store.remove().await;
}

async fn a_write_that_breaks_off_leaves_all_as_it_was(store: Fixture) {
    with_an_old_object(&store).await;
    let gone = || {
        let fault = Fault::maybe_executed(FaultKind::NodeLost, Hop::Stream, "gone");
        BlobstoreError::Fault(fault)
    };
    for name in ["replaced", "new"] {
        let broken = Body::new(None, stream::iter(half().chain([Err(gone())])));
        let short = Body::new(Some(HALF + 1), stream::iter(half()));
        for body in [broken, short] {
            let written = store.try_write(name, body).await;
            let is_told = matches!(written, Err(BlobstoreError::Fault(_)));
            assert!(is_told, "{name}: {written:?}");
            is_as_it_was(&store).await;
        }
    }
    store.remove().await;
}

async fn a_write_whose_time_is_over_leaves_all_as_it_was(store: Fixture) {
    with_an_old_object(&store).await;
    for name in ["replaced", "new"] {
        let (body, _is_waiting, _go_on) = in_two_halves();
        let context = CallContext::with_budget(Duration::from_millis(300));
        let object = store.object(name);
        let written = store.store.write_data(&context, &object, body).await;
        let is_told = matches!(&written, Err(BlobstoreError::Fault(fault)) if fault.kind() == FaultKind::DeadlineExceeded);
        assert!(is_told, "{name}: {written:?}");
        is_as_it_was(&store).await;
    }
    store.remove().await;
}

async fn a_write_that_is_taken_back_leaves_all_as_it_was(store: Fixture) {
    with_an_old_object(&store).await;
    for name in ["replaced", "new"] {
        let (body, is_waiting, go_on) = in_two_halves();
        let write = store.try_write(name, body);
        tokio::select! {
            written = write => panic!("{name}: it does not end by itself: {written:?}"),
            waits = is_waiting => waits.expect("it reads the first half"),
        }
        is_as_it_was(&store).await;
        // The end of the body comes to nobody.
        let _taken_back = go_on.send(());
        is_as_it_was(&store).await;
    }
    store.remove().await;
}

async fn of_writers_that_come_together_one_is_the_last(store: Fixture) {
    store.make().await;
    let sizes = [100_000, 200_000, 300_000, 400_000];
    let writes = sizes.map(|size| store.try_write("object", pattern(size)));
    for written in futures::future::join_all(writes).await {
        written.expect("each of them is stored");
    }
    let read = store.read("object").await;
    let size = read.len() as u64;
    assert!(sizes.contains(&size), "{size} bytes");
    assert!(read == bytes_at(0..size), "bytes of several");
    assert_eq!(store.list().await, ["object"]);
    store.remove().await;
}
