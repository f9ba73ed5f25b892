//! What a node keeps on its disk.
//!
//! Desired state has environments and passwords: only the node's owner reads it, also what an earlier
//! build has left open to others.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use super::site::Site;

fn mode(path: &Path) -> anyhow::Result<u32> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o777)
}

/// Folder and files, and how open they are.
fn modes(folder: &Path) -> anyhow::Result<(u32, Vec<u32>)> {
    let files = fs::read_dir(folder)?.map(|entry| mode(&entry?.path()));
    Ok((mode(folder)?, files.collect::<Result<_, _>>()?))
}

/// The folder was 0755 and its files 0644.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn only_its_owner_reads_it() -> anyhow::Result<()> {
    let site = Site::start().await?;
    let folder = site.cluster.kept_folder("a");
    let is_closed = || -> anyhow::Result<()> {
        let (of_folder, of_files) = modes(&folder)?;
        anyhow::ensure!(of_folder == 0o700, "{of_folder:o}");
        anyhow::ensure!(of_files.len() >= 2, "desired state and epoch are kept");
        let closed = of_files.iter().all(|mode| *mode == 0o600);
        anyhow::ensure!(closed, "{of_files:?}");
        Ok(())
    };
    is_closed()?;
    // As an earlier build left it.
    fs::write(folder.join("default-a.json"), "[]")?;
    for entry in fs::read_dir(&folder)? {
        fs::set_permissions(entry?.path(), Permissions::from_mode(0o644))?;
    }
    fs::set_permissions(&folder, Permissions::from_mode(0o755))?;
    site.restarts_node("a")?;
    site.shows_no_trouble().await?;
    is_closed()
}
