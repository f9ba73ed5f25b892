//! A pinned call from one node to another, beside the same call unpinned.

use wrt_contract::CallContext;

use crate::{cursors::CursorsInterface, rounds::in_turns, row::Row, serving::Pair};

const WORK: &str = "a pinned call, another node";
const BESIDE: &str = "the same call, unpinned";

/// Measures at one in flight and at 64.
pub async fn measure() -> anyhow::Result<Vec<Row>> {
    let pair = Pair::start().await?;
    let cursors = pair.remote::<CursorsInterface>()?;
    let lease = cursors.open(&CallContext::default()).await?;
    let pinned = async || -> anyhow::Result<()> {
        cursors.pinned(&CallContext::default(), &lease).await?;
        Ok(())
    };
    let unpinned = async || -> anyhow::Result<()> {
        cursors.unpinned(&CallContext::default(), &lease).await?;
        Ok(())
    };
    let (one, other_one) = in_turns(20, 1_000, 1, pinned, unpinned).await?;
    let (many, other_many) = in_turns(20, 12_800, 64, pinned, unpinned).await?;
    let row =
        |metric, unit, ours, theirs| Row::beside((WORK, metric, unit), ours, (BESIDE, theirs));
    Ok(vec![
        row(
            "p50, 1 in flight",
            "us",
            one.p50_micros,
            other_one.p50_micros,
        ),
        row(
            "throughput, 64 in flight",
            "1/s",
            many.per_second,
            other_many.per_second,
        ),
    ])
}
