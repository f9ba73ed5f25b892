//! What a node keeps of code on its disk: components that it has fetched, and what was compiled of them.
//!
//! The folder may be shared: by nodes, also of other lattices, and by programs that run a component
//! without any. So only what was fetched goes because no app names it, by what *all* nodes that keep
//! their desired state there know; the rest goes when the folder gets too large.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;
use wrt_component::{CacheFolder, CachedFile};
use wrt_deployment::{Digest, Known, Snapshot};

use super::{
    flights::Flights,
    keeping::{Keeping, Kept, Plan},
};

/// How large a cache is, and for how long it keeps what nobody needs.
#[derive(Debug, Clone)]
pub struct CacheOptions {
    /// The folder; without one nothing is kept.
    pub folder: Option<PathBuf>,
    /// Bytes of code in it.
    pub bytes_max: u64,
    /// How long code stays that no app names any more: it may be deployed again.
    pub grace: Duration,
}

/// The code that a node keeps.
pub struct CodeCache {
    components: Option<CacheFolder>,
    artefacts: Option<CacheFolder>,
    options: CacheOptions,
    flights: Arc<Flights>,
    /// Since when nobody names what somebody has named.
    unnamed: Mutex<Unnamed>,
}

#[derive(Default)]
struct Unnamed {
    named: BTreeSet<Digest>,
    since: HashMap<Digest, Instant>,
}

/// The file of a fetched component.
pub(super) fn component_file(digest: Digest) -> String {
    format!("{}.wasm", digest.to_hex())
}

/// Whose code a file is.
fn digest_of(name: &str) -> Option<Digest> {
    let digits = name.split(['.', '-']).next()?;
    format!("sha256:{digits}").parse().ok()
}

impl CodeCache {
    /// Opens the cache. A folder that cannot be used is told, and nothing is kept then.
    #[must_use]
    pub fn open(options: CacheOptions) -> Self {
        let open = |name: &str| {
            let path = options.folder.as_ref()?.join(name);
            let shown = path.display().to_string();
            let told = |error: &io::Error| {
                tracing::warn!(%error, path = shown, "no code is kept");
            };
            CacheFolder::open(path).inspect_err(told).ok()
        };
        Self {
            components: open("components"),
            artefacts: open("code"),
            options,
            flights: Arc::default(),
            unnamed: Mutex::default(),
        }
    }

    pub(super) fn components(&self) -> Option<&CacheFolder> {
        self.components.as_ref()
    }

    /// Whether both a component and what was compiled of it are found again.
    pub(super) fn keeps_code(&self) -> bool {
        self.components.is_some() && self.artefacts.is_some()
    }

    pub(super) fn flights(&self) -> &Arc<Flights> {
        &self.flights
    }

    /// Makes room for a component, by what is named least and was not used for longest.
    pub(super) fn make_room(&self, bytes: u64) -> io::Result<()> {
        let Some(left) = self.options.bytes_max.checked_sub(bytes) else {
            return Err(io::Error::other(format!(
                "it has {bytes} bytes, and the cache may have {}",
                self.options.bytes_max
            )));
        };
        let named = self.unnamed.lock().named.clone();
        self.remove(&self.plan(left, &named, &BTreeSet::new())?)
    }

    /// Looks after the cache for ever.
    pub async fn keep(
        self: Arc<Self>,
        desires: tokio::sync::watch::Receiver<Option<Arc<Snapshot>>>,
    ) {
        loop {
            let (cache, snapshot) = (Arc::clone(&self), desires.borrow().clone());
            // Before anything is desired nobody knows what is needed.
            if let Some(snapshot) = snapshot {
                let sweep = move || cache.sweep(&snapshot);
                if let Ok(Err(error)) = tokio::task::spawn_blocking(sweep).await {
                    tracing::warn!(%error, "the cache is not looked after");
                }
            }
            tokio::time::sleep(self.look_interval()).await;
        }
    }

    /// Often enough for the grace, and no file is looked at all the time.
    fn look_interval(&self) -> Duration {
        let (least, most) = (Duration::from_secs(1), Duration::from_secs(60));
        (self.options.grace / 2).clamp(least, most)
    }

    /// Removes what no app names any more for longer than the grace, and what is too much.
    fn sweep(&self, snapshot: &Snapshot) -> io::Result<()> {
        let named = self.named(snapshot);
        let old = match &named {
            Some(named) => self.unnamed_for_long(named)?,
            // Any code might be that of an app that cannot be read.
            None => BTreeSet::new(),
        };
        let named = named.unwrap_or_default();
        self.remove(&self.plan(self.options.bytes_max, &named, &old)?)
    }

