//! How much memory nodes take while something goes on.

use std::time::Duration;

use crate::{Cluster, ClusterError};

/// Time between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// By how many bytes the resident memory of each of `nodes` grows at the most while `work` goes on,
/// and what becomes of the work.
///
/// # Errors
/// When no node of a name runs.
pub async fn growth_during<T, const N: usize>(
    cluster: &Cluster,
    nodes: [&str; N],
    work: impl Future<Output = T>,
) -> Result<([u64; N], T), ClusterError> {
    let mut before = [0; N];
    for (bytes, node) in before.iter_mut().zip(nodes) {
        *bytes = cluster.node_rss_bytes(node)?;
    }
    let mut peaks = before;
    let look = async {
        loop {
            for (peak, node) in peaks.iter_mut().zip(nodes) {
                // One that has been killed meanwhile takes none.
                *peak = (*peak).max(cluster.node_rss_bytes(node).unwrap_or_default());
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    };
    let done = tokio::select! {
        done = work => done,
        () = look => unreachable!("it looks for ever"),
    };
    let grown = std::array::from_fn(|n| peaks[n].saturating_sub(before[n]));
    Ok((grown, done))
}
