//! Objects of 64 MiB in NATS's object store: through a co-located link, beside the store's own client; and by
//! another node's provider, beside a bare way to that node and the store's own client, one after the other.
//! And memory, while 1 GiB goes to a store on another node, and back.
//!
//! Each object that is put lies in a container of its own, which is made before the time begins and removed
//! after it ended. All are kept in the server's memory, so that no disk is measured.

mod bare;
mod memory;

use std::{
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use wrt_blobstore::{Blobstore, BlobstoreInterface, ByteRange, ObjectId};
use wrt_contract::{Body, BodyFrame, CallContext};

use self::bare::Bare;
use crate::{
    blob_provider::store, colocated::linked, rounds::rates_in_turns, row::Row, serving::Pair,
};

const ROUNDS: u32 = 12;
const OBJECT_BYTES: usize = 64 << 20;
/// As a guest writes it.
const PIECE_BYTES: usize = 64 << 10;
/// A round that takes longer has lost something.
const ROUND_MAX: Duration = Duration::from_secs(60);
const MIB: f64 = (1 << 20) as f64;

/// What every object holds.
static DATA: LazyLock<Bytes> = LazyLock::new(|| (0..251).cycle().take(OBJECT_BYTES).collect());

/// Where the provider is, for whoever asks.
#[derive(Clone, Copy)]
enum Place {
    Here,
    Elsewhere,
}

/// Measures in both places, and what memory nodes take.
pub async fn measure() -> anyhow::Result<Vec<Row>> {
    let pair = Pair::start().await?;
    let bare = Bare::new(&pair.nats.url()).await?;
    let here = linked::<BlobstoreInterface>(store(&pair.nats.url()).await?)?;
    let mut rows = rows(Place::Here, here, &bare).await?;
    let elsewhere = pair.remote::<BlobstoreInterface>()?;
    rows.extend(self::rows(Place::Elsewhere, elsewhere, &bare).await?);
    rows.extend(memory::measure().await?);
    Ok(rows)
}

async fn rows(place: Place, store: Arc<dyn Blobstore>, bare: &Bare) -> anyhow::Result<Vec<Row>> {
    let (work, beside) = match place {
        Place::Here => (
            "an object of 64 MiB, co-located link, nats",
            "the store's own client",
        ),
        Place::Elsewhere => (
            "an object of 64 MiB, provider on another node, nats",
            "bare NATS, then the store's own client",
        ),
    };
    let object = ObjectId::new("bench", "object")?;
    let put = async || put(&*store, &object).await;
    let put = rates_in_turns(ROUNDS, put, async || bare.put(place).await).await?;

    let kept = ObjectId::new("kept", "object")?;
    store.create_container(&context(), &kept.container).await?;
    store.write_data(&context(), &kept, pieces()).await?;
    let get = async || get(&*store, &kept).await;
    let get = rates_in_turns(ROUNDS, get, async || bare.get(place).await).await?;
    store.delete_container(&context(), &kept.container).await?;
    let row = |metric, rates: crate::rounds::Rates| {
        Row::beside((work, metric, "MiB/s"), rates.ours, (beside, rates.theirs))
    };
    Ok(vec![row("put", put), row("get", get)])
}

/// As a link makes it for each operation of a guest.
fn context() -> CallContext {
    CallContext::with_budget(ROUND_MAX).for_operation()
}

fn pieces() -> Body<wrt_blobstore::BlobstoreError> {
    let starts = (0..OBJECT_BYTES).step_by(PIECE_BYTES);
    let pieces = starts.map(|start| Ok(BodyFrame::Data(DATA.slice(start..start + PIECE_BYTES))));
    Body::new(None, stream::iter(pieces))
}

/// A rate, of an object that has passed since `began`.
fn rate(began: Instant) -> f64 {
    OBJECT_BYTES as f64 / MIB / began.elapsed().as_secs_f64()
}

async fn put(store: &dyn Blobstore, object: &ObjectId) -> anyhow::Result<f64> {
    store
        .create_container(&context(), &object.container)
        .await?;
    let began = Instant::now();
    store.write_data(&context(), object, pieces()).await?;
    let rate = rate(began);
    store
        .delete_container(&context(), &object.container)
        .await?;
    Ok(rate)
}

async fn get(store: &dyn Blobstore, object: &ObjectId) -> anyhow::Result<f64> {
    let began = Instant::now();
    let mut body = store.get_data(&context(), object, ByteRange::WHOLE).await?;
    let mut bytes = 0;
    while let Some(frame) = body.next().await {
        if let BodyFrame::Data(piece) = frame? {
            bytes += piece.len();
        }
    }
    anyhow::ensure!(bytes == OBJECT_BYTES, "{bytes} bytes came");
    Ok(rate(began))
}
