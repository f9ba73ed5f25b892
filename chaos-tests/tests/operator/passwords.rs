//! NATS asks for a password from one day to the next, and nobody was told.
//!
//! Nodes go on with what they have on their own, and say what they need; so does `wrt`. When NATS takes
//! them again, everything is as before, without a restart.

use wrt_chaos_tests::Manifest;

use super::site::{STARTED, Site};

/// In the log of a node, and once.
const NOT_LET_IN: &str = "does not let this node in any more";

/// What `wrt` was not given.
const WHAT_TO_GIVE: &str = "--creds";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_is_not_let_in_says_what_it_needs() -> anyhow::Result<()> {
    let site = Site::bare().await?;
    // On one node, where no call needs the bus.
    site.deploy(Manifest::probe(&["edge"])?).await?;
    site.serves().await?;
    let folder = site.cluster.nats().jetstream_folder();
    let open = format!("jetstream {{ store_dir: {folder:?} }}\n");
    let closed = "authorization { user: bob, password: hush }\n";
    site.reconfigures_nats(&format!("{open}{closed}"))?;

    for node in Site::NODES {
        site.is_told(node, NOT_LET_IN)?;
    }
    for arguments in [&["ps"][..], &["down", "probe"]] {
        let told = site.wrt_fails(arguments)?;
        println!("{told}");
        anyhow::ensure!(told.contains(WHAT_TO_GIVE), "{told}");
    }
    site.serves().await?;
    for node in Site::NODES {
        let log = site.cluster.node_log(node);
        anyhow::ensure!(log.matches(NOT_LET_IN).count() == 1, "{log}");
    }

    site.reconfigures_nats(&open)?;
    site.is_ready(&Site::NODES).await?;
    site.serves_within(STARTED).await?;
    site.wrt(&["down", "probe"])?;
    Ok(())
}