    /// What the apps name that any node of this folder knows; `None` where one cannot be read.
    fn named(&self, snapshot: &Snapshot) -> Option<BTreeSet<Digest>> {
        let is_unread = |app: &String| !snapshot.apps.keys().any(|known| known.as_str() == app);
        if snapshot.held.keys().any(is_unread) {
            return None;
        }
        let own = snapshot.apps.values().flat_map(|stored| stored.app.code());
        let mut named: BTreeSet<Digest> = own.collect();
        let folder = self.options.folder.as_ref()?.join("desired");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(named),
            Err(_) => return None,
        };
        for entry in entries {
            let path = entry.ok()?.path();
            if path.extension().is_some_and(|it| it == "json") {
                named.extend(kept_state(&path)?);
            }
        }
        Some(named)
    }

    /// What nobody names for longer than the grace.
    fn unnamed_for_long(&self, named: &BTreeSet<Digest>) -> io::Result<BTreeSet<Digest>> {
        let fetched = files(self.components.as_ref())?;
        let fetched = fetched.iter().filter_map(|file| digest_of(&file.name));
        let mut unnamed = self.unnamed.lock();
        let before = std::mem::replace(&mut unnamed.named, named.clone());
        let since = &mut unnamed.since;
        since.retain(|digest, _| !named.contains(digest));
        let now = Instant::now();
        for digest in fetched.chain(before) {
            if !named.contains(&digest) {
                since.entry(digest).or_insert(now);
            }
        }
        let grace = self.options.grace;
        let is_old = |(_, since): &(&Digest, &Instant)| since.elapsed() >= grace;
        let old: BTreeSet<Digest> = since.iter().filter(is_old).map(|(it, _)| *it).collect();
        since.retain(|digest, _| !old.contains(digest));
        Ok(old)
    }

    fn plan(
        &self,
        bytes_max: u64,
        named: &BTreeSet<Digest>,
        old: &BTreeSet<Digest>,
    ) -> io::Result<Plan> {
        let running: BTreeSet<Digest> = self.flights.running().collect();
        let kept = |file: CachedFile, is_component: bool| {
            let digest = digest_of(&file.name);
            let is_in = |set: &BTreeSet<Digest>| digest.is_some_and(|digest| set.contains(&digest));
            let keeping = if is_in(&running) {
                Keeping::Runs
            } else if is_in(old) {
                Keeping::NotAnyMore
            } else if is_in(named) {
                Keeping::IsNamed
            } else {
                Keeping::MayBeUsed
            };
            Kept {
                file,
                is_component,
                keeping,
            }
        };
        let artefacts = files(self.artefacts.as_ref())?.into_iter();
        // The key is not code.
        let artefacts = artefacts.filter(|file| file.name != "key");
        let components = files(self.components.as_ref())?.into_iter();
        let all = artefacts.map(|file| kept(file, false));
        let all = all.chain(components.map(|file| kept(file, true)));
        Ok(Plan::of(all.collect(), bytes_max))
    }

    fn remove(&self, plan: &Plan) -> io::Result<()> {
        let mut removed: BTreeMap<Keeping, (usize, u64)> = BTreeMap::new();
        for kept in &plan.removed {
            let folder = match kept.is_component {
                true => self.components.as_ref(),
                false => self.artefacts.as_ref(),
            };
            if let Some(folder) = folder {
                folder.remove(&kept.file.name)?;
            }
            let (files, bytes) = removed.entry(kept.keeping).or_default();
            *files += 1;
            *bytes += kept.file.bytes;
        }
        for (keeping, (files, bytes)) in removed {
            match keeping {
                Keeping::NotAnyMore => {
                    tracing::info!(
                        files,
                        bytes,
                        "removed code from the cache that no app names"
                    );
                }
                _ => tracing::warn!(
                    files,
                    bytes,
                    bytes_max = self.options.bytes_max,
                    "the cache is full: removed code that was not used for longest"
                ),
            }
        }
        Ok(())
    }
}

fn files(folder: Option<&CacheFolder>) -> io::Result<Vec<CachedFile>> {
    folder.map_or_else(|| Ok(Vec::new()), CacheFolder::files)
}

/// The code that a kept desired state names; `None` where not all of it can be read.
fn kept_state(path: &Path) -> Option<BTreeSet<Digest>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        // Its node was removed meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(BTreeSet::new()),
        Err(_) => return None,
    };
    let (known, unreadable) = Known::from_json(&bytes).ok()?;
    let apps = known.snapshot().apps;
    let named = apps.values().flat_map(|stored| stored.app.code());
    unreadable.is_empty().then(|| named.collect())
}

#[cfg(test)]
mod tests;
