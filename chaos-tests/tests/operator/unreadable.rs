//! An app is stored by another build, in a form that the nodes cannot read.
//!
//! What they last could read of it goes on, also on a node that is started again. The log and `wrt ps`
//! say why it is not followed.

use super::site::{STARTED, Site};

/// It vanished from a node that was started again, and nothing said so.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_last_readable_form_goes_on_and_is_told() -> anyhow::Result<()> {
    let site = Site::start().await?;
    let bucket = site.bucket().await?;
    bucket
        .put("probe", r#"{"version":99,"app":"probe"}"#.into())
        .await?;
    bucket
        .put("later", r#"{"version":99,"app":"later"}"#.into())
        .await?;
    for restarted in [None, Some("a"), Some("edge")] {
        if let Some(node) = restarted {
            site.restarts_node(node)?;
        }
        let status = site.shows_held("probe", &Site::NODES).await?;
        let reason = status.held("a", "probe").unwrap_or_default();
        anyhow::ensure!(reason.contains("form 99"), "{reason}");
        anyhow::ensure!(status.held("a", "later").is_some(), "{status:?}");
        site.serves_within(STARTED).await?;
    }
    site.is_told("a", "stored in form 99")?;
    let ps = site.wrt(&["ps"])?;
    anyhow::ensure!(ps.contains("app later") && ps.contains("form 99"), "{ps}");

    // One that this build reads takes its place.
    let manifest = site.cluster.folder().join("app.toml");
    site.wrt(&["up", &manifest.to_string_lossy()])?;
    site.wrt(&["down", "later"])?;
    site.shows_no_trouble().await?;
    site.serves().await
}
