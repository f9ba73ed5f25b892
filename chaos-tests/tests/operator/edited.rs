//! An operator edits WRT's streams.
//!
//! Their settings are the operator's: nobody compares or changes them, and everything goes on.

use async_nats::jetstream::stream::Compression;

use super::site::{STARTED, Site};

const STREAMS: [&str; 2] = ["KV_wrt-default-desired", "OBJ_wrt-default-components"];

/// `up`, `down` and every new node failed for good, with "stream name already in use".
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everything_goes_on_and_the_settings_stay() -> anyhow::Result<()> {
    let site = Site::start().await?;
    let jetstream = site.jetstream().await?;
    let mut edited = Vec::new();
    for name in STREAMS {
        let mut config = jetstream
            .get_stream(name)
            .await?
            .cached_info()
            .config
            .clone();
        config.description = Some("of the operator".to_owned());
        config.max_bytes = 256 * 1024 * 1024;
        config.compression = Some(Compression::S2);
        jetstream.update_stream(&config).await?;
        edited.push(
            jetstream
                .get_stream(name)
                .await?
                .cached_info()
                .config
                .clone(),
        );
    }
    site.deploys_another()?;
    site.restarts_node("a")?;
    site.shows_no_trouble().await?;
    site.serves_within(STARTED).await?;
    site.wrt(&["down", "counter"])?;
    site.wrt(&["down", "probe"])?;
    for (name, config) in STREAMS.iter().zip(edited) {
        let now = jetstream
            .get_stream(*name)
            .await?
            .cached_info()
            .config
            .clone();
        anyhow::ensure!(now == config, "{name} was changed: {now:?}");
    }
    Ok(())
}
